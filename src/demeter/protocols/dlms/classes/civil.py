"""Dates and times of schedules: five and four octets with wildcards (IEC 62056-6-2, 4.1.6.1), and how moments read.

A full date-time is :class:`~demeter.protocols.dlms.cosem_time.CosemDateTime`. None stands for "not specified" (0xFF):
any day, every hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from demeter.protocols.dlms.cosem_time import (
    DAY_LAST,
    DAY_SECOND_LAST,
    MONTH_DST_BEGIN,
    MONTH_DST_END,
    CosemDateTime,
)
from demeter.protocols.dlms.errors import Malformed

DATE_OCTETS: Final = 5
TIME_OCTETS: Final = 4

_ANY: Final = 0xFF
_MONTHS: Final = {MONTH_DST_BEGIN: "month of clock forward", MONTH_DST_END: "month of clock back"}
_DAYS: Final = {DAY_LAST: "last day", DAY_SECOND_LAST: "second last day"}
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class CosemDate:
    """A date of a schedule. ``weekday`` is 1 (Monday) to 7; the special months and days are those of ``cosem_time``."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """Read five octets.

        Raises:
            Malformed: any other number of octets.
        """
        if len(octets) != DATE_OCTETS:
            raise Malformed(f"a date has {DATE_OCTETS} octets, {len(octets)} given", offset=0)
        year = int.from_bytes(octets[:2], "big")
        return cls(None if year == 0xFFFF else year, *map(_given, octets[2:]))

    def to_bytes(self) -> bytes:
        """The five octets.

        Raises:
            Malformed: a field does not fit.
        """
        try:
            year = (0xFFFF if self.year is None else self.year).to_bytes(2, "big")
            return year + bytes(map(_octet, (self.month, self.day, self.weekday)))
        except (ValueError, OverflowError) as error:
            raise Malformed(f"a date field does not fit: {error}") from None

    def __str__(self) -> str:
        return _date_words(self.year, self.month, self.day, self.weekday)


@dataclass(frozen=True, slots=True)
class CosemTime:
    """A time of day of a schedule."""

    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    hundredths: int | None = None

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """Read four octets.

        Raises:
            Malformed: any other number of octets.
        """
        if len(octets) != TIME_OCTETS:
            raise Malformed(f"a time has {TIME_OCTETS} octets, {len(octets)} given", offset=0)
        return cls(*map(_given, octets))

    def to_bytes(self) -> bytes:
        """The four octets.

        Raises:
            Malformed: a field does not fit.
        """
        try:
            return bytes(map(_octet, (self.hour, self.minute, self.second, self.hundredths)))
        except ValueError as error:
            raise Malformed(f"a time field does not fit: {error}") from None

    def __str__(self) -> str:
        return _time_words(self.hour, self.minute, self.second, self.hundredths)


def moment_words(moment: CosemDateTime) -> str:
    """Return a date-time as a person reads it: wildcards as ``*``, the offset from UTC as in ISO 8601."""
    if moment == CosemDateTime(status=moment.status):
        return "not specified"
    words = (
        _date_words(moment.year, moment.month, moment.day, moment.weekday if moment.day is None else None)
        + " "
        + _time_words(moment.hour, moment.minute, moment.second, moment.hundredths)
    )
    if moment.deviation_min is None:
        return words
    hours, minutes = divmod(abs(moment.deviation_min), 60)
    return f"{words} {'-' if moment.deviation_min > 0 else '+'}{hours:02}:{minutes:02}"


def _date_words(year: int | None, month: int | None, day: int | None, weekday: int | None) -> str:
    if year is None and month is None and day is None:
        return "every day" if weekday is None else f"every {_weekday(weekday)}"
    if (month in _MONTHS) or (day in _DAYS):
        parts = [_DAYS.get(day or 0, f"day {_two(day)}"), "of", _MONTHS.get(month or 0, f"month {_two(month)}")]
        words = " ".join([*parts, *([] if year is None else [str(year)])])
    else:
        words = f"{'*' if year is None else f'{year:04}'}-{_two(month)}-{_two(day)}"
    return words if weekday is None else f"{words} ({_weekday(weekday)})"


def _time_words(hour: int | None, minute: int | None, second: int | None, hundredths: int | None) -> str:
    words = f"{_two(hour)}:{_two(minute)}:{_two(second)}"
    return words if hundredths in (None, 0) else f"{words}.{hundredths:02}"


def _weekday(number: int) -> str:
    return _WEEKDAYS[number - 1] if 1 <= number <= 7 else f"weekday {number}"


def _two(field: int | None) -> str:
    return "*" if field is None else f"{field:02}"


def _given(octet: int) -> int | None:
    return None if octet == _ANY else octet


def _octet(field: int | None) -> int:
    return _ANY if field is None else field
