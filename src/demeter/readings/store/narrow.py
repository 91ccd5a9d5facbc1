"""Narrow rows: the inbox, spot readings and the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg

from demeter.kernel import Quality
from demeter.readings.encoding import COPY_HEADER, COPY_TRAILER, copy_records, timestamps
from demeter.readings.lattice import NO_VALUE, Int64s, State
from demeter.readings.model import LogEntry
from demeter.readings.slots import instant

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """Narrow readings as columns of equal length n; ``at_s`` UTC epoch seconds. ``frame`` is 0 for spot readings."""

    site_id: Int64s
    channel_id: Int64s
    at_s: Int64s
    state: State
    frame: Int64s

    def __len__(self) -> int:
        return len(self.at_s)


def _columns(rows: Sequence[Sequence[Any]]) -> Columns:
    table = np.array([[NO_VALUE if v is None else v for v in row] for row in rows], np.int64).reshape(-1, 6)
    site_id, channel_id, at_s, value, quality, frame = table.T
    return Columns(site_id, channel_id, at_s, State(value, quality.astype(np.uint8)), frame)


def into_inbox(connection: Connection, rows: Columns) -> None:
    """Append live readings."""
    data = copy_records(
        {
            "site_id": (">i4", rows.site_id),
            "channel_id": (">i4", rows.channel_id),
            "at": (">i8", timestamps(rows.at_s)),
            "frame_id": (">i8", rows.frame),
            "value": (">i8", rows.state.values),
            "quality": (">i2", rows.state.quality),
        }
    )
    statement = "COPY readings.inbox (site_id, channel_id, at, frame_id, value, quality) FROM STDIN (FORMAT binary)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(COPY_HEADER + data + COPY_TRAILER)


def inbox(
    connection: Connection, site_id: int, channel_ids: Sequence[int], since: datetime, until: datetime
) -> Columns:
    """Return waiting live readings stamped from ``since`` to ``until``, both included."""
    rows = connection.execute(
        "SELECT site_id, channel_id, extract(epoch FROM at)::bigint, value, quality, frame_id FROM readings.inbox"
        " WHERE site_id = %s AND channel_id = ANY(%s) AND at BETWEEN %s AND %s ORDER BY channel_id, at, frame_id",
        (site_id, list(channel_ids), since, until),
    ).fetchall()
    return _columns(rows)


def inbox_sites(connection: Connection) -> list[int]:
    """Return the sites with waiting live readings."""
    return [row[0] for row in connection.execute("SELECT DISTINCT site_id FROM readings.inbox ORDER BY site_id")]


def drain_inbox(connection: Connection, site_id: int, limit: int) -> Columns:
    """Take the oldest ``limit`` waiting live readings of a site out of the inbox."""
    rows = connection.execute(
        "DELETE FROM readings.inbox WHERE ctid = ANY(ARRAY("
        "SELECT ctid FROM readings.inbox WHERE site_id = %s ORDER BY frame_id LIMIT %s))"
        " RETURNING site_id, channel_id, extract(epoch FROM at)::bigint, value, quality, frame_id",
        (site_id, limit),
    ).fetchall()
    return _columns(rows)


SPOT = "SELECT site_id, channel_id, extract(epoch FROM at)::bigint, value, quality, 0 FROM readings.spot"


def spots(
    connection: Connection, site_id: int, channel_ids: Sequence[int], since: datetime, until: datetime
) -> Columns:
    """Return spot readings stamped from ``since`` to ``until``, both included."""
    rows = connection.execute(
        f"{SPOT} WHERE site_id = %s AND channel_id = ANY(%s) AND at BETWEEN %s AND %s ORDER BY channel_id, at",
        (site_id, list(channel_ids), since, until),
    ).fetchall()
    return _columns(rows)


def spots_by_key(connection: Connection, rows: Columns) -> Columns:
    """Return the spot readings that exist at these (site, channel, instant) keys."""
    found = connection.execute(
        "SELECT s.site_id, s.channel_id, extract(epoch FROM s.at)::bigint, s.value, s.quality, 0 FROM readings.spot s"
        " JOIN unnest(%s::int[], %s::int[], %s::bigint[]) k(site_id, channel_id, at)"
        " ON s.site_id = k.site_id AND s.channel_id = k.channel_id AND s.at = to_timestamp(k.at)",
        (rows.site_id.tolist(), rows.channel_id.tolist(), rows.at_s.tolist()),
    ).fetchall()
    return _columns(found)


def put_spots(connection: Connection, rows: Columns) -> None:
    """Insert or replace spot readings."""
    values = [None if value == NO_VALUE else value for value in rows.state.values.tolist()]
    connection.execute(
        "INSERT INTO readings.spot (site_id, channel_id, at, value, quality)"
        " SELECT s, c, to_timestamp(at), v, q"
        " FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::bigint[], %s::smallint[]) k(s, c, at, v, q)"
        " ON CONFLICT (site_id, channel_id, at) DO UPDATE SET value = excluded.value, quality = excluded.quality",
        (
            rows.site_id.tolist(),
            rows.channel_id.tolist(),
            rows.at_s.tolist(),
            values,
            rows.state.quality.tolist(),
        ),
    )


@dataclass(frozen=True, slots=True)
class Replaced:
    """A log entry about to be written; ``at_s`` UTC epoch seconds, values None where missing."""

    site_id: int
    channel_id: int
    at_s: int
    old: int | None
    old_quality: int
    new: int | None
    new_quality: int
    frame_id: int | None
    who: str
    why: str

    def change(self) -> tuple[int | None, int, int | None, int]:
        """Return old value and quality, new value and quality."""
        return self.old, self.old_quality, self.new, self.new_quality


def append_log(connection: Connection, entries: Sequence[Replaced], logged_at: datetime) -> None:
    """Append replaced values, in order."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO readings.log (site_id, channel_id, at, old_value, old_quality, new_value, new_quality,"
            " frame_id, who, why, logged_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (e.site_id, e.channel_id, instant(e.at_s), *e.change(), e.frame_id, e.who, e.why, logged_at)
                for e in entries
            ],
        )


def log(connection: Connection, site_id: int, channel_id: int, since: datetime, until: datetime) -> list[LogEntry]:
    """Return the log of a channel for instants from ``since`` to ``until``, both included, in order of logging."""
    rows = connection.execute(
        "SELECT at, old_value, new_value, old_quality, new_quality, who, why, logged_at, frame_id, id"
        " FROM readings.log WHERE site_id = %s AND channel_id = %s AND at BETWEEN %s AND %s ORDER BY id",
        (site_id, channel_id, since, until),
    )
    return [
        LogEntry(at, old, new, Quality(before), Quality(after), *rest) for at, old, new, before, after, *rest in rows
    ]


def taken_away(connection: Connection, site_id: int, channel_id: int, after_s: int, until_s: int) -> list[int]:
    """Return the instants (UTC epoch s) after ``after_s`` up to ``until_s`` whose reading an edit took away."""
    rows = connection.execute(
        "SELECT at_s FROM (SELECT DISTINCT ON (at) extract(epoch FROM at)::bigint AS at_s, new_value FROM readings.log"
        " WHERE site_id = %s AND channel_id = %s AND at > to_timestamp(%s) AND at <= to_timestamp(%s)"
        " AND frame_id IS NULL AND new_quality = %s ORDER BY at, id DESC) ruling WHERE new_value IS NULL",
        (site_id, channel_id, after_s, until_s, int(Quality.EDITED)),
    )
    return [row[0] for row in rows]
