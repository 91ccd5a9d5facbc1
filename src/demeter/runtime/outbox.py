"""Delivery of the transactional outbox: at least once, in order per organization, to consumers in this installation.

A message leaves only if the transaction that wrote it committed. In order means: what was published after another
message was committed arrives after it; of transactions at work at the same time either may come first. Consumers must
be idempotent (a kill between handling and marking repeats the message).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

from demeter.runtime import logging
from demeter.runtime.database import Database, Role, Scope, UnitOfWork
from demeter.runtime.jobs import alone

log = logging.get("outbox")
BATCH = 200
KEPT_AFTER_DELIVERY = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Message:
    """One message as published."""

    id: int
    organization_id: int
    topic: str
    key: str
    payload: Mapping[str, Any]
    created_at: datetime


Consumer = Callable[[UnitOfWork, Message], None]
Consumers = Mapping[str, Sequence[Consumer]]
"""Topic → who is told of it."""


def dispatch(database: Database, consumers: Consumers) -> int:
    """Hand waiting messages to the consumers of their topic and mark them; return how many were delivered.

    One dispatcher works at a time. A consumer that raises is logged and ends its organization's turn: the message is
    tried again by the next call, before those after it; other organizations go on. Messages whose topic has no
    consumer wait: one that is added later gets all of them.
    """
    if not consumers:
        return 0
    delivered = 0
    with alone(database, "outbox") as free:
        if not free:
            return 0
        with database.connect(Role.OWNER, autocommit=True) as connection:  # unscoped: marks messages of all
            for organization_id in database.organization_ids():
                delivered += _turn(database, connection, organization_id, consumers)
    return delivered


def _turn(database: Database, connection: psycopg.Connection[Any], organization_id: int, consumers: Consumers) -> int:
    with connection.cursor(row_factory=class_row(Message)) as cursor:
        waiting = cursor.execute(
            "SELECT id, organization_id, topic, key, payload, created_at FROM runtime.outbox"
            " WHERE published_at IS NULL AND organization_id = %s AND topic = ANY(%s) ORDER BY id LIMIT %s",
            (organization_id, list(consumers), BATCH),
        ).fetchall()
    for count, message in enumerate(waiting):
        try:
            _deliver(database, message, consumers[message.topic])
        except Exception as error:  # a consumer's fault, whatever it is, must not stop the others
            log.exception("message not delivered", message=message.id, topic=message.topic, error=str(error))
            return count
        connection.execute(
            "UPDATE runtime.outbox SET published_at = %s WHERE id = %s", (database.clock.now(), message.id)
        )
    return len(waiting)


def _deliver(database: Database, message: Message, consumers: Sequence[Consumer]) -> None:
    for consumer in consumers:
        with database.unit_of_work(Scope.system(message.organization_id, f"outbox:{message.topic}")) as work:
            consumer(work, message)


def forget_delivered(database: Database, after: timedelta = KEPT_AFTER_DELIVERY) -> int:
    """Drop messages that were delivered ``after`` ago or longer; return how many. Those that wait are kept."""
    with database.connect(Role.OWNER) as connection:  # unscoped: retention is the installation's own
        return connection.execute(
            "DELETE FROM runtime.outbox WHERE published_at < %s", (database.clock.now() - after,)
        ).rowcount
