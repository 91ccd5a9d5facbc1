"""COSEM date-time: twelve octets of local time, deviation and clock status (IEC 62056-6-2, 4.1.6.1).

Octets: year (2), month, day of month, day of week, hour, minute, second, hundredths, deviation (2, signed minutes from
local time to UTC: India sends -330), clock status. 0xFF (year 0xFFFF, deviation 0x8000) stands for "not specified".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntFlag
from typing import Final, Self
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.errors import Malformed, Truncated, Unsupported

DATE_TIME_OCTETS: Final = 12
MONTH_DST_END: Final = 0xFD
MONTH_DST_BEGIN: Final = 0xFE
DAY_SECOND_LAST: Final = 0xFD
DAY_LAST: Final = 0xFE
MAX_DEVIATION_MIN: Final = 840
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 9998
"""Instants outside these years are refused: no meter clock shows them and arithmetic stays within ``datetime``."""

_ANY: Final = 0xFF
_NO_DEVIATION: Final = -0x8000


class ClockStatus(IntFlag):
    """What a meter says about its clock; the whole octet is 0xFF where it says nothing."""

    INVALID_VALUE = 0x01
    DOUBTFUL_VALUE = 0x02
    DIFFERENT_BASE = 0x04
    INVALID_STATUS = 0x08
    DAYLIGHT_SAVING = 0x80


@dataclass(frozen=True, slots=True)
class CosemDateTime:
    """A date-time as a meter sends it; None stands for "not specified" (a wildcard in schedules and selections).

    ``month`` may be :data:`MONTH_DST_BEGIN` or :data:`MONTH_DST_END`, ``day`` :data:`DAY_LAST` or
    :data:`DAY_SECOND_LAST`. ``weekday`` is 1 (Monday) to 7. ``deviation_min`` is what local time lacks to UTC, in
    minutes. ``status`` is the clock status octet, see :class:`ClockStatus`.
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    hundredths: int | None = None
    deviation_min: int | None = None
    status: int | None = None

    @classmethod
    def from_bytes(cls, octets: bytes | memoryview) -> Self:
        """Read twelve octets. A weekday or hundredths out of range count as not specified: some meters send zero.

        Raises:
            Truncated: fewer than twelve octets.
            Malformed: more than twelve, or a field outside its range; ``offset`` is the field's octet.
        """
        if len(octets) < DATE_TIME_OCTETS:
            raise Truncated(f"a date-time has 12 octets, {len(octets)} given", offset=len(octets))
        if len(octets) > DATE_TIME_OCTETS:
            raise Malformed(f"a date-time has 12 octets, {len(octets)} given", offset=DATE_TIME_OCTETS)
        year = int.from_bytes(octets[0:2], "big")
        return cls(
            year=None if year == 0xFFFF else year,
            month=_field(octets, 2, 1, 12, MONTH_DST_END, MONTH_DST_BEGIN),
            day=_field(octets, 3, 1, 31, DAY_SECOND_LAST, DAY_LAST),
            weekday=octets[4] if 1 <= octets[4] <= 7 else None,
            hour=_field(octets, 5, 0, 23),
            minute=_field(octets, 6, 0, 59),
            second=_field(octets, 7, 0, 59),
            hundredths=octets[8] if octets[8] <= 99 else None,
            deviation_min=_deviation(int.from_bytes(octets[9:11], "big", signed=True)),
            status=None if octets[11] == _ANY else octets[11],
        )

    @classmethod
    def from_utc(cls, at: datetime, zone: ZoneInfo, status: int = 0) -> Self:
        """The aware instant ``at`` as a meter in ``zone`` stamps it; the daylight-saving bit is added to ``status``."""
        local = at.astimezone(zone)
        offset = local.utcoffset() or timedelta()
        return cls(
            year=local.year,
            month=local.month,
            day=local.day,
            weekday=local.isoweekday(),
            hour=local.hour,
            minute=local.minute,
            second=local.second,
            hundredths=local.microsecond // 10_000,
            deviation_min=-(offset // timedelta(minutes=1)),
            status=status | (ClockStatus.DAYLIGHT_SAVING if local.dst() else 0),
        )

    def to_bytes(self) -> bytes:
        """The twelve octets.

        Raises:
            Malformed: a field does not fit its octets.
        """
        year = 0xFFFF if self.year is None else self.year
        deviation = _NO_DEVIATION if self.deviation_min is None else self.deviation_min
        singles = (self.month, self.day, self.weekday, self.hour, self.minute, self.second, self.hundredths)
        try:
            return (
                year.to_bytes(2, "big")
                + bytes(_ANY if field is None else field for field in singles)
                + deviation.to_bytes(2, "big", signed=True)
                + bytes((_ANY if self.status is None else self.status,))
            )
        except (ValueError, OverflowError) as error:
            raise Malformed(f"a date-time field does not fit: {error}") from None

    def to_utc(self, default_zone: ZoneInfo | None = None) -> datetime:
        """The instant as aware UTC: by the deviation if the meter sends one, else as local time in ``default_zone``.

        Seconds and hundredths not specified count as zero. In the hour that occurs twice, the daylight-saving bit of
        the clock status decides; without a status, the first occurrence is taken.

        Raises:
            Unsupported: a wildcard in year to minute, or neither deviation nor zone.
            Malformed: no such day, or a year outside 1900 to 9998.
        """
        year, month, day, hour, minute = self._civil()
        second, microsecond = self.second or 0, (self.hundredths or 0) * 10_000
        zone = UTC if self.deviation_min is not None else default_zone
        if zone is None:
            raise Unsupported("a date-time without deviation is no instant unless a time zone is given")
        try:
            local = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=zone)
        except ValueError as error:
            raise Malformed(f"no such date: {error}") from None
        if self.deviation_min is not None:
            return local + timedelta(minutes=self.deviation_min)
        if self.status is not None and bool(local.dst()) != bool(self.status & ClockStatus.DAYLIGHT_SAVING):
            later = local.replace(fold=1)
            if bool(later.dst()) == bool(self.status & ClockStatus.DAYLIGHT_SAVING):
                local = later
        return local.astimezone(UTC)

    def _civil(self) -> tuple[int, int, int, int, int]:
        """Year to minute, all given and none a rule such as "last day of the month"."""
        if (
            self.year is None
            or self.month is None
            or self.month > 12
            or self.day is None
            or self.day > 31
            or self.hour is None
            or self.minute is None
        ):
            raise Unsupported("a date-time with wildcards is no instant")
        if not FIRST_YEAR <= self.year <= LAST_YEAR:
            raise Malformed(f"the year {self.year} is outside {FIRST_YEAR} to {LAST_YEAR}", offset=0)
        return self.year, self.month, self.day, self.hour, self.minute


def _field(octets: bytes | memoryview, at: int, least: int, most: int, *special: int) -> int | None:
    value = octets[at]
    if value == _ANY:
        return None
    if least <= value <= most or value in special:
        return value
    raise Malformed(f"{value} is outside {least} to {most} in a date-time", offset=at)


def _deviation(minutes: int) -> int | None:
    if minutes == _NO_DEVIATION:
        return None
    if abs(minutes) > MAX_DEVIATION_MIN:
        raise Malformed(f"a deviation of {minutes} minutes", offset=9)
    return minutes
