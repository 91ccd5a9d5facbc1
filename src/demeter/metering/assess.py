"""One service point's month, from the readings of its meters: the single path to the number.

The refresh job, the screens and the proof all come through here, so they cannot disagree. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from demeter.estate import PointRole, ServicePoint
from demeter.kernel import Commodity, Invalid, Quality, month_days, month_span
from demeter.metering.columns import Bools, InstalledMeter, Ints
from demeter.metering.consumption import Placed, place
from demeter.metering.index import DAY_S, Rules
from demeter.metering.leak import LeakEpisode, LeakKind, leaks, over_later
from demeter.metering.offline import DEFAULT_THRESHOLD, silences
from demeter.metering.rollup import Total, day_bounds, totals

LEAK_LEAD = timedelta(days=2)
MARGIN = timedelta(days=3)
"""How far beyond a month its result may look: reads by hand near its bounds, and a leak that began before it."""

NOT_COMPUTABLE = "not_computable"
NEEDS_CHECK = "needs_check"
NIGHT = (time(2), time(5))


@dataclass(frozen=True, slots=True)
class Assessment:
    """A month of a service point: slots, totals, leak episodes, silences (UTC epoch seconds), flag words.

    ``until_s``: its end, or the present instant of a running month.
    """

    month: date
    until_s: int
    placed: Placed
    total: Total
    days: tuple[tuple[date, Total], ...]
    leaks: tuple[LeakEpisode, ...]
    silences: tuple[tuple[int, int], ...]
    offline_after_s: int
    flags: tuple[str, ...]


def assess(
    point: ServicePoint,
    zone: str,
    month: date,
    meters: Sequence[InstalledMeter],
    until: datetime | None = None,
    offline_after: timedelta = DEFAULT_THRESHOLD,
) -> Assessment:
    """Compute a month.

    Args:
        point: the service point.
        zone: the site's IANA zone.
        month: its first day.
        meters: the meters installed there, with readings from ``MARGIN`` before the month to ``MARGIN`` after it.
        until: in a running month, the present instant: silences after it are none.
        offline_after: silence longer than this is a read failure.

    What cannot be kept exactly (a multiplier of 1/3, an unknown unit) is not computed: the month then has no amount and
    the flag ``not_computable``. One wrong entry must not keep a site's other numbers from being made.
    """
    try:
        return _assess(point, zone, month, meters, until, offline_after)
    except Invalid:
        bare = [InstalledMeter(m.serial, m.start_s, m.end_s, (), manual=m.manual, meter_id=m.meter_id) for m in meters]
        result = _assess(point, zone, month, bare, until, offline_after)
        return replace(result, silences=(), flags=("no_readings", NOT_COMPUTABLE))


def _assess(
    point: ServicePoint,
    zone: str,
    month: date,
    meters: Sequence[InstalledMeter],
    until: datetime | None,
    offline_after: timedelta,
) -> Assessment:
    bounds = day_bounds(zone, month.year, month.month)
    start_s, end_s = int(bounds[0]), int(bounds[-1])
    rules = Rules.of(point.commodity)
    placed = place(meters, start_s, end_s, rules)
    total = totals(placed, bounds[[0, -1]])[0]
    days = tuple(zip(month_days(month.year, month.month), totals(placed, bounds), strict=True))
    last_s = end_s if until is None else min(end_s, int(until.timestamp()))
    threshold_s = int(offline_after.total_seconds())
    silent = _silences(meters, start_s, last_s, threshold_s)
    found = _leaks(point, zone, month, meters, running=until is not None)
    words = _flags(placed, total, found, silent)
    return Assessment(month, last_s, placed, total, days, found, silent, threshold_s, words)


def _leaks(
    point: ServicePoint, zone: str, month: date, meters: Sequence[InstalledMeter], *, running: bool
) -> tuple[LeakEpisode, ...]:
    """Judge units' water; a bulk or common meter serves many taps and may flow all day."""
    if point.commodity is not Commodity.WATER or point.role is not PointRole.UNIT:
        return ()
    smart = [meter for meter in meters if not meter.manual]
    if not any(len(channel.at_s) for meter in smart for channel in meter.channels):
        return ()
    span = month_span(zone, month.year, month.month)
    start_s = int((span.start - LEAK_LEAD).timestamp())
    placed = place(smart, start_s, int(span.end.timestamp()), Rules.of(point.commodity))
    month_s = int(span.start.timestamp())
    episodes = [e for e in leaks(placed, night_slots(placed, zone)) if _reaches(e, month_s, running=running)]
    if not running and any(_is_open_burst(e) for e in episodes):
        # the month after tells when it was over; it adds no signal to this one
        end_s = int(span.end.timestamp())
        after = place(smart, end_s, end_s + int(LEAK_LEAD.total_seconds()), Rules.of(point.commodity))
        episodes = [over_later(e, after) if _is_open_burst(e) else e for e in episodes]
    return tuple(episodes)


