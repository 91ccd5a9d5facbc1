"""Simulated meters push to the listener in every form they know; a head-end that reads them tells what is in it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from demeter.drivers.dlms import DlmsDriver, PushDecoder
from demeter.headend import Collector, DatabaseCounters
from demeter.kernel import FixedClock
from demeter.runtime.database import Database
from demeter.sdk import Credentials
from demeter.simulator import FleetConfig, LoadConfig, MeterConfig, MeterKind, Simulation
from demeter.simulator.push_config import PushConfig, PushForm, PushTransport
from demeter.simulator.pushing import INSTANT, LOAD
from tests.integration.headend.pushing import Listening, listening
from tests.integration.headend.rig import QUIET, Rig, eventually, make_rig, running

NOW = datetime.now(UTC).replace(microsecond=0)
NOON = NOW - timedelta(minutes=NOW.minute % 15, seconds=NOW.second)
HEAD_END = "DMTHES01"
ENERGY = "1.0.1.8.0.255"


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def single_phase(push: PushConfig) -> MeterConfig:
    return MeterConfig(
        "m",
        "DM1",
        MeterKind.SINGLE_PHASE,
        server_sap=1,
        system_title=(b"DMT" + (1).to_bytes(5, "big")).hex(),
        encryption_key=bytes([1] * 16).hex(),
        authentication_key=bytes([101] * 16).hex(),
        password="read me",
        load=LoadConfig("steady", per_hour=1000),
        entries=96,
        push=push,
    )


def secrets(config: MeterConfig) -> dict[str, bytes]:
    return {
        "encryption_key": bytes.fromhex(config.encryption_key),
        "authentication_key": bytes.fromhex(config.authentication_key),
        "password": config.password.encode(),
    }


async def read_once(rig: Rig, push: Listening) -> None:
    """Read the meters until it is known what they push."""

    def learned() -> bool:
        with rig.database.unit_of_work(rig.scope) as work:
            rows = work.raw.execute("SELECT push_objects FROM headend.meter_state").fetchall()
        return bool(rows) and all(row[0] for row in rows)

    driver = DlmsDriver(counters=DatabaseCounters(rig.database, 0.05))
    limits = replace(QUIET, learn_pushes=True)
    collector = Collector(rig.database, {"dlms": driver}, push.writer.accept, rig.secrets, limits=limits)
    async with running(collector):
        await eventually(learned)


@pytest.mark.parametrize("transport", list(PushTransport))
@pytest.mark.parametrize("form", list(PushForm))
def test_a_simulated_push_is_understood_stored_and_confirmed(
    rig: Rig, form: PushForm, transport: PushTransport
) -> None:
    async def story() -> None:
        async with listening(rig) as push:
            how = PushConfig(f"127.0.0.1:{push.port}", transport, form, every_s=900, confirmed=True, load_rows=4)
            config = single_phase(replace(how, retries=60, retry_s=1))
            fleet = FleetConfig("Asia/Kolkata", int((NOON - timedelta(hours=6)).timestamp()), (config,))
            async with Simulation(fleet, FixedClock(NOON)) as simulation:
                simulation.office.confirm_s = 0.5  # the first pushes come before anybody knows the meter
                place = simulation.addresses["m"]
                plain = {"push_plain": True, "device_id": "DMT0000000000001"} if form is PushForm.PLAIN else {}
                meter = rig.add_meter(
                    "DM1", f"{place.host}:{place.port}", keys=secrets(config), client_title=HEAD_END, **plain
                )
                await read_once(rig, push)
                host = simulation.hosts["m"]
                async with asyncio.timeout(60):
                    await simulation.office.idle()
                    await asyncio.sleep(0.8)  # until the listener has looked again what the meter told
                    assert host.pushes.push(INSTANT)
                    assert host.pushes.push(LOAD)
                    await simulation.office.idle()
                assert (host.count.sent, host.count.confirmed, host.count.failed) == (4, 4, 0)
            frames = [frame for frame in push.journal(meter) if frame.codec == "dlms/push"]
            assert {reason for _, reason, _ in push.quarantine()} <= {"unknown sender"}
            keys = Credentials(secrets(config))
            found = {
                series.reading_type.obis: (series.reading_type.interval_s, series.values.tolist())
                for frame in frames
                for series in PushDecoder().decode(frame.frame(), keys)
            }
            assert found["1.0.1.29.0.255"] == (900, [250] * 4)
            assert found[ENERGY][0] == 0
            assert found[ENERGY][1][0] in push.values()

    asyncio.run(story())


def test_an_alert_of_a_simulated_meter_is_kept(rig: Rig) -> None:
    async def story() -> None:
        async with listening(rig) as push:
            config = single_phase(PushConfig(f"127.0.0.1:{push.port}"))
            fleet = FleetConfig("Asia/Kolkata", int((NOON - timedelta(hours=6)).timestamp()), (config,))
            async with Simulation(fleet, FixedClock(NOON)) as simulation:
                meter = rig.add_meter("DM1", "", keys=secrets(config), system_title=config.system_title)
                await asyncio.sleep(0.8)  # until the listener has looked again who there is
                simulation.tick()
                simulation.desk.carry_out({"meter": "m", "fault": "outage"})
                await eventually(lambda: len(push.journal(meter)) == 1)
                (frame,) = push.journal(meter)
                assert (frame.codec, frame.rows) == ("dlms/push", 0)
                assert push.quarantine() == []

    asyncio.run(story())
