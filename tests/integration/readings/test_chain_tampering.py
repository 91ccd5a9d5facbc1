"""The owner of the database writes into the journal: whatever is done to a frame, checking its chain names it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from demeter import readings
from demeter.ingest import IngestWriter
from demeter.runtime.database import Database, Role
from tests.plain_frames import WH, delivery, series
from tests.provision import Place, meter, place

START = datetime(2026, 3, 27, 23, 15, tzinfo=UTC)
COUNT = 5
TABLES = ("frame", "frame_context", "chain")
NTH = "(SELECT id FROM readings.frame ORDER BY id OFFSET {} LIMIT 1)"
FIRST, SECOND, THIRD, LAST = (NTH.format(n) for n in (0, 1, 2, COUNT - 1))
INSERTED = (
    "INSERT INTO readings.frame SELECT site_id, meter_id, {id}, received_at, covers_start, covers_end, rows, refused,"
    " compressed, codec, context_id, fingerprint, {previous}, {hash}, payload FROM readings.frame WHERE id = {of}"
)

TAMPERED = {
    "a byte of the payload": (
        f"UPDATE readings.frame SET payload = set_byte(payload, 9, get_byte(payload, 9) # 1) WHERE id = {SECOND}",
        1,
    ),
    "a payload that does not unpack": (
        f"UPDATE readings.frame SET compressed = NOT compressed WHERE id = {SECOND}",
        1,
    ),
    "the codec": (f"UPDATE readings.frame SET codec = 'other' WHERE id = {SECOND}", 1),
    "when it was received": (
        f"UPDATE readings.frame SET received_at = received_at + interval '1 microsecond' WHERE id = {THIRD}",
        2,
    ),
    "the context": ("UPDATE readings.frame_context SET body = replace(body, 'Wh', 'kWh')", 0),
    "a context that is no JSON": ("UPDATE readings.frame_context SET body = '{'", 0),
    "the context taken away": ("DELETE FROM readings.frame_context", 0),
    "the hash": (f"UPDATE readings.frame SET hash = sha256('x') WHERE id = {SECOND}", 1),
    "the link": (f"UPDATE readings.frame SET previous_hash = sha256('x') WHERE id = {SECOND}", 1),
    "payloads of two frames exchanged": (
        (
            f"UPDATE readings.frame f SET payload = o.payload FROM readings.frame o"
            f" WHERE f.id IN ({SECOND}, {THIRD}) AND o.id IN ({SECOND}, {THIRD}) AND o.id <> f.id"
        ),
        1,
    ),
    "two frames exchanged": (
        (
            f"UPDATE readings.frame SET id = id + 1000 WHERE id = {SECOND};"
            f" UPDATE readings.frame SET id = id - 1 WHERE id = {SECOND};"
            " UPDATE readings.frame SET id = id - 999 WHERE id > 1000"
        ),
        1,
    ),
    "a copy put in between": (
        INSERTED.format(id=f"{SECOND} + 1000", previous="previous_hash", hash="hash", of=SECOND)
        + f"; UPDATE readings.frame SET id = id + 2000 WHERE id >= {THIRD} AND id < 1000",
        2,
    ),
    "a copy put at the end": (
        INSERTED.format(id=f"{LAST} + 1", previous="previous_hash", hash="hash", of=SECOND),
        COUNT,
    ),
    "the first frame removed": (f"DELETE FROM readings.frame WHERE id = {FIRST}", 0),
    "the first two frames removed": (f"DELETE FROM readings.frame WHERE id <= {SECOND}", 0),
    "a frame in the middle removed": (f"DELETE FROM readings.frame WHERE id = {THIRD}", 2),
    "the last frame removed": (f"DELETE FROM readings.frame WHERE id = {LAST}", COUNT - 1),
    "the last frame and the head removed": (
        f"DELETE FROM readings.frame WHERE id = {LAST}; DELETE FROM readings.chain",
        COUNT - 1,
    ),
    "every frame removed": ("DELETE FROM readings.frame", 0),
}


@pytest.fixture
def at(database: Database) -> Place:
    return place(database)


@pytest.fixture
def chained(database: Database, at: Place) -> int:
    number = meter(database, at)
    writer = IngestWriter(database)
    for k in range(COUNT):
        writer.write_now([delivery(number, series(WH, START + k * timedelta(hours=12), list(range(k, k + 48))))])
    return number


def test_whatever_is_done_to_the_journal_is_named(database: Database, at: Place, chained: int) -> None:
    for what, (statement, whole_before) in TAMPERED.items():
        with restored(database):
            with database.connect(Role.OWNER) as owner:
                for part in statement.split("; "):
                    assert owner.execute(part).rowcount > 0, what
            with database.unit_of_work(at.scope) as work:
                found = readings.verify_chain(work, chained)
        assert not found.whole, what
        assert found.reason, what
        assert found.frames == whole_before, what
        with database.unit_of_work(at.scope) as work:
            assert readings.verify_chain(work, chained) == readings.ChainProof(chained, COUNT)


@contextmanager
def restored(database: Database) -> Iterator[None]:
    """Put the journal back as it was when the context ends: quicker than a database for each case."""
    with database.connect(Role.OWNER, autocommit=True) as owner:
        for table in TABLES:
            owner.execute(f"CREATE TABLE kept_{table} AS TABLE readings.{table}")
        yield
        for table in TABLES:
            owner.execute(f"DELETE FROM readings.{table}")
            owner.execute(f"INSERT INTO readings.{table} SELECT * FROM kept_{table}")
            owner.execute(f"DROP TABLE kept_{table}")


def test_the_chain_of_another_meter_stays_whole(database: Database, at: Place, chained: int) -> None:
    other = meter(database, at)
    IngestWriter(database).write_now([delivery(other, series(WH, START, [1, 2]))])
    with database.connect(Role.OWNER) as owner:
        owner.execute("DELETE FROM readings.frame WHERE meter_id = %s", (chained,))
    with database.unit_of_work(at.scope) as work:
        assert readings.verify_chain(work, other).whole


def test_after_retention_the_chain_is_whole_from_the_first_frame_kept_and_no_later(
    database: Database, at: Place, chained: int
) -> None:
    writer = IngestWriter(database)
    for month in (2, 3):
        received = datetime(2027, month, 3, tzinfo=UTC)
        for k in range(2):
            writer.write_now(
                [delivery(chained, series(WH, received - timedelta(days=k + 1), [k]), received_at=received)]
            )
    assert readings.drop_frames_before(database, datetime(2027, 3, 1, tzinfo=UTC).date()) == 2
    with database.unit_of_work(at.scope) as work:
        assert readings.verify_chain(work, chained) == readings.ChainProof(chained, 2)
    with database.connect(Role.OWNER) as owner:
        owner.execute(f"DELETE FROM readings.frame WHERE id = {FIRST}")
    with database.unit_of_work(at.scope) as work:
        assert not readings.verify_chain(work, chained).whole


def test_a_meter_whose_frames_are_all_beyond_retention_has_a_whole_chain(
    database: Database, at: Place, chained: int
) -> None:
    readings.drop_frames_before(database, datetime(2030, 1, 1, tzinfo=UTC).date())
    with database.unit_of_work(at.scope) as work:
        assert readings.verify_chain(work, chained) == readings.ChainProof(chained, 0)
    IngestWriter(database).write_now([delivery(chained, series(WH, START - timedelta(days=9), [1]))])
    with database.unit_of_work(at.scope) as work:
        assert readings.verify_chain(work, chained) == readings.ChainProof(chained, 1)
