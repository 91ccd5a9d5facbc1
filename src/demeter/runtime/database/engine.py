"""Connections, roles and the unit of work.

Three database roles: the *owner* (migrations, jobs), ``demeter_app`` (row-level security applies: without a scope it
sees nothing) and ``demeter_ingest`` (writes readings by COPY, which row-level security forbids, and nothing else).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine

from demeter.kernel import Clock, SystemClock
from demeter.runtime.database.scope import Scope


class Role(StrEnum):
    """The database role a connection acts as; OWNER keeps the login's own."""

    OWNER = ""
    APP = "demeter_app"
    INGEST = "demeter_ingest"


def session_options(role: Role) -> str:
    """Return libpq ``options`` that make a session act as ``role``, in UTC."""
    options = "-c timezone=UTC -c jit=off"
    return f"{options} -c role={role}" if role else options


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """One transaction inside one scope. Committed by :meth:`Database.unit_of_work`, never inside a slice."""

    connection: Connection
    scope: Scope
    clock: Clock

    @property
    def raw(self) -> psycopg.Connection[Any]:
        """Return the psycopg connection of this transaction, for COPY and hand-written SQL."""
        driver = self.connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        return driver

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return self.clock.now()

    def publish(self, topic: str, key: str, payload: Mapping[str, object]) -> None:
        """Put a message into the transactional outbox; it leaves only if this transaction commits."""
        self.raw.execute(
            "INSERT INTO runtime.outbox (organization_id, topic, key, payload, created_at) VALUES (%s, %s, %s, %s, %s)",
            (self.scope.organization_id, topic, key, json.dumps(payload), self.now()),
        )

    def audit(self, action: str, subject: str, detail: Mapping[str, object] | None = None) -> None:
        """Append to the organization's hash-chained audit trail.

        Secrets must not be passed in ``detail``. Entries of one organization are serialised by an advisory lock held
        to the end of the transaction.
        """
        organization = self.scope.organization_id
        self.raw.execute("SELECT pg_advisory_xact_lock(%s, %s)", (AUDIT_LOCK, organization))
        row = self.raw.execute(
            "SELECT hash FROM runtime.audit WHERE organization_id = %s ORDER BY id DESC LIMIT 1", (organization,)
        ).fetchone()
        previous = bytes(row[0]) if row else b""
        text = json.dumps(dict(detail or {}), sort_keys=True, default=str)
        at = self.now()
        digest = audit_hash(previous, at, self.scope.actor, action, subject, text)
        self.raw.execute(
            "INSERT INTO runtime.audit (organization_id, at, actor, action, subject, detail, hash)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (organization, at, self.scope.actor, action, subject, text, digest),
        )


AUDIT_LOCK = 0x0DE0_0001


def audit_hash(previous: bytes, at: datetime, actor: str, action: str, subject: str, detail: str) -> bytes:
    """Return the SHA-256 link of one audit entry to the entry before it."""
    text = f"{at.isoformat()}\x1f{actor}\x1f{action}\x1f{subject}\x1f{detail}"
    return sha256(previous + text.encode()).digest()


class Database:
    """One PostgreSQL database, reached as any of the three roles. Thread-safe."""

    def __init__(self, url: str, *, clock: Clock | None = None, pool_size: int = 8) -> None:
        """Open lazily: nothing connects before the first use. ``url`` is a libpq URL (``postgresql://…``)."""
        self.url = url
        self.clock = clock or SystemClock()
        self._pool_size = pool_size
        self._engines: dict[Role, Engine] = {}

    def engine(self, role: Role) -> Engine:
        """Return the pooled SQLAlchemy engine of ``role``."""
        if role not in self._engines:
            # setdefault: two threads may race here; the loser's engine has not connected and is dropped.
            self._engines.setdefault(
                role,
                create_engine(
                    sqlalchemy_url(self.url),
                    connect_args={"options": session_options(role), "application_name": f"demeter {role}".strip()},
                    pool_size=self._pool_size,
                    max_overflow=self._pool_size,
                    pool_pre_ping=True,
                ),
            )
        return self._engines[role]

    @contextmanager
    def unit_of_work(self, scope: Scope, *, snapshot: bool = False) -> Iterator[UnitOfWork]:
        """Open a transaction as ``demeter_app`` inside ``scope``; commit at the end, roll back on any error.

        With ``snapshot`` all its statements see the database as it was at the first, and it may only read: for what
        compares stored things with each other.
        """
        engine = self.engine(Role.APP)
        if snapshot:
            engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "SELECT set_config('demeter.organization_id', %(organization)s, true),"
                " set_config('demeter.actor', %(actor)s, true)",
                {"organization": str(scope.organization_id), "actor": scope.actor},
            )
            yield UnitOfWork(connection, scope, self.clock)

    def connect(self, role: Role, *, autocommit: bool = False) -> psycopg.Connection[Any]:
        """Open a connection of its own (not pooled) as ``role``: the ingest writer, listeners, migrations."""
        return psycopg.connect(
            self.url,
            autocommit=autocommit,
            connect_timeout=10,
            options=session_options(role),
            application_name=f"demeter {role}".strip(),
        )

    def organization_ids(self) -> list[int]:
        """Return all organizations, for the system's own jobs: each then opens a scope of its own."""
        with self.connect(Role.OWNER) as connection:
            return [row[0] for row in connection.execute("SELECT id FROM identity.organization ORDER BY id")]

    def close(self) -> None:
        """Close all pooled connections."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()


def sqlalchemy_url(url: str) -> str:
    """Return ``url`` naming the psycopg 3 dialect."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in {"postgresql", "postgres"} else url
