"""What the doctor asks the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from demeter.runtime.database.engine import Database, Role


def unsafe_settings(database: Database) -> list[str]:
    """Return which of fsync, full_page_writes and data_checksums are off."""
    with database.connect(Role.OWNER) as connection:
        rows = connection.execute(
            "SELECT name FROM pg_settings"
            " WHERE name IN ('fsync', 'full_page_writes', 'data_checksums') AND setting <> 'on' ORDER BY name"
        )
        return [row[0] for row in rows]


def clock_skew_s(database: Database) -> int:
    """Return the whole seconds between this machine's clock and the database server's."""
    with database.connect(Role.OWNER) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    skew: timedelta = database.clock.now() - row[0]
    return abs(round(skew.total_seconds()))


def outbox_waiting(database: Database, topics: Sequence[str]) -> tuple[int, int]:
    """Return how many messages of these topics wait in the outbox, and the age of the oldest in seconds."""
    with database.connect(Role.OWNER) as connection:
        row = connection.execute(
            "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::int"
            " FROM runtime.outbox WHERE published_at IS NULL AND topic = ANY(%s)",
            (list(topics),),
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
