"""Raw columns by the walker: for shapes the vector path leaves alone, and the twin it must agree with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from demeter.protocols.dlms.axdr import decode_all
from demeter.protocols.dlms.cosem_time import DATE_TIME_OCTETS
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import Malformed, Unsupported
from demeter.protocols.dlms.vector.rows import (
    DELTA_TAGS,
    INTEGER_TAGS,
    KIND_OF_BITS,
    CellState,
    ColumnKind,
    RowColumn,
    RowColumns,
)


def decode_rows_scalar(payload: bytes) -> RowColumns:
    """Decode an array or compact array of structures with equally many elements, cell by cell.

    Raises:
        Malformed: bytes behind the array or rows of different widths; otherwise as ``axdr.decode``.
        Unsupported: not an array of structures.
    """
    data = decode_all(payload)
    if data.tag not in (Tag.ARRAY, Tag.COMPACT_ARRAY):
        raise Unsupported(f"rows are an array, not {data.tag.name}", offset=0)
    items: Sequence[Data] = data.value if data.tag is Tag.ARRAY else data.value.items
    for item in items:
        if item.tag is not Tag.STRUCTURE:
            raise Unsupported(f"a row is a structure, not {item.tag.name}", offset=0)
        if len(item.value) != len(items[0].value):
            raise Malformed("rows of different widths", offset=0)
    width = len(items[0].value) if items else 0
    return RowColumns(len(items), tuple(_column([item.value[at] for item in items]) for at in range(width)))


def _column(cells: Sequence[Data]) -> RowColumn:
    bits = 0
    for cell in cells:
        bits |= 0 if cell.tag is Tag.NULL else _kind_of(cell)
    kind = KIND_OF_BITS[bits]
    states = [_state_of(cell, kind) for cell in cells]
    readable = (CellState.VALUE, CellState.DELTA)
    words = None
    values = [0] * len(cells)
    if kind is ColumnKind.MOMENT:
        raw = b"".join(bytes(DATE_TIME_OCTETS) if cell.tag is Tag.NULL else cell.value for cell in cells)
        words = np.frombuffer(raw, "<u4").reshape(-1, 3).T.astype(np.uint32)
    else:
        values = [int(cell.value) if state in readable else 0 for cell, state in zip(cells, states, strict=True)]
    whole = bool(states) and all(state is CellState.VALUE for state in states)
    return RowColumn(kind, np.array(states, np.uint8), np.array(values, np.int64), words, whole)


def _kind_of(cell: Data) -> int:
    if cell.tag in INTEGER_TAGS or cell.tag in DELTA_TAGS:
        return ColumnKind.INTEGER
    stamp = cell.tag is Tag.DATE_TIME or (cell.tag is Tag.OCTET_STRING and len(cell.value) == DATE_TIME_OCTETS)
    return ColumnKind.MOMENT if stamp else ColumnKind.OPAQUE


def _state_of(cell: Data, kind: ColumnKind) -> CellState:
    if cell.tag is Tag.NULL:
        return CellState.NULL
    if kind is ColumnKind.OPAQUE or (cell.tag is Tag.UINT64 and cell.value >= 2**63):
        return CellState.UNREADABLE
    return CellState.DELTA if cell.tag in DELTA_TAGS else CellState.VALUE
