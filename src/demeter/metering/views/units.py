"""The units page: one row per service point of a site, from kept totals in a handful of set-wise queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from demeter import readings
from demeter.estate import PointRole, ServicePoint
from demeter.kernel import Span, local_day, month_span
from demeter.metering.failures import installed_now
from demeter.metering.gather import SiteMap, site_map
from demeter.metering.model import Flag, MonthUse
from demeter.metering.store import hand_off, use
from demeter.metering.views.balance import BalanceView, balances
from demeter.metering.views.coverage import coverage_so_far
from demeter.metering.views.flags import flag_of, goes_to, situation, standing
from demeter.metering.views.model import FlagCode, UnitRow, UnitsPage, UnitsSummary, shares, shown
from demeter.readings import Latest
from demeter.runtime.database import UnitOfWork

ROLE_ORDER = {PointRole.BULK: 0, PointRole.COMMON: 1, PointRole.UNIT: 2}


def units_page(work: UnitOfWork, site_id: int, month: date | None = None) -> UnitsPage:
    """Return a site's month (its first day; None: the running month).

    Raises:
        NotFound: no such site in the scope.
    """
    where = site_map(work, site_id)
    site, now = where.site, work.now()
    month = (month or local_day(site.zone, now)).replace(day=1)
    span = month_span(site.zone, month.year, month.month)
    months = {m.service_point_id: m for m in use.months(work, site_id, month=month)}
    kept: dict[int, list[Flag]] = {}
    for flag in use.flags_within(work, site_id, month, span.end):
        kept.setdefault(flag.service_point_id, []).append(flag)
    revisions = hand_off.revisions(work, site_id, month)
    points = sorted(where.points.values(), key=lambda p: (p.building, ROLE_ORDER[p.role], p.label, p.commodity))
    found = {(b.building_id, b.commodity): b for b in balances(work, site, points, months, month)}
    newest = list(readings.latest(work, site_id).values())
    last = last_reads(where, newest)
    rows = tuple(
        _row(
            point,
            months.get(point.id),
            standing(kept.get(point.id, []), ended=span.end <= now),
            found.get((point.building_id, point.commodity)),
            (span, now),
            last.get(point.id),
            revisions.get(point.id, (None, None))[0],
        )
        for point in points
    )
    return UnitsPage(site, month, span.end <= now, _summary(where, rows, newest, now), rows)


def _row(
    point: ServicePoint,
    month: MonthUse | None,
    kept: Sequence[Flag],
    balance: BalanceView | None,
    when: tuple[Span, datetime],
    last_read_at: datetime | None,
    revision: int | None,
) -> UnitRow:
    span, now = when
    total = month.total if month else None
    coverage_ppm = coverage_so_far(month, span, now) if month else 0
    flag = flag_of(situation(point.role, span.end <= now, month, coverage_ppm, kept, balance))
    return UnitRow(
        point.id,
        point.label,
        point.building,
        point.role,
        point.commodity,
        shown(total) if total else None,
        coverage_ppm,
        shares(total) if total else {},
        flag,
        last_read_at,
        goes_to(point.role, flag, month.flags if month else ()),
        revision,
    )


def last_reads(where: SiteMap, newest: Iterable[Latest]) -> dict[int, datetime]:
    """Return when each service point's meters were last read, in measured time, by hand or not."""
    at: dict[int, datetime] = {}
    own = {channel.id: channel.meter_id for channels in where.channels.values() for channel in channels}
    for latest in newest:
        meter_id = own.get(latest.channel_id)
        if meter_id is not None:
            at[meter_id] = max(at.get(meter_id, latest.measured_at), latest.measured_at)
    found: dict[int, datetime] = {}
    for point_id, there in where.installations.items():
        reads = [at[i.meter_id] for i in there if i.meter_id in at]
        if reads:
            found[point_id] = max(reads)
    return found


def _summary(where: SiteMap, rows: Sequence[UnitRow], newest: Sequence[Latest], now: datetime) -> UnitsSummary:
    codes = [row.flag.code for row in rows]
    smart = {meter.id for meter, _ in installed_now(where)}
    today = local_day(where.site.zone, now)
    read = {n.meter_id for n in newest if local_day(where.site.zone, n.measured_at) == today}
    return UnitsSummary(
        units=len({row.unit for row in rows if row.role is PointRole.UNIT}),
        meters=len({i.meter_id for there in where.installations.values() for i in there if i.ends_at is None}),
        read_today=len(read & smart),
        meters_due=len(smart),
        leaks=codes.count(FlagCode.LEAK),
        read_failures=codes.count(FlagCode.READ_FAILURE),
        self_reads=codes.count(FlagCode.SELF_READ),
        to_check=codes.count(FlagCode.NEEDS_CHECK),
        no_readings=codes.count(FlagCode.NO_READINGS),
        partial=codes.count(FlagCode.PARTIAL),
    )
