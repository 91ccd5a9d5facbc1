"""Periodic work of the slice."""

from __future__ import annotations

from demeter.readings.store import channels as channel_store
from demeter.readings.store import narrow
from demeter.readings.writing import fold
from demeter.runtime.database import Database, Role

FOLD_ROWS = 100_000


def fold_inbox(database: Database, limit: int = FOLD_ROWS) -> int:
    """Move waiting live readings into day blocks, a transaction per site and portion; return how many were moved.

    May be killed or run twice at any moment: a portion is moved whole or not at all.
    """
    moved = 0
    with database.connect(Role.INGEST) as connection:  # unscoped: the ingest role, which can do nothing else
        sites = narrow.inbox_sites(connection)
        connection.commit()
        for site_id in sites:
            while count := fold(connection, site_id, limit, database.clock.now()):
                connection.commit()
                moved += count
            connection.commit()
    return moved


def dirty_waiting(database: Database) -> tuple[int, int]:
    """Return how many changes metering has not worked in yet, of all sites, and the age of the oldest in seconds."""
    with database.connect(Role.OWNER) as connection:  # unscoped: for the doctor, numbers only
        return channel_store.dirty_waiting(connection)
