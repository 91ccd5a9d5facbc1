"""Channels, their sites' zones, the latest reading of each, and what changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.rows import kwargs_row

from demeter.kernel import Quality
from demeter.readings.model import Channel, Dirty, Latest
from demeter.sdk import ReadingKind, ReadingType

Connection = psycopg.Connection[Any]

CHANNEL = "SELECT id, site_id, meter_id, obis, kind, unit, scaler, interval_s FROM readings.channel"


def channels(connection: Connection, site_id: int, meter_ids: Sequence[int] | None = None) -> list[Channel]:
    """Return a site's channels (of some meters), by id."""
    found = connection.execute(
        f"{CHANNEL} WHERE site_id = %s AND (%s::int[] IS NULL OR meter_id = ANY(%s)) ORDER BY id",
        (site_id, None if meter_ids is None else list(meter_ids), list(meter_ids or ())),
    )
    return [_channel(row) for row in found]


def channels_of_meters(connection: Connection, meters: Mapping[int, int]) -> list[Channel]:
    """Return the channels of meters (meter id → site id), by id."""
    found = connection.execute(
        f"{CHANNEL} WHERE site_id = ANY(%s) AND meter_id = ANY(%s) ORDER BY id",
        (sorted(set(meters.values())), sorted(meters)),
    )
    return [_channel(row) for row in found]


def channel_by_id(connection: Connection, channel_id: int) -> Channel | None:
    """Return one channel, or None where the scope has none."""
    row = connection.execute(f"{CHANNEL} WHERE id = %s", (channel_id,)).fetchone()
    return None if row is None else _channel(row)


def create_channels(connection: Connection, wanted: Sequence[tuple[int, int, ReadingType]]) -> None:
    """Make the channels (site id, meter id, reading type) that are not there."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO readings.channel (site_id, meter_id, obis, kind, unit, scaler, interval_s)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                (site_id, meter_id, kind.obis, kind.kind.value, kind.unit, kind.scaler, kind.interval_s)
                for site_id, meter_id, kind in wanted
            ],
        )


def create_channel(connection: Connection, site_id: int, meter_id: int, reading_type: ReadingType) -> Channel:
    """Return the meter's channel of this reading type, made if it is not there."""
    create_channels(connection, [(site_id, meter_id, reading_type)])
    kind = reading_type
    key = (site_id, meter_id, kind.obis, kind.kind.value, kind.unit, kind.scaler, kind.interval_s)
    row = connection.execute(
        f"{CHANNEL} WHERE site_id = %s AND meter_id = %s AND obis = %s AND kind = %s AND unit = %s AND scaler = %s"
        " AND interval_s = %s",
        key,
    ).fetchone()
    assert row is not None
    return _channel(row)


def _channel(row: Sequence[Any]) -> Channel:
    number, site_id, meter_id, obis, kind, unit, scaler, interval_s = row
    return Channel(number, site_id, meter_id, ReadingType(obis, ReadingKind(kind), unit, scaler, interval_s))


def zones(connection: Connection, site_ids: Iterable[int]) -> dict[int, str]:
    """Return the IANA zone of each site."""
    found = connection.execute("SELECT id, zone FROM estate.site WHERE id = ANY(%s)", (sorted(set(site_ids)),))
    return dict(found.fetchall())


def latest(connection: Connection, site_id: int) -> dict[int, Latest]:
    """Return the newest reading of each channel of a site."""
    with connection.cursor(row_factory=kwargs_row(_latest)) as cursor:
        found = cursor.execute(
            "SELECT channel_id, meter_id, measured_at, received_at, value, quality FROM readings.channel_latest"
            " WHERE site_id = %s",
            (site_id,),
        )
        return {row.channel_id: row for row in found}


def _latest(**row: Any) -> Latest:
    return Latest(**{**row, "quality": Quality(row["quality"])})


@dataclass(slots=True)
class Newest:
    """A row of ``channel_latest`` as the writer changes it: UTC epoch seconds and day numbers.

    ``taken_until`` is the last instant after ``measured_at`` whose reading an edit took away, if there is one.
    """

    site_id: int
    channel_id: int
    meter_id: int
    measured_at: int
    received_at: int
    value: int
    quality: int
    first_day: int | None = None
    last_day: int | None = None
    taken_until: int | None = None


def newest(connection: Connection, found: Sequence[Channel]) -> dict[int, Newest]:
    """Return the ``channel_latest`` rows of these channels by channel id."""
    keys = [c.site_id for c in found], [c.id for c in found]
    rows = connection.execute(
        "SELECT l.site_id, l.channel_id, l.meter_id, extract(epoch FROM l.measured_at)::bigint,"
        " extract(epoch FROM l.received_at)::bigint, l.value, l.quality,"
        " l.first_day - date '1970-01-01', l.last_day - date '1970-01-01', extract(epoch FROM l.taken_until)::bigint"
        " FROM readings.channel_latest l"
        " JOIN unnest(%s::int[], %s::int[]) k(site_id, channel_id)"
        " ON l.site_id = k.site_id AND l.channel_id = k.channel_id",
        keys,
    )
    return {row[1]: Newest(*row) for row in rows}


