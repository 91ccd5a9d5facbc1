"""Several writers and editors at once: one after the other per shard, none lost, none in each other's way."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from demeter import readings
from demeter.ingest import IngestWriter
from demeter.kernel import Quality, Span
from demeter.runtime.database import Database
from tests.plain_frames import INDEX, WH, decoded, delivery, series
from tests.provision import meter, place

START = datetime(2026, 3, 27, 23, 15, tzinfo=UTC)


def test_two_writers_a_fold_and_edits_on_the_same_meters_end_in_what_frames_and_edits_give(database: Database) -> None:
    at = place(database)
    first = meter(database, at, 3)

    def deliver(shift: int) -> None:
        with IngestWriter(database) as writer:
            futures = [
                writer.submit(
                    delivery(first + k % 3, series(WH, START + timedelta(hours=k), [k] * (4 + 8 * ((k + shift) % 2))))
                )
                for k in range(40)
            ]
            assert all(future.result(30).accepted for future in futures)

    def fold() -> None:
        for _ in range(10):
            readings.fold_inbox(database, limit=7)

    def edit() -> None:
        for k in range(10):
            with database.unit_of_work(at.scope) as work:
                one = readings.ensure_channel(work, at.site_id, first, INDEX)
                readings.edit(work, one, int(START.timestamp()) + 900 * k, k, Quality.EDITED, "test")

    works = [lambda: deliver(0), lambda: deliver(1), fold, edit]
    with ThreadPoolExecutor(len(works)) as pool:
        for running in [pool.submit(work) for work in works]:
            running.result(60)
    with database.unit_of_work(at.scope) as work:
        assert readings.verify_blocks(work, at.site_id, lambda frame: decoded(frame.frame())) == []
        assert all(readings.verify_chain(work, first + k).whole for k in range(3))
        channels = readings.channels(work, at.site_id)
        found = readings.read(work, channels, Span(START - timedelta(days=1), START + timedelta(days=9)))
        assert sum(len(one.at_s) for one in found.values()) > 120
