"""Whatever a driver or sender hands over: an answer for each delivery, the good ones kept exactly, the store provable."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demeter import ingest, readings
from demeter.ingest import IngestWriter, Limits
from demeter.kernel import Quality, Span
from demeter.runtime.database import Database
from demeter.sdk import Delivery, Frame, ReadingKind, ReadingType, Series
from tests.plain_frames import CODEC, INDEX, RECEIVED, WH, decoded, delivery, series
from tests.provision import Place, meter, place

START = datetime(2026, 3, 27, 23, 15, tzinfo=UTC)
INT64 = np.iinfo(np.int64)
EVERYWHERE = Span(datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture
def at(database: Database) -> Place:
    return place(database)


@pytest.fixture
def one(database: Database, at: Place) -> int:
    return meter(database, at)


def columns(kind: ReadingType, at_s, values, quality) -> Series:
    return Series(kind, np.array(at_s), np.array(values), np.array(quality))


def odd_deliveries(one: int, others: int) -> dict[str, Delivery]:
    """Deliveries none of which may be stored as they are, by what is odd about them."""
    good = delivery(one, series(WH, START, [1, 2, 3]))
    stamps = [int(START.timestamp()) + 900 * k for k in range(3)]
    measured = np.full(3, Quality.MEASURED, np.uint8)

    def with_series(*parts: Series) -> Delivery:
        return Delivery(one, good.frame, parts)

    def with_frame(**changed: object) -> Delivery:
        return replace(good, frame=replace(good.frame, **changed))

    return {
        "columns of unequal length": with_series(columns(WH, stamps, [1, 2], measured)),
        "no qualities": with_series(columns(WH, stamps, [1, 2, 3], np.zeros(0, np.uint8))),
        "values as floats": with_series(columns(WH, stamps, [1.5, float("nan"), float("inf")], measured)),
        "stamps as floats": with_series(columns(WH, [float(s) for s in stamps], [1, 2, 3], measured)),
        "qualities as numbers": with_series(columns(WH, stamps, [1, 2, 3], [1, 1, 1])),
        "two dimensions": with_series(columns(WH, [stamps], [[1, 2, 3]], [measured])),
        "a list": with_series(Series(WH, stamps, [1, 2, 3], measured)),
        "a name too long": with_series(
            columns(ReadingType("1" * 65, ReadingKind.INTERVAL, "Wh", 0, 900), stamps, [1, 2, 3], measured)
        ),
        "a NUL in the name": with_series(
            columns(ReadingType("1.0\0.1", ReadingKind.INTERVAL, "Wh", 0, 900), stamps, [1, 2, 3], measured)
        ),
        "a meter nobody has": replace(good, meter_id=999_999),
        "a meter number beyond all numbers": replace(good, meter_id=2**40),
        "a negative meter number": replace(good, meter_id=-1),
        "another organization's meter": replace(good, meter_id=others),
        "a codec with a NUL": with_frame(codec="a\0b"),
        "a context that is no JSON": with_frame(context={"octets": b"\x00"}),
        "half a character in the context": with_frame(context={"text": "\ud800"}),
        "a time without a zone": with_frame(received_at=datetime(2026, 12, 31)),  # noqa: DTZ001 - that is what is odd
        "payload that is no octets": with_frame(payload="text"),
    }


def test_every_odd_delivery_is_answered_and_harms_no_other(database: Database, at: Place, one: int) -> None:
    others = meter(database, place(database, organization="Two"))
    odd = odd_deliveries(one, others)
    good = [delivery(one, series(INDEX, START + timedelta(days=k), [k])) for k in range(len(odd))]
    with IngestWriter(database) as writer:
        mixed = [d for pair in zip(odd.values(), good, strict=True) for d in pair]
        receipts = [future.result(60) for future in [writer.submit(d, at.organization_id) for d in mixed]]
        for what, receipt in zip(odd, receipts[::2], strict=True):
            assert receipt.points == 0, what
            assert receipt.refusals, what
        assert all(receipt.accepted and not receipt.refusals for receipt in receipts[1::2])
    with database.unit_of_work(at.scope) as work:
        channels = readings.channels(work, at.site_id)
        kept = readings.read(work, channels, EVERYWHERE)
        assert {c.reading_type for c in channels if len(kept[c.id].at_s)} == {INDEX}
        assert readings.verify_chain(work, one).whole
        assert len(ingest.refusals(work)) >= len(odd) - 5  # not those of unknown meters, nor what no table can hold


def test_an_empty_delivery_keeps_its_frame_and_nothing_else(database: Database, at: Place, one: int) -> None:
    empty = Series(WH, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))
    frame = Frame(CODEC, b"", RECEIVED, {})
    receipts = IngestWriter(database).write_now([Delivery(one, frame, ()), Delivery(one, frame, (empty,))])
    assert [(r.accepted, r.points, r.rows) for r in receipts] == [(True, 0, 0), (True, 0, 0)]
    with database.unit_of_work(at.scope) as work:
        assert readings.channels(work, at.site_id) == []
        assert readings.verify_chain(work, one) == readings.ChainProof(one, 1)


STAMPS = st.one_of(
    st.integers(0, 400).map(lambda k: int(START.timestamp()) + 900 * k),
    st.integers(0, 10).map(lambda k: int(START.timestamp()) + 900 * k + 7),
    st.sampled_from([INT64.min, -1, 0, 1, 946_943_999, 946_944_000, 4_102_444_800, 2**40, INT64.max]),
)
VALUES = st.one_of(
    st.integers(-5, 5), st.sampled_from([INT64.min, INT64.min + 1, -(2**31) - 1, 2**31, 2**53 + 1, INT64.max])
)
ROWS = st.lists(st.tuples(STAMPS, VALUES, st.integers(0, 255)), max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.tuples(st.sampled_from([WH, INDEX]), ROWS), min_size=1, max_size=4))
def test_any_instants_values_and_qualities_end_in_a_store_that_can_be_proved(
    database: Database, at: Place, one: int, batches: list[tuple[ReadingType, list[tuple[int, int, int]]]]
) -> None:
    writer = IngestWriter(database)
    number = meter(database, at)
    for kind, rows in batches:
        given_rows = [np.array([row[k] for row in rows], t) for k, t in enumerate((np.int64, np.int64, np.uint8))]
        (receipt,) = writer.write_now([delivery(number, Series(kind, *given_rows))])
        assert receipt.accepted
    with database.unit_of_work(at.scope) as work:
        assert readings.verify_chain(work, number).whole
        assert readings.verify_blocks(work, at.site_id, lambda frame: decoded(frame.frame()), [number]) == []
    readings.fold_inbox(database)
    with database.unit_of_work(at.scope) as work:
        assert readings.verify_blocks(work, at.site_id, lambda frame: decoded(frame.frame()), [number]) == []


def test_two_frames_that_contradict_each_other_end_suspect_in_either_order(database: Database, at: Place) -> None:
    ends = []
    for order in ((5, 9), (9, 5)):
        number = meter(database, at)
        for value in order:
            IngestWriter(database).write_now([delivery(number, series(WH, START, [value] * 12))])
        with database.unit_of_work(at.scope) as work:
            (channel,) = readings.channels(work, at.site_id, [number])
            found = readings.read(work, [channel], EVERYWHERE)[channel.id]
            ends.append((found.values.tolist(), found.quality.tolist()))
    assert ends[0] == ends[1] == ([5] * 12, [Quality.SUSPECT] * 12)


def test_a_sender_that_gave_up_takes_nothing_with_it(database: Database, at: Place, one: int) -> None:
    with IngestWriter(database, limits=Limits(batch_deliveries=3)) as writer:
        futures = [writer.submit(delivery(one, series(WH, START + timedelta(hours=k), [k]))) for k in range(30)]
        given_up = [future for future in futures if future.cancel()]
        for future in futures:
            if future not in given_up:
                assert future.result(30).accepted
    with database.unit_of_work(at.scope) as work:
        assert len(list(readings.journal_frames(work, one))) == len(futures) - len(given_up)
