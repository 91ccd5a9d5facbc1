"""How well a site is read: reads due and received in time, and why others failed.

A read is due when its interval has ended and the time that counts has passed since: what is not a quarter of an hour
old yet is missing from no count. Meters without a driver are not due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from demeter import estate
from demeter.headend import store
from demeter.headend.model import FailureCount, Kept, ProfileState, Received, ServiceLevel
from demeter.headend.schedule import WINDOWS, reads_due
from demeter.headend.service import READ, UNTOLD_PERIOD_S
from demeter.kernel import DAY, Invalid, Span, day_start, local_day
from demeter.runtime.database import UnitOfWork
from demeter.sdk import Profile

MOST_DAYS = 400


@dataclass(frozen=True, slots=True)
class ReadingPerformance:
    """Of a site, from site-local midnight of ``since`` to that after ``until``; reasons: the most meters first."""

    since: date
    until: date
    site: ServiceLevel
    meters: tuple[ServiceLevel, ...]
    failures: tuple[FailureCount, ...]


def last_week(work: UnitOfWork, site_id: int) -> tuple[date, date]:
    """Return the days that are shown unless others are asked for: today and the six before, as the site has them."""
    today = local_day(estate.site(work, site_id).zone, work.now())
    return today - 6 * DAY, today


def reading_performance(work: UnitOfWork, site_id: int, since: date, until: date) -> ReadingPerformance:
    """Return how well a site was read in the days from ``since`` to ``until``, both included.

    Raises:
        Denied: without the permission ``headend.read``.
        Invalid: the days are in the wrong order, or more than 400.
    """
    work.scope.require(READ)
    if not 0 <= (until - since).days < MOST_DAYS:
        raise Invalid(f"{since} to {until} is no span of 1 to {MOST_DAYS} days", code="days")
    site, now = estate.site(work, site_id), work.now()
    days = [since + k * DAY for k in range((until - since).days + 1)]
    profiles, received = store.profile_states(work, site_id), store.days_received(work, site_id, (since, until))
    meters = [
        _level(meter, _Period(site.zone, days, now), profiles.get((meter.id, Profile.BLOCK)), received)
        for meter in estate.meters(work, site_id)
        if meter.active and meter.protocol != estate.MANUAL
    ]
    span = Span(day_start(site.zone, since), day_start(site.zone, until + DAY))
    return ReadingPerformance(since, until, _total(meters), tuple(meters), tuple(store.failures(work, site_id, span)))


@dataclass(frozen=True, slots=True)
class _Period:
    """Site-local days, as they are seen ``now``."""

    zone: str
    days: Sequence[date]
    now: datetime

    def reads(self, period_s: int, after: datetime, until: datetime) -> int:
        """Count the interval reads of these days that ended after one instant and up to another."""
        return sum(reads_due(self.zone, day, period_s, after, until) for day in self.days)


def _level(
    meter: estate.Meter, period: _Period, block: ProfileState | None, received: Mapping[tuple[int, date], Received]
) -> ServiceLevel:
    """Return a meter's level. Reads that are there before they are due are counted when they are."""
    got = sum((received.get((meter.id, day), Received()) for day in period.days), Received())
    period_s = block.period_s if block and block.period_s else UNTOLD_PERIOD_S
    until = meter.commissioned_at if block is None or block.collected_until is None else block.collected_until
    kept = []
    for window, count in zip(WINDOWS, (got.within_15min, got.within_4h, got.within_24h), strict=True):
        ripe = period.now - window
        due = period.reads(period_s, meter.commissioned_at, ripe)
        early = period.reads(period_s, max(meter.commissioned_at, ripe), until)
        kept.append(Kept(due, min(max(count - early, 0), due)))
    return ServiceLevel(meter.id, *kept)


def _total(meters: Sequence[ServiceLevel]) -> ServiceLevel:
    def added(name: str) -> Kept:
        each = [getattr(meter, name) for meter in meters]
        return Kept(sum(kept.due for kept in each), sum(kept.received for kept in each))

    return ServiceLevel(None, added("within_15min"), added("within_4h"), added("within_24h"))
