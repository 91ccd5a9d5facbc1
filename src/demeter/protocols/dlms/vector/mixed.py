"""Rows whose cells differ in type or are left out (null-data, deltas): still without a Python object per value.

Every place where a row could start (structure tag and column count) is walked at once, column by column: the tag found
there tells how far to step. Afterwards the places that follow on from one another are the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demeter.protocols.dlms.axdr import MOMENTS, NUMBERS, decode_length
from demeter.protocols.dlms.cosem_time import DATE_TIME_OCTETS
from demeter.protocols.dlms.data import Tag
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.vector.fixed import WIRE_TYPES
from demeter.protocols.dlms.vector.layout import STRINGS
from demeter.protocols.dlms.vector.rows import (
    DELTA_TAGS,
    KIND_OF_BITS,
    CellState,
    ColumnKind,
    RowColumn,
    RowColumns,
    RowGroup,
)

_UNKNOWN: Final = 1 << 24


def _steps() -> NDArray[np.int32]:
    """How many bytes follow each tag; strings: what comes on top of their length; far too many: not for this path."""
    steps = np.full(256, _UNKNOWN, np.int32)
    for tag, number in NUMBERS.items():
        steps[tag] = number.size
    for tag, size in MOMENTS.items():
        steps[tag] = size
    steps[Tag.NULL] = 0
    steps[Tag.BOOLEAN] = 1
    steps[list(STRINGS)] = 1
    return steps


_STEPS: Final = _steps()
_IS_STRING: Final = np.isin(np.arange(256), STRINGS)


@dataclass(frozen=True, slots=True)
class _Joined:
    """Payloads of ``columns`` columns in one padded buffer; each has ``counts`` rows in ``begins:ends``."""

    octets: NDArray[np.uint8]
    begins: NDArray[np.intp]
    ends: NDArray[np.intp]
    counts: NDArray[np.intp]
    columns: int


def row_prefix(payload: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and start of the first row of an array of structures; None: not for this path."""
    if payload[:1] != bytes((Tag.ARRAY,)):
        return None
    try:
        rows, start = decode_length(payload, 1)
    except DlmsError:
        return None
    if rows == 0 or start + 2 > len(payload) or payload[start] != Tag.STRUCTURE:
        return None
    columns = payload[start + 1]
    if not 1 <= columns < 0x80 or rows * (2 + columns) > len(payload) - start:
        return None
    return rows, columns, start


def decode_mixed(payloads: Sequence[bytes], members: Sequence[int]) -> tuple[list[RowGroup], list[int]]:
    """Decode the payloads at ``members``; returns groups and the members that need the walker."""
    groups: list[RowGroup] = []
    left: list[int] = []
    by_columns: dict[int, list[tuple[int, int, int]]] = {}
    for member in members:
        prefix = row_prefix(payloads[member])
        if prefix is None or _too_dense(payloads[member], prefix[0], prefix[1]):
            left.append(member)
        else:
            by_columns.setdefault(prefix[1], []).append((member, prefix[0], prefix[2]))
    for columns, items in by_columns.items():
        _decode_group(payloads, items, columns, groups, left)
    return groups, left


def _too_dense(payload: bytes, rows: int, columns: int) -> bool:
    """Whether so many places look like a row's start that walking them all would cost more than it saves."""
    return payload.count(bytes((Tag.STRUCTURE, columns))) > 64 + 4 * rows


def _decode_group(
    payloads: Sequence[bytes],
    items: list[tuple[int, int, int]],
    columns: int,
    groups: list[RowGroup],
    left: list[int],
) -> None:
    joined = _join(payloads, items, columns)
    starts, places, ends = _walk(joined)
    rows, whole = _chains(joined, starts, ends)
    left.extend(items[k][0] for k in np.flatnonzero(~whole))
    kept = np.flatnonzero(whole)
    if not len(kept):
        return
    counts = joined.counts[kept]
    bounds = np.concatenate(([0], np.cumsum(counts)))
    tags = joined.octets[places[:, rows]]
    kinds = np.bitwise_or.reduceat(_cell_kinds(joined.octets, places[:, rows], tags), bounds[:-1], axis=1)
    for same in _alike(kinds):
        picked = np.concatenate([np.arange(bounds[k], bounds[k + 1]) for k in same])
        cells = tuple(
            _column(joined.octets, places[column, rows[picked]], tags[column, picked], int(kinds[column, same[0]]))
            for column in range(columns)
        )
        groups.append(
            RowGroup(
                np.array([items[kept[k]][0] for k in same], np.intp),
                np.concatenate(([0], np.cumsum(counts[same]))),
                RowColumns(len(picked), cells),
            )
        )


def _join(payloads: Sequence[bytes], items: list[tuple[int, int, int]], columns: int) -> _Joined:
    sizes = np.array([len(payloads[member]) for member, _, _ in items], np.intp)
    ends = np.cumsum(sizes)
    buffer = b"".join([payloads[member] for member, _, _ in items]) + bytes(2)
    return _Joined(
        np.frombuffer(buffer, np.uint8),
        ends - sizes + np.array([start for _, _, start in items], np.intp),
        ends,
        np.array([rows for _, rows, _ in items], np.intp),
        columns,
    )


def _walk(joined: _Joined) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Possible row starts, the places of their columns' tags [columns, starts] and where these rows would end."""
    octets = joined.octets
    last = len(octets) - 2
    starts = np.flatnonzero((octets[:-1] == Tag.STRUCTURE) & (octets[1:] == joined.columns))
    places = np.empty((joined.columns, len(starts)), np.intp)
    position = starts + 2
    for column in range(joined.columns):
        np.minimum(position, last, out=position)
        places[column] = position
        tags = octets[position]
        step = 1 + _STEPS[tags]
        strings = _IS_STRING[tags]
        if strings.any():
            lengths = octets[position + 1]
            step += np.where(strings, np.where(lengths < 0x80, lengths, _UNKNOWN), 0)
        position = np.where((step > _UNKNOWN) | (position >= last), last + 1, position + step)
    return starts, places, position


