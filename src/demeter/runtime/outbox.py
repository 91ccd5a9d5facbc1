"""Delivery of the transactional outbox: at least once, in order per organization, to consumers in this installation.

A message leaves only if the transaction that wrote it committed. Consumers must be idempotent (a kill between
handling and marking repeats the message).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from demeter.runtime.database import Database, Role, Scope, UnitOfWork

BATCH = 200


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


def dispatch(database: Database, consumers: Mapping[str, list[Consumer]]) -> int:
    """Hand waiting messages to the consumers of their topic and mark them; return how many.

    Messages whose topic has no consumer are marked as well: they stay readable in the table. One dispatcher works at
    a time (row locks); a consumer that raises stops the batch there, and it is tried again later.
    """
    with database.connect(Role.OWNER) as connection, connection.cursor(row_factory=class_row(Message)) as cursor:
        waiting = cursor.execute(
            "SELECT id, organization_id, topic, key, payload, created_at FROM runtime.outbox"
            " WHERE published_at IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
            (BATCH,),
        ).fetchall()
        for message in waiting:
            _deliver(database, message, consumers.get(message.topic, []))
            connection.execute(
                "UPDATE runtime.outbox SET published_at = %s WHERE id = %s", (database.clock.now(), message.id)
            )
            connection.commit()
    return len(waiting)


def _deliver(database: Database, message: Message, consumers: list[Consumer]) -> None:
    for consumer in consumers:
        with database.unit_of_work(Scope.system(message.organization_id, f"outbox:{message.topic}")) as work:
            consumer(work, message)
