"""Day blocks: fetched as raw arrays, written by binary COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import class_row, kwargs_row

from demeter.readings.encoding import BLOCK_COLUMNS, COPY_HEADER, COPY_TRAILER
from demeter.readings.lattice import EDITED, MEASURED, NO_VALUE, Int32s, Int64s, State
from demeter.readings.model import Block, DayCount

Connection = psycopg.Connection[Any]

NO_INT4 = -(1 << 31)
ARRAY_HEAD = 20
LOCKS = 0x0DE0_0005
SHARDS = 64

# NULL elements become a sentinel that deltas never take, so that arrays of one width have one length.
STORED = (
    "SELECT b.site_id, b.channel_id, b.day - date '1970-01-01' AS day, b.revision, b.base,"
    f" array_send(array_replace(b.vals, NULL, {NO_INT4})) AS vals,"
    f" array_send(array_replace(b.wide, NULL, {NO_VALUE + 1} - 1)) AS wide, b.quality FROM readings.block b"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A block row as fetched: arrays in PostgreSQL's binary form, the day as a number."""

    site_id: int
    channel_id: int
    day: int
    revision: int
    base: int | None
    vals: bytes | None
    wide: bytes | None
    quality: bytes | None

    @property
    def width(self) -> int:
        """Return how many slots the row has."""
        if self.vals is not None:
            return (len(self.vals) - ARRAY_HEAD) // 8
        return (len(self.wide or b"") - ARRAY_HEAD) // 12


def lock_shards(connection: Connection, site_ids: Iterable[int]) -> None:
    """Become the only writer of these sites' readings until the transaction ends."""
    shards = sorted({site_id % SHARDS for site_id in site_ids})
    for shard in shards:  # one by one in order: two writers cannot wait for each other
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, shard))


def ensure_partition(connection: Connection, parent: str, month: date) -> None:
    """Make the partition of ``block`` or ``frame`` for a month, if it is not there."""
    connection.execute("SELECT readings.ensure_partition(%s, %s)", (parent, month))


def by_key(connection: Connection, site_id: Int32s, channel_id: Int32s, day: Int32s) -> list[Stored]:
    """Return the rows that exist of these (site, channel, day) keys."""
    with connection.cursor(row_factory=class_row(Stored), binary=True) as cursor:
        return cursor.execute(
            f"{STORED} JOIN unnest(%s::int[], %s::int[], %s::int[]) k(site_id, channel_id, day)"
            " ON b.site_id = k.site_id AND b.channel_id = k.channel_id AND b.day = date '1970-01-01' + k.day",
            (site_id.tolist(), channel_id.tolist(), day.tolist()),
        ).fetchall()


def by_days(connection: Connection, site_id: int, channel_ids: Sequence[int], first: date, last: date) -> list[Stored]:
    """Return the rows of channels from ``first`` to ``last``, both included, by channel and day."""
    with connection.cursor(row_factory=class_row(Stored), binary=True) as cursor:
        return cursor.execute(
            f"{STORED} WHERE b.site_id = %s AND b.channel_id = ANY(%s) AND b.day BETWEEN %s AND %s"
            " ORDER BY b.channel_id, b.day",
            (site_id, list(channel_ids), first, last),
        ).fetchall()


def whole_rows(
    connection: Connection, site_id: int, channel_ids: Sequence[int], first: date, last: date
) -> list[Block]:
    """Return the rows with every column, as stored: for proof and for comparing."""
    with connection.cursor(row_factory=kwargs_row(_block), binary=True) as cursor:
        return cursor.execute(
            f"SELECT {BLOCK_COLUMNS} FROM readings.block"
            " WHERE site_id = %s AND channel_id = ANY(%s) AND day BETWEEN %s AND %s ORDER BY channel_id, day",
            (site_id, list(channel_ids), first, last),
        ).fetchall()


def _block(**row: Any) -> Block:
    for name in ("vals", "wide"):
        row[name] = None if row[name] is None else tuple(row[name])
    return Block(**row)


