"""What a meter shows of itself: found over real sockets, kept only where asked for, without effect on its readings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from demeter import headend
from demeter.drivers.dlms import DlmsDriver, MemoryCounters
from demeter.headend import Place
from demeter.kernel import NotFound, Unavailable
from demeter.runtime.database import Database
from demeter.sdk import Credentials, Endpoint, MeterDiscovery, Profile
from demeter.simulator import FleetConfig, LoadConfig, MeterConfig, MeterKind, Simulation
from tests.integration.headend.rig import Rig, make_rig
from tests.integration.headend.test_commands_simulated import single_phase

HISTORY = timedelta(hours=6)


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def beside(config: MeterConfig, story: Callable[[str], Awaitable[None]]) -> None:
    async def play() -> None:
        since = int((datetime.now(UTC) - HISTORY).timestamp())
        async with Simulation(FleetConfig("Asia/Kolkata", since, (config,))) as simulation:
            place = simulation.addresses[config.name]
            await story(f"{place.host}:{place.port}")

    asyncio.run(play())


def keys(config: MeterConfig) -> Credentials:
    secrets = {
        "encryption_key": bytes.fromhex(config.encryption_key),
        "authentication_key": bytes.fromhex(config.authentication_key),
    }
    return Credentials(secrets)


async def looked(address: str, config: MeterConfig, **options: object) -> MeterDiscovery:
    endpoint = Endpoint(address, {"server_sap": config.server_sap, "zone": "Asia/Kolkata", **options})
    place = Place("dlms", endpoint, keys(config), config.serial)
    return await headend.discover(DlmsDriver(counters=MemoryCounters()), place)


def test_a_meter_is_recognised_and_its_tables_are_named() -> None:
    async def story(address: str) -> None:
        found = await looked(address, single_phase(1))
        assert found.nameplate.serial == "DM1"
        assert found.system_title == (b"DMT" + (1).to_bytes(5, "big")).hex()
        assert found.fits[0].meter_profile == "is15959-2-single-phase"
        roles = {table.role: table for table in found.tables if table.role}
        assert {"block load", "daily load", "instantaneous", "events"} <= set(roles)
        block = roles["block load"]
        assert (block.period_s, block.words) == (900, "Block load profile")
        assert "1.0.1.29.0.255: interval, Wh, scaler 0" in block.taken
        assert any(column.startswith("1.0.1.29.0.255 Active energy imported") for column in block.columns)
        relay = next(each for each in found.objects if each.obis == "0.0.96.3.10.255")
        assert (relay.class_id, relay.words, relay.typed) == (70, "Load switch (disconnect control)", True)
        assert {2, 3, 4} <= set(relay.readable)
        assert {1, 2} <= set(relay.methods)
        assert not [each for each in found.unknown if each.class_id == 7]

    beside(single_phase(1), story)


def test_a_water_meter_is_like_no_electricity_meter_and_yet_described() -> None:
    config = MeterConfig(
        "w1",
        "W1",
        MeterKind.WATER,
        load=LoadConfig("steady", per_hour=10),
        server_sap=1,
        system_title=b"DMTW0001".hex(),
        encryption_key=bytes([1] * 16).hex(),
        authentication_key=bytes([2] * 16).hex(),
        password="read me",
    )

    async def story(address: str) -> None:
        found = await looked(address, config, commodity="water")
        assert [each.meter_profile for each in found.fits if each.percent > 50] == []
        block = next(table for table in found.tables if table.role == Profile.BLOCK)
        assert [taken.split(":")[0] for taken in block.taken] == ["8.0.1.0.0.255"]

    beside(config, story)


def test_the_public_client_is_shown_what_it_may_see() -> None:
    async def story(address: str) -> None:
        endpoint = Endpoint(address, {"server_sap": 1, "mechanism": "none"})
        place = Place("dlms", endpoint, Credentials({}))
        found = await headend.discover(DlmsDriver(counters=MemoryCounters()), place)
        everything = await looked(address, single_phase(1))
        assert {each.obis for each in found.objects} < {each.obis for each in everything.objects}
        assert found.nameplate.maker == ""

    beside(single_phase(1), story)


def test_another_meter_at_the_address_is_said(rig: Rig) -> None:
    async def story(address: str) -> None:
        place = Place("dlms", Endpoint(address, {"server_sap": 1}), keys(single_phase(1)), "DM9")
        with pytest.raises(Unavailable, match="DM9 was called, DM1 answered"):
            await headend.discover(DlmsDriver(counters=MemoryCounters()), place)

    beside(single_phase(1), story)


def test_what_was_found_is_kept_only_when_asked_and_changes_no_reading(rig: Rig) -> None:
    async def story(address: str) -> None:
        meter_id = rig.add_meter("DM1", address, keys=keys(single_phase(1)).secrets, server_sap=1)
        with rig.database.unit_of_work(rig.scope) as work:
            before = headend.place_of(work, rig.secrets, meter_id)
            with pytest.raises(NotFound):
                headend.kept_discovery(work, meter_id)
        found = await headend.discover(DlmsDriver(counters=MemoryCounters()), before)
        with rig.database.unit_of_work(rig.scope) as work:
            headend.keep_discovery(work, meter_id, found)
        with rig.database.unit_of_work(rig.scope) as work:
            kept = headend.kept_discovery(work, meter_id)
            assert headend.place_of(work, rig.secrets, meter_id).endpoint == before.endpoint
        assert kept.discovered_by == "test"
        assert kept.found["nameplate"]["serial"] == "DM1"
        assert len(kept.found["objects"]) == len(found.objects)

    beside(single_phase(1), story)
