"""Per-building reconciliation of a month, and the shares of its common area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from demeter import estate
from demeter.estate import PointRole, ServicePoint, Site
from demeter.kernel import Commodity, Quality, display, local_day, month_span, next_month, rescale
from demeter.metering.model import MonthUse
from demeter.metering.reconciliation import Balance, BalanceRules, PointUse, apportion, reconcile
from demeter.metering.store import use
from demeter.metering.store.use import DaySeries
from demeter.metering.views.coverage import ENOUGH_PPM, coverage_so_far, percent
from demeter.runtime.database import UnitOfWork

CLASS_PPM = {Commodity.ELECTRICITY: 10_000, Commodity.WATER: 20_000}
"""Accuracy class 1 of electricity meters (IS 13779), class 2 of water meters (IS 779, ISO 4064)."""

MILLION = Decimal(10**6)


@dataclass(frozen=True, slots=True)
class ShareView:
    """A unit's part of the common area: its fraction of the whole, and its amount in kWh or kL."""

    unit: str
    service_point_id: int
    share: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class BalanceView:
    """Bulk − units − common = loss, for one building and commodity; amounts in kWh or kL over the aligned window.

    ``shares`` of the common area: none while a metered common point has no number at all. ``common_gaps``: the common
    points that are not wholly known, each with why.
    """

    building_id: int
    building: str
    commodity: Commodity
    balance: Balance
    scaler: int
    days: tuple[date, ...]
    by: str
    shares: tuple[ShareView, ...]
    common_gaps: tuple[str, ...]

    def shown(self, amount: int | None) -> Decimal | None:
        """Return an amount of the balance in kWh or kL."""
        return None if amount is None else display(amount, self.scaler)

    @property
    def excluded(self) -> tuple[str, ...]:
        """Return the excluded service points, each with its reason."""
        return tuple(f"{label}: {why}" for _, label, why in self.balance.excluded)

    @property
    def loss_percent(self) -> Decimal | None:
        """Return the loss in percent of the bulk amount, with two digits."""
        ppm = self.balance.loss_ppm
        return None if ppm is None else (Decimal(ppm) / 10_000).quantize(Decimal("0.01"))


def reconciliation(work: UnitOfWork, site_id: int, month: date) -> list[BalanceView]:
    """Return the balances of a site's buildings that have a bulk meter or a common area, by building and commodity."""
    site = estate.site(work, site_id)
    points = estate.service_points(work, site_id)
    months = {m.service_point_id: m for m in use.months(work, site_id, month=month)}
    return balances(work, site, points, months, month)


def balances(
    work: UnitOfWork, site: Site, points: Sequence[ServicePoint], months: Mapping[int, MonthUse], month: date
) -> list[BalanceView]:
    """Return the balances from what the caller has read already."""
    groups: dict[tuple[str, Commodity], list[ServicePoint]] = {}
    for point in points:
        groups.setdefault((point.building, point.commodity), []).append(point)
    groups = {key: group for key, group in groups.items() if any(p.role is not PointRole.UNIT for p in group)}
    if not groups:
        return []
    now, span = work.now(), month_span(site.zone, month.year, month.month)
    days = _days(month, local_day(site.zone, now))
    series = use.day_series(work, site.id, month, next_month(month)) if days else {}
    areas = {unit.id: unit.area_dm2 for unit in estate.units(work, site.id)}
    metered = {
        i.service_point_id
        for i in estate.installations(work, site.id)
        if i.starts_at < min(span.end, now) and (i.ends_at is None or i.ends_at > span.start)
    }
    coverage = {point: coverage_so_far(months[point], span, now) if point in months else 0 for point in metered}
    return [
        _balance(group, months, days, series, areas, coverage)
        for _, group in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1].value))
    ]


def _days(month: date, today: date) -> tuple[date, ...]:
    """Return the days of the month that are over."""
    end = min(next_month(month), today)
    return tuple(date.fromordinal(day) for day in range(month.toordinal(), end.toordinal()))


