"""What goes wrong in the field, by the simulator's faults and a database that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from demeter import headend
from demeter.headend import Limits, Purpose
from demeter.kernel import Commodity
from demeter.runtime.database import Database, Role
from demeter.simulator import Simulation, housing_society
from tests.integration.drivers.peer import electricity_meter, grow, listening
from tests.integration.headend.rig import FAST, QUIET, Rig, eventually, expected_stamps, last_quarter, make_rig, running

NAME = "A-1204/electricity"


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


@asynccontextmanager
async def simulated(rig: Rig) -> AsyncIterator[tuple[Simulation, int]]:
    """One flat's electricity meter with four days of history, in this event loop."""
    now = datetime.now(UTC)
    society = housing_society(5, now - timedelta(days=4), now)
    only = replace(society, meters=tuple(meter for meter in society.meters if meter.name == NAME))
    async with Simulation(only) as simulation:
        place, config = simulation.addresses[NAME], only.meters[0]
        keys = {name: bytes.fromhex(getattr(config, name)) for name in ("encryption_key", "authentication_key")}
        address = f"{place.host}:{place.port}"
        meter_id = rig.add_meter(
            config.serial, address, Commodity.ELECTRICITY, keys, server_sap=place.server_sap, answer_s=0.4
        )
        yield simulation, meter_id


@pytest.mark.parametrize(
    ("fault", "outcomes"),
    [
        ({"fault": "offline", "mode": "silent"}, {"no answer"}),
        ({"fault": "offline", "mode": "closed"}, {"no answer"}),
        ({"fault": "reboot"}, {"no answer"}),
        ({"fault": "slow", "delay_ms": 1500}, {"no answer"}),
        ({"fault": "truncate", "bytes": 20}, {"truncated"}),
        ({"fault": "refuse"}, {"refused"}),
        ({"fault": "replay", "one_in": 1}, {"replayed counter", "garbled", "not supported by this meter", "refused"}),
        (
            {"fault": "garbage", "one_in": 1, "seed": 4},
            {"garbled", "truncated", "no answer", "refused", "wrong key: tag check failed"},
        ),
    ],
    ids=lambda value: str(value.get("fault") if isinstance(value, dict) else ""),
)
def test_a_fault_is_named_stored_and_healed(rig: Rig, fault: dict[str, object], outcomes: set[str]) -> None:
    async def story() -> None:
        async with simulated(rig) as (simulation, meter_id), running(rig.collector(QUIET)) as collector:
            await eventually(lambda: collector.progress().complete == 1)
            before = len(rig.store.stamps(meter_id))
            simulation.desk.carry_out({"meter": NAME, **fault})
            failed = await collector.read_now(meter_id)
            assert failed.outcome in outcomes, failed
            assert failed.detail
            simulation.desk.carry_out({"meter": NAME, "clear": str(fault["fault"])})
            healed = await collector.read_now(meter_id)
            assert healed.succeeded, healed
            await eventually(lambda: states(rig)[0].failures == 0)
        [row] = states(rig)
        assert (row.last_failure_kind, row.last_failure) == (failed.outcome, failed.detail)
        assert len(rig.store.stamps(meter_id)) - before <= 1, "what was collected is not collected again"

    asyncio.run(story())


def states(rig: Rig) -> list[headend.MeterRow]:
    with rig.database.unit_of_work(rig.scope) as work:
        return headend.meter_rows(work, rig.site_id)


def test_a_simulated_meter_tells_its_registers_on_demand(rig: Rig) -> None:
    async def story() -> None:
        async with simulated(rig) as (_, meter_id), running(rig.collector(QUIET)) as collector:
            assert (await collector.read_now(meter_id)).succeeded
        kinds = {(s.reading_type.obis, s.reading_type.interval_s) for d in rig.store.deliveries for s in d.series}
        assert {("1.0.1.29.0.255", 900), ("1.0.1.8.0.255", 86_400), ("1.0.1.8.0.255", 0)} <= kinds

    asyncio.run(story())


def test_a_drifting_clock_is_seen(rig: Rig) -> None:
    async def story() -> None:
        async with simulated(rig) as (simulation, meter_id):
            simulation.desk.carry_out({"meter": NAME, "fault": "drift", "seconds": -180})
            async with running(rig.collector(QUIET)) as collector:
                await collector.read_now(meter_id)
                await eventually(lambda: states(rig)[0].clock_drift_s is not None)
        assert abs((states(rig)[0].clock_drift_s or 0) + 180) <= 1

    asyncio.run(story())


def test_when_the_database_goes_away_collecting_goes_on_where_the_commits_ended(rig: Rig) -> None:
    async def story() -> None:
        meter = electricity_meter(last_quarter(), 96 * 30)
        meter.delay_s = 0.01
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(replace(FAST, slice_rows=96))) as collector:
                for enough in (3, 10, 17):
                    await eventually(lambda many=enough: len(rig.store.deliveries) > many)
                    cut_all_connections(rig.database)
                await eventually(lambda: collector.progress().complete == 1)
        stamps = rig.store.stamps(meter_id)
        assert sorted(set(stamps)) == expected_stamps(meter)
        assert meter.most_at_once == 1
        with rig.database.unit_of_work(rig.scope) as work:
            assert headend.progress(work, rig.site_id).received == 96 * 30, "no row is counted twice"

    asyncio.run(story())


def cut_all_connections(database: Database) -> None:
    with database.connect(Role.OWNER, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_database_that_is_down_at_the_start_is_waited_for(rig: Rig) -> None:
    name = rig.database.url.split("@/")[1].split("?")[0]
    with psycopg.connect(rig.database.url.replace(f"@/{name}?", "@/postgres?"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        rig.database.close()

        async def story() -> None:
            async with listening(electricity_meter(last_quarter(), 4)) as address:
                collector = rig.collector(QUIET)
                task = asyncio.create_task(collector.run())
                await asyncio.sleep(1)
                assert not collector.ready.is_set()
                assert not task.done()
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
                await asyncio.wait_for(collector.ready.wait(), 10)
                assert (await collector.read_now(rig.add_meter("PEER-1", address))).succeeded
                task.cancel()

        asyncio.run(story())


def test_a_long_history_does_not_keep_a_due_meter_waiting(rig: Rig) -> None:
    async def story() -> None:
        long, due = (
            electricity_meter(last_quarter(), 96 * 300),
            electricity_meter(last_quarter() - timedelta(hours=1), 8),
        )
        long.delay_s = 0.05
        lanes = {Purpose.SCHEDULED: 1, Purpose.BACKFILL: 1, Purpose.RECOVERY: 1, Purpose.ON_DEMAND: 1}
        limits: Limits = replace(FAST, lanes=lanes, slice_rows=96, slices_per_turn=5)
        async with listening(due) as quick, listening(long) as slow:
            due_id, long_id = rig.add_meter("PEER-1", quick), rig.add_meter("PEER-1-LONG", slow)
            long.serial = "PEER-1-LONG"
            async with running(rig.collector(limits)):
                await eventually(lambda: len(rig.store.stamps(due_id)) == 8)
                await eventually(lambda: len(rig.store.stamps(long_id)) > 0)
                grow(due, last_quarter() - timedelta(hours=1), last_quarter())
                await eventually(lambda: len(rig.store.stamps(due_id)) == 12, 4)
                assert len(rig.store.stamps(long_id)) < 96 * 300

    asyncio.run(story())