def _is_open_burst(episode: LeakEpisode) -> bool:
    return episode.kind is LeakKind.BURST and episode.until_s is None


def _reaches(episode: LeakEpisode, month_s: int, *, running: bool) -> bool:
    """Tell whether an episode of the month or the days before it is one of the month.

    A burst before the month that nothing has closed yet is one only while the month runs, as what may be going on now.
    """
    if _is_open_burst(episode) and not running:
        return episode.flow_end_s > month_s
    return episode.until_s is None or episode.until_s > month_s


def night_slots(placed: Placed, zone: str) -> Bools:
    """Tell for every slot whether it begins between 02:00 and 05:00 of the site."""
    starts = placed.slot_starts()
    night = np.zeros(placed.slots, dtype=np.bool_)
    day = datetime.fromtimestamp(placed.start_s, UTC).astimezone(ZoneInfo(zone)).date()
    while (begin := datetime.combine(day, NIGHT[0], ZoneInfo(zone)).timestamp()) < placed.end_s:
        end = datetime.combine(day, NIGHT[1], ZoneInfo(zone)).timestamp()
        night[np.searchsorted(starts, int(begin)) : np.searchsorted(starts, int(end))] = True
        day += timedelta(days=1)
    return night


def _silences(
    meters: Sequence[InstalledMeter], start_s: int, end_s: int, threshold_s: int
) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for meter in meters:
        begin, end = max(start_s, meter.start_s), min(end_s, meter.end_s or end_s)
        if not meter.manual and begin < end:
            found += silences(_marks(meter), begin, end, threshold_s)
    return tuple(sorted(found))


def _marks(meter: InstalledMeter) -> Ints:
    own = [c.at_s[c.quality != Quality.SELF_READ] for c in meter.channels]
    return np.concatenate(own) if own else np.zeros(0, dtype=np.int64)


def _flags(
    placed: Placed, total: Total, found: Sequence[LeakEpisode], silent: Sequence[tuple[int, int]]
) -> tuple[str, ...]:
    reads = [read for part in placed.registers.parts for read in (part.opening, part.closing) if read]
    by_hand = any(read.quality is Quality.SELF_READ for read in reads)
    words = {
        "leak": bool(found),
        "read_failure": bool(silent),
        "self_read": by_hand or Quality.SELF_READ in total.qualities,
        "no_readings": total.amount is None,
        "partial": total.amount is not None and not total.complete,
        NEEDS_CHECK: bool(placed.contradictions),
        "meter_exchange": len(placed.registers.parts) > 1,
    }
    steps = {f.step.value.replace(" ", "_") for f in placed.registers.found}
    return tuple(sorted({word for word, stands in words.items() if stands} | steps))


def window_s(zone: str, month: date) -> tuple[int, int]:
    """Return the UTC epoch seconds between which a month's result looks at readings, both ends included."""
    span = month_span(zone, month.year, month.month)
    margin = MARGIN.days * DAY_S
    return int(span.start.timestamp()) - margin, int(span.end.timestamp()) + margin
