"""Profile rows to columns, one cell after the other: any shape, and the twin the vector path must agree with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from demeter.protocols.dlms.cosem_time import DATE_TIME_OCTETS, CosemDateTime
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.profile.captures import CaptureObject, Scalers
from demeter.protocols.dlms.profile.columns import ProfileColumn, ProfileColumns, TimeSource
from demeter.protocols.dlms.profile.rows import profile_rows
from demeter.protocols.dlms.vector import DELTA_TAGS, INTEGER_TAGS, NO_TIME, ColumnKind

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_STATUS_UNKNOWN: Final = 0xFF


def profile_columns_scalar(
    payload: bytes,
    captures: Sequence[CaptureObject],
    scalers: Scalers,
    capture_period_s: int,
    zone: ZoneInfo | None,
) -> ProfileColumns:
    """As :func:`~demeter.protocols.dlms.profile.profile_columns`, by walking every cell."""
    rows = profile_rows(payload, len(captures))
    clock = next((at for at, capture in enumerate(captures) if capture.is_clock), None)
    times = [(NO_TIME, _STATUS_UNKNOWN, TimeSource.UNKNOWN)] * len(rows)
    if clock is not None:
        times = _times([row[clock] for row in rows], capture_period_s, zone)
    columns = [
        _column(capture, [row[at] for row in rows], scalers, zone) for at, capture in enumerate(captures) if at != clock
    ]
    return ProfileColumns(
        np.array([at for at, _, _ in times], np.int64),
        np.array([status for _, status, _ in times], np.uint8),
        np.array([source for _, _, source in times], np.uint8),
        tuple(columns),
    )


def _times(cells: Sequence[Data], period_s: int, zone: ZoneInfo | None) -> list[tuple[int, int, TimeSource]]:
    """Instant, clock status and source per row; an omitted stamp lies one capture period after the row before."""
    times: list[tuple[int, int, TimeSource]] = []
    at, status = NO_TIME, _STATUS_UNKNOWN
    for cell in cells:
        source = TimeSource.UNKNOWN
        if cell.tag is Tag.NULL:
            if at != NO_TIME:
                at, source = at + period_s, TimeSource.DERIVED
        elif _is_moment(cell):
            found = _instant(cell.value, zone)
            at, status = NO_TIME if found is None else found, cell.value[-1]
            source = TimeSource.UNKNOWN if found is None else TimeSource.GIVEN
        else:
            at, status = NO_TIME, _STATUS_UNKNOWN
        times.append((at, status, source))
    return times


def _column(capture: CaptureObject, cells: Sequence[Data], scalers: Scalers, zone: ZoneInfo | None) -> ProfileColumn:
    kind = _kind(cells)
    values: list[int | None] = [None] * len(cells)
    if kind is not ColumnKind.OPAQUE:
        last: int | None = None
        for row, cell in enumerate(cells):
            last = _next(last, cell, zone)
            values[row] = last
    scaler, unit = scalers.get((capture.obis, capture.attribute), (None, None))
    return ProfileColumn(
        capture,
        scaler,
        unit,
        kind,
        np.array([value or 0 for value in values], np.int64),
        np.array([value is not None for value in values], np.bool_),
    )


def _next(last: int | None, cell: Data, zone: ZoneInfo | None) -> int | None:
    """The value of a cell, given the one of the row before: null-data repeats it, delta types add to it."""
    if cell.tag is Tag.NULL:
        return last
    if _is_moment(cell):
        return _instant(cell.value, zone)
    value = int(cell.value)
    if cell.tag in DELTA_TAGS:
        if last is None:
            return None
        value += last
    return value if -(2**63) <= value < 2**63 else None


def _kind(cells: Sequence[Data]) -> ColumnKind:
    kinds = {_kind_of(cell) for cell in cells if cell.tag is not Tag.NULL}
    if len(kinds) > 1:
        return ColumnKind.OPAQUE
    return kinds.pop() if kinds else ColumnKind.INTEGER


def _kind_of(cell: Data) -> ColumnKind:
    if cell.tag in INTEGER_TAGS or cell.tag in DELTA_TAGS:
        return ColumnKind.INTEGER
    return ColumnKind.MOMENT if _is_moment(cell) else ColumnKind.OPAQUE


def _is_moment(cell: Data) -> bool:
    return cell.tag is Tag.DATE_TIME or (cell.tag is Tag.OCTET_STRING and len(cell.value) == DATE_TIME_OCTETS)


def _instant(octets: bytes, zone: ZoneInfo | None) -> int | None:
    """Seconds since 1970 UTC; None for wildcards and for dates that do not exist."""
    try:
        return (CosemDateTime.from_bytes(octets).to_utc(zone) - _EPOCH) // _SECOND
    except DlmsError:
        return None
