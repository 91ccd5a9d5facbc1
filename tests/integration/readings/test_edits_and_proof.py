"""Edits stand in the log; what is stored can be proved from frames and edits; nobody sees another's readings."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import psycopg
import pytest

from demeter import readings
from demeter.identity.roles import permissions_of
from demeter.ingest import IngestWriter
from demeter.kernel import Conflict, Denied, FixedClock, Invalid, NotFound, Quality, Span
from demeter.runtime.database import Database, Role, Scope, UnitOfWork
from tests.plain_frames import INDEX, ON_DEMAND, WH, decoded, delivery, series
from tests.provision import Place, meter, place

START = datetime(2026, 3, 27, 23, 15, tzinfo=UTC)
DAY = Span(START - timedelta(minutes=15), START + timedelta(days=3))


@pytest.fixture
def at(database: Database) -> Place:
    found = place(database)
    IngestWriter(database).write_now(
        [delivery(meter(database, found), series(WH, START, list(range(200))), series(INDEX, START, [10, 20, 30] * 60))]
    )
    return found


def channel(work: UnitOfWork, at: Place, kind=WH) -> readings.Channel:
    return next(c for c in readings.channels(work, at.site_id) if c.reading_type == kind)


def value_at(work: UnitOfWork, one: readings.Channel, at_s: int) -> tuple[int, int] | None:
    found = readings.read(work, [one], DAY)[one.id]
    hit = np.flatnonzero(found.at_s == at_s)
    return (int(found.values[hit[0]]), int(found.quality[hit[0]])) if hit.size else None


def proof(work: UnitOfWork, at: Place) -> list[readings.Mismatch]:
    return readings.verify_blocks(work, at.site_id, lambda frame: decoded(frame.frame()))


def stamp(k: int) -> int:
    return int(START.timestamp()) + 900 * k


def test_an_edit_replaces_the_value_and_keeps_the_old_one_in_the_log(database: Database, at: Place) -> None:
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at)
        readings.take_dirty(work)
        entry = readings.edit(work, one, stamp(5), 50, Quality.EDITED, "meter was tested")
        assert (entry.old, entry.new, entry.old_quality, entry.new_quality) == (5, 50, Quality.MEASURED, Quality.EDITED)
        assert (entry.who, entry.why, entry.frame_id) == ("test", "meter was tested", None)
        assert readings.edits(work, one.id, DAY) == [entry]
        assert value_at(work, one, stamp(5)) == (50, Quality.EDITED)
        assert proof(work, at) == []
        assert work.raw.execute("SELECT action FROM runtime.audit").fetchall() == [("reading.edit",)]
    with database.unit_of_work(at.scope) as work:
        assert {(d.channel_id, d.first_day) for d in readings.take_dirty(work)} >= {(one.id, date(2026, 3, 28))}


def test_of_several_edits_the_last_counts_and_meters_do_not_overrule_it(database: Database, at: Place) -> None:
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at)
        readings.edit(work, one, stamp(5), 50, Quality.EDITED, "first")
        readings.edit(work, one, stamp(5), 40, Quality.EDITED, "second")
        assert readings.edit(work, one, stamp(5), 40, Quality.EDITED, "again") is None
    again = series(WH, START, [1000 + k for k in range(20)])
    IngestWriter(database).write_now([delivery(one.meter_id, again)])
    with database.unit_of_work(at.scope) as work:
        assert value_at(work, one, stamp(5)) == (40, Quality.EDITED)
        assert value_at(work, one, stamp(6)) == (6, Quality.SUSPECT)
        assert proof(work, at) == []


def test_a_reading_taken_away_stays_away_when_the_meter_sends_it_again(database: Database, at: Place) -> None:
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at)
        readings.edit(work, one, stamp(199), None, Quality.EDITED, "meter was on the test bench")
        assert readings.latest(work, at.site_id)[one.id].measured_at == datetime.fromtimestamp(stamp(198), UTC)
    IngestWriter(database).write_now([delivery(one.meter_id, series(WH, START, list(range(200)))), delivery(one.meter_id, series(WH, START + timedelta(seconds=900 * 198), [198, 199]))])  # fmt: skip
    readings.fold_inbox(database)
    with database.unit_of_work(at.scope) as work:
        assert value_at(work, one, stamp(199)) is None
        assert proof(work, at) == []


def newest(database: Database, at: Place, channel_id: int) -> tuple[int, int]:
    with database.unit_of_work(at.scope) as work:
        found = readings.latest(work, at.site_id)[channel_id]
    return int(found.measured_at.timestamp()), found.value


@pytest.mark.parametrize("folded", [False, True], ids=["waiting", "folded"])
def test_readings_taken_away_are_not_the_newest_again_when_the_meter_sends_them_again(
    database: Database, at: Place, folded: bool
) -> None:
    writer = IngestWriter(database)
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at)
        for k in (199, 198, 201):  # the last one before the meter ever sent it
            readings.edit(work, one, stamp(k), None, Quality.EDITED, "meter was on the test bench")
    assert newest(database, at, one.id) == (stamp(197), 197)
    for parts in ([198, 199], list(range(150, 200))):
        writer.write_now([delivery(one.meter_id, series(WH, START + timedelta(seconds=900 * parts[0]), parts))])
        if folded:
            readings.fold_inbox(database)
        assert newest(database, at, one.id) == (stamp(197), 197)
    writer.write_now([delivery(one.meter_id, series(WH, START + timedelta(seconds=900 * 199), [199, 200, 201]))])
    assert newest(database, at, one.id) == (stamp(200), 200)
    writer.write_now([delivery(one.meter_id, series(WH, START + timedelta(seconds=900 * 202), [202]))])
    assert newest(database, at, one.id) == (stamp(202), 202)


def test_a_reading_put_back_by_an_edit_is_the_newest_again(database: Database, at: Place) -> None:
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at)
        readings.edit(work, one, stamp(199), None, Quality.EDITED, "meter was on the test bench")
        readings.edit(work, one, stamp(199), 7, Quality.EDITED, "it was not")
    IngestWriter(database).write_now([delivery(one.meter_id, series(WH, START, list(range(200))))])
    assert newest(database, at, one.id) == (stamp(199), 7)


def test_who_may_edit_is_decided_by_the_role(database: Database, at: Place) -> None:
    def edit(role: str, value: int) -> None:
        with database.unit_of_work(Scope(at.organization_id, "user:1", permissions_of(role))) as work:
            readings.edit(work, channel(work, at), stamp(5), value, Quality.EDITED, "meter was tested")

    edit("operator", 50)
    edit("organization_administrator", 51)
    with pytest.raises(Denied):
        edit("auditor", 52)


@pytest.mark.parametrize("at_s", [int(datetime(2027, 6, 1, tzinfo=UTC).timestamp()), 0, 10**12])
def test_an_edit_at_an_instant_no_reading_can_have_is_refused(database: Database, at: Place, at_s: int) -> None:
    database.clock = FixedClock(datetime(2027, 5, 1, tzinfo=UTC))
    with database.unit_of_work(at.scope) as work, pytest.raises(Invalid, match="instant"):
        readings.edit(work, channel(work, at), at_s, 5, Quality.EDITED, "meter was tested")


def test_an_edit_reaches_a_day_without_any_reading_and_an_instant_off_the_grid(database: Database, at: Place) -> None:
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at, INDEX)
        readings.edit(work, one, stamp(0) - 90 * 86_400, 1, Quality.EDITED, "opening read")
        readings.edit(work, one, stamp(0) + 7, 12, Quality.SELF_READ, "photo")
        assert value_at(work, one, stamp(0) + 7) == (12, Quality.SELF_READ)
        assert proof(work, at) == []


def test_a_self_read_of_a_manual_meter_starts_its_channel(database: Database, at: Place) -> None:
    manual = meter(database, at)
    with database.unit_of_work(Scope(at.organization_id, "user:1", frozenset())) as work:
        one = readings.ensure_channel(work, at.site_id, manual, ON_DEMAND)
        assert readings.ensure_channel(work, at.site_id, manual, ON_DEMAND) == one
        readings.edit(work, one, stamp(3), 4711, Quality.SELF_READ, "resident's reading")
        newest = readings.latest(work, at.site_id)[one.id]
        assert (newest.value, newest.quality, newest.meter_id) == (4711, Quality.SELF_READ, manual)
        with pytest.raises(Denied):
            readings.edit(work, one, stamp(3), 1, Quality.EDITED, "not allowed")


def test_an_estimate_does_not_push_out_a_measured_reading(database: Database, at: Place) -> None:
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at)
        with pytest.raises(Conflict, match="stands there"):
            readings.edit(work, one, stamp(5), 50, Quality.ESTIMATED, "guess")
        readings.edit(work, one, stamp(205), 7, Quality.ESTIMATED, "gap")
        assert value_at(work, one, stamp(205)) == (7, Quality.ESTIMATED)
    IngestWriter(database).write_now([delivery(one.meter_id, series(WH, START + timedelta(seconds=900 * 205), [9]))])
    with database.unit_of_work(at.scope) as work:
        assert value_at(work, one, stamp(205)) == (9, Quality.MEASURED)
        assert proof(work, at) == []
    readings.fold_inbox(database)
    with database.unit_of_work(at.scope) as work:
        entry = readings.edits(work, one.id, DAY)[-1]
        assert (entry.old, entry.new, entry.who) == (7, 9, "ingest")
        assert entry.frame_id is not None
        assert proof(work, at) == []


@pytest.mark.parametrize(
    ("value", "quality", "why"),
    [
        (1, Quality.MEASURED, "x"),
        (None, Quality.ESTIMATED, "x"),
        (1, Quality.EDITED, " "),
        (2**63, Quality.EDITED, "x"),
    ],
)
def test_an_edit_without_sense_is_refused(database: Database, at: Place, value, quality, why) -> None:
    with database.unit_of_work(at.scope) as work, pytest.raises(Invalid):
        readings.edit(work, channel(work, at), stamp(5), value, quality, why)


def test_a_contradiction_is_suspect_and_both_values_stand_in_the_log(database: Database, at: Place) -> None:
    writer = IngestWriter(database)
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at)
    writer.write_now([delivery(one.meter_id, series(WH, START, [77, *range(1, 12)]))])
    with database.unit_of_work(at.scope) as work:
        assert value_at(work, one, stamp(0)) == (0, Quality.SUSPECT)
        (entry,) = readings.edits(work, one.id, DAY)
        assert (entry.old, entry.new, entry.new_quality) == (0, 0, Quality.SUSPECT)
        assert entry.why == "readings contradict each other: 0 and 77"
        assert [f.id for f in readings.journal_frames(work, one.meter_id)][-1] == entry.frame_id


def test_a_block_written_behind_the_stores_back_is_found_out(database: Database, at: Place) -> None:
    with database.connect(Role.OWNER) as owner:
        owner.execute("UPDATE readings.block SET vals[3] = vals[3] + 1 WHERE day = '2026-03-28' AND base IS NULL")
    with database.unit_of_work(at.scope) as work:
        assert {m.what for m in proof(work, at)} == {"slots", "aggregates do not fit the slots"}
    with database.connect(Role.OWNER) as owner:
        owner.execute("UPDATE readings.block SET vals[3] = vals[3] - 1 WHERE day = '2026-03-28' AND base IS NULL")
        owner.execute("DELETE FROM readings.block WHERE day = '2026-03-29'")
    with database.unit_of_work(at.scope) as work:
        assert [(m.day, m.what, m.stored) for m in proof(work, at)] == 2 * [(date(2026, 3, 29), "slots", None)]


def test_one_block_can_be_recomputed_alone(database: Database, at: Place) -> None:
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at)
        row = readings.recompute_block(work, one, date(2026, 3, 29), lambda frame: decoded(frame.frame()))
        assert (row.n, len(row.vals), row.vals[0]) == (92, 92, 96)
        assert readings.recompute_block(work, one, date(2026, 5, 29), lambda frame: decoded(frame.frame())) is None


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE readings.frame SET payload = payload || '\\x00' WHERE id = (SELECT min(id) FROM readings.frame)",
        "UPDATE readings.frame SET received_at = received_at - interval '1 s' WHERE id = (SELECT max(id) FROM readings.frame)",
        "DELETE FROM readings.frame WHERE id = (SELECT max(id) FROM readings.frame)",
        "DELETE FROM readings.frame WHERE id = (SELECT max(id) - 1 FROM readings.frame)",
        "DELETE FROM readings.frame",
    ],
)
def test_a_changed_or_missing_frame_breaks_the_chain(database: Database, tamper: str) -> None:
    at = place(database)
    number = meter(database, at)
    for k in range(4):
        IngestWriter(database).write_now([delivery(number, series(WH, START + k * timedelta(hours=1), [1]))])
    with database.unit_of_work(at.scope) as work:
        assert readings.verify_chain(work, number) == readings.ChainProof(number, 4)
    with database.connect(Role.OWNER) as owner:
        owner.execute(tamper)
    with database.unit_of_work(at.scope) as work:
        assert not readings.verify_chain(work, number).whole


def test_another_organization_sees_and_changes_nothing(database: Database, at: Place) -> None:
    other = place(database, organization="Two")
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at)
    with database.unit_of_work(other.scope) as work:
        assert readings.channels(work, at.site_id) == []
        assert readings.latest(work, at.site_id) == {}
        assert readings.take_dirty(work) == []
        for table in ("block", "frame", "frame_context", "chain", "inbox", "spot", "log", "channel_latest", "dirty"):
            assert work.raw.execute(f"SELECT count(*) FROM readings.{table}").fetchone() == (0,)
        for attempt in (
            lambda: readings.read(work, [one], DAY),
            lambda: readings.channel(work, one.id),
            lambda: readings.edits(work, one.id, DAY),
            lambda: readings.verify_chain(work, one.meter_id),
            lambda: readings.edit(work, one, stamp(1), 1, Quality.EDITED, "x"),
        ):
            with pytest.raises(NotFound):
                attempt()
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.unit_of_work(other.scope) as work:
        work.raw.execute(
            "INSERT INTO readings.dirty (site_id, channel_id, first_day, last_day) VALUES (%s, 1, now(), now())",
            (at.site_id,),
        )


def test_what_is_claimed_as_changed_is_not_claimed_twice_and_comes_back_after_a_failure(
    database: Database, at: Place
) -> None:
    with database.unit_of_work(at.scope) as work:
        first = readings.take_dirty(work)
        with database.unit_of_work(at.scope) as other:
            assert readings.take_dirty(other) == []
    with database.unit_of_work(at.scope) as work:
        assert readings.take_dirty(work) == first


def test_retention_drops_old_months_of_frames_and_keeps_what_was_read_from_them(database: Database, at: Place) -> None:
    assert readings.drop_frames_before(database, date(2026, 12, 1)) == 0
    assert readings.drop_frames_before(database, date(2027, 1, 1)) == 1
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at)
        assert list(readings.journal_frames(work, one.meter_id)) == []
        assert value_at(work, one, stamp(5)) == (5, Quality.MEASURED)
    IngestWriter(database).write_now([delivery(one.meter_id, series(WH, START, [0, 1]))])
    with database.unit_of_work(at.scope) as work:
        assert readings.verify_chain(work, one.meter_id).whole


def test_day_counts_tell_how_full_each_day_is(database: Database, at: Place) -> None:
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at)
        found = [
            c
            for c in readings.day_counts(work, at.site_id, date(2026, 3, 1), date(2026, 4, 1))
            if c.channel_id == one.id
        ]
        assert [(c.day.day, c.present, c.slots) for c in found] == [(28, 96, 96), (29, 92, 92), (30, 12, 96)]


def test_a_span_between_two_seconds_holds_what_lies_in_it(database: Database, at: Place) -> None:
    half = timedelta(milliseconds=500)
    first, last = (datetime.fromtimestamp(stamp(k), UTC) for k in (3, 5))
    with database.unit_of_work(at.scope) as work:
        one = channel(work, at, INDEX)

        def found(span: Span) -> list[int]:
            return [int(at_s) for at_s in readings.read(work, [one], span)[one.id].at_s]

        assert found(Span(first, last)) == [stamp(3), stamp(4), stamp(5)]
        assert found(Span(first - half, last + half)) == [stamp(3), stamp(4), stamp(5)]
        assert found(Span(first + half, last - half)) == [stamp(4)]
