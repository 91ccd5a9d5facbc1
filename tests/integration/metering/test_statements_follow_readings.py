"""From delivered frames to published statements, on a real PostgreSQL."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import numpy as np
import pytest

from demeter import metering
from demeter.contracts import UsageStatement
from demeter.kernel import Commodity, month_span
from demeter.metering.model import Policy
from demeter.metering.store import hand_off, use
from demeter.sdk import Credentials
from tests.integration.metering import rig

MARCH = date(2026, 3, 1)


@pytest.fixture
def site(database):
    return rig.build(database)


@pytest.fixture
def flat(site):
    """A-1204 electricity, 312 kWh in March, delivered a day at a time."""
    span = month_span(site.zone, 2026, 3)
    point = site.point("A-1204", Commodity.ELECTRICITY)
    meter_id = site.meter(point, "E1", span.start - timedelta(days=10))
    amounts = np.full(31 * 96, 104)
    amounts[: 312_000 - 104 * 31 * 96] += 1
    return point, meter_id, span, amounts


def day(span, amounts, number):
    start = span.start + timedelta(days=number)
    return {rig.ENERGY: rig.quarters(start, amounts[number * 96 : number * 96 + 96])}


def statements(site):
    with site.work() as work:
        return hand_off.newest_statements(work, site.site_id, MARCH)


def settle(site):
    """Compute, let it rest, and publish."""
    metering.refresh(site.database)
    site.clock.advance(timedelta(minutes=11))
    metering.refresh(site.database)


def outbox(site):
    with site.work() as work:
        rows = work.raw.execute("SELECT topic, key, payload FROM runtime.outbox ORDER BY id").fetchall()
    return [row for row in rows if row[0] == "usage.statement" and row[1].endswith("/2026-03")]


def test_a_complete_month_is_published_once_with_its_exact_amount(site, flat):
    point, meter_id, span, amounts = flat
    site.deliver(meter_id, *(day(span, amounts, n) for n in range(31)))
    assert metering.refresh(site.database) > 0
    (published,) = statements(site)
    content = UsageStatement.from_document(json.loads(published.document))
    assert (content.amount, content.scaler, content.unit, content.coverage_ppm) == (312_000, 0, "Wh", 1_000_000)
    assert (content.service_point, content.month, content.flags) == ("A-1204", "2026-03", ())
    assert (len(content.intervals), sum(content.intervals)) == (31 * 96, 312_000)
    assert (content.revision, content.supersedes, content.content_hash()) == (1, None, published.content_hash)
    assert [row[:2] for row in outbox(site)] == [("usage.statement", f"{site.site_id}/{point.id}/2026-03")]
    metering.refresh(site.database)
    assert len(outbox(site)) == 1


def test_a_late_reading_publishes_revision_two_and_a_repeated_one_nothing(site, flat):
    _, meter_id, span, amounts = flat
    site.deliver(meter_id, *(day(span, amounts, n) for n in range(31) if n != 9))
    settle(site)
    (first,) = statements(site)
    assert json.loads(first.document)["flags"] == ["partial", "read_failure"]
    site.deliver(meter_id, day(span, amounts, 3))
    settle(site)
    assert len(outbox(site)) == 1
    site.deliver(meter_id, day(span, amounts, 9))
    settle(site)
    (second,) = statements(site)
    assert (second.revision, second.supersedes) == (2, first.content_hash)
    assert json.loads(second.document)["amount"] == 312_000
    assert len(outbox(site)) == 2


def test_an_incomplete_month_waits_for_its_grace_and_for_quiet(site, flat):
    _, meter_id, span, amounts = flat
    site.clock.advance(span.end + timedelta(hours=1) - site.clock.now())
    site.deliver(meter_id, *(day(span, amounts, n) for n in range(30)))
    policy = Policy(publish_grace=timedelta(hours=6), publish_quiet=timedelta(minutes=10))
    metering.refresh(site.database, policy)
    assert statements(site) == []
    site.clock.advance(timedelta(hours=5, minutes=30))
    metering.refresh(site.database, policy)
    (published,) = statements(site)
    assert json.loads(published.document)["amount"] == int(amounts[: 30 * 96].sum())


def test_a_month_without_any_installation_has_no_statement(site):
    point = site.point("A-1204", Commodity.ELECTRICITY)
    start = month_span(site.zone, 2026, 3).start
    meter_id = site.meter(point, "E1", start)
    site.deliver(meter_id, {rig.ENERGY: rig.quarters(start, [7] * 96)})
    settle(site)
    with site.work() as work:
        assert {s.month for s in hand_off.newest_statements(work, site.site_id)} == {MARCH}


def test_days_and_months_are_kept_with_quality_and_coverage(site, flat):
    _, meter_id, span, amounts = flat
    site.deliver(meter_id, day(span, amounts, 0), {rig.ENERGY: rig.quarters(span.start + timedelta(days=1), [7] * 24)})
    metering.refresh(site.database)
    with site.work() as work:
        days = use.days(work, site.site_id, MARCH, date(2026, 3, 2))
        (month,) = use.months(work, site.site_id, month=MARCH)
    assert [(d.total.amount, d.total.known, d.total.due) for d in days] == [
        (int(amounts[:96].sum()), 96, 96),
        (168, 24, 96),
    ]
    assert (month.total.amount, month.flags) == (days[0].total.amount + 168, ("partial", "read_failure"))


def test_another_organization_sees_nothing(site, flat):
    _, meter_id, span, amounts = flat
    site.deliver(meter_id, day(span, amounts, 0))
    metering.refresh(site.database)
    with site.database.unit_of_work(type(site.scope).system(2, "other")) as work:
        for table in ("day_use", "month_use", "flag", "draft", "statement", "self_read"):
            assert work.raw.execute(f"SELECT count(*) FROM metering.{table}").fetchone() == (0,)


def test_the_threshold_of_a_read_failure_is_configurable_and_the_proof_uses_the_same(site, flat):
    point, meter_id, span, amounts = flat
    rows = rig.quarters(span.start, amounts)
    site.deliver(meter_id, {rig.ENERGY: rows[:1000] + rows[1020:]})
    strict = Policy(offline_after=timedelta(hours=4))
    metering.refresh(site.database, strict)
    site.clock.advance(timedelta(minutes=11))
    metering.refresh(site.database, strict)
    (published,) = statements(site)
    assert json.loads(published.document)["flags"] == ["partial", "read_failure"]
    with site.work() as work:
        proof = metering.explain(work, point.id, MARCH, {rig.CODEC: rig.RowDecoder()}, lambda *_: Credentials({}))
    assert proof.matches, proof.differences


def test_refreshing_from_many_sides_at_once_ends_as_one_refresh(site, flat):
    _, meter_id, span, amounts = flat
    site.deliver(meter_id, *(day(span, amounts, n) for n in range(31)))
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(metering.refresh, site.database) for _ in range(4)]:
            done.result(60)
    (published,) = statements(site)
    assert (published.revision, json.loads(published.document)["amount"]) == (1, 312_000)
    assert len(outbox(site)) == 1


def test_a_meter_that_was_never_read_gets_a_statement_without_amount(site, flat):
    metering.watch_offline(site.database)
    assert statements(site) == []  # it was entered just now, so its first reading may be on its way
    site.clock.advance(timedelta(hours=24, minutes=1))
    metering.watch_offline(site.database)
    site.clock.advance(timedelta(minutes=11))
    metering.watch_offline(site.database)
    (published,) = statements(site)
    content = json.loads(published.document)
    assert (content["amount"], content["coverage_ppm"]) == (None, 0)
    assert content["flags"] == ["no_readings", "read_failure"]


def test_one_meter_that_cannot_be_computed_does_not_hold_up_the_others(site, flat):
    _, meter_id, span, amounts = flat
    odd = site.meter(site.point("A-1205", Commodity.ELECTRICITY), "E9", span.start)
    with site.work() as work:
        work.raw.execute("UPDATE estate.installation SET multiplier_den = 3 WHERE meter_id = %s", (odd,))
    site.deliver(odd, {rig.ENERGY: rig.quarters(span.start, [7] * 96)})
    site.deliver(meter_id, *(day(span, amounts, n) for n in range(31)))
    settle(site)
    contents = {c["service_point"]: c for c in (json.loads(s.document) for s in statements(site))}
    assert contents["A-1204"]["amount"] == 312_000
    assert (contents["A-1205"]["amount"], contents["A-1205"]["flags"]) == (None, ["no_readings", "not_computable"])
    with site.work() as work:
        rows = {row.unit: row.flag.word for row in metering.views.units_page(work, site.site_id, MARCH).rows}
    assert rows["A-1205"] == "not computable"
