"""Counters and quarantine in the database. Quarantine belongs to the installation: the owner's role writes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.rows import class_row, tuple_row

from demeter.headend.push.model import PushLimits, Quarantined, Refused
from demeter.runtime.database import UnitOfWork

Connection = psycopg.Connection[Any]
COLUMNS = ", ".join(column.name for column in fields(Quarantined))


@dataclass(frozen=True, slots=True)
class CounterRow:
    """One series of numbers of one sender; ``taken``: bit k says that ``reached - k`` was taken."""

    site_id: int
    meter_id: int
    title: str
    series: str
    key_version: int
    reached: int
    taken: int


def counters(work: UnitOfWork, site_id: int, meter_id: int) -> list[CounterRow]:
    """Return everything a meter has counted."""
    with work.raw.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT site_id, meter_id, title, series, key_version, reached, taken FROM headend.push_counter"
            " WHERE site_id = %s AND meter_id = %s",
            (site_id, meter_id),
        )
        return [CounterRow(r[0], r[1], r[2], r[3], r[4], int(r[5]), int(r[6])) for r in cursor]


def save_counters(work: UnitOfWork, rows: Iterable[CounterRow]) -> None:
    """Write numbers as they are now; never back."""
    with work.raw.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO headend.push_counter AS old (site_id, meter_id, title, series, key_version, reached, taken)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (site_id, meter_id, title, series, key_version) DO UPDATE"
            " SET reached = EXCLUDED.reached, taken = EXCLUDED.taken WHERE EXCLUDED.reached >= old.reached",
            [(r.site_id, r.meter_id, r.title, r.series, r.key_version, r.reached, r.taken) for r in rows],
        )


def quarantined(connection: Connection, limit: int, above: int = 0) -> list[Quarantined]:
    """Return what is held, the newest first; as much of it as the connection may see."""
    with connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM headend.push_quarantine WHERE id > %s ORDER BY last_seen_at DESC, id DESC LIMIT %s",
            (above, limit),
        )
        return cursor.fetchall()


def find(connection: Connection, ids: Sequence[int]) -> list[Quarantined]:
    """Return entries by id, the oldest first."""
    with connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM headend.push_quarantine WHERE id = ANY(%s) ORDER BY id", (list(ids),))
        return cursor.fetchall()


def remove(connection: Connection, ids: Sequence[int]) -> int:
    """Remove entries; return how many there were."""
    return connection.execute("DELETE FROM headend.push_quarantine WHERE id = ANY(%s)", (list(ids),)).rowcount


def keep(connection: Connection, seen: Sequence[tuple[Refused, int, datetime, datetime]]) -> None:
    """Add messages, each with how often and from when to when it came; one that is there counts on."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO headend.push_quarantine AS old (organization_id, meter_id, protocol, source, title, names,"
            " reason, detail, payload, digest, size, count, first_seen_at, last_seen_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (source, reason, digest)"
            " DO UPDATE SET count = old.count + EXCLUDED.count, last_seen_at = EXCLUDED.last_seen_at,"
            " detail = EXCLUDED.detail, organization_id = EXCLUDED.organization_id, meter_id = EXCLUDED.meter_id",
            [
                (
                    *(each.organization_id, each.meter_id, each.protocol, each.source, each.title, each.names),
                    *(each.reason, each.detail, each.payload, digest(each.payload), len(each.payload)),
                    *(count, first, last),
                )
                for each, count, first, last in seen
            ],
        )


def digest(payload: bytes) -> bytes:
    """Return what recognises the same message."""
    return sha256(payload).digest()


def prune(connection: Connection, sources: Iterable[str], limits: PushLimits) -> int:
    """Remove what is beyond the limits, of some sources and in all, the oldest first; return how many went."""
    gone = connection.execute(
        _BEYOND.format("WHERE source = ANY(%s)", "PARTITION BY source"),
        (list(sources), limits.source_kept_frames, limits.source_kept_octets),
    ).rowcount
    in_all = connection.execute(_BEYOND.format("", ""), (limits.kept_frames, limits.kept_octets))
    return gone + in_all.rowcount


_BEYOND = (
    "DELETE FROM headend.push_quarantine q USING (SELECT id, row_number() OVER w AS place, sum(size) OVER w AS octets"
    " FROM headend.push_quarantine {} WINDOW w AS ({} ORDER BY last_seen_at DESC, id DESC)) r"
    " WHERE r.id = q.id AND (r.place > %s OR r.octets > %s)"
)
