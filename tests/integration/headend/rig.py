"""A head-end in a test: a real database with an estate, real meters on loopback, and a store that can be told to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from demeter import estate
from demeter.drivers.dlms import DlmsDriver
from demeter.headend import Collector, DatabaseCounters, Limits, Pacing, Purpose
from demeter.kernel import Commodity
from demeter.runtime.database import Database, Role, Scope
from demeter.runtime.secrets import MasterKey, SecretBox
from demeter.sdk import Delivery
from tests.integration.drivers.peer import KEYS, PeerMeter

FAST = Limits(
    schedule_s=1,
    settle_s=0,
    jitter_s=1,
    back_off_s=1,
    sulk_s=1,
    patience_s=2,
    refresh_s=0.2,
    flush_s=0.05,
    lanes={Purpose.SCHEDULED: 8, Purpose.BACKFILL: 4, Purpose.RECOVERY: 2, Purpose.ON_DEMAND: 2},
)
QUIET = Limits(schedule_s=86_400, jitter_s=1, refresh_s=0.2, flush_s=0.05)
"""Regular reads are far away: only what a test starts happens."""

MASTER_KEY = MasterKey(b"k" * 32)


@dataclass(frozen=True)
class Committed:
    accepted: bool = True
    frame_id: int | None = None
    refusals: tuple[object, ...] = ()


@dataclass
class MemoryStore:
    """A sink that commits to memory; ``fails`` makes it raise, ``gate`` holds it back."""

    deliveries: list[Delivery] = field(default_factory=list)
    fails: bool = False
    gate: asyncio.Event | None = None

    async def __call__(self, delivery: Delivery) -> Committed:
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise ConnectionError("the store is down")
        self.deliveries.append(delivery)
        return Committed()

    def stamps(self, meter_id: int, obis: str = "1.0.1.29.0.255") -> list[int]:
        """Every stamp received of a channel, in order of arrival."""
        return [
            int(at)
            for delivery in self.deliveries
            if delivery.meter_id == meter_id
            for series in delivery.series
            if series.reading_type.obis == obis and series.reading_type.interval_s == 900
            for at in series.at_s
        ]


@dataclass
class Rig:
    database: Database
    secrets: SecretBox
    store: MemoryStore
    site_id: int
    scope: Scope

    def add_meter(
        self,
        serial: str,
        address: str,
        commodity: Commodity = Commodity.ELECTRICITY,
        keys: Mapping[str, bytes] = KEYS,
        **options: object,
    ) -> int:
        plan = estate.MeterPlan(
            serial, commodity, "dlms", datetime(2020, 1, 1, tzinfo=UTC), address=address, options=options
        )
        with self.database.unit_of_work(self.scope) as work:
            meter_id = estate.create_meter(work, self.site_id, plan)
            for name, value in keys.items():
                self.secrets.seal(work, f"meter:{meter_id}", name, value)
        return meter_id

    def collector(self, limits: Limits = FAST, pacing: Pacing | None = None) -> Collector:
        drivers = {"dlms": DlmsDriver(counters=DatabaseCounters(self.database, 0.05))}
        return Collector(self.database, drivers, self.store, self.secrets, limits=limits, pacing=pacing)


def make_rig(database: Database) -> Rig:
    with database.connect(Role.OWNER) as connection:
        connection.execute("INSERT INTO identity.organization (name) VALUES ('One')")
    scope = Scope.system(1, "test")
    with database.unit_of_work(scope) as work:
        site = estate.create_site(work, "Palm Court", "Asia/Kolkata")
    return Rig(database, SecretBox(MASTER_KEY), MemoryStore(), site, scope)


@asynccontextmanager
async def running(collector: Collector) -> AsyncIterator[Collector]:
    task = asyncio.create_task(collector.run())
    try:
        async with asyncio.timeout(20):
            await collector.ready.wait()
        yield collector
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def eventually(true: Callable[[], bool], within_s: float = 15) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - what is waited for happens in a database or another task
            await asyncio.sleep(0.02)


def last_quarter() -> datetime:
    now = datetime.now(UTC)
    return now - timedelta(minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond)


def expected_stamps(meter: PeerMeter) -> list[int]:
    return [int(row[0].timestamp()) for row in meter.buffers["99.1"].rows]
