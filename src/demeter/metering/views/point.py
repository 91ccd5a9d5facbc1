"""One service point: its month, days, months and slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from demeter import estate, readings
from demeter.estate import Installation, PointRole, ServicePoint
from demeter.kernel import Invalid, Span, day_span, day_start, display, local_day, month_span, next_month
from demeter.metering.consumption import place
from demeter.metering.gather import SiteMap, columns_between, installed_meters, site_map
from demeter.metering.index import Rules, Source
from demeter.metering.model import ALARM, Flag, FlagKind, MonthUse
from demeter.metering.store import hand_off, use
from demeter.metering.views.balance import BalanceView, balances
from demeter.metering.views.coverage import coverage_so_far
from demeter.metering.views.flags import Situation, flag_of, kept_view, situation, standing
from demeter.metering.views.model import (
    DayView,
    InstalledView,
    IntervalsView,
    MonthView,
    PointPage,
    RegisterView,
    TotalView,
    shares,
    shown,
)
from demeter.runtime.database import UnitOfWork

LONGEST = timedelta(days=400)


def point_page(work: UnitOfWork, service_point_id: int, month: date | None = None) -> PointPage:
    """Return a service point's month (its first day; None: the running month).

    Raises:
        NotFound: no such service point in the scope.
    """
    point = estate.service_point(work, service_point_id)
    where = site_map(work, point.site_id)
    month = (month or local_day(where.site.zone, work.now())).replace(day=1)
    span = month_span(where.site.zone, month.year, month.month)
    found = use.months(work, point.site_id, month=month, service_point_id=point.id)
    revision = hand_off.revisions(work, point.site_id, month).get(point.id)
    flags = [
        replace(flag, since=use.leak_began(work, point.site_id, flag)) if flag.kind is FlagKind.LEAK else flag
        for flag in standing(
            use.flags_within(work, point.site_id, month, span.end, point.id), ended=span.end <= work.now()
        )
    ]
    month_use = found[0] if found else None
    first = flag_of(_situation(work, where, point, month_use, (span, month), flags))
    there = where.installations.get(point.id, ())
    meter_ids = sorted({i.meter_id for i in there})
    return PointPage(
        point,
        where.site,
        month,
        _total(month_use, revision, span, work.now()),
        (first, *(view for view in map(kept_view, flags) if view != first)),
        tuple(
            InstalledView(m.id, m.serial, m.maker, m.protocol, i.starts_at, i.ends_at)
            for i in there
            for m in (where.meters[i.meter_id],)
        ),
        tuple(readings.channels(work, point.site_id, meter_ids)) if meter_ids else (),
    )


def _situation(
    work: UnitOfWork,
    where: SiteMap,
    point: ServicePoint,
    month_use: MonthUse | None,
    when: tuple[Span, date],
    kept: Sequence[Flag],
) -> Situation:
    """Return what the month's flag follows from, the building's balance included, exactly as on the units page."""
    (span, month), now = when, work.now()
    coverage_ppm = coverage_so_far(month_use, span, now) if month_use else 0
    balance = None if point.role is PointRole.UNIT else _balance_of(work, where, point, month)
    return situation(point.role, span.end <= now, month_use, coverage_ppm, kept, balance)


def _balance_of(work: UnitOfWork, where: SiteMap, point: ServicePoint, month: date) -> BalanceView | None:
    group = [
        other
        for other in where.points.values()
        if (other.building_id, other.commodity) == (point.building_id, point.commodity)
    ]
    months = {m.service_point_id: m for m in use.months(work, point.site_id, month=month)}
    return next(iter(balances(work, where.site, group, months, month)), None)


def _total(month: MonthUse | None, revision: tuple[int, datetime] | None, span: Span, now: datetime) -> TotalView:
    number, published_at = revision or (None, None)
    if month is None:
        zero = display(0, 0)
        return TotalView(None, zero, 0, 0, {}, None, None, number, published_at, ())
    total = month.total
    return TotalView(
        shown(total),
        display(total.bridged, total.scaler),
        total.bridged_slots,
        coverage_so_far(month, span, now),
        shares(total),
        _register(month.opening),
        _register(month.closing),
        number,
        published_at,
        month.flags,
    )


def _register(read: Mapping[str, Any] | None) -> RegisterView | None:
    if read is None:
        return None
    at = datetime.fromisoformat(read["at"])
    value = display(read["value"], read["scaler"])
    return RegisterView(at, value, read["quality"], read["meter_serial"], Source(read["source"]))


def days(work: UnitOfWork, service_point_id: int, month: date | None = None) -> list[DayView]:
    """Return each site-local day of a month up to today; a day without readings has None.

    Raises:
        NotFound: no such service point in the scope.
    """
    point = estate.service_point(work, service_point_id)
    zone = estate.site(work, point.site_id).zone
    today = local_day(zone, work.now())
    month = (month or today).replace(day=1)
    last = min(next_month(month) - timedelta(days=1), today)
    there = estate.installations_at(work, point.id)
    kept = {d.day: d.total for d in use.days(work, point.site_id, month, last, [point.id])}
    result = []
    for number in range(month.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(number)
        total = kept.get(day)
        if total is None:
            result.append(DayView(day, None, 0, {}, due=_installed_on(there, day_span(zone, day))))
        else:
            result.append(DayView(day, shown(total), total.coverage_ppm, shares(total), due=True))
    return result


def _installed_on(there: Sequence[Installation], day: Span) -> bool:
    return any(i.starts_at < day.end and (i.ends_at is None or i.ends_at > day.start) for i in there)


def months(work: UnitOfWork, service_point_id: int) -> list[MonthView]:
    """Return every month of a service point that was computed, oldest first.

    Raises:
        NotFound: no such service point in the scope.
    """
    point = estate.service_point(work, service_point_id)
    zone, now = estate.site(work, point.site_id).zone, work.now()
    flags = use.flags(work, point.site_id, service_point_id=point.id)
    result = []
    for month in use.months(work, point.site_id, service_point_id=point.id):
        span = month_span(zone, month.month.year, month.month.month)
        ended = span.end <= now
        own = [flag for flag in flags if (flag.since < span.end if flag.word == ALARM else flag.month == month.month)]
        kept = standing(own, ended=ended)
        coverage = coverage_so_far(month, span, now)
        flag = flag_of(Situation(point.role, ended, month, coverage, kept))
        result.append(MonthView(month.month, shown(month.total), coverage, shares(month.total), flag))
    return result


def intervals(work: UnitOfWork, service_point_id: int, span: Span) -> IntervalsView:
    """Return the slots of ``span``, widened to whole site-local days at its beginning.

    Raises:
        NotFound: no such service point in the scope.
        Invalid: the span is empty or longer than 400 days.
    """
    if not timedelta(0) < span.end - span.start <= LONGEST:
        raise Invalid("ask for more than nothing and at most 400 days", code="span")
    point = estate.service_point(work, service_point_id)
    where = site_map(work, point.site_id)
    zone = where.site.zone
    start_s = int(day_start(zone, local_day(zone, span.start)).timestamp())
    end_s = int(span.end.timestamp())
    columns = columns_between(work, where, [point.id], start_s, end_s)
    placed = place(installed_meters(where, point.id, columns), start_s, end_s, Rules.of(point.commodity))
    known = placed.known().tolist()
    first = (int(span.start.astimezone(UTC).timestamp()) - start_s) // placed.interval_s
    values = [amount if there else None for amount, there in zip(placed.amounts.tolist(), known, strict=True)]
    return IntervalsView(
        start_s + first * placed.interval_s,
        placed.interval_s,
        zone,
        point.commodity.base_unit,
        placed.scaler,
        tuple(values[first:]),
        tuple(placed.quality.tolist()[first:]),
    )
