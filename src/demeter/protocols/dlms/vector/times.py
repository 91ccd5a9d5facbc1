"""COSEM date-times to seconds and back, whole columns at a time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from demeter.protocols.dlms.cosem_time import FIRST_YEAR, LAST_YEAR, MAX_DEVIATION_MIN, CosemDateTime
from demeter.protocols.dlms.errors import DlmsError

DAY_S: Final = 86_400
NO_TIME: Final = -(2**63)
"""Stands for an instant that is not known."""

BY_ROW: Final = NO_TIME + 1
"""Stands for a day whose rows must be dated one by one."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INVALID_S: Final = -(1 << 24)
_NO_DEVIATION: Final = -0x8000


def _clock_table() -> NDArray[np.int32]:
    """Seconds since midnight by hour + 256 * minute; negative where there is no such time."""
    hours, minutes = np.arange(65536) & 0xFF, np.arange(65536) >> 8
    return np.where((hours < 24) & (minutes < 60), hours * 3600 + minutes * 60, _INVALID_S).astype(np.int32)


def _second_table() -> NDArray[np.int32]:
    seconds = np.arange(256)
    return np.where(seconds < 60, seconds, np.where(seconds == 0xFF, 0, _INVALID_S)).astype(np.int32)


_CLOCK: Final = _clock_table()
_SECOND: Final = _second_table()
_ZERO: Final = np.zeros(1, np.intp)
_EIGHT: Final = np.uint32(8)
_TWENTY_FOUR: Final = np.uint32(24)
_LOW_16: Final = np.uint32(0xFFFF)
_DEVIATION_BITS: Final = np.uint32(0x00FFFF00)
_FEW: Final = 8


