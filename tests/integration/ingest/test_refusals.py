"""What cannot be taken over is refused with a reason that is stored and reaches the sender; repeats are recognised."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from demeter import ingest, readings
from demeter.ingest import IngestWriter, Limits, Reason
from demeter.kernel import Quality, Span, Unavailable
from demeter.runtime.database import Database, Role
from demeter.sdk import Delivery, Series
from tests.plain_frames import CODEC, INDEX, RECEIVED, WH, PlainDecoder, delivery, series
from tests.provision import Place, meter, place

START = datetime(2026, 3, 27, 23, 15, tzinfo=UTC)


@pytest.fixture
def at(database: Database) -> Place:
    return place(database)


@pytest.fixture
def one(database: Database, at: Place) -> int:
    return meter(database, at)


def values(database: Database, at: Place) -> dict[str, list[int]]:
    with database.unit_of_work(at.scope) as work:
        channels = readings.channels(work, at.site_id)
        found = readings.read(work, channels, Span(START - timedelta(days=1), START + timedelta(days=90)))
        return {f"{c.reading_type.obis} {c.reading_type.scaler}": found[c.id].values.tolist() for c in channels}


def test_an_unknown_meter_is_refused_and_the_sender_learns_it(database: Database, at: Place) -> None:
    unknown = delivery(99, series(WH, START, [1]))
    (receipt,) = IngestWriter(database).write_now([unknown], at.organization_id)
    assert not receipt.accepted
    assert [str(r) for r in receipt.refusals] == ["unknown meter: no meter 99"]
    with database.unit_of_work(at.scope) as work:
        assert [r.reason for r in ingest.refusals(work)] == [Reason.UNKNOWN_METER]


def test_a_sender_cannot_deliver_for_anothers_meter(database: Database, at: Place, one: int) -> None:
    other = place(database, organization="Two")
    (receipt,) = IngestWriter(database).write_now([delivery(one, series(WH, START, [1]))], other.organization_id)
    assert [r.reason for r in receipt.refusals] == [Reason.NOT_AUTHORIZED]
    assert values(database, at) == {}
    with database.unit_of_work(at.scope) as work:
        assert [r.reason for r in ingest.refusals(work)] == [Reason.NOT_AUTHORIZED]
    with database.unit_of_work(other.scope) as work:
        assert ingest.refusals(work) == []


def test_only_the_bad_readings_of_a_delivery_are_left_out(database: Database, at: Place, one: int) -> None:
    good = series(WH, START, [1, 2, 3])
    good.at_s[1] = int((RECEIVED + timedelta(days=2)).timestamp())
    (receipt,) = IngestWriter(database).write_now([delivery(one, good)])
    assert (receipt.accepted, receipt.points) == (True, 2)
    assert [r.detail for r in receipt.refusals] == ["1.0.1.29.0.255: 1 in the future"]
    assert values(database, at) == {"1.0.1.29.0.255 0": [1, 3]}


@pytest.mark.parametrize(
    "change",
    [{"scaler": 99}, {"interval_s": -900}, {"interval_s": 90_000}, {"obis": ""}, {"unit": ""}, {"interval_s": 0}],
)
def test_a_reading_type_without_sense_is_refused(database: Database, at: Place, one: int, change) -> None:
    odd = replace(series(WH, START, [1, 2]), reading_type=replace(WH, **change))
    (receipt,) = IngestWriter(database).write_now([delivery(one, odd, series(INDEX, START, [5]))])
    assert [r.reason for r in receipt.refusals] == [Reason.BAD_READING_TYPE]
    assert values(database, at) == {"1.0.1.8.0.255 0": [5]}


def test_another_unit_is_refused_but_another_scaler_is_a_further_channel(
    database: Database, at: Place, one: int
) -> None:
    writer = IngestWriter(database)
    writer.write_now([delivery(one, series(WH, START, [1]))])
    kilo = series(replace(WH, scaler=3), START, [7])
    volts = series(replace(WH, unit="V"), START, [230])
    (receipt,) = writer.write_now([delivery(one, kilo, volts)])
    assert [(r.reason, r.detail) for r in receipt.refusals] == [
        (Reason.UNIT_CHANGED, "1.0.1.29.0.255: V instead of Wh")
    ]
    assert values(database, at) == {"1.0.1.29.0.255 0": [1], "1.0.1.29.0.255 3": [7]}


def test_columns_of_different_length_are_refused_not_guessed(database: Database, at: Place, one: int) -> None:
    torn = Series(WH, np.zeros(2, np.int64), np.zeros(3, np.int64), np.zeros(2, np.uint8))
    (receipt,) = IngestWriter(database).write_now([Delivery(one, delivery(one).frame, (torn,))])
    assert [r.reason for r in receipt.refusals] == [Reason.BAD_COLUMNS]


def test_a_frame_without_series_is_decoded_by_its_decoder(database: Database, at: Place, one: int) -> None:
    writer = IngestWriter(database, {CODEC: PlainDecoder()})
    (receipt,) = writer.write_now([replace(delivery(one, series(WH, START, [4, 5])), series=None)])
    assert (receipt.points, receipt.refusals) == (2, ())
    assert values(database, at) == {"1.0.1.29.0.255 0": [4, 5]}


def test_a_frame_nobody_can_decode_is_kept_all_the_same(database: Database, at: Place, one: int) -> None:
    writer = IngestWriter(database, {CODEC: PlainDecoder()})
    whole = delivery(one, series(WH, START, [4, 5]))
    cut = Delivery(one, replace(whole.frame, payload=whole.frame.payload[:-1]), None)
    alien = Delivery(one, replace(whole.frame, codec="alien"), None)
    receipts = writer.write_now([cut, alien])
    assert [r.refusals[0].reason for r in receipts] == [Reason.UNDECODABLE, Reason.UNKNOWN_CODEC]
    with database.unit_of_work(at.scope) as work:
        kept = list(readings.journal_frames(work, one))
        assert [f.payload for f in kept] == [cut.frame.payload, alien.frame.payload]
        assert [f.id for f in kept] == [r.frame_id for r in receipts]
        assert len(ingest.refusals(work, one)) == 2


def test_a_repeated_frame_is_acknowledged_once_kept_and_moves_only_when_heard_of(
    database: Database, at: Place, one: int
) -> None:
    writer = IngestWriter(database)
    first = delivery(one, series(WH, START, list(range(50))))
    later = replace(first, frame=replace(first.frame, received_at=RECEIVED + timedelta(days=3)))
    receipts = writer.write_now([first, first]) + writer.write_now([later])
    assert [r.duplicate for r in receipts] == [False, True, True]
    assert len({r.frame_id for r in receipts}) == 1
    with database.unit_of_work(at.scope) as work:
        assert len(list(readings.journal_frames(work, one))) == 1
        (newest,) = readings.latest(work, at.site_id).values()
        assert newest.received_at == RECEIVED + timedelta(days=3)


@pytest.mark.parametrize("together", [True, False])
def test_readings_refused_as_in_the_future_are_taken_when_the_frame_comes_again_in_time(
    database: Database, at: Place, one: int, together: bool
) -> None:
    early = delivery(one, series(WH, RECEIVED + timedelta(days=3), [5]))
    late = replace(early, frame=replace(early.frame, received_at=RECEIVED + timedelta(days=4)))
    writer = IngestWriter(database)
    receipts = writer.write_now([early, late]) if together else writer.write_now([early]) + writer.write_now([late])
    assert [(r.points, r.duplicate) for r in receipts] == [(0, False), (1, False)]


@pytest.mark.parametrize("rows", [1, 20])
def test_the_newest_reading_shows_when_it_is_contradicted(database: Database, at: Place, one: int, rows: int) -> None:
    writer = IngestWriter(database)
    for value in (7, 5, 9):
        writer.write_now([delivery(one, series(WH, START, [1] * (rows - 1) + [value]))])
        writer.write_now([delivery(one, series(INDEX, START - timedelta(days=1), [value]))])
    with database.unit_of_work(at.scope) as work:
        newest = readings.latest(work, at.site_id).values()
        assert {(n.value, n.quality) for n in newest} == {(5, Quality.SUSPECT)}


def test_one_delivery_that_breaks_a_batch_does_not_take_the_others_with_it(
    database: Database, at: Place, one: int
) -> None:
    broken = replace(delivery(one), frame=replace(delivery(one).frame, context={"octets": b"no JSON"}))
    with IngestWriter(database) as writer:
        futures = [
            writer.submit(d)
            for d in (delivery(one, series(WH, START, [1])), broken, delivery(one, series(INDEX, START, [9])))
        ]
        receipts = [future.result(20) for future in futures]
    assert [r.accepted for r in receipts] == [True, False, True]
    assert receipts[1].refusals[0].reason is Reason.FAILED
    assert str(receipts[1].refusals[0]).startswith("failed: TypeError: ")
    with database.unit_of_work(at.scope) as work:
        assert [(r.reason, r.frame_id) for r in ingest.refusals(work, one)] == [(Reason.FAILED, None)]
    assert values(database, at) == {"1.0.1.29.0.255 0": [1], "1.0.1.8.0.255 0": [9]}


@pytest.mark.parametrize(
    "limits",
    [Limits(queued_deliveries=2, submit_timeout_s=0), Limits(queued_octets=2_000, submit_timeout_s=0)],
    ids=["deliveries", "octets"],
)
def test_a_full_queue_makes_the_sender_wait_and_then_say_so(
    database: Database, at: Place, one: int, limits: Limits
) -> None:
    def one_reading(k: int) -> Delivery:  # a frame of 1,000 octets that nobody has decoded yet
        made = delivery(one, series(WH, START + timedelta(minutes=15 * k), [k]))
        return Delivery(one, replace(made.frame, payload=made.frame.payload.ljust(1_000)), ())

    with database.connect(Role.OWNER) as blocker:
        blocker.execute("LOCK TABLE estate.meter IN ACCESS EXCLUSIVE MODE")
        writer = IngestWriter(database, limits=limits)
        writer.submit(one_reading(0))
        until = time.monotonic() + 20
        while writer.waiting()[0]:  # until its thread has taken that one, and stands before the table
            assert time.monotonic() < until
            time.sleep(0.01)
        with suppress(Unavailable):
            for k in range(1, 10):
                writer.submit(one_reading(k))
        with pytest.raises(Unavailable, match="behind"):
            writer.submit(one_reading(10))
        waiting, _ = writer.waiting()
        assert waiting == 2
        blocker.rollback()
    writer.close()
    with database.unit_of_work(at.scope) as work:
        kept = list(readings.journal_frames(work, one))
    assert len(kept) == 3


def test_an_event_loop_waits_for_the_commit_without_standing_still(database: Database, at: Place, one: int) -> None:
    async def deliver() -> list[ingest.Receipt]:
        with IngestWriter(database, limits=Limits(queued_deliveries=3)) as writer:
            moments = [START + timedelta(minutes=15 * k) for k in range(40)]
            return await asyncio.gather(*(writer.accept(delivery(one, series(WH, m, [1]))) for m in moments))

    assert all(receipt.accepted for receipt in asyncio.run(deliver()))
    assert values(database, at) == {"1.0.1.29.0.255 0": [1] * 40}


def test_after_closing_nothing_is_taken(database: Database, at: Place, one: int) -> None:
    writer = IngestWriter(database)
    writer.close()
    with pytest.raises(Unavailable, match="closed"):
        writer.submit(delivery(one))


def test_listeners_hear_of_new_readings_after_the_commit(database: Database, at: Place, one: int) -> None:
    with database.connect(Role.OWNER, autocommit=True) as listener:
        listener.execute("LISTEN demeter_readings")
        IngestWriter(database).write_now([delivery(one, series(WH, START, [1, 2]))])
        (notice,) = listener.notifies(timeout=5, stop_after=1)
    assert json.loads(notice.payload) == {
        "organization": at.organization_id,
        "site": at.site_id,
        "meter": one,
        "at": "2026-03-27T23:30:00+00:00",
    }
