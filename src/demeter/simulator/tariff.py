"""The tariff of a meter: its activity calendar, its special days, and how much was used under which tariff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from functools import lru_cache
from typing import Final

import numpy as np

from demeter.protocols.dlms.classes.commands.tariff import Calendar, day_profile, season
from demeter.protocols.dlms.classes.timing import DayProfile, Season, SpecialDay, Week
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.simulator.event_log import CALENDAR
from demeter.simulator.loads import Load
from demeter.simulator.noise import IntArray
from demeter.simulator.relay import Note
from demeter.simulator.schedules import falls_on
from demeter.simulator.slots import SLOT_S, slots

TARIFFS: Final = 8
_FIRST: Final = 1

ONE_TARIFF: Final = Calendar(
    b"SINGLE",
    (season("S", 1, 1, "W"),),
    (Week(b"W", *(_FIRST,) * 7),),
    (day_profile(_FIRST, {time(0): _FIRST}),),
)
"""What a meter has from the factory: tariff 1 at all times."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """A calendar with the special days that go before it."""

    calendar: Calendar
    special: tuple[SpecialDay, ...] = ()


class Tariff:
    """Calendars and special days. A change counts from when it is made: what was used before stays where it is."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._history: list[tuple[int, _Rules]] = [(0, _Rules(ONE_TARIFF))]
        self.passive = ONE_TARIFF
        self.activate_at = CosemDateTime()
        self.due_s: int | None = None

    @property
    def active(self) -> Calendar:
        """The calendar in force."""
        return self._history[-1][1].calendar

    @property
    def changes(self) -> int:
        """How often calendar or special days changed."""
        return len(self._history)

    @property
    def special(self) -> tuple[SpecialDay, ...]:
        """The special days in force, by index."""
        return self._history[-1][1].special

    def set_special(self, days: Sequence[SpecialDay], at_s: int) -> None:
        """Replace the special days; equal indices: the last one counts."""
        kept = {day.index: day for day in days}
        rules = replace(self._history[-1][1], special=tuple(kept[index] for index in sorted(kept)))
        self._history.append((at_s, rules))

    def activate(self, at_s: int) -> list[str]:
        """Make the passive calendar the active one; return, in words, what is wrong with it (then nothing is done)."""
        problems = self.passive.problems()
        if not problems:
            self._history.append((at_s, replace(self._history[-1][1], calendar=self.passive)))
            self._note(at_s, CALENDAR)
        return problems

    def advance(self, now_s: int) -> None:
        """Activate the passive calendar if that was due."""
        if self.due_s is not None and now_s >= self.due_s:
            due_s, self.due_s = self.due_s, None
            self.activate(due_s)

    def used(self, load: Load, zone: str, since_s: int, stamps: IntArray) -> IntArray:
        """Return int64[TARIFFS, n]: what a load used under each tariff from ``since_s`` until each ascending stamp."""
        if not len(stamps):
            return np.zeros((TARIFFS, 0), dtype=np.int64)
        first, last = since_s // SLOT_S, int(stamps[-1]) // SLOT_S
        grid = np.arange(first, last + 2, dtype=np.int64) * SLOT_S
        edges = np.unique(np.concatenate([grid, stamps]))
        edges = edges[(edges >= since_s) & (edges <= stamps[-1])]
        if len(edges) < 2:
            return np.zeros((TARIFFS, len(stamps)), dtype=np.int64)
        amounts = np.diff(load.total(edges))
        tariff = self._tariffs(zone, first, last - first + 1)[edges[:-1] // SLOT_S - first]
        places = np.searchsorted(edges, stamps)
        found = np.zeros((TARIFFS, len(stamps)), dtype=np.int64)
        for number in range(TARIFFS):
            sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.where(tariff == number, amounts, 0))])
            found[number] = sums[places]
        return found

    def _tariffs(self, zone: str, first: int, count: int) -> IntArray:
        """Return the tariff of each quarter-hour, counted from 0."""
        found = np.zeros(count, dtype=np.int64)
        index = np.arange(first, first + count, dtype=np.int64) * SLOT_S
        for since_s, rules in self._history:
            later = index >= since_s
            if later.any():
                found[later] = _of_rules(rules, zone, first, count)[later]
        return found


@lru_cache(maxsize=64)
def _of_rules(rules: _Rules, zone: str, first: int, count: int) -> IntArray:
    """Return the tariff of each of ``count`` quarter-hours from number ``first``, counted from 0."""
    known = slots(zone, first, count)
    days, place = np.unique(known.day, return_inverse=True)
    table = np.array([_of_day(rules, date.fromordinal(int(day) + _EPOCH_DAY)) for day in days], dtype=np.int64)
    found: IntArray = table[place, known.quarter]
    found.flags.writeable = False
    return found


_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def _of_day(rules: _Rules, day: date) -> list[int]:
    """Return the tariffs of a day's 96 quarter-hours, counted from 0."""
    profile = _profile(rules, day)
    tariffs = [0] * 96
    for action in profile.schedule if profile is not None else ():
        begin = ((action.start.hour or 0) * 60 + (action.start.minute or 0)) // 15
        tariffs[begin:] = [min(max(action.selector, 1), TARIFFS) - 1] * (96 - begin)
    return tariffs


def _profile(rules: _Rules, day: date) -> DayProfile | None:
    calendar = rules.calendar
    wanted = next((special.day_id for special in rules.special if falls_on(special.date, day)), None)
    if wanted is None:
        name = _season_of(calendar.seasons, day)
        week = next((each for each in calendar.weeks if each.name == name), None)
        if week is None:
            return None
        wanted = (week.monday, week.tuesday, week.wednesday, week.thursday, week.friday, week.saturday, week.sunday)[
            day.weekday()
        ]
    return next((each for each in calendar.days if each.day_id == wanted), None)


def _season_of(seasons: Sequence[Season], day: date) -> bytes:
    """Return the week of the season a day lies in: the one that began last, in this year or the one before."""
    begun: list[tuple[int, int, int, bytes]] = []
    for each in seasons:
        start = each.start
        for year in (day.year - 1, day.year):
            month, first = start.month or 1, start.day or 1
            if start.year in (None, year) and month <= 12 and first <= 31:
                begun.append((year, month, first, each.week_name))
    past = [each for each in begun if each[:3] <= (day.year, day.month, day.day)]
    return max(past)[3] if past else (seasons[0].week_name if seasons else b"")
