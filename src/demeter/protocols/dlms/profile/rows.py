"""From a profile's buffer to its rows of COSEM data: the slow, general way."""

from __future__ import annotations

from demeter.protocols.dlms.axdr import decode, decode_all, decode_length
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import Malformed, Truncated


def profile_rows(payload: bytes, columns: int) -> list[tuple[Data, ...]]:
    """Decode an array or compact array of structures of ``columns`` elements.

    Raises:
        Malformed: anything else, bytes behind the array, or a row of another width; otherwise as ``axdr.decode``.
    """
    if payload[:1] == bytes((Tag.COMPACT_ARRAY,)):
        return [_cells(item, columns, 0) for item in decode_all(payload).value.items]
    if payload[:1] != bytes((Tag.ARRAY,)):
        decode(payload)  # the more precise complaint, where there is one
        raise Malformed("a profile's buffer is an array", offset=0)
    count, position = decode_length(payload, 1)
    if count > len(payload) - position:
        raise Truncated(f"{count} rows cannot follow", offset=position)
    rows = []
    for _ in range(count):
        row, behind = decode(payload, position)
        rows.append(_cells(row, columns, position))
        position = behind
    if position != len(payload):
        raise Malformed(f"{len(payload) - position} bytes follow the rows", offset=position)
    return rows


def _cells(row: Data, columns: int, offset: int) -> tuple[Data, ...]:
    if row.tag is not Tag.STRUCTURE:
        raise Malformed(f"a row is a structure, not {row.tag.name}", offset=offset)
    if len(row.value) != columns:
        raise Malformed(f"a row of {len(row.value)} columns where {columns} are captured", offset=offset)
    cells: tuple[Data, ...] = row.value
    return cells
