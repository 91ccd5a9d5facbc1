"""Self-reads from the person to the month's number and its proof."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from demeter import metering
from demeter.contracts import UsageStatement
from demeter.kernel import Commodity, Conflict, Denied, month_span
from demeter.metering import Outcome, SelfRead
from demeter.metering.store import hand_off
from demeter.runtime.database import Scope
from demeter.sdk import Credentials
from tests.integration.metering import rig

MARCH = date(2026, 3, 1)


@pytest.fixture
def site(database):
    return rig.build(database)


@pytest.fixture
def legacy(site):
    point = site.point("B-0803", Commodity.WATER)
    start = month_span(site.zone, 2026, 3).start
    site.meter(point, "OLD-7", start - timedelta(days=300), protocol="manual", dials=5, opening="100000")
    return point


def send(site, point, at, register, scope=None, deliver=None):
    read = SelfRead(at, Decimal(register), "read by the resident")
    deliver = deliver or metering.deliver_now(site.database, 1)
    return metering.submit_self_read(site.database, scope or site.scope, point.id, read, deliver)


def test_two_reads_near_the_bounds_make_a_month(site, legacy):
    assert send(site, legacy, datetime(2026, 2, 27, 12, tzinfo=UTC), "141.200").outcome is Outcome.ACCEPTED
    assert send(site, legacy, datetime(2026, 4, 1, 12, tzinfo=UTC), "150.4").outcome is Outcome.ACCEPTED
    metering.refresh(site.database)
    with site.work() as work:
        (published,) = hand_off.newest_statements(work, site.site_id, MARCH)
        page = metering.views.units_page(work, site.site_id, MARCH)
        proof = metering.explain(
            work, legacy.id, MARCH, {"self-read": metering.SelfReadDecoder()}, lambda *_: Credentials({})
        )
        audit = work.raw.execute("SELECT action FROM runtime.audit WHERE action = 'self_read.submit'").fetchall()
    content = UsageStatement.from_document(json.loads(published.document))
    assert (content.amount, content.scaler, content.coverage_ppm, content.flags) == (
        9_200,
        0,
        1_000_000,
        ("self_read",),
    )
    assert (content.opening.at, content.opening.value) == ("2026-02-27T12:00:00+00:00", 141_200)
    assert set(content.intervals) == {None}
    (row,) = page.rows
    assert (row.consumption, row.flag.code, [d.to for d in row.goes_to]) == (Decimal("9.200"), "self_read", ["billing"])
    assert (proof.matches, proof.consumption, len(proof.frames)) == (True, Decimal("9.200"), 2), proof.differences
    assert len(audit) == 2  # and two outcomes


def test_a_read_below_the_last_one_is_kept_on_record_but_is_no_reading(site, legacy):
    result = send(site, legacy, datetime(2026, 3, 30, tzinfo=UTC), "99")
    assert (result.outcome, result.taken) == (Outcome.REJECTED, False)
    with site.work() as work:
        (row,) = hand_off.self_reads(work, site.site_id, legacy.id)
        assert (row.register, row.outcome, row.submitted_by) == (Decimal(99_000), "rejected", "test")
        assert work.raw.execute("SELECT count(*) FROM readings.frame").fetchone() == (0,)


def test_a_meter_that_reads_itself_takes_no_self_read(site):
    point = site.point("A-1204", Commodity.ELECTRICITY)
    start = datetime(2026, 3, 31, tzinfo=UTC)
    meter_id = site.meter(point, "E1", start)
    site.deliver(meter_id, {rig.INDEX: rig.register(start, 5_000, [9] * 96)})
    with pytest.raises(Conflict, match="reads itself"):
        send(site, point, datetime(2026, 4, 1, 2, tzinfo=UTC), "6")


def test_a_dead_smart_meter_does(site):
    point = site.point("C-0302", Commodity.ELECTRICITY)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    meter_id = site.meter(point, "E1", start)
    site.deliver(meter_id, {rig.INDEX: rig.register(start, 5_000, [9] * 96)})
    assert send(site, point, datetime(2026, 4, 1, 2, tzinfo=UTC), "31.5").taken
    metering.refresh(site.database)
    with site.work() as work:
        page = metering.views.point_page(work, point.id, MARCH)
    assert (page.total.consumption, page.total.closing.value) == (Decimal("26.500"), Decimal("31.500"))


def test_it_needs_the_permission(site, legacy):
    with pytest.raises(Denied):
        send(site, legacy, datetime(2026, 3, 30, tzinfo=UTC), "142", Scope(1, "user:9", frozenset({"metering.read"})))


def test_a_meter_that_sends_only_intervals_takes_no_self_read(site):
    point = site.point("A-1204", Commodity.ELECTRICITY)
    start = datetime(2026, 3, 31, tzinfo=UTC)
    meter_id = site.meter(point, "E1", start)
    site.deliver(meter_id, {rig.ENERGY: rig.quarters(start, [9] * 96)})
    with pytest.raises(Conflict, match="reads itself"):
        send(site, point, datetime(2026, 4, 1, 2, tzinfo=UTC), "6")


def test_the_record_of_an_installation_is_no_sign_of_life(site):
    point = site.point("C-0302", Commodity.ELECTRICITY)
    start = datetime(2026, 3, 31, 20, tzinfo=UTC)
    site.meter(point, "E1", start, opening="5000")
    assert send(site, point, datetime(2026, 4, 1, 2, tzinfo=UTC), "6").taken


class Killed(BaseException):
    """Stands for the process ending here."""


def on_record(site, point):
    with site.work() as work:
        audit = work.raw.execute(
            "SELECT action, detail::json->>'outcome' FROM runtime.audit WHERE action LIKE 'self_read.%' ORDER BY id"
        ).fetchall()
        return audit, [row.outcome for row in hand_off.self_reads(work, site.site_id, point.id)]


def test_a_kill_between_the_reading_and_its_outcome_leaves_an_audit_entry(site, legacy):
    def deliver_and_die(delivery):
        metering.deliver_now(site.database, 1)(delivery)
        raise Killed

    at = datetime(2026, 3, 30, tzinfo=UTC)
    with pytest.raises(Killed):
        send(site, legacy, at, "142", deliver=deliver_and_die)
    with site.work() as work:
        assert work.raw.execute("SELECT count(*) FROM readings.frame").fetchone() == (1,)
    assert on_record(site, legacy) == ([("self_read.submit", "received")], ["received"])
    assert send(site, legacy, at, "142").taken
    audit, outcomes = on_record(site, legacy)
    assert (audit[1:], outcomes) == (
        [("self_read.submit", "received"), ("self_read.outcome", "accepted")],
        ["accepted", "received"],
    )


def test_a_kill_before_the_reading_leaves_its_entry_too_and_no_reading(site, legacy):
    def die(delivery):
        raise Killed

    with pytest.raises(Killed):
        send(site, legacy, datetime(2026, 3, 30, tzinfo=UTC), "142", deliver=die)
    assert on_record(site, legacy) == ([("self_read.submit", "received")], ["received"])
    with site.work() as work:
        assert work.raw.execute("SELECT count(*) FROM readings.frame").fetchone() == (0,)
