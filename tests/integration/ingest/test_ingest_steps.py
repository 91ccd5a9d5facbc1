"""From a delivery to committed readings, on a real PostgreSQL."""

from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from demeter import readings
from demeter.ingest import IngestWriter
from demeter.kernel import Quality, Span
from demeter.runtime.database import Database, Role, Scope
from demeter.sdk import Delivery, Frame, ReadingKind, ReadingType, Series

START = datetime(2026, 3, 1, tzinfo=UTC)
WH = ReadingType("1.0.1.29.0.255", ReadingKind.INTERVAL, "Wh", 0, 900)
INDEX = ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "Wh", 0, 900)


@pytest.fixture
def meter(database: Database) -> int:
    with database.connect(Role.OWNER) as connection:
        connection.execute("INSERT INTO identity.organization (name) VALUES ('One'), ('Two')")
        connection.execute("INSERT INTO estate.customer (organization_id, name) VALUES (1, 'Society')")
        connection.execute(
            "INSERT INTO estate.site (organization_id, customer_id, name, zone, currency, locale)"
            " VALUES (1, 1, 'Palm Court', 'Europe/Berlin', 'EUR', 'en')"
        )
        connection.execute(
            "INSERT INTO estate.meter (organization_id, site_id, serial, commodity, protocol, commissioned_at)"
            " VALUES (1, 1, 'E1', 'electricity', 'dlms', '2026-01-01Z')"
        )
    return 1


def series(kind: ReadingType, first: datetime, values: list[int], quality: Quality = Quality.MEASURED) -> Series:
    at_s = int(first.timestamp()) + 900 * np.arange(len(values), dtype=np.int64)
    return Series(kind, at_s, np.array(values, np.int64), np.full(len(values), quality, np.uint8))


def delivery(*parts: Series, payload: bytes = b"frame", meter_id: int = 1) -> Delivery:
    frame = Frame("test/plain", payload, datetime(2026, 4, 10, tzinfo=UTC), {"obis": "1.0.99.1.0.255"})
    return Delivery(meter_id, frame, parts)


def test_a_profile_is_read_back_as_it_was_delivered(database: Database, meter: int) -> None:
    month = list(range(31 * 96))
    with IngestWriter(database) as writer:
        receipt = writer.submit(delivery(series(WH, START, month), series(INDEX, START, month))).result(20)
    assert (receipt.accepted, receipt.points, receipt.rows, receipt.refusals) == (True, 2 * 31 * 96, 31 * 96, ())
    with database.unit_of_work(Scope.system(1, "test")) as work:
        channels = readings.channels(work, 1)
        span = Span(START - timedelta(days=1), START + timedelta(days=40))
        found = readings.read(work, channels, span)
        for channel in channels:
            assert found[channel.id].values.tolist() == month
            assert found[channel.id].at_s.tolist() == series(WH, START, month).at_s.tolist()
        assert readings.latest(work, 1)[1].value == month[-1]
        dirty = readings.take_dirty(work)
        assert len(dirty) == 2
        readings.clear_dirty(work, dirty)
        assert readings.take_dirty(work) == []


def test_a_live_reading_is_visible_at_once_and_stays_the_same_when_folded(database: Database, meter: int) -> None:
    with IngestWriter(database) as writer:
        writer.submit(delivery(series(INDEX, START, [5, 7]))).result(20)
    span = Span(START, START + timedelta(hours=1))
    with database.unit_of_work(Scope.system(1, "test")) as work:
        channel = readings.channels(work, 1)[0]
        assert readings.read(work, [channel], span)[channel.id].values.tolist() == [5, 7]
    assert readings.fold_inbox(database) == 2
    assert readings.fold_inbox(database) == 0
    with database.unit_of_work(Scope.system(1, "test")) as work:
        assert readings.read(work, [channel], span)[channel.id].values.tolist() == [5, 7]
        assert readings.verify_blocks(work, 1, lambda frame: (series(INDEX, START, [5, 7]),)) == []
        assert readings.verify_chain(work, 1).whole


def test_the_application_role_cannot_touch_the_journal(database: Database, meter: int) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.unit_of_work(Scope.system(1, "test")) as work:
        work.raw.execute("DELETE FROM readings.frame")


def test_rows_without_any_value_leave_their_frame_in_the_journal(database: Database, meter: int) -> None:
    with IngestWriter(database) as writer:
        receipt = writer.submit(delivery(series(WH, START, []))).result(20)
    assert (receipt.accepted, receipt.points, receipt.refusals) == (True, 0, ())
    with database.unit_of_work(Scope.system(1, "test")) as work:
        assert readings.channels(work, 1) == []
        assert readings.verify_chain(work, meter).frames == 1
