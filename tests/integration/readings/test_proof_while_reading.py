"""A proof looks at one moment: what arrives, is folded or edited meanwhile raises no alarm."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from demeter import readings
from demeter.ingest import IngestWriter
from demeter.kernel import Quality
from demeter.runtime.database import Database, UnitOfWork
from tests.interleaving import before_statement
from tests.plain_frames import INDEX, WH, decoded, delivery, series
from tests.provision import Place, meter, place

START = datetime(2026, 3, 28, 0, 15, tzinfo=UTC)
STATEMENTS = 10  # more than the proof of one meter has


@pytest.fixture
def at(database: Database) -> Place:
    return place(database)


def blocks_are_proved(work: UnitOfWork, at: Place, _meter_id: int) -> None:
    assert readings.verify_blocks(work, at.site_id, lambda frame: decoded(frame.frame())) == []


def chain_is_whole(work: UnitOfWork, _at: Place, meter_id: int) -> None:
    assert readings.verify_chain(work, meter_id).whole


@pytest.mark.parametrize("proved", [blocks_are_proved, chain_is_whole])
def test_a_meter_read_while_it_is_proved_raises_no_alarm(
    database: Database, at: Place, proved: Callable[[UnitOfWork, Place, int], None]
) -> None:
    meter_id = meter(database, at)
    writer = IngestWriter(database)
    writer.write_now([delivery(meter_id, series(WH, START, list(range(20))), series(INDEX, START, [7]))])
    for number in range(STATEMENTS):
        later = START + timedelta(days=number + 1)

        def meanwhile(later: datetime = later) -> None:
            writer.write_now([delivery(meter_id, series(WH, later, list(range(20))), series(INDEX, later, [8]))])
            readings.fold_inbox(database)
            with database.unit_of_work(at.scope) as other:
                one = readings.channels(other, at.site_id)[0]
                readings.edit(other, one, int(later.timestamp()), 5, Quality.EDITED, "tested")

        with database.unit_of_work(at.scope, snapshot=True) as work, before_statement(work, number, meanwhile):
            proved(work, at, meter_id)


def test_a_snapshot_writes_nothing(database: Database, at: Place) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), database.unit_of_work(at.scope, snapshot=True) as work:
        work.audit("test", "one")
    with database.unit_of_work(at.scope) as work:  # the pooled connection is as before
        work.audit("test", "one")
        assert work.raw.execute("SHOW transaction_isolation").fetchone() == ("read committed",)
