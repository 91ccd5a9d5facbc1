"""When something is due: the execution times of a single action schedule as instants, wildcards included."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.classes.civil import CosemDate, CosemTime
from demeter.protocols.dlms.classes.timing import ExecutionTime
from demeter.protocols.dlms.cosem_time import DAY_LAST, DAY_SECOND_LAST

MIDNIGHT = CosemTime(0, 0, 0, 0)
FIRST_OF_MONTH = ExecutionTime(MIDNIGHT, CosemDate(day=1))
_MOST_AHEAD_DAYS = 400

Times = tuple[ExecutionTime, ...]


def falls_on(rule: CosemDate, day: date) -> bool:
    """Tell whether a date with wildcards means a day."""
    if rule.year not in (None, day.year) or rule.month not in (None, day.month):
        return False
    if rule.weekday not in (None, day.isoweekday()):
        return False
    if rule.day in (DAY_LAST, DAY_SECOND_LAST):
        last = monthrange(day.year, day.month)[1]
        return day.day == last - (rule.day == DAY_SECOND_LAST)
    return rule.day in (None, day.day)


def occurrences(times: Iterable[ExecutionTime], zone: str, since_s: int, until_s: int) -> list[int]:
    """Return the UTC epoch seconds in ``[since_s, until_s]`` at which any of ``times`` is due, ascending, each once.

    Times are local in IANA ``zone``; a second that is not specified is 0. A local time the clocks pass over is due
    where they end up.
    """
    given = tuple(times)
    if until_s < since_s or not given:
        return []
    here = ZoneInfo(zone)
    found: set[int] = set()
    for day in _days(here, since_s, until_s):
        for each in given:
            if falls_on(each.date, day):
                found.update(_of_day(each.time, day, here))
    ordered = sorted(found)
    return ordered[bisect_left(ordered, since_s) : bisect_right(ordered, until_s)]


def next_occurrence(times: Iterable[ExecutionTime], zone: str, after_s: int) -> int | None:
    """Return the first instant after ``after_s``, within 400 days; None: there is none."""
    given = tuple(times)
    reach_s = 86_400
    while reach_s < _MOST_AHEAD_DAYS * 86_400:
        found = occurrences(given, zone, after_s + 1, after_s + reach_s)
        if found:
            return found[0]
        reach_s *= 8
    return None


def _days(here: ZoneInfo, since_s: int, until_s: int) -> Iterator[date]:
    day = datetime.fromtimestamp(since_s, UTC).astimezone(here).date()
    last = datetime.fromtimestamp(until_s, UTC).astimezone(here).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


def _of_day(rule: CosemTime, day: date, here: ZoneInfo) -> Iterator[int]:
    hours = range(24) if rule.hour is None else (rule.hour,)
    minutes = range(60) if rule.minute is None else (rule.minute,)
    for hour in hours:
        for minute in minutes:
            local = datetime(day.year, day.month, day.day, hour, minute, rule.second or 0, tzinfo=here)
            yield int(local.astimezone(UTC).timestamp())
