"""The units page and what hangs on it, for a small tower with every case on it."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from demeter import metering
from demeter.estate import PointRole
from demeter.kernel import Commodity, Span, month_span
from demeter.metering import views
from demeter.metering.views import FlagCode
from tests.integration.metering import rig

MARCH = date(2026, 3, 1)
ELECTRICITY, WATER = Commodity.ELECTRICITY, Commodity.WATER
SLOTS = 31 * 96


@pytest.fixture
def site(database):
    """A-1204 is normal, B-0706 leaks, C-0302 is dead, D-0101 has no smart meter; bulk sees all but D-0101 and 1 %."""
    site = rig.build(database, now=datetime(2026, 3, 31, 20, tzinfo=UTC))
    span = month_span(site.zone, 2026, 3)
    household = np.tile(np.r_[np.zeros(24, dtype=int), np.full(72, 6)], 31)
    water = {"A-1204": household, "B-0706": household + np.tile([16, 17], SLOTS // 2)}
    for label, amounts in water.items():
        meter_id = site.meter(site.point(label, WATER), f"W-{label}", span.start)
        site.deliver(meter_id, {rig.VOLUME: rig.register(span.start, 500_000, amounts)})
    use = {"A-1204": 105, "E-0101": 90}
    for label, wh in use.items():
        meter_id = site.meter(site.point(label, ELECTRICITY, area=6000), f"E-{label}", span.start)
        site.deliver(meter_id, {rig.ENERGY: rig.quarters(span.start, [wh] * SLOTS)})
    site.meter(site.point("C-0302", ELECTRICITY), "E-C-0302", span.start)
    site.meter(site.point("D-0101", ELECTRICITY), "OLD-D", span.start, protocol="manual")
    lift = site.meter(site.point("Lift", ELECTRICITY, PointRole.COMMON), "E-LIFT", span.start)
    site.deliver(lift, {rig.ENERGY: rig.quarters(span.start, [40] * SLOTS)})
    bulk = site.meter(site.point("Tower A bulk", ELECTRICITY, PointRole.BULK), "E-BULK", span.start)
    site.deliver(bulk, {rig.ENERGY: rig.quarters(span.start, [240] * SLOTS)})
    metering.refresh(database)
    metering.watch_offline(database)
    return site


def page(site, month=MARCH):
    with site.work() as work:
        return views.units_page(work, site.site_id, month)


def row(found, unit, commodity=ELECTRICITY):
    return next(r for r in found.rows if (r.unit, r.commodity) == (unit, commodity))


@pytest.mark.parametrize(
    ("unit", "commodity", "consumption", "code", "to"),
    [
        ("A-1204", ELECTRICITY, "312.480", FlagCode.NORMAL, ["billing"]),
        ("A-1204", WATER, "13.392", FlagCode.NORMAL, ["billing"]),
        ("B-0706", WATER, "62.496", FlagCode.LEAK, ["helpdesk", "billing"]),
        ("C-0302", ELECTRICITY, None, FlagCode.READ_FAILURE, ["investigate", "self-read"]),
        ("D-0101", ELECTRICITY, None, FlagCode.NO_READINGS, ["investigate", "self-read"]),
        ("Lift", ELECTRICITY, "119.040", FlagCode.RECONCILED, ["billing", "accounting"]),
        ("Tower A bulk", ELECTRICITY, "714.240", FlagCode.RECONCILED, ["billing", "accounting"]),
    ],
)
def test_every_case_of_the_table(site, unit, commodity, consumption, code, to):
    found = row(page(site), unit, commodity)
    assert found.consumption == (None if consumption is None else Decimal(consumption))
    assert (found.flag.code, [destination.to for destination in found.goes_to]) == (code, to)


def test_the_summary_counts_what_needs_a_person(site):
    found = page(site)
    summary = found.summary
    assert (found.complete, summary.units, summary.meters, summary.meters_due) == (True, 5, 8, 7)
    assert (summary.leaks, summary.read_failures, summary.self_reads, summary.read_today) == (1, 1, 0, 6)
    assert (summary.no_readings, summary.partial) == (1, 0)  # D-0101 has no number


def test_the_page_of_a_service_point_begins_with_the_flag_of_its_row(site):
    for one in page(site).rows:
        with site.work() as work:
            first = views.point_page(work, one.service_point_id, MARCH).flags[0]
        assert (first.code, first.word, first.detail) == (one.flag.code, one.flag.word, one.flag.detail)
    codes = {one.flag.code for one in page(site).rows}
    assert {FlagCode.NORMAL, FlagCode.LEAK, FlagCode.READ_FAILURE, FlagCode.NO_READINGS, FlagCode.RECONCILED} <= codes


def test_a_leak_shows_its_evidence_on_the_page_of_its_service_point(site):
    point = row(page(site), "B-0706", WATER)
    with site.work() as work:
        found = views.point_page(work, point.service_point_id, MARCH)
    (flag,) = found.flags
    assert (flag.code, flag.until) == (FlagCode.LEAK, None)
    assert flag.evidence["lowest_litres_per_hour"] == "66"
    assert found.total.opening.value == Decimal("500.000")
    assert [meter.serial for meter in found.meters] == ["W-B-0706"]
    assert found.total.revision == 1


def test_the_leak_stays_one_leak_over_the_end_of_the_month(site):
    span = month_span(site.zone, 2026, 4)
    site.clock.advance(timedelta(days=3))
    with site.work() as work:
        point = next(r.service_point_id for r in page(site).rows if (r.unit, r.commodity) == ("B-0706", WATER))
        last = views.point_page(work, point, MARCH).total.closing
    april = np.full(96 * 3, 16)
    site.deliver(2, {rig.VOLUME: rig.register(span.start, int(last.value * 1000), april)})
    metering.refresh(site.database)
    with site.work() as work:
        (flag,) = views.point_page(work, point, date(2026, 4, 1)).flags
    assert flag.since == month_span(site.zone, 2026, 3).start


def test_a_read_failure_clears_when_the_meter_is_heard_again(site):
    assert row(page(site, date(2026, 4, 1)), "C-0302").flag.code is FlagCode.READ_FAILURE
    site.deliver(5, {rig.INDEX: rig.register(site.clock.now() - timedelta(hours=1), 800, [5] * 4)})
    metering.refresh(site.database)
    metering.watch_offline(site.database)
    assert row(page(site, date(2026, 4, 1)), "C-0302").flag.code is not FlagCode.READ_FAILURE


def test_days_months_and_slots_of_a_service_point(site):
    point = row(page(site), "A-1204").service_point_id
    span = month_span(site.zone, 2026, 3)
    with site.work() as work:
        days = views.days(work, point, MARCH)
        months = views.months(work, point)
        slots = views.intervals(work, point, Span(span.start, span.start + timedelta(hours=2)))
    assert len(days) == 31
    assert all(day.consumption == Decimal("10.080") for day in days)
    assert [(m.month, m.consumption) for m in months if m.consumption] == [(MARCH, Decimal("312.480"))]
    assert [m.quality["measured"].slots for m in months if m.consumption] == [SLOTS]
    assert (slots.values, slots.quality, slots.unit) == ((105,) * 8, (40,) * 8, "Wh")


def test_reconciliation_excludes_by_name_and_shares_exactly(site):
    with site.work() as work:
        (found,) = [b for b in views.reconciliation(work, site.site_id, MARCH) if b.commodity is ELECTRICITY]
    assert (found.shown(found.balance.bulk), found.shown(found.balance.loss)) == (Decimal("714.240"), Decimal("14.880"))
    assert (found.loss_percent, found.balance.verdict.value) == (Decimal("2.08"), "within expectation, incomplete")
    assert found.balance.sentence.endswith("the loss includes the use of C-0302, D-0101")
    assert found.excluded == ("C-0302: no complete day", "D-0101: no complete day")
    assert found.by == "area"
    assert sum(share.amount for share in found.shares) == Decimal("119.040")
    assert [share.unit for share in found.shares] == ["A-1204", "E-0101", "C-0302", "D-0101"]


def test_days_before_the_meter_was_installed_are_not_due(site):
    point = site.point("F-0101", ELECTRICITY)
    site.meter(point, "E-F", month_span(site.zone, 2026, 3).start + timedelta(days=9, hours=12))
    with site.work() as work:
        found = views.days(work, point.id, MARCH)
    assert [day.due for day in found] == [False] * 9 + [True] * 22
    assert {day.consumption for day in found} == {None}


def common_area(site, label, slots):
    meter_id = site.meter(
        site.point(label, ELECTRICITY, PointRole.COMMON), f"E-{label}", month_span(site.zone, 2026, 3).start
    )
    if slots:
        site.deliver(meter_id, {rig.ENERGY: rig.quarters(month_span(site.zone, 2026, 3).start, [10] * slots)})
    metering.refresh(site.database)
    metering.watch_offline(site.database)
    with site.work() as work:
        return next(b for b in views.reconciliation(work, site.site_id, MARCH) if b.commodity is ELECTRICITY)


def test_a_common_meter_without_readings_is_no_zero_in_the_shares(site):
    found = common_area(site, "Garden", 0)
    assert (found.by, found.shares, found.common_gaps) == ("", (), ("Garden: no readings",))


def test_a_common_meter_known_in_part_is_named_beside_the_shares(site):
    found = common_area(site, "Garden", SLOTS // 2)
    assert found.common_gaps == ("Garden: 50 % of the time is known",)
    assert sum(share.amount for share in found.shares) == Decimal("119.040") + Decimal("14.880")


def test_a_common_area_without_a_meter_is_none_of_the_metered_ones(site):
    site.point("Roof", ELECTRICITY, PointRole.COMMON)
    found = common_area(site, "Garden", SLOTS)
    assert (found.common_gaps, len(found.shares)) == ((), 4)


def test_usage_is_exported_as_csv_and_json(site):
    with site.work() as work:
        rows = list(csv.DictReader(io.StringIO(metering.usage_csv(metering.usage(work, site.site_id, MARCH)))))
        content = json.loads(metering.usage_json(metering.usage(work, site.site_id, MARCH)))
    found = {(r["service_point"], r["commodity"]): r for r in rows}
    assert found["A-1204", "electricity"]["consumption"] == "312.480"
    assert found["B-0706", "water"]["flags"] == "leak"
    assert found["B-0706", "water"]["opening_register"] == "500.000"
    assert len(content["statements"]) == len(rows)


def test_the_running_month_is_not_partial_for_the_days_to_come(site):
    site.clock.advance(timedelta(days=1))
    start = month_span(site.zone, 2026, 4).start
    quarters = int((site.clock.now() - start).total_seconds()) // 900
    site.deliver(3, {rig.ENERGY: rig.quarters(start, [100] * quarters)})
    metering.refresh(site.database)
    found = row(page(site, date(2026, 4, 1)), "A-1204")
    assert (found.coverage_ppm, found.flag.code, found.revision) == (1_000_000, FlagCode.NORMAL, None)
