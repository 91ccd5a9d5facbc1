"""What the vector path hands over: the raw cells of repeated structures, column by column."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demeter.protocols.dlms.data import Tag

DELTA_TAGS: Final = frozenset(
    {Tag.DELTA_INT8, Tag.DELTA_INT16, Tag.DELTA_INT32, Tag.DELTA_UINT8, Tag.DELTA_UINT16, Tag.DELTA_UINT32}
)
INTEGER_TAGS: Final = frozenset(
    {
        Tag.BOOLEAN,
        Tag.INT8,
        Tag.INT16,
        Tag.INT32,
        Tag.INT64,
        Tag.UINT8,
        Tag.UINT16,
        Tag.UINT32,
        Tag.UINT64,
        Tag.ENUM,
        Tag.BCD,
    }
)


class ColumnKind(IntEnum):
    """What a column's cells are; cells of different kinds make it OPAQUE, null-data fits every kind."""

    INTEGER = 1
    MOMENT = 2
    OPAQUE = 4


class CellState(IntEnum):
    """What a cell holds."""

    NULL = 0
    VALUE = 1
    DELTA = 2
    UNREADABLE = 3


KIND_OF_BITS: Final = tuple(
    ColumnKind(bits) if bits in (1, 2, 4) else ColumnKind.OPAQUE if bits else ColumnKind.INTEGER for bits in range(8)
)
"""The kind of a column whose cells' kinds are OR-ed into an index."""


@dataclass(frozen=True, slots=True, eq=False)
class RowColumn:
    """One column of raw cells.

    ``state`` uint8[n] is a :class:`CellState` per row. ``values`` int64[n] holds integers and deltas, zero elsewhere;
    unsigned values beyond int64 are UNREADABLE. ``words`` uint32[3, n] holds the twelve octets of date-times as three
    little-endian words (MOMENT only). ``whole`` is True only if every cell is a VALUE
    (of a part of a batch it may be False although they are).
    """

    kind: ColumnKind
    state: NDArray[np.uint8]
    values: NDArray[np.int64]
    words: NDArray[np.uint32] | None = None
    whole: bool = field(default=False)

    def __getitem__(self, rows: slice) -> RowColumn:
        words = None if self.words is None else self.words[:, rows]
        return RowColumn(self.kind, self.state[rows], self.values[rows], words, self.whole)

    @property
    def octets(self) -> NDArray[np.uint8]:
        """The date-times as uint8[n, 12]."""
        assert self.words is not None, "only date-time columns have octets"
        return np.ascontiguousarray(self.words.T, "<u4").view(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class RowColumns:
    """The cells of ``rows`` structures with equally many elements."""

    rows: int
    columns: tuple[RowColumn, ...]

    def __getitem__(self, rows: slice) -> RowColumns:
        columns = tuple(column[rows] for column in self.columns)
        return RowColumns(len(range(*rows.indices(self.rows))), columns)


@dataclass(frozen=True, slots=True, eq=False)
class RowGroup:
    """Payloads decoded in one go: payload ``members[k]`` has the rows ``starts[k]:starts[k + 1]``."""

    members: NDArray[np.intp]
    starts: NDArray[np.intp]
    rows: RowColumns


@lru_cache(maxsize=256)
def constant(value: CellState, rows: int) -> NDArray[np.uint8]:
    """A state column of one value, without storage per row."""
    return np.broadcast_to(np.uint8(value), rows)


@lru_cache(maxsize=256)
def zeros(rows: int) -> NDArray[np.int64]:
    """A value column of zeros, without storage per row."""
    return np.broadcast_to(np.int64(0), rows)


@lru_cache(maxsize=256)
def truths(rows: int) -> NDArray[np.bool_]:
    """A column of True, without storage per row."""
    return np.broadcast_to(np.True_, rows)
