"""Fixed-shape rows of many payloads to columns: one comparison per constant, one strided view per column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from demeter.protocols.dlms.axdr import NUMBERS
from demeter.protocols.dlms.cosem_time import DATE_TIME_OCTETS
from demeter.protocols.dlms.data import Tag
from demeter.protocols.dlms.vector.layout import Cell, Layout
from demeter.protocols.dlms.vector.rows import (
    DELTA_TAGS,
    INTEGER_TAGS,
    CellState,
    ColumnKind,
    RowColumn,
    RowColumns,
    constant,
    zeros,
)

WIRE_TYPES: Final[dict[Tag, np.dtype[np.generic]]] = {
    tag: np.dtype(f">{NUMBERS[tag].format[1:].translate(str.maketrans('bBhHiIqQ', 'iuiuiuiu'))}{NUMBERS[tag].size}")
    for tag in (INTEGER_TAGS | DELTA_TAGS) - {Tag.BOOLEAN}
} | {Tag.BOOLEAN: np.dtype(np.bool_)}
"""The bytes of each integer type as numpy reads them."""

_WORD: Final = np.dtype("<u4")
_OCTET: Final = np.dtype(np.uint8)

_CHUNK_OCTETS: Final = 1 << 18
"""So many bytes are joined at a time: they stay in the processor's cache while their columns are read."""


class _Chunk:
    """Some payloads of one length and layout, joined; their rows begin at ``start`` of all rows."""

    __slots__ = ("_buffer", "_head", "_shape", "_strides", "rows")

    def __init__(self, payloads: Sequence[bytes], layout: Layout, start: int) -> None:
        self._buffer = payloads[0] if len(payloads) == 1 else b"".join(payloads)
        self._head = len(layout.head)
        self._shape = (len(payloads), layout.rows)
        self._strides = (len(payloads[0]), layout.width)
        self.rows = slice(start, start + len(payloads) * layout.rows)

    def view(self, at: int, dtype: np.dtype[np.generic]) -> NDArray[Any]:
        """What lies ``at`` bytes into every row, [payloads, rows], without copying."""
        return np.ndarray(self._shape, dtype, self._buffer, self._head + at, self._strides)

    def fitting(self, layout: Layout) -> NDArray[np.bool_]:
        """Which payloads have the layout's constants in every row."""
        fits: NDArray[np.bool_] | None = None
        for at, dtype, value in layout.constants:
            fit: NDArray[np.bool_] = self.view(at, dtype) == value
            fits = fit if fits is None else fits & fit
        if fits is None:
            return np.ones(self._shape[0], np.bool_)
        whole: NDArray[np.bool_] = np.logical_and.reduce(fits, axis=1)
        return whole

    def read(self, cell: Cell, out: NDArray[Any]) -> None:
        """Copy a column's values (or the three words of its date-times) to the rows of this chunk."""
        if out.ndim == 2:
            for word in range(3):
                out[word, self.rows].reshape(self._shape)[...] = self.view(cell.at + 4 * word, _WORD)
        elif cell.tag is Tag.BOOLEAN:
            out[self.rows].reshape(self._shape)[...] = self.view(cell.at, _OCTET) != 0
        else:
            out[self.rows].reshape(self._shape)[...] = self.view(cell.at, WIRE_TYPES[cell.tag])


def decode_frames(payloads: Sequence[bytes], layout: Layout) -> tuple[NDArray[np.bool_], RowColumns]:
    """Which payloads have ``layout`` in every row, bool[payloads], and the columns of all of them, one after the other.

    The columns mean something only where the payloads fit.
    """
    rows = len(payloads) * layout.rows
    sinks = [(cell, sink) for cell in layout.cells if (sink := _sink(cell, rows)) is not None]
    step = max(1, _CHUNK_OCTETS // len(payloads[0]))
    fits: list[NDArray[np.bool_]] = []
    for at in range(0, len(payloads), step):
        chunk = _Chunk(payloads[at : at + step], layout, at * layout.rows)
        fits.append(chunk.fitting(layout))
        for cell, sink in sinks:
            chunk.read(cell, sink)
    read = {cell.at: sink for cell, sink in sinks}
    columns = tuple(_column(cell, read.get(cell.at) if cell.size else None, rows) for cell in layout.cells)
    return fits[0] if len(fits) == 1 else np.concatenate(fits), RowColumns(rows, columns)


def _sink(cell: Cell, rows: int) -> NDArray[Any] | None:
    """Where a column's values go; None: there is nothing to read."""
    if cell.tag in WIRE_TYPES:
        return np.empty(rows, np.int64)
    if cell.tag in (Tag.OCTET_STRING, Tag.DATE_TIME) and cell.size == DATE_TIME_OCTETS:
        return np.empty((3, rows), np.uint32)
    return None


def _column(cell: Cell, read: NDArray[Any] | None, rows: int) -> RowColumn:
    if read is None:
        if cell.tag is Tag.NULL:
            return RowColumn(ColumnKind.INTEGER, constant(CellState.NULL, rows), zeros(rows))
        return RowColumn(ColumnKind.OPAQUE, constant(CellState.UNREADABLE, rows), zeros(rows))
    if read.ndim == 2:
        return RowColumn(ColumnKind.MOMENT, constant(CellState.VALUE, rows), zeros(rows), read, whole=True)
    if cell.tag in DELTA_TAGS:
        return RowColumn(ColumnKind.INTEGER, constant(CellState.DELTA, rows), read)
    if cell.tag is Tag.UINT64 and (read < 0).any():
        state = np.where(read < 0, np.uint8(CellState.UNREADABLE), np.uint8(CellState.VALUE))
        return RowColumn(ColumnKind.INTEGER, state, np.maximum(read, 0))
    return RowColumn(ColumnKind.INTEGER, constant(CellState.VALUE, rows), read, whole=True)
