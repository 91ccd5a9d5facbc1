"""Block rows as PostgreSQL binary COPY, built by numpy; and back from what PostgreSQL sends.

Layout of a tuple (PostgreSQL manual, COPY, binary format): int16 field count, then per field int32 length and bytes,
all big-endian; an ``int4[]`` field is ndim, has-nulls flag, element type, dimension, lower bound, then length and
bytes per element, where a NULL element is the length -1 alone. A matrix holds every tuple at full width; a mask
drops the bytes a tuple does not have.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from demeter.readings.blocks import BlockSet, Measures, measure, presence
from demeter.readings.lattice import MEASURED
from demeter.readings.model import Block
from demeter.readings.slots import day_number, number_day
from demeter.sdk import ReadingKind

COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">II", 0, 0)
COPY_TRAILER = struct.pack(">h", -1)
POSTGRES_EPOCH_DAY = 10_957  # 2000-01-01 counted from 1970-01-01
POSTGRES_EPOCH_S = POSTGRES_EPOCH_DAY * 86_400
INT4_OID, INT8_OID = 23, 20
ARRAY_HEAD = 20
CHUNK_ROWS = 4096
FIELDS = 16
INT8_MAX = int(np.iinfo(np.int64).max)

BLOCK_COLUMNS = (
    "site_id, channel_id, day, revision, base, sum, min, max, n, min_slot, max_slot, first_slot, last_slot,"
    " wide, quality, vals"
)
INT4_FIELDS = ("site_id", "channel_id", "day", "revision")
INT4_MEASURES = ("low", "high")
INT2_FIELDS = ("n", "min_slot", "max_slot", "first_slot", "last_slot")


def copy_blocks(blocks: BlockSet) -> Iterator[bytes]:
    """Yield the rows as binary COPY tuples in chunks, without header and trailer."""
    for same in blocks.by_slot_count():
        for start in range(0, len(same), CHUNK_ROWS):
            yield _chunk(same.rows(np.arange(start, min(start + CHUNK_ROWS, len(same)))))


def _chunk(blocks: BlockSet) -> bytes:
    register = blocks.grid.kind is ReadingKind.REGISTER
    measures = measure(blocks.state, register=register)
    if measures.narrow.all():
        return _narrow(blocks, measures)
    narrow = blocks.rows(measures.narrow)
    fast = _narrow(narrow, measure(narrow.state, register=register)) if len(narrow) else b""
    slow = (_tuple(block) for block in rows(blocks.rows(~measures.narrow)))
    return fast + b"".join(slow)


def _narrow(blocks: BlockSet, measures: Measures) -> bytes:
    width = measures.delta.shape[1]
    plain = bool(measures.all_measured.all())
    whole = bool((measures.n == width).all())
    register = blocks.grid.kind is ReadingKind.REGISTER
    table = np.zeros(len(blocks), _tuple_type(width, plain=plain, register=register))
    _fill(table, blocks, measures, register=register)
    table["quality_length"] = np.where(measures.all_measured, -1, width)
    if not plain:
        table["quality"] = blocks.state.quality
    table["vals_length"] = ARRAY_HEAD + 4 * width + 4 * measures.n
    table["vals_head"] = (1, 0, INT4_OID, width, 1)
    table["vals_head"][:, 1] = measures.n < width
    table["element"][:, :, 0] = 4 if whole else np.where(measures.present, 4, -1)
    table["element"][:, :, 1] = measures.delta
    if plain and whole:
        return table.tobytes()
    return _masked(table, measures, width, plain=plain)


def _masked(table: NDArray[np.void], measures: Measures, width: int, *, plain: bool) -> bytes:
    length = table.dtype.itemsize
    keep = np.ones((len(table), length), np.bool_)
    if not plain:
        begin = length - 8 * width - 4 - ARRAY_HEAD - width
        keep[:, begin : begin + width] = ~measures.all_measured[:, None]
    elements = keep[:, length - 8 * width :].reshape(len(table), width, 8)
    elements[:, :, 4:] = measures.present[:, :, None]
    data: bytes = table.view(np.uint8).reshape(len(table), length)[keep].tobytes()
    return data


def _fill(table: NDArray[np.void], blocks: BlockSet, measures: Measures, *, register: bool) -> None:
    table["fields"] = FIELDS
    numbers: dict[str, NDArray[np.integer]] = {
        "site_id": blocks.site_id,
        "channel_id": blocks.channel_id,
        "day": blocks.day - POSTGRES_EPOCH_DAY,
        "revision": blocks.revision,
    }
    numbers |= {name: getattr(measures, name) for name in ("sum", *INT4_MEASURES, *INT2_FIELDS)}
    for name, column in numbers.items():
        table[name] = column
    for names, length in (((*INT4_FIELDS, *INT4_MEASURES), 4), (("sum",), 8), (INT2_FIELDS, 2)):
        for name in names:
            table[f"{name}_length"] = length
    table["base_length"] = 8 if register else -1
    if register:
        table["base"] = measures.base
    table["wide_length"] = -1


def _tuple_type(width: int, *, plain: bool, register: bool) -> np.dtype[np.void]:
    fields: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = [("fields", ">i2")]
    fields += _sized(INT4_FIELDS, ">i4")
    fields += [("base_length", ">i4")] + ([("base", ">i8")] if register else [])
    fields += _sized(("sum",), ">i8") + _sized(INT4_MEASURES, ">i4") + _sized(INT2_FIELDS, ">i2")
    fields += [("wide_length", ">i4"), ("quality_length", ">i4")]
    fields += [] if plain else [("quality", "u1", (width,))]
    fields += [("vals_length", ">i4"), ("vals_head", ">i4", (5,)), ("element", ">i4", (width, 2))]
    return np.dtype(fields)


def _sized(names: tuple[str, ...], kind: str) -> list[tuple[str, str] | tuple[str, str, tuple[int, ...]]]:
    return [pair for name in names for pair in ((f"{name}_length", ">i4"), (name, kind))]


def rows(blocks: BlockSet) -> Iterator[Block]:
    """Yield stored rows one by one, by plain exact integers: for odd rows, for edits and for comparing.

    The twin of the vector path; both must give the same row.
    """
    for same in blocks.by_slot_count():
        present = presence(same.state)
        for i in range(len(same)):
            quality = same.state.quality[i]
            measured = bool(((quality == MEASURED) | (quality == 0)).all())
            values = [int(v) if p else None for v, p in zip(same.state.values[i], present[i], strict=True)]
            yield _exact(same, i, values, None if measured else quality.tobytes())


def _exact(blocks: BlockSet, i: int, values: list[int | None], quality: bytes | None) -> Block:
    slots = [k for k, value in enumerate(values) if value is not None]
    there = [value for value in values if value is not None]
    register = blocks.grid.kind is ReadingKind.REGISTER
    base = there[0] if there and register else None
    narrow = all(abs(value - (base or 0)) < 1 << 31 for value in there)
    total = (there[-1] - there[0] if register else sum(there)) if there else None
    vals = tuple(None if v is None else v - (base or 0) for v in values) if narrow else None
    return Block(
        site_id=int(blocks.site_id[i]),
        channel_id=int(blocks.channel_id[i]),
        day=number_day(int(blocks.day[i])),
        revision=int(blocks.revision[i]),
        base=base if narrow else None,
        sum=total if total is not None and abs(total) <= INT8_MAX else None,
        min=min(there) - (base or 0) if there and narrow else None,
        max=max(there) - (base or 0) if there and narrow else None,
        n=len(there),
        min_slot=values.index(min(there)) if there else None,
        max_slot=values.index(max(there)) if there else None,
        first_slot=slots[0] if slots else None,
        last_slot=slots[-1] if slots else None,
        wide=None if narrow else tuple(values),
        quality=quality,
        vals=vals,
    )


def _tuple(block: Block) -> bytes:
    day = day_number(block.day) - POSTGRES_EPOCH_DAY
    parts = [struct.pack(">h", FIELDS)]
    parts += [struct.pack(">ii", 4, v) for v in (block.site_id, block.channel_id, day, block.revision)]
    parts += [_field(">q", v) for v in (block.base, block.sum)]
    parts += [_field(">i", v) for v in (block.min, block.max)]
    parts += [_field(">h", v) for v in (block.n, block.min_slot, block.max_slot, block.first_slot, block.last_slot)]
    parts.append(_array(block.wide, INT8_OID, ">q"))
    parts.append(_sized_bytes(block.quality))
    parts.append(_array(block.vals, INT4_OID, ">i"))
    return b"".join(parts)


def _field(kind: str, value: int | None) -> bytes:
    return _sized_bytes(None if value is None else struct.pack(kind, value))


def _sized_bytes(value: bytes | None) -> bytes:
    return struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value


def _array(values: tuple[int | None, ...] | None, oid: int, kind: str) -> bytes:
    if values is None:
        return struct.pack(">i", -1)
    head = struct.pack(">iiiii", 1, int(None in values), oid, len(values), 1)
    return _sized_bytes(head + b"".join(_field(kind, v) for v in values))


def copy_records(columns: dict[str, tuple[str, NDArray[np.integer]]]) -> bytes:
    """Return binary COPY tuples without NULLs from columns: name → (big-endian type, values)."""
    count = len(next(iter(columns.values()))[1])
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, (kind, _) in columns.items():
        fields += [(f"{name}_length", ">i4"), (name, kind)]
    table = np.zeros(count, np.dtype(fields))
    table["fields"] = len(columns)
    for name, (kind, values) in columns.items():
        table[f"{name}_length"] = np.dtype(kind).itemsize
        table[name] = values
    return table.tobytes()


def timestamps(at_s: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return UTC epoch seconds as PostgreSQL's binary timestamptz (microseconds from 2000-01-01)."""
    return (at_s - POSTGRES_EPOCH_S) * 1_000_000