def decode_moments(words: NDArray[np.uint32], zone: ZoneInfo | None) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Seconds since 1970 UTC (:data:`NO_TIME` where wildcards or impossible dates stand) and the clock status octets.

    ``words`` uint32[3, n] are the twelve octets as three little-endian words. By deviation if given, else as local
    time in ``zone``: exactly as :meth:`CosemDateTime.to_utc`.
    """
    rows = words.shape[1]
    if rows == 0:
        return np.empty(0, np.int64), np.empty(0, np.uint8)
    dates, clocks, tails = words
    # Dates, deviations and states change rarely from row to row: work them out once per run of equal ones.
    changes = (dates[1:] != dates[:-1]) | (tails[1:] != tails[:-1])
    starts = np.concatenate((_ZERO, np.flatnonzero(changes) + 1))
    lengths = np.diff(starts, append=rows)
    midnights = _midnights(dates[starts], tails[starts], zone)
    of_day_s = _CLOCK[(clocks >> _EIGHT) & _LOW_16] + _SECOND[clocks >> _TWENTY_FOUR]
    at_s = np.repeat(midnights, lengths)
    if of_day_s.min() < 0 or midnights.min() <= BY_ROW:
        at_s = np.where((of_day_s < 0) | (at_s <= BY_ROW), NO_TIME, at_s + of_day_s)
        for run in np.flatnonzero(midnights == BY_ROW).tolist():
            _walk_run(words, int(starts[run]), int(lengths[run]), at_s, zone)
    else:
        at_s += of_day_s
    return at_s, np.repeat((tails[starts] >> _TWENTY_FOUR).astype(np.uint8), lengths)


def _midnights(dates: NDArray[np.uint32], tails: NDArray[np.uint32], zone: ZoneInfo | None) -> NDArray[np.int64]:
    """The start of each local day in seconds UTC, by :func:`_midnight` once per date and deviation."""
    keys = dates.astype(np.uint64) | (tails & _DEVIATION_BITS).astype(np.uint64) << _TWENTY_FOUR.astype(np.uint64)
    if len(keys) <= _FEW:
        return np.array([_midnight(key, zone) for key in keys.tolist()], np.int64)
    different, which = np.unique(keys, return_inverse=True)
    return np.array([_midnight(key, zone) for key in different.tolist()], np.int64)[which]


@lru_cache(maxsize=65_536)
def _midnight(key: int, zone: ZoneInfo | None) -> int:
    """Local midnight of a date in seconds UTC; NO_TIME if it is not known, BY_ROW if the offset changes on that day.

    ``key`` has year (high octet lowest), month, day and deviation (high octet lower) from its low end.
    """
    year = (key & 0xFF) << 8 | key >> 8 & 0xFF
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return NO_TIME
    try:
        day = date(year, key >> 16 & 0xFF, key >> 24 & 0xFF).toordinal() - _EPOCH.toordinal()
    except ValueError:
        return NO_TIME
    deviation_min = ((key >> 32 & 0xFF) << 8 | key >> 40 & 0xFF) ^ 0x8000
    deviation_min -= 0x8000
    if deviation_min == _NO_DEVIATION and zone is not None:
        offset_s = offset_of_day(zone, day)
        return BY_ROW if offset_s is None else day * DAY_S - offset_s
    return day * DAY_S + deviation_min * 60 if abs(deviation_min) <= MAX_DEVIATION_MIN else NO_TIME


@lru_cache(maxsize=65_536)
def offset_of_day(zone: ZoneInfo, day: int) -> int | None:
    """What local time is ahead of UTC on the whole local day (days since 1970), in seconds; None if it changes."""
    civil = date.fromordinal(day + _EPOCH.toordinal())
    ends = (
        datetime.combine(civil, time(0), zone),
        datetime.combine(civil, time(0, fold=1), zone),
        datetime.combine(civil, time(12), zone),
        datetime.combine(civil + timedelta(days=1), time(0), zone),
    )
    offsets = {end.utcoffset() for end in ends}
    offset = offsets.pop()
    return None if offsets or offset is None else offset // timedelta(seconds=1)


def _walk_run(
    words: NDArray[np.uint32], start: int, length: int, at_s: NDArray[np.int64], zone: ZoneInfo | None
) -> None:
    """Date the rows of one run one by one."""
    octets = np.ascontiguousarray(words[:, start : start + length].T, "<u4").tobytes()
    for row in range(length):
        try:
            at = CosemDateTime.from_bytes(octets[12 * row : 12 * row + 12]).to_utc(zone)
        except DlmsError:
            at_s[start + row] = NO_TIME
        else:
            at_s[start + row] = (at - _EPOCH) // timedelta(seconds=1)


def encode_moments(at_s: NDArray[np.int64], zone: ZoneInfo, status: int | NDArray[np.uint8] = 0) -> NDArray[np.uint8]:
    """The date-times uint8[n, 12] a meter in ``zone`` stamps at these seconds since 1970 UTC, with deviation.

    The daylight-saving bit is added to ``status``: as :meth:`CosemDateTime.from_utc`. Years 1970 to 9998.
    """
    offsets, dst = _offsets(np.asarray(at_s, np.int64), zone)
    local = at_s + offsets
    days, of_day = local // DAY_S, local % DAY_S
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    month = months.astype(np.int64)
    year = 1970 + month // 12
    deviation = -(offsets // 60)
    out = np.empty((len(days), 12), np.uint8)
    fields = (
        year >> 8, year & 0xFF, month % 12 + 1, (dates - months).astype(np.int64) + 1, (days + 3) % 7 + 1,
        of_day // 3600, of_day // 60 % 60, of_day % 60, np.int64(0), (deviation >> 8) & 0xFF, deviation & 0xFF,
        np.asarray(status, np.int64) | np.where(dst, 0x80, 0),
    )  # fmt: skip
    for octet, values in enumerate(fields):
        out[:, octet] = values
    return out


def _offsets(at_s: NDArray[np.int64], zone: ZoneInfo) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Offset in seconds and whether daylight saving is on, worked out once per quarter of an hour."""
    quarters, which = np.unique(at_s // 900, return_inverse=True)
    pairs = [_offset_at(zone, quarter) for quarter in quarters.tolist()]
    offsets = np.array([offset for offset, _ in pairs], np.int64)
    return offsets[which], np.array([dst for _, dst in pairs], np.bool_)[which]


@lru_cache(maxsize=65_536)
def _offset_at(zone: ZoneInfo, quarter: int) -> tuple[int, bool]:
    local = datetime.fromtimestamp(quarter * 900, zone)
    return (local.utcoffset() or timedelta()) // timedelta(seconds=1), bool(local.dst())
