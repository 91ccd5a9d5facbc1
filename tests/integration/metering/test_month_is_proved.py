"""explain: from the number to the raw frames and back, and it says so when anything does not match."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from demeter import metering, readings
from demeter.kernel import Commodity, Denied, Quality, month_span
from demeter.metering import ProofState
from demeter.runtime.database import Role, Scope
from demeter.sdk import Credentials
from tests.integration.metering import rig

MARCH = date(2026, 3, 1)


@pytest.fixture
def site(database):
    return rig.build(database)


@pytest.fixture
def point(site):
    span = month_span(site.zone, 2026, 3)
    point = site.point("A-1204", Commodity.WATER)
    meter_id = site.meter(point, "W1", span.start)
    amounts = np.tile(np.r_[np.zeros(20, dtype=int), np.full(76, 6)], 31)
    rows = rig.register(span.start, 700_000, amounts)
    site.deliver(meter_id, *({rig.VOLUME: rows[n * 96 : n * 96 + 97]} for n in range(31)))
    metering.refresh(site.database)
    return point


def proof(site, point, scope=None):
    with site.database.unit_of_work(scope or site.scope) as work:
        return metering.explain(work, point.id, MARCH, {rig.CODEC: rig.RowDecoder()}, lambda *_: Credentials({}))


def test_the_number_is_derived_again_from_the_frames(site, point):
    found = proof(site, point)
    assert found.matches, found.differences
    assert found.consumption == found.rederived == Decimal("14.136")
    assert (len(found.frames), found.chains[0].frames, found.chains[0].whole) == (31, 31, True)
    assert found.statement == (
        "A-1204 water 2026-03: 14.136 kL, derived again from 31 raw frames; its hash chain is whole"
    )
    assert all(day.matches and day.consumption == day.rederived == Decimal("0.456") for day in found.days)
    assert len(found.days) == 31
    assert found.days[0].frames
    assert sum(value for value in found.intervals.values) == 14_136


def test_an_edit_is_part_of_the_proof(site, point):
    with site.work() as work:
        (channel,) = readings.channels(work, site.site_id)
        at_s = int((month_span(site.zone, 2026, 3).end).timestamp())
        readings.edit(work, channel, at_s, 700_000 + 14_140, Quality.EDITED, "the dial was misread")
    metering.refresh(site.database)
    found = proof(site, point)
    assert found.matches, found.differences
    assert found.consumption == Decimal("14.140")
    assert [(edit.who, edit.why, edit.new) for edit in found.edits] == [
        ("test", "the dial was misread", Decimal("714.140"))
    ]
    assert found.statement.endswith("31 raw frames and 1 edit; its hash chain is whole")


def test_a_block_changed_behind_its_back_is_found(site, point):
    with site.database.connect(Role.OWNER) as connection:
        connection.execute("UPDATE readings.block SET vals[40] = vals[40] + 5 WHERE day = '2026-03-12'")
    found = proof(site, point)
    assert not found.matches
    assert [d.detail for d in found.differences] == ["reading of channel 1 (8.0.1.0.0.255)"]


def test_a_changed_total_is_found(site, point):
    with site.database.connect(Role.OWNER) as connection:
        connection.execute("UPDATE metering.month_use SET amount = amount - 1000")
        connection.execute("UPDATE metering.day_use SET amount = amount - 1000 WHERE day = '2026-03-09'")
    found = proof(site, point)
    assert [(d.at, d.kept, d.rederived) for d in found.differences] == [
        ("2026-03", "13.136", "14.136"),
        ("2026-03-09", "-0.544", "0.456"),
    ]


def test_a_changed_frame_breaks_the_chain(site, point):
    with site.database.connect(Role.OWNER) as connection:
        connection.execute(
            "UPDATE readings.frame SET received_at = received_at + interval '1 s'"
            " WHERE id = (SELECT min(id) + 5 FROM readings.frame)"
        )
    found = proof(site, point)
    assert not found.matches
    assert any("hash chain broken" in d.detail for d in found.differences)


def test_a_lost_decoder_is_a_difference_not_a_crash(site, point):
    with site.work() as work:
        found = metering.explain(work, point.id, MARCH, {}, lambda *_: Credentials({}))
    assert not found.matches
    assert "no decoder" in found.differences[0].detail


def test_it_needs_the_permission(site, point):
    with pytest.raises(Denied):
        proof(site, point, Scope(1, "user:9", frozenset({"metering.read"})))


def test_a_month_without_installation_is_explained_as_nothing(site):
    point = site.point("Z-1", Commodity.WATER)
    with site.work() as work:
        found = metering.explain(work, point.id, MARCH - timedelta(days=40), {}, lambda *_: Credentials({}))
    assert (found.consumption, found.rederived) == (None, None)


def test_readings_that_are_not_worked_in_yet_are_no_mismatch(site, point):
    with site.work() as work:
        (channel,) = readings.channels(work, site.site_id)
        at_s = int(month_span(site.zone, 2026, 3).end.timestamp())
        readings.edit(work, channel, at_s, 714_140, Quality.EDITED, "the dial was misread")
    found = proof(site, point)
    assert (found.state, found.matches, bool(found.differences)) == (ProofState.WAITING, False, True)
    assert found.statement.endswith("are not worked in yet; ask for the proof again in a moment")
    assert (found.consumption, found.rederived) == (Decimal("14.136"), Decimal("14.140"))
    metering.refresh(site.database)
    assert proof(site, point).matches


def test_a_revision_that_is_not_published_yet_is_no_mismatch(site, database):
    span = month_span(site.zone, 2026, 3)
    point = site.point("B-0101", Commodity.ELECTRICITY)
    meter_id = site.meter(point, "E1", span.start)
    site.deliver(meter_id, {rig.ENERGY: rig.quarters(span.start, [10] * 96 * 20)})
    metering.refresh(site.database)
    site.clock.advance(timedelta(minutes=11))
    metering.refresh(site.database)
    assert proof(site, point).revision == 1
    site.deliver(meter_id, {rig.ENERGY: rig.quarters(span.start + timedelta(days=20), [10] * 96)})
    metering.refresh(site.database)
    found = proof(site, point)
    assert (found.state, found.revision) == (ProofState.WAITING, 1)
    assert found.statement.endswith("the next revision of the statement, which is not published yet")
    site.clock.advance(timedelta(minutes=11))
    metering.refresh(site.database)
    found = proof(site, point)
    assert (found.matches, found.revision) == (True, 2)


def test_waiting_readings_excuse_nothing_else(site, point):
    site.deliver(1, {rig.VOLUME: [(int(month_span(site.zone, 2026, 3).end.timestamp()) + 900, 714_137)]})
    with site.database.connect(Role.OWNER) as connection:
        connection.execute("UPDATE readings.block SET vals[40] = vals[40] + 5 WHERE day = '2026-03-12'")
    assert proof(site, point).state is ProofState.DIFFERS


def test_what_is_committed_while_the_proof_is_made_is_not_seen_by_it(site, point):
    class Meanwhile(rig.RowDecoder):
        """Takes in and works in a reading of March while the first frame is decoded."""

        delivered = False

        def decode(self, frame, credentials):
            if not self.delivered:
                self.delivered = True
                with site.work() as work:
                    (channel,) = readings.channels(work, site.site_id)
                    at_s = int(month_span(site.zone, 2026, 3).end.timestamp())
                    readings.edit(work, channel, at_s, 714_140, Quality.EDITED, "the dial was misread")
                metering.refresh(site.database)
            return super().decode(frame, credentials)

    with site.database.unit_of_work(site.scope, snapshot=True) as work:
        found = metering.explain(work, point.id, MARCH, {rig.CODEC: Meanwhile()}, lambda *_: Credentials({}))
    assert (found.state, found.consumption) == (ProofState.MATCHES, Decimal("14.136"))
    assert proof(site, point).consumption == Decimal("14.140")