def day_counts(connection: Connection, site_id: int, first: date, last: date) -> list[DayCount]:
    """Return how full each block is, from the stored aggregates."""
    with connection.cursor(row_factory=class_row(DayCount)) as cursor:
        return cursor.execute(
            "SELECT channel_id, day, n AS present, coalesce(array_length(vals, 1), array_length(wide, 1)) AS slots"
            " FROM readings.block WHERE site_id = %s AND day BETWEEN %s AND %s ORDER BY channel_id, day",
            (site_id, first, last),
        ).fetchall()


def copy_in(connection: Connection, chunks: Iterator[bytes]) -> None:
    """Insert rows given as binary COPY tuples."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY readings.block ({BLOCK_COLUMNS}) FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.write(COPY_HEADER)
        for chunk in chunks:
            copy.write(chunk)
        copy.write(COPY_TRAILER)


def delete(connection: Connection, site_id: Int32s, channel_id: Int32s, day: Int32s) -> None:
    """Delete rows whose next revision is about to be inserted."""
    connection.execute(
        "DELETE FROM readings.block b USING unnest(%s::int[], %s::int[], %s::int[]) k(site_id, channel_id, day)"
        " WHERE b.site_id = k.site_id AND b.channel_id = k.channel_id AND b.day = date '1970-01-01' + k.day",
        (site_id.tolist(), channel_id.tolist(), day.tolist()),
    )


def put(connection: Connection, block: Block) -> None:
    """Insert or replace one row: the path of edits, whose role may not COPY."""
    names = BLOCK_COLUMNS.split(", ")
    values = asdict(block)
    for name in ("vals", "wide"):
        values[name] = None if values[name] is None else list(values[name])
    changes = ", ".join(f"{name} = excluded.{name}" for name in names[3:])
    casts = {"vals": "::int[]", "wide": "::bigint[]"}
    holders = ", ".join(f"%({name})s{casts.get(name, '')}" for name in names)
    connection.execute(
        f"INSERT INTO readings.block ({BLOCK_COLUMNS}) VALUES ({holders})"
        f" ON CONFLICT (site_id, channel_id, day) DO UPDATE SET {changes}",
        values,
    )


def unpack(found: Sequence[Stored], width: int) -> State:
    """Return the slots of rows as a matrix ``width`` wide; slots a day does not have stay empty."""
    values = np.zeros((len(found), width), np.int64)
    quality = np.zeros((len(found), width), np.uint8)
    shapes: dict[tuple[int, bool], list[int]] = {}
    for i, row in enumerate(found):
        shapes.setdefault((row.width, row.vals is None), []).append(i)
    for (own_width, wide), indexes in shapes.items():
        part = _same_shape([found[i] for i in indexes], own_width, wide=wide)
        values[indexes, :own_width] = part.values
        quality[indexes, :own_width] = part.quality
    return State(values, quality)


def _same_shape(found: Sequence[Stored], width: int, *, wide: bool) -> State:
    numbers, missing = _arrays([(row.wide if wide else row.vals) or b"" for row in found], width, wide=wide)
    base = np.array([row.base or 0 for row in found], np.int64)
    values = np.where(missing, 0, numbers + base[:, None] if not wide else numbers)
    quality = np.where(missing, 0, MEASURED).astype(np.uint8)
    for i, row in enumerate(found):
        if row.quality is not None:
            quality[i] = np.frombuffer(row.quality, np.uint8)
    values[missing & (quality == EDITED)] = NO_VALUE
    return State(values, quality)


def _arrays(arrays: list[bytes], width: int, *, wide: bool) -> tuple[Int64s, np.ndarray[Any, np.dtype[np.bool_]]]:
    element = np.dtype([("length", ">i4"), ("value", ">i8" if wide else ">i4")])
    tuple_type = np.dtype([("head", f"V{ARRAY_HEAD}"), ("element", element, (width,))])
    table = np.frombuffer(b"".join(arrays), tuple_type)
    numbers = table["element"]["value"].astype(np.int64)
    return numbers, numbers == (NO_VALUE if wide else NO_INT4)
