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
_MONTH_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)


def decode_moments(words: NDArray[np.uint32], zone: ZoneInfo | None) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Seconds since 1970 UTC (:data:`NO_TIME` where wildcards or impossible dates stand) and the clock status octets.

    ``words`` uint32[3, n] are the twelve octets as three little-endian words. By deviation if given, else as local
    time in ``zone``: exactly as :meth:`CosemDateTime.to_utc`.
    """
    rows = words.shape[1]
    if rows == 0:
        return np.empty(0, np.int64), np.empty(0, np.uint8)
    # Dates, deviations and states change rarely from row to row: work them out once per run of equal ones.
    changes = (words[0, 1:] != words[0, :-1]) | (words[2, 1:] != words[2, :-1])
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
    lengths = np.diff(starts, append=rows)
    days = _days(words[0, starts])
    tails = words[2, starts]
    deviation_min = _deviations(tails)
    base = np.where(days == NO_TIME, NO_TIME, days * DAY_S + deviation_min * 60)
    base[np.abs(deviation_min) > MAX_DEVIATION_MIN] = NO_TIME
    by_row = _by_zone(days, deviation_min, base, zone)
    at_s = np.repeat(base, lengths)
    of_day_s = _CLOCK[(words[1] >> np.uint32(8)) & np.uint32(0xFFFF)] + _SECOND[words[1] >> np.uint32(24)]
    if (of_day_s < 0).any() or (base == NO_TIME).any():
        at_s = np.where((of_day_s < 0) | (at_s == NO_TIME), NO_TIME, at_s + of_day_s)
    else:
        at_s += of_day_s
    for run in by_row:
        _walk_run(words, int(starts[run]), int(lengths[run]), at_s, zone)
    return at_s, np.repeat((tails >> np.uint32(24)).astype(np.uint8), lengths)


def _days(words: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Days since 1970 of year, month and day; NO_TIME where there is no such date."""
    wide = words.astype(np.int64)
    year = ((wide & 0xFF) << 8) | ((wide >> 8) & 0xFF)
    month, day = (wide >> 16) & 0xFF, wide >> 24
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    month_ok = (month >= 1) & (month <= 12)
    longest = _MONTH_DAYS[np.where(month_ok, month, 0)] + ((month == 2) & leap)
    valid = (year >= FIRST_YEAR) & (year <= LAST_YEAR) & month_ok & (day >= 1) & (day <= longest)
    # Civil date to day number, with years that begin in March so that the leap day is the last one.
    shifted = year - (month <= 2)
    century_day = 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400
    number = century_day + (153 * ((month + 9) % 12) + 2) // 5 + day - 719_469
    return np.where(valid, number, NO_TIME)


def _deviations(tails: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Minutes from octets 9 and 10."""
    high, low = (tails >> np.uint32(8)) & np.uint32(0xFF), (tails >> np.uint32(16)) & np.uint32(0xFF)
    return ((high << np.uint32(8)) | low).astype(np.uint16).view(np.int16).astype(np.int64)


def _by_zone(
    days: NDArray[np.int64], deviation_min: NDArray[np.int64], base: NDArray[np.int64], zone: ZoneInfo | None
) -> list[int]:
    """Fill ``base`` of runs without deviation from the zone; returns the runs on days on which the offset changes."""
    local = np.flatnonzero((deviation_min == _NO_DEVIATION) & (days != NO_TIME))
    if zone is None or not len(local):
        return []
    changing: list[int] = []
    for day in np.unique(days[local]).tolist():
        runs = local[days[local] == day]
        offset_s = offset_of_day(zone, day)
        if offset_s is None:
            changing += runs.tolist()
        else:
            base[runs] = day * DAY_S - offset_s
    return changing


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
