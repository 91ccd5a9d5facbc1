"""The one place where an instant becomes a site-local day and a slot, and back.

Slots are counted from the instant of local midnight in steps of the channel's interval, so a day that changes the
clock has 92 or 100 quarter-hours (94 or 98 where the change is half an hour) and every slot is a UTC instant. A
register reading at instant t is in the slot that begins at t; an interval reading in the slot of its start. A daily
channel (86,400 s) has one slot per local day, however long: the reading at local midnight, or the amount from
midnight to midnight.
What does not fall exactly on a slot is *off the grid* and kept as a spot reading, never moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from demeter.kernel import day_start
from demeter.readings.lattice import Int32s, Int64s
from demeter.sdk import ReadingKind, ReadingType

DAY_S = 86_400
SHORTEST_GRID_S = 60
EPOCH_DAY = date(1970, 1, 1).toordinal()


def day_number(day: date) -> int:
    """Return the day counted from 1970-01-01."""
    return day.toordinal() - EPOCH_DAY


def number_day(number: int) -> date:
    """Return the calendar day of a day number."""
    return date.fromordinal(int(number) + EPOCH_DAY)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where n readings belong: local day number, slot, and whether they are on the grid at all."""

    day: Int32s
    slot: Int32s
    on_grid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Grid:
    """The slots of channels of one shape at sites of one zone."""

    zone: str
    interval_s: int
    kind: ReadingKind

    @classmethod
    def of(cls, reading_type: ReadingType, zone: str) -> Grid:
        """Return the grid of a channel with ``reading_type`` at a site in ``zone``."""
        return cls(zone, reading_type.interval_s, reading_type.kind)

    @property
    def regular(self) -> bool:
        """Tell whether there are slots at all: the interval divides the day and is at least a minute."""
        return self.interval_s >= SHORTEST_GRID_S and DAY_S % self.interval_s == 0

    @property
    def daily(self) -> bool:
        """Tell whether a slot is a whole local day."""
        return self.interval_s == DAY_S

    def slots(self, day: int) -> int:
        """Return how many slots local day number ``day`` has."""
        if self.daily:
            return 1
        bounds, first = day_bounds(self.zone, day, day)
        return -(-int(bounds[day - first + 1] - bounds[day - first]) // self.interval_s)

    def place(self, at_s: Int64s) -> Placement:
        """Return where readings stamped ``at_s`` (UTC epoch seconds; interval readings: their end) belong."""
        anchor = at_s
        if self.kind is ReadingKind.INTERVAL:
            anchor = at_s - (1 if self.daily else self.interval_s)
        bounds, first = day_bounds(self.zone, int(anchor.min()) // DAY_S - 1, int(anchor.max()) // DAY_S + 1)
        index = _day_index(anchor, bounds)
        since_midnight = anchor - bounds[index]
        day = (index + first).astype(np.int32)
        if not self.regular:
            return Placement(day, np.zeros(len(at_s), np.int32), np.zeros(len(at_s), np.bool_))
        if self.daily:
            exact = at_s == (bounds[index] if self.kind is ReadingKind.REGISTER else bounds[index + 1])
            return Placement(day, np.zeros(len(at_s), np.int32), exact)
        slot = since_midnight // self.interval_s
        return Placement(day, slot.astype(np.int32), slot * self.interval_s == since_midnight)

    def stamps(self, days: Int32s, slots: NDArray[np.integer]) -> Int64s:
        """Return the UTC epoch seconds at which readings in these days and slots are stamped (inverse of place)."""
        if not days.size:
            return np.zeros(0, np.int64)
        bounds, first = day_bounds(self.zone, int(days.min()), int(days.max()))
        index = days.astype(np.int64) - first
        shift = 1 if self.kind is ReadingKind.INTERVAL else 0
        stamps: Int64s = bounds[index + shift]
        if not self.daily:
            stamps = bounds[index] + (slots.astype(np.int64) + shift) * self.interval_s
        return stamps


def _day_index(anchor: Int64s, bounds: Int64s) -> Int64s:
    # Days are 24 h but for clock changes, so the guess is off by one at most; the loop also covers skipped days.
    index: Int64s = (anchor - bounds[0]) // DAY_S
    np.clip(index, 0, len(bounds) - 2, out=index)
    while (late := anchor >= bounds[index + 1]).any():
        index += late
    while (early := anchor < bounds[index]).any():
        index -= early
    return index


def day_bounds(zone: str, first: int, last: int) -> tuple[Int64s, int]:
    """Return the starts (UTC epoch s) of all local days from ``first`` to ``last`` + 1 at least, and the first's day.

    Whole years are made and kept: callers index the array by day number minus the returned one.
    """
    return _year_bounds(zone, number_day(first).year, number_day(last + 1).year)


@lru_cache(maxsize=512)
def _year_bounds(zone: str, first_year: int, last_year: int) -> tuple[Int64s, int]:
    start = date(first_year, 1, 1)
    count = (date(last_year + 1, 1, 1) - start).days + 1
    bounds = np.fromiter(
        (int(day_start(zone, start + timedelta(days=i)).timestamp()) for i in range(count)), np.int64, count
    )
    bounds.flags.writeable = False
    return bounds, day_number(start)


def epoch_s(at: datetime) -> int:
    """Return an aware instant as whole UTC epoch seconds."""
    return int(at.timestamp())


def instant(at_s: int) -> datetime:
    """Return UTC epoch seconds as an aware instant."""
    return datetime.fromtimestamp(int(at_s), UTC)