def put_newest(connection: Connection, found: Sequence[Newest]) -> None:
    """Insert or replace ``channel_latest`` rows."""
    connection.execute(
        "INSERT INTO readings.channel_latest AS l (site_id, channel_id, meter_id, measured_at, received_at, value,"
        " quality, first_day, last_day, taken_until)"
        " SELECT s, c, m, to_timestamp(at), to_timestamp(r), v, q, date '1970-01-01' + f, date '1970-01-01' + t,"
        " to_timestamp(k) FROM unnest(%s::int[], %s::int[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[],"
        " %s::smallint[], %s::int[], %s::int[], %s::bigint[]) u(s, c, m, at, r, v, q, f, t, k)"
        " ON CONFLICT (site_id, channel_id) DO UPDATE SET measured_at = excluded.measured_at,"
        " received_at = excluded.received_at, value = excluded.value, quality = excluded.quality,"
        " first_day = excluded.first_day, last_day = excluded.last_day, taken_until = excluded.taken_until",
        (
            [n.site_id for n in found],
            [n.channel_id for n in found],
            [n.meter_id for n in found],
            [n.measured_at for n in found],
            [n.received_at for n in found],
            [n.value for n in found],
            [n.quality for n in found],
            [n.first_day for n in found],
            [n.last_day for n in found],
            [n.taken_until for n in found],
        ),
    )


def mark_dirty(connection: Connection, days: Mapping[tuple[int, int], tuple[int, int]]) -> None:
    """Append what changed: (site id, channel id) → first and last day number."""
    connection.execute(
        "INSERT INTO readings.dirty (site_id, channel_id, first_day, last_day)"
        " SELECT s, c, date '1970-01-01' + f, date '1970-01-01' + t"
        " FROM unnest(%s::int[], %s::int[], %s::int[], %s::int[]) k(s, c, f, t)",
        (
            [key[0] for key in days],
            [key[1] for key in days],
            [value[0] for value in days.values()],
            [value[1] for value in days.values()],
        ),
    )


def claim_dirty(connection: Connection, limit: int) -> list[Dirty]:
    """Claim up to ``limit`` entries until the end of the transaction; those claimed by others are passed over."""
    rows = connection.execute(
        "SELECT site_id, channel_id, first_day, last_day, id FROM readings.dirty"
        " ORDER BY site_id, id LIMIT %s FOR UPDATE SKIP LOCKED",
        (limit,),
    ).fetchall()
    merged: dict[tuple[int, int], tuple[date, date, tuple[int, ...]]] = {}
    for site_id, channel_id, first, last, entry in rows:
        before = merged.get((site_id, channel_id), (first, last, ()))
        merged[site_id, channel_id] = (min(before[0], first), max(before[1], last), (*before[2], entry))
    return [Dirty(*key, first, last, entries) for key, (first, last, entries) in merged.items()]


def count_dirty(connection: Connection) -> int:
    """Return how many entries wait, claimed ones included."""
    row = connection.execute("SELECT count(*) FROM readings.dirty").fetchone()
    assert row is not None
    return int(row[0])


def dirty_waiting(connection: Connection) -> tuple[int, int]:
    """Return how many entries wait, and the age of the oldest in seconds."""
    row = connection.execute(
        "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(marked_at)), 0)::int FROM readings.dirty"
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def is_dirty(connection: Connection, site_id: int, channel_ids: Sequence[int], first: date, last: date) -> bool:
    """Tell whether an entry of these channels that reaches into the days waits, claimed ones included."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM readings.dirty WHERE site_id = %s AND channel_id = ANY(%s)"
        " AND first_day <= %s AND last_day >= %s)",
        (site_id, list(channel_ids), last, first),
    ).fetchone()
    assert row is not None
    return bool(row[0])


def clear_dirty(connection: Connection, taken: Sequence[Dirty]) -> None:
    """Remove claimed entries."""
    connection.execute(
        "DELETE FROM readings.dirty d USING unnest(%s::int[], %s::bigint[]) k(site_id, id)"
        " WHERE d.site_id = k.site_id AND d.id = k.id",
        ([d.site_id for d in taken for _ in d.entries], [entry for d in taken for entry in d.entries]),
    )


def touch(connection: Connection, found: Sequence[Channel], received_at: Sequence[datetime]) -> None:
    """Move ``received_at`` of channels on, where it is later."""
    connection.execute(
        "UPDATE readings.channel_latest l SET received_at = greatest(l.received_at, k.at)"
        " FROM (SELECT s, c, max(at) AS at FROM unnest(%s::int[], %s::int[], %s::timestamptz[]) u(s, c, at)"
        " GROUP BY s, c) k WHERE l.site_id = k.s AND l.channel_id = k.c AND l.received_at < k.at",
        ([c.site_id for c in found], [c.id for c in found], list(received_at)),
    )
