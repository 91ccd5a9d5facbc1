"""An acknowledged reading is there at every moment, also while the inbox is folded into blocks."""

from datetime import UTC, datetime, timedelta

import pytest

from demeter import readings
from demeter.ingest import IngestWriter
from demeter.kernel import Span
from demeter.runtime.database import Database
from tests.interleaving import before_statement
from tests.plain_frames import INDEX, ON_DEMAND, WH, delivery, series
from tests.provision import Place, meter, place

START = datetime(2026, 3, 28, 0, 15, tzinfo=UTC)
STATEMENTS = 8  # more than a read has


@pytest.fixture
def at(database: Database) -> Place:
    return place(database)


@pytest.mark.parametrize("kind", [WH, INDEX, ON_DEMAND], ids=["intervals", "registers", "on demand"])
def test_a_fold_between_any_two_statements_hides_no_reading(database: Database, at: Place, kind) -> None:
    meter_id = meter(database, at)
    writer = IngestWriter(database)
    span = Span(START - timedelta(days=1), START + timedelta(days=1))
    for number in range(STATEMENTS):
        writer.write_now([delivery(meter_id, series(kind, START + timedelta(minutes=15 * number), [number]))])
        with database.unit_of_work(at.scope) as work:
            (one,) = readings.channels(work, at.site_id)
            with before_statement(work, number, lambda: readings.fold_inbox(database)):
                found = readings.read(work, [one], span)[one.id]
        assert found.values.tolist() == list(range(number + 1)), f"folded before statement {number}"
        readings.fold_inbox(database)
