"""Fixed-shape rows of many payloads to columns: one comparison per constant, one strided view per column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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

_INT64_MAX: Final = np.iinfo(np.int64).max


class Frames:
    """``count`` payloads of one length and layout, joined in ``buffer``."""

    __slots__ = ("_strides", "buffer", "layout", "shape")

    def __init__(self, payloads: Sequence[bytes], layout: Layout) -> None:
        self.buffer = payloads[0] if len(payloads) == 1 else b"".join(payloads)
        self.layout = layout
        self.shape = (len(payloads), layout.rows)
        self._strides = (len(payloads[0]), layout.width)

    def view(self, at: int, dtype: str | np.dtype[np.generic]) -> NDArray[np.generic]:
        """What lies ``at`` bytes into every row, shaped [payloads, rows], without copying."""
        return np.ndarray(self.shape, dtype, self.buffer, len(self.layout.head) + at, self._strides)

    def fitting(self) -> NDArray[np.bool_]:
        """Which payloads have the layout's constants in every row, bool[payloads]."""
        fits: NDArray[np.bool_] = np.ones(self.shape, np.bool_)
        for at, size, value in self.layout.constants:
            fits &= self.view(at, f"<u{size}") == np.array(value, f"<u{size}")
        whole: NDArray[np.bool_] = np.logical_and.reduce(fits, axis=1)
        return whole

    def columns(self) -> RowColumns:
        """The columns of all payloads, one after the other; call only when all of them fit."""
        rows = self.shape[0] * self.shape[1]
        return RowColumns(rows, tuple(self._column(cell, rows) for cell in self.layout.cells))

    def _column(self, cell: Cell, rows: int) -> RowColumn:
        if cell.tag is Tag.NULL:
            return RowColumn(ColumnKind.INTEGER, constant(CellState.NULL, rows), zeros(rows))
        if cell.tag in WIRE_TYPES:
            return self._integers(cell, rows)
        if cell.tag in (Tag.OCTET_STRING, Tag.DATE_TIME) and cell.size == DATE_TIME_OCTETS:
            words = np.empty((3, *self.shape), np.uint32)
            for word in range(3):
                words[word] = self.view(cell.at + 4 * word, "<u4")
            state = constant(CellState.VALUE, rows)
            return RowColumn(ColumnKind.MOMENT, state, zeros(rows), words.reshape(3, rows), whole=True)
        return RowColumn(ColumnKind.OPAQUE, constant(CellState.UNREADABLE, rows), zeros(rows))

    def _integers(self, cell: Cell, rows: int) -> RowColumn:
        raw = self.view(cell.at, WIRE_TYPES[cell.tag])
        if cell.tag is Tag.BOOLEAN:
            raw = self.view(cell.at, "u1") != 0
        values: NDArray[np.int64] = raw.astype(np.int64).reshape(rows)
        if cell.tag in DELTA_TAGS:
            return RowColumn(ColumnKind.INTEGER, constant(CellState.DELTA, rows), values)
        if cell.tag is Tag.UINT64 and (values < 0).any():
            state = np.where(values < 0, np.uint8(CellState.UNREADABLE), np.uint8(CellState.VALUE))
            return RowColumn(ColumnKind.INTEGER, state, np.maximum(values, 0))
        return RowColumn(ColumnKind.INTEGER, constant(CellState.VALUE, rows), values, whole=True)