def _balance(
    group: Sequence[ServicePoint],
    months: Mapping[int, MonthUse],
    days: tuple[date, ...],
    series: Mapping[int, DaySeries],
    areas: Mapping[int, int | None],
    coverage: Mapping[int, int],
) -> BalanceView:
    scalers = [months[p.id].total.scaler for p in group if p.id in months]
    scalers += [scaler for p in group if p.id in series for scaler in series[p.id].scalers]
    scaler = min(scalers, default=0)
    uses = [_point_use(point, months.get(point.id), days, series.get(point.id), scaler) for point in group]
    balance = reconcile(uses, BalanceRules(class_ppm=CLASS_PPM[group[0].commodity]))
    gaps, whole = _common_gaps(group, months, coverage)
    by, shares = _shares(group, months, areas, scaler) if whole else ("", ())
    first = group[0]
    where = first.building_id, first.building, first.commodity
    return BalanceView(*where, balance, scaler, days, by, shares, gaps)


def _point_use(
    point: ServicePoint, month: MonthUse | None, days: tuple[date, ...], series: DaySeries | None, scaler: int
) -> PointUse:
    amounts, complete = np.zeros(len(days), dtype=np.int64), np.zeros(len(days), dtype=np.bool_)
    place = {day: i for i, day in enumerate(days)}
    for day, amount, own, whole in series.rows() if series else ():
        if day in place and amount is not None:
            amounts[place[day]] = rescale(amount, own, scaler)
            complete[place[day]] = whole
    total = month.total if month else None
    known = total is not None and total.complete and total.amount is not None
    whole_amount = rescale(total.amount, total.scaler, scaler) if known and total and total.amount is not None else None
    by_hand = known and total is not None and Quality.SELF_READ in total.qualities
    return PointUse(point.id, point.label, point.role.value, amounts, complete, whole_amount, by_hand)


def _common_gaps(
    group: Sequence[ServicePoint], months: Mapping[int, MonthUse], coverage: Mapping[int, int]
) -> tuple[tuple[str, ...], bool]:
    """Return the metered common points whose use is not wholly known, and whether each has a number at all.

    ``coverage``: known share so far, per million, of the service points with a meter in the month.
    """
    gaps, whole = [], True
    for point in sorted(group, key=lambda p: p.label):
        if point.role is not PointRole.COMMON or point.id not in coverage:
            continue
        if point.id not in months or months[point.id].total.amount is None:
            gaps.append(f"{point.label}: no readings")
            whole = False
        elif coverage[point.id] < ENOUGH_PPM:
            gaps.append(f"{point.label}: {percent(coverage[point.id])} % of the time is known")
    return tuple(gaps), whole


def _shares(
    group: Sequence[ServicePoint],
    months: Mapping[int, MonthUse],
    areas: Mapping[int, int | None],
    scaler: int,
) -> tuple[str, tuple[ShareView, ...]]:
    """Share out what the common area used in the month: by floor area where every unit's is known, else equally."""
    units = sorted((p for p in group if p.role is PointRole.UNIT), key=lambda p: p.id)
    totals = [months[p.id].total for p in group if p.role is PointRole.COMMON and p.id in months]
    known = [rescale(t.amount, t.scaler, scaler) for t in totals if t.amount is not None]
    if not units or not known or sum(known) < 0:
        return "", ()
    weights = [areas.get(p.unit_id or 0) or 0 for p in units]
    by = "area" if all(weights) else "equal"
    weights = weights if all(weights) else [1] * len(units)
    amounts = apportion(sum(known), weights, [p.id for p in units])
    whole = sum(weights)
    return by, tuple(
        ShareView(p.label, p.id, (weight * MILLION / whole).to_integral_value() / MILLION, display(amount, scaler))
        for p, weight, amount in zip(units, weights, amounts, strict=True)
    )
