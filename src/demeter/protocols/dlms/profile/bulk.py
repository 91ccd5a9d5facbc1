"""Profiles of many meters to columns in one go: null-data filled, omitted times derived, all as whole columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.profile.captures import CaptureObject, Scalers
from demeter.protocols.dlms.profile.columns import ProfileColumn, ProfileColumns, TimeSource
from demeter.protocols.dlms.profile.scalar import profile_columns_scalar
from demeter.protocols.dlms.vector import (
    NO_TIME,
    CellState,
    ColumnKind,
    RowColumn,
    RowGroup,
    decode_moments,
    group_rows,
    truths,
)

_SAFE: Final = 1 << 62
_STATUS_UNKNOWN: Final = np.uint8(0xFF)


@dataclass(frozen=True, slots=True, eq=False)
class ProfileGroup:
    """Profiles decoded together: the one at ``members[k]`` has rows ``starts[k]:starts[k + 1]`` of ``columns``."""

    members: NDArray[np.intp]
    starts: NDArray[np.intp]
    columns: ProfileColumns


@dataclass(frozen=True, slots=True)
class ProfileBatch:
    """What became of each payload: in exactly one group, or an error."""

    groups: tuple[ProfileGroup, ...]
    errors: Mapping[int, DlmsError]

    def each(self) -> list[ProfileColumns | DlmsError]:
        """One result per payload, in their order."""
        results: dict[int, ProfileColumns | DlmsError] = dict(self.errors)
        for group in self.groups:
            starts = group.starts.tolist()
            for k, index in enumerate(group.members.tolist()):
                results[index] = group.columns[starts[k] : starts[k + 1]]
        return [results[index] for index in range(len(results))]


def profile_columns(
    payload: bytes,
    captures: Sequence[CaptureObject],
    scalers: Scalers,
    capture_period_s: int,
    zone: ZoneInfo | None,
) -> ProfileColumns:
    """Decode the buffer of a profile (A-XDR array or compact array of structures) whose columns are ``captures``.

    Null-data repeats the row before; a null clock is ``capture_period_s`` after it (0: the same instant). Times without
    deviation are local time in ``zone``. Values keep the integers sent; ``scalers`` only says what they mean.

    Raises:
        Truncated, Malformed, Unsupported: the payload is no profile of these captures; ``offset`` says where.
    """
    batch = profile_columns_batch((payload,), captures, scalers, capture_period_s, zone)
    if batch.errors:
        raise batch.errors[0]
    return batch.groups[0].columns


def profile_columns_batch(
    payloads: Sequence[bytes],
    captures: Sequence[CaptureObject],
    scalers: Scalers,
    capture_period_s: int,
    zone: ZoneInfo | None,
) -> ProfileBatch:
    """Decode the profiles of many meters that share captures, scalers, period and zone; none can spoil another's."""
    done: list[ProfileGroup] = []
    errors: dict[int, DlmsError] = {}
    groups, left = group_rows(payloads)
    for group in groups:
        columns = _columns(group, captures, scalers, capture_period_s, zone)
        if columns is None:
            left += group.members.tolist()
        else:
            done.append(ProfileGroup(group.members, group.starts, columns))
    for index in left:
        try:
            walked = profile_columns_scalar(payloads[index], captures, scalers, capture_period_s, zone)
        except DlmsError as error:
            errors[index] = error
        else:
            done.append(ProfileGroup(np.array([index], np.intp), np.array([0, len(walked)], np.intp), walked))
    return ProfileBatch(tuple(done), errors)


def _columns(
    group: RowGroup, captures: Sequence[CaptureObject], scalers: Scalers, period_s: int, zone: ZoneInfo | None
) -> ProfileColumns | None:
    """The group's profile; None: left to the walker (other captures, a clock of several types, sums beyond int64)."""
    raw = group.rows.columns
    if len(raw) != len(captures):
        return None
    clock = next((at for at, capture in enumerate(captures) if capture.is_clock), None)
    if clock is not None and raw[clock].kind is ColumnKind.OPAQUE:
        return None
    columns: list[ProfileColumn] = []
    for at, capture in enumerate(captures):
        if at == clock:
            continue
        if not raw[at].whole and not _summable(raw[at]):
            return None
        values, present = _values(raw[at], group, zone)
        scaler, unit = scalers.get((capture.obis, capture.attribute), (None, None))
        columns.append(ProfileColumn(capture, scaler, unit, raw[at].kind, values, present))
    return ProfileColumns(*_times(None if clock is None else raw[clock], group, period_s, zone), tuple(columns))


def _summable(column: RowColumn) -> bool:
    """Whether no sum of a value and its deltas can leave int64."""
    return bool(((column.values > -_SAFE) & (column.values < _SAFE)).all())


def _last_filled(column: RowColumn, group: RowGroup) -> NDArray[np.intp]:
    """For every row the last one of its profile, up to itself, that is neither null-data nor a delta; else -1."""
    rows = np.arange(len(column.state))
    own = (column.state == CellState.VALUE) | (column.state == CellState.UNREADABLE)
    last = np.maximum.accumulate(np.where(own, rows, -1))
    first = np.repeat(group.starts[:-1], np.diff(group.starts))
    return np.where(last >= first, last, -1)


def _values(column: RowColumn, group: RowGroup, zone: ZoneInfo | None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Values and presence with null-data repeated and deltas summed up."""
    rows = len(column.state)
    if column.kind is ColumnKind.INTEGER and column.whole:
        return column.values, truths(rows)
    if column.kind is ColumnKind.OPAQUE:
        return np.zeros(rows, np.int64), np.zeros(rows, np.bool_)
    values, readable = column.values, column.state == CellState.VALUE
    if column.words is not None:
        values, _ = decode_moments(column.words, zone)
        readable = readable & (values != NO_TIME)
    if not column.whole:
        last = _last_filled(column, group)
        readable = readable[last] & (last >= 0)
        deltas = np.cumsum(np.where(column.state == CellState.DELTA, column.values, 0))
        values = values[last] + deltas - deltas[last]
    return np.where(readable, values, 0), readable


def _times(
    clock: RowColumn | None, group: RowGroup, period_s: int, zone: ZoneInfo | None
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
    """Instants, clock states and where the times come from."""
    rows = group.rows.rows
    if clock is None or clock.words is None:
        unknown = np.full(rows, _STATUS_UNKNOWN)
        return np.full(rows, NO_TIME), unknown, np.full(rows, TimeSource.UNKNOWN, np.uint8)
    at_s, status = decode_moments(clock.words, zone)
    source = np.not_equal(at_s, NO_TIME).view(np.uint8)  # UNKNOWN is 0, GIVEN is 1
    if clock.whole:
        return at_s, status, source
    last = _last_filled(clock, group)
    known = (last >= 0) & (at_s[last] != NO_TIME)
    passed = np.arange(rows) - last
    source = np.where(passed == 0, source, np.where(known, np.uint8(TimeSource.DERIVED), np.uint8(TimeSource.UNKNOWN)))
    return (
        np.where(known, at_s[last] + passed * period_s, NO_TIME),
        np.where(last >= 0, status[last], _STATUS_UNKNOWN),
        source.astype(np.uint8),
    )