def _chains(
    joined: _Joined, starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The indices of the true rows among ``starts``, and which payloads consist of exactly such rows."""
    following = np.searchsorted(starts, ends)
    first = np.searchsorted(starts, joined.begins)
    behind = np.searchsorted(starts, joined.ends)
    reached = np.append(starts, len(joined.octets))[following] == ends  # a row starts where this one ends
    whole = np.zeros(len(first), np.bool_)
    chains: list[NDArray[np.intp]] = []
    plain = reached & (following == np.arange(1, len(starts) + 1))
    for k, (begin, stop, count, end) in enumerate(
        zip(first.tolist(), behind.tolist(), joined.counts.tolist(), joined.ends.tolist(), strict=True)
    ):
        if stop - begin == count and plain[begin : stop - 1].all() and ends[stop - 1] == end:
            chain = np.arange(begin, stop)
        else:
            chain = _follow(begin, count, following, reached)
        if len(chain) == count and ends[chain[-1]] == end:
            whole[k] = True
            chains.append(chain)
    return (np.concatenate(chains) if chains else np.empty(0, np.intp)), whole


def _follow(begin: int, count: int, following: NDArray[np.intp], reached: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The chain of ``count`` rows from ``begin``, or a shorter one where it breaks."""
    chain = [begin]
    while len(chain) < count and reached[chain[-1]] and following[chain[-1]] < len(reached):
        chain.append(int(following[chain[-1]]))
    return np.array(chain, np.intp)


def _tag_kinds() -> NDArray[np.uint8]:
    kinds = np.full(256, ColumnKind.OPAQUE, np.uint8)
    kinds[[int(tag) for tag in WIRE_TYPES]] = ColumnKind.INTEGER
    kinds[Tag.DATE_TIME] = ColumnKind.MOMENT
    kinds[Tag.NULL] = 0
    return kinds


_KIND_OF_TAG: Final = _tag_kinds()


def _cell_kinds(octets: NDArray[np.uint8], places: NDArray[np.intp], tags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The kind of every cell; octet-strings of twelve octets are date-times."""
    stamps = (tags == Tag.OCTET_STRING) & (octets[places + 1] == DATE_TIME_OCTETS)
    kinds: NDArray[np.uint8] = np.where(stamps, np.uint8(ColumnKind.MOMENT), _KIND_OF_TAG[tags])
    return kinds


def _alike(kinds: NDArray[np.uint8]) -> list[NDArray[np.intp]]:
    """Payloads whose columns are of the same kinds, together."""
    if (kinds == kinds[:, :1]).all():
        return [np.arange(kinds.shape[1])]
    _, which = np.unique(kinds, axis=1, return_inverse=True)
    return [np.flatnonzero(which.ravel() == group) for group in range(int(which.max()) + 1)]


def _column(octets: NDArray[np.uint8], places: NDArray[np.intp], tags: NDArray[np.uint8], bits: int) -> RowColumn:
    kind = KIND_OF_BITS[bits]
    rows = len(tags)
    values = np.zeros(rows, np.int64)
    if kind is ColumnKind.OPAQUE:
        state = np.where(tags == Tag.NULL, np.uint8(CellState.NULL), np.uint8(CellState.UNREADABLE))
        return RowColumn(kind, state, values)
    state = np.where(tags == Tag.NULL, np.uint8(CellState.NULL), np.uint8(CellState.VALUE))
    if kind is ColumnKind.MOMENT:
        return RowColumn(kind, state, values, _words(octets, places, tags), whole=bool(state.all()))
    for tag in np.flatnonzero(np.bincount(tags, minlength=1)).tolist():
        if tag != Tag.NULL:
            _gather(octets, places, np.flatnonzero(tags == tag), Tag(tag), values, state)
    return RowColumn(kind, state, values, whole=bool((state == CellState.VALUE).all()))


def _words(octets: NDArray[np.uint8], places: NDArray[np.intp], tags: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The date-times behind one (DATE_TIME) or two (octet-string) bytes; zeros where the cell is null."""
    words = np.zeros((3, len(tags)), np.uint32)
    given = np.flatnonzero(tags != Tag.NULL)
    content = places[given] + np.where(tags[given] == Tag.DATE_TIME, 1, 2)
    raw = octets[content[:, None] + np.arange(DATE_TIME_OCTETS)]
    words[:, given] = raw.view("<u4").T
    return words


def _gather(
    octets: NDArray[np.uint8],
    places: NDArray[np.intp],
    rows: NDArray[np.intp],
    tag: Tag,
    values: NDArray[np.int64],
    state: NDArray[np.uint8],
) -> None:
    """Read the integers of one type at ``rows`` into ``values`` and ``state``."""
    wire = WIRE_TYPES[tag]
    raw = octets[places[rows][:, None] + np.arange(1, wire.itemsize + 1)]
    found = (raw[:, 0] != 0).astype(np.int64) if tag is Tag.BOOLEAN else raw.view(wire)[:, 0].astype(np.int64)
    if tag is Tag.UINT64:
        beyond = found < 0
        state[rows[beyond]] = CellState.UNREADABLE
        found[beyond] = 0
    elif tag in DELTA_TAGS:
        state[rows] = CellState.DELTA
    values[rows] = found
