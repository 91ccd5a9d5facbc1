"""Tariff: activity calendar (20), special days (11), billing reset (9) and its schedule (22)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Final

from demeter.protocols.dlms.classes.civil import CosemDate, CosemTime
from demeter.protocols.dlms.classes.commands.steps import Invoke, Read, Step, Write, invoke, read, write
from demeter.protocols.dlms.classes.timing import (
    ActivityCalendar,
    DayAction,
    DayProfile,
    ExecutionTime,
    ScriptTable,
    Season,
    SingleActionSchedule,
    SpecialDay,
    SpecialDaysTable,
    Week,
)
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.obis import Obis

CALENDAR: Final = Obis(0, 0, 13, 0, 0, 255)
SPECIAL_DAYS: Final = Obis(0, 0, 11, 0, 0, 255)
TARIFF_SCRIPTS: Final = Obis(0, 0, 10, 0, 100, 255)
BILLING_RESET: Final = Obis(0, 0, 10, 0, 1, 255)
BILLING_SCHEDULE: Final = Obis(0, 0, 15, 0, 0, 255)
RESET_SCRIPT: Final = 1


@dataclass(frozen=True, slots=True)
class Calendar:
    """A whole calendar. Names are octets: text in most meters, a single number in some."""

    name: bytes
    seasons: tuple[Season, ...]
    weeks: tuple[Week, ...]
    days: tuple[DayProfile, ...]

    def problems(self) -> list[str]:
        """Return, in words, what a meter would stumble over; empty for a calendar that can be written."""
        return [*self._unknown_weeks(), *self._unknown_days(), *self._odd_days()]

    def _unknown_weeks(self) -> Iterator[str]:
        known = {week.name for week in self.weeks}
        if not self.seasons:
            yield "there is no season"
        for season in self.seasons:
            if season.week_name not in known:
                yield f"season {season.name!r} names the week {season.week_name!r}, which there is not"

    def _unknown_days(self) -> Iterator[str]:
        known = {day.day_id for day in self.days}
        for week in self.weeks:
            missing = sorted(set(_days_of(week)) - known)
            if missing:
                yield f"week {week.name!r} names the day profiles {missing}, which there are not"

    def _odd_days(self) -> Iterator[str]:
        for day in self.days:
            starts = [(action.start.hour or 0, action.start.minute or 0) for action in day.schedule]
            if not starts or starts[0] != (0, 0):
                yield f"day profile {day.day_id} does not begin at midnight"
            if starts != sorted(set(starts)):
                yield f"the times of day profile {day.day_id} do not rise"
        if len({day.day_id for day in self.days}) != len(self.days):
            yield "a day profile occurs twice"


def day_profile(day_id: int, tariffs: Mapping[time, int], scripts: Obis = TARIFF_SCRIPTS) -> DayProfile:
    """Return a day on which the tariff changes at local times: ``{time(0): 1, time(6): 2}``; tariffs are selectors."""
    actions = (
        DayAction(CosemTime(at.hour, at.minute, at.second, 0), scripts, tariff)
        for at, tariff in sorted(tariffs.items())
    )
    return DayProfile(day_id, tuple(actions))


def season(name: str, month: int, day: int, week: str) -> Season:
    """Return a season that begins on a day of every year."""
    start = CosemDateTime(month=month, day=day, hour=0, minute=0, second=0, hundredths=0)
    return Season(name.encode("ascii"), start, week.encode("ascii"))


def write_passive(
    calendar: Calendar, activate_at: CosemDateTime | None = None, obis: Obis = CALENDAR
) -> tuple[Step, ...]:
    """Return what writes the passive calendar and makes it active: at a meter's local time, or at once (None).

    Raises:
        Malformed: the calendar contradicts itself; the message says where.
    """
    problems = calendar.problems()
    if problems:
        raise Malformed("; ".join(problems))
    kind = ActivityCalendar
    steps: list[Step] = [
        write(kind, obis, kind.calendar_name_passive, calendar.name),
        write(kind, obis, kind.season_profile_passive, calendar.seasons),
        write(kind, obis, kind.week_profile_table_passive, calendar.weeks),
        write(kind, obis, kind.day_profile_table_passive, calendar.days),
    ]
    if activate_at is None:
        return *steps, invoke(kind, obis, kind.activate_passive_calendar)
    return *steps, write(kind, obis, kind.activate_passive_calendar_time, activate_at)


def read_calendar(obis: Obis = CALENDAR) -> tuple[Read, ...]:
    """Return the reads of both calendars."""
    return read(ActivityCalendar, obis)


def active_calendar(found: ActivityCalendar) -> Calendar | None:
    """Return the calendar in force; None where it was not read whole."""
    return _calendar(
        found.calendar_name_active,
        found.season_profile_active,
        found.week_profile_table_active,
        found.day_profile_table_active,
    )


def passive_calendar(found: ActivityCalendar) -> Calendar | None:
    """Return the calendar to come; None where it was not read whole."""
    return _calendar(
        found.calendar_name_passive,
        found.season_profile_passive,
        found.week_profile_table_passive,
        found.day_profile_table_passive,
    )


def _calendar(
    name: bytes | None,
    seasons: tuple[Season, ...] | None,
    weeks: tuple[Week, ...] | None,
    days: tuple[DayProfile, ...] | None,
) -> Calendar | None:
    if name is None or seasons is None or weeks is None or days is None:
        return None
    return Calendar(name, seasons, weeks, days)


def special_days(days: Mapping[date, int], obis: Obis = SPECIAL_DAYS) -> Write:
    """Return what replaces all special days by these dates and their day profiles."""
    entries = tuple(
        SpecialDay(index, CosemDate(at.year, at.month, at.day), day_id)
        for index, (at, day_id) in enumerate(sorted(days.items()), start=1)
    )
    return write(SpecialDaysTable, obis, SpecialDaysTable.entries, entries)


def insert_special_day(day: SpecialDay, obis: Obis = SPECIAL_DAYS) -> Invoke:
    """Return the insertion of one special day; an equal index is replaced."""
    return invoke(SpecialDaysTable, obis, SpecialDaysTable.insert, day)


def delete_special_day(index: int, obis: Obis = SPECIAL_DAYS) -> Invoke:
    """Return the deletion of one special day."""
    return invoke(SpecialDaysTable, obis, SpecialDaysTable.delete, index)


def reset_billing(obis: Obis = BILLING_RESET, script: int = RESET_SCRIPT) -> Invoke:
    """Return the end of the billing period: registers are captured, the maximum demand begins anew."""
    return invoke(ScriptTable, obis, ScriptTable.execute, script)


def billing_dates(times: Iterable[tuple[CosemDate, CosemTime]], obis: Obis = BILLING_SCHEDULE) -> Write:
    """Return what sets when the meter itself ends the billing period: ``CosemDate(day=1), CosemTime(0, 0, 0, 0)``."""
    found = tuple(ExecutionTime(at, on) for on, at in times)
    return write(SingleActionSchedule, obis, SingleActionSchedule.execution_time, found)


def _days_of(week: Week) -> tuple[int, ...]:
    return week.monday, week.tuesday, week.wednesday, week.thursday, week.friday, week.saturday, week.sunday
