"""From numpy columns to committed day blocks: points per second, and bytes per point on disk.

1,000 meters, 30 days over the spring clock change of Europe/Berlin, a register and an interval channel of 15 minutes
each, 0.5 % of the intervals missing. Bulk deliveries hold ten days of one meter; the raw frame beside them is as large
as the enciphered profile would be, and as incompressible. Live deliveries hold one row.
Everything is timed from columns in memory to the end of COMMIT, with fsync on.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np

from demeter.ingest import IngestWriter, Limits
from demeter.readings.store.blocks import ensure_partition, lock_shards
from demeter.readings.store.channels import create_channel
from demeter.readings.writing import Contribution, months_of, write
from demeter.runtime.database import Database, EmbeddedPostgres, Role, upgrade
from demeter.sdk import Delivery, Frame, ReadingKind, ReadingType, Series

METERS = 1000
DAYS = 30
PART_DAYS = 10
START_S = int(datetime(2026, 3, 9, 23, tzinfo=UTC).timestamp())
RECEIVED = datetime(2026, 4, 10, tzinfo=UTC)
TYPES = (
    ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "Wh", 0, 900),
    ReadingType("1.0.1.29.0.255", ReadingKind.INTERVAL, "Wh", 0, 900),
)
LIVE_METERS = 500
ROW_OCTETS = 28  # date-time, two registers, tags, of an enciphered row


@contextmanager
def fresh_database() -> Iterator[Database]:
    """A migrated database of its own, with the meters."""
    with tempfile.TemporaryDirectory(prefix="demeter-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o711)
        server = EmbeddedPostgres(Path(home), os.environ.get("DEMETER_TEST_POSTGRES", ""))
        database = Database(server.start())
        upgrade(database)
        with database.connect(Role.OWNER) as connection:
            connection.execute("INSERT INTO identity.organization (name) VALUES ('One')")
            connection.execute("INSERT INTO estate.customer (organization_id, name) VALUES (1, 'Society')")
            connection.execute(
                "INSERT INTO estate.site (organization_id, customer_id, name, zone, currency, locale)"
                " VALUES (1, 1, 'Bench', 'Europe/Berlin', 'EUR', 'en')"
            )
            connection.execute(
                "INSERT INTO estate.meter (organization_id, site_id, serial, commodity, protocol, commissioned_at)"
                " SELECT 1, 1, 'E' || i, 'electricity', 'dlms', '2026-01-01Z' FROM generate_series(1, %s) i",
                (METERS,),
            )
        try:
            yield database
        finally:
            database.close()
            server.stop()


def month() -> list[list[tuple[Series, ...]]]:
    """Per meter, per ten days: both channels' columns."""
    rng = np.random.default_rng(96)
    count = DAYS * 96
    at_s = START_S + 900 * np.arange(1, count + 1, dtype=np.int64)
    shape = 1 + np.sin(np.arange(count) / 96 * 2 * np.pi) ** 2
    found = []
    for _ in range(METERS):
        used = rng.poisson(rng.gamma(2, 60) * shape).astype(np.int64)
        there = rng.random(count) > 0.005
        index = 1_000_000 + used.cumsum()
        parts = []
        for start in range(0, count, PART_DAYS * 96):
            part = slice(start, start + PART_DAYS * 96)
            parts.append(
                (_series(0, at_s[part], index[part]), _series(1, at_s[part][there[part]], used[part][there[part]]))
            )
        found.append(parts)
    return found


def _series(kind: int, at_s: np.ndarray, values: np.ndarray) -> Series:
    return Series(TYPES[kind], at_s.copy(), values.copy(), np.full(len(at_s), 40, np.uint8))


def blocks_only(database: Database, meters: list[list[tuple[Series, ...]]]) -> float:
    """Points per second of columns to committed blocks, without frames (a batch per 1 million points)."""
    with database.connect(Role.INGEST, autocommit=True) as connection:
        channels = {(m, t): create_channel(connection, 1, m + 1, t) for m in range(METERS) for t in TYPES}
        for month_start in sorted({when for part in meters[0] for when in months_of(part[0])}):
            ensure_partition(connection, "block", month_start)
        given = [
            Contribution(channels[m, s.reading_type], "Europe/Berlin", 1, RECEIVED, s)
            for part in range(DAYS // PART_DAYS)
            for m in range(METERS)
            for s in meters[m][part]
        ]
        points = sum(len(c.series.at_s) for c in given)
        started = perf_counter()
        for start in range(0, len(given), 2000):
            with connection.transaction():
                lock_shards(connection, [1])
                write(connection, given[start : start + 2000], RECEIVED)
        return points / (perf_counter() - started)


def deliveries(meters: list[list[tuple[Series, ...]]]) -> list[Delivery]:
    """Every ten days of every meter as a delivery with a frame of random octets."""
    rng = np.random.default_rng(1)
    found = []
    for part in range(DAYS // PART_DAYS):
        for m in range(METERS):
            series = meters[m][part]
            frame = Frame("bench", rng.bytes(ROW_OCTETS * PART_DAYS * 96), RECEIVED, {"obis": "1.0.99.1.0.255"})
            found.append(Delivery(m + 1, frame, series))
    return found


def with_frames(database: Database, given: list[Delivery]) -> float:
    """Points per second through the whole of ingest, frames hash-chained and kept."""
    points = sum(len(s.at_s) for d in given for s in d.series)
    writer = IngestWriter(database, limits=Limits(queued_points=10**9, queued_deliveries=10**6))
    started = perf_counter()
    futures = [writer.submit(delivery) for delivery in given]
    for future in futures:
        assert not future.result(120).refusals
    taken = perf_counter() - started
    writer.close()
    return points / taken


def live(database: Database) -> float:
    """Readings per second when each delivery is one row of two channels."""
    at_s = np.array([START_S + 86_400 * DAYS + 900], np.int64)
    given = [
        Delivery(
            m + 1,
            Frame("bench", os.urandom(60), RECEIVED, {"obis": "1.0.99.1.0.255"}),
            tuple(_series(kind, at_s + 900 * k, np.array([k + 7])) for kind in (0, 1)),
        )
        for k in range(8)
        for m in range(LIVE_METERS)
    ]
    return with_frames(database, given)


def octets(database: Database, table: str) -> int:
    """Bytes on disk of a partitioned table with its indexes and overflow."""
    with database.connect(Role.OWNER) as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = %s::regclass", (table,)
        ).fetchone()
    return int(row[0])


def measure() -> dict[str, float]:
    """Return all figures by name."""
    meters = month()
    points = sum(len(s.at_s) for m in meters for part in m for s in part)
    figures: dict[str, float] = {}
    with fresh_database() as database:
        figures["ingest: points per second to committed blocks"] = blocks_only(database, meters)
        figures["ingest: bytes per point on disk, blocks with index"] = octets(database, "readings.block") / points
    with fresh_database() as database:
        given = deliveries(meters)
        figures["ingest: points per second, frames journaled too"] = with_frames(database, given)
        figures["ingest: bytes per point on disk, journal"] = octets(database, "readings.frame") / points
        figures["ingest: live readings per second, one row per delivery"] = live(database)
    return figures


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{value:15,.1f}  {name}")
