"""What a month shows follows from its readings, whenever they arrived: read failures, registers, contradictions."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from demeter import metering
from demeter.kernel import Commodity, month_span
from demeter.metering import views
from demeter.metering.store import hand_off, use
from tests.integration.metering import rig

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
ELECTRICITY = Commodity.ELECTRICITY


@pytest.fixture
def site(database):
    """Twenty flats, entered on 2 April and commissioned on 1 March; nothing is read yet."""
    site = rig.build(database, now=datetime(2026, 4, 2, tzinfo=UTC))
    start = month_span(site.zone, 2026, 3).start
    for number in range(1, 21):
        site.meter(site.point(f"F-{number:02}", ELECTRICITY), f"E{number}", start, opening="6180190")
    return site


def watch(site):
    metering.refresh(site.database)
    metering.watch_offline(site.database)


def backfill(site, number, quarters=None, since=None):
    start = since or month_span(site.zone, 2026, 3).start
    if quarters is None:
        quarters = int((site.clock.now() - start).total_seconds()) // 900
    site.deliver(number, {rig.INDEX: rig.register(start, 6_180_190, [50] * quarters)})


def flags(site, month):
    with site.work() as work:
        page = views.units_page(work, site.site_id, month)
        points = {row.unit: views.point_page(work, row.service_point_id, month) for row in page.rows}
    shown = {row.unit: row.flag.code.value for row in page.rows}
    assert {unit: found.flags[0].code.value for unit, found in points.items()} == shown
    kept = {unit: tuple(f for f in found.flags if f.evidence is not None) for unit, found in points.items()}
    return shown, {unit: flags for unit, flags in kept.items() if flags}


def alarms(site):
    with site.work() as work:
        return {flag.service_point_id for flag in use.flags(work, site.site_id, alarms=True)}


def test_nothing_is_a_read_failure_before_the_first_reading_had_its_chance(site):
    watch(site)
    for month in (MARCH, APRIL):
        shown, found = flags(site, month)
        assert set(shown.values()) == {"no_readings"}
        assert found == {}
    assert alarms(site) == set()


def test_a_meter_that_stays_silent_while_all_others_are_read_is_a_read_failure_at_once(site):
    for number in range(1, 20):
        backfill(site, number)
    watch(site)
    for month in (MARCH, APRIL):
        shown, found = flags(site, month)
        assert (shown.pop("F-20"), set(shown.values())) == ("read_failure", {"normal"})
        ((only, (flag,)),) = found.items()
        assert (only, flag.until, flag.detail) == ("F-20", None, "never read, more than 24 h")


def test_a_site_that_is_never_read_is_one_after_the_threshold(site):
    watch(site)
    site.clock.advance(timedelta(hours=24, minutes=1))
    watch(site)
    assert len(alarms(site)) == 20
    assert set(flags(site, MARCH)[0].values()) == {"read_failure"}


def test_readings_that_fill_a_silence_take_the_flag_from_every_month_and_leave_the_alarm_on_record(site):
    watch(site)
    site.clock.advance(timedelta(hours=25))
    watch(site)
    for number in range(1, 21):
        backfill(site, number)
    metering.refresh(site.database)
    for month in (MARCH, APRIL):
        shown, found = flags(site, month)
        assert (set(shown.values()), found) == ({"normal"}, {})
    with site.work() as work:
        history = use.flags(work, site.site_id)
        statements = hand_off.newest_statements(work, site.site_id, MARCH)
        months = views.months(work, 1)
    assert len(history) == 20
    assert all(flag.until is not None for flag in history)
    assert [json.loads(one.document)["flags"] for one in statements] == [[]] * 20
    assert [month.flag.code.value for month in months] == ["normal", "normal"]


def test_a_silence_the_readings_leave_is_shown_by_its_event_times_in_any_order(site):
    start = month_span(site.zone, 2026, 3).start
    later = start + timedelta(days=12)
    backfill(site, 1, since=later)
    watch(site)
    backfill(site, 1, quarters=10 * 96)
    watch(site)
    (flag,) = flags(site, MARCH)[1]["F-01"]
    assert (flag.since, flag.until, flag.detail) == (start + timedelta(days=10), later, "no readings for 48 h")
    assert "F-01" not in flags(site, APRIL)[1]


def test_a_meter_that_was_never_read_has_no_closing_register(site):
    for number in range(1, 20):
        backfill(site, number)
    watch(site)
    with site.work() as work:
        silent, whole = (views.point_page(work, point, MARCH).total for point in (20, 1))
    assert (silent.consumption, silent.closing) == (None, None)
    assert (silent.opening.value, silent.opening.source.value) == (Decimal("6180.190"), "recorded at installation")
    assert (whole.closing.at, whole.closing.source.value) == (month_span(site.zone, 2026, 3).end, "reading")


def test_a_meter_that_died_has_no_closing_register_at_the_end_of_its_month(site):
    backfill(site, 1, quarters=20 * 96)
    watch(site)
    with site.work() as work:
        total = views.point_page(work, 1, MARCH).total
    assert (total.consumption, total.closing) == (Decimal("96.000"), None)


def test_registers_that_contradict_the_intervals_go_to_a_person_and_never_silently_to_billing(site):
    span = month_span(site.zone, 2026, 3)
    amounts = np.full(31 * 96, 270)
    index = rig.register(span.start, 6_180_190, amounts)
    stands = [(at, value) for at, value in index if at <= index[96 * 9][0]]
    # for half a day the register stands still while 48 intervals say 12.96 kWh
    stands += [(at, value - 48 * 270) for at, value in index if at >= index[96 * 9 + 48][0]]
    site.deliver(1, {rig.ENERGY: rig.quarters(span.start, amounts), rig.INDEX: stands})
    site.deliver(2, {rig.ENERGY: rig.quarters(span.start, amounts), rig.INDEX: index})
    metering.refresh(site.database)
    with site.work() as work:
        page = views.units_page(work, site.site_id, MARCH)
        (flag,) = views.point_page(work, 1, MARCH).flags
        statements = [json.loads(s.document) for s in hand_off.newest_statements(work, site.site_id, MARCH)]
    doubtful, sound = page.rows[:2]
    assert (doubtful.flag.code, doubtful.flag.word, doubtful.flag.detail) == (
        "needs_check",
        "needs check",
        "registers and intervals disagree: 12.960 kWh against 25.920 kWh",
    )
    assert [goal.to for goal in doubtful.goes_to] == ["investigate"]
    assert (flag.until, flag.evidence["window_start"]) == (None, (span.start + timedelta(days=9)).isoformat())
    assert "suspect" in doubtful.quality
    assert (sound.flag.code, [goal.to for goal in sound.goes_to], set(sound.quality)) == (
        "normal",
        ["billing"],
        {"measured"},
    )
    assert [(s["flags"], "suspect" in s["qualities"]) for s in statements] == [(["needs_check"], True), ([], False)]
    assert page.summary.to_check == 1
