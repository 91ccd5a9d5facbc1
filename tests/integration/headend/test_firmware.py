"""Firmware for simulated meters: whole, in shares, over lines that break, confirmed by the version it shows."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from demeter import headend
from demeter.drivers.dlms.operations import image as image_steps
from demeter.headend import Collector, Command, CommandState, UpgradeOrder
from demeter.kernel import Conflict, Denied, Invalid, NotFound
from demeter.runtime.database import Database, Scope
from demeter.sdk import OperationKind
from demeter.simulator import FleetConfig, Simulation
from demeter.simulator.image import firmware_image
from tests.integration.headend.rig import QUIET, Rig, eventually, make_rig, running
from tests.integration.headend.test_commands import BRISK, ask, ended
from tests.integration.headend.test_commands_simulated import single_phase

VERSION = "DMT-2.0.0"
Story = Callable[[Simulation, int, Collector], Awaitable[None]]


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_steps, "WAIT", timedelta(seconds=0.2))


@pytest.fixture
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_steps, "SHARE_S", 0.0)
    monkeypatch.setattr(image_steps, "LEAST_BLOCKS", 8)
    monkeypatch.setattr(image_steps, "PAUSE", timedelta(seconds=0.05))


async def added(rig: Rig, simulation: Simulation) -> int:
    config, place = single_phase(1), simulation.addresses["m1"]
    keys = {
        "encryption_key": bytes.fromhex(config.encryption_key),
        "authentication_key": bytes.fromhex(config.authentication_key),
    }
    address = f"{place.host}:{place.port}"
    return rig.add_meter("DM1", address, keys=keys, server_sap=place.server_sap, answer_s=2)


def upgraded(rig: Rig, story: Story) -> None:
    async def play() -> None:
        since = int((datetime.now(UTC) - timedelta(hours=6)).timestamp())
        async with Simulation(FleetConfig("Asia/Kolkata", since, (single_phase(1),))) as simulation:
            meter_id = await added(rig, simulation)
            async with running(rig.collector(QUIET, BRISK)) as collector:
                await story(simulation, meter_id, collector)

    asyncio.run(play())


def wish(rig: Rig, meter_id: int, content: bytes, version: str = VERSION, **more: object) -> Command:
    with rig.database.unit_of_work(rig.scope) as work:
        kept = headend.keep_firmware(work, content, version)
        return headend.upgrade_firmware(work, meter_id, UpgradeOrder(kept.sha256, **more))  # type: ignore[arg-type]


async def wished(rig: Rig, meter_id: int, content: bytes, version: str = VERSION, **more: object) -> Command:
    return await asyncio.to_thread(lambda: wish(rig, meter_id, content, version, **more))


def now(rig: Rig, command: Command) -> Command:
    with rig.database.unit_of_work(rig.scope) as work:
        return headend.command(work, command.id)


def test_new_firmware_is_sent_verified_activated_and_shown(rig: Rig) -> None:
    async def story(simulation: Simulation, meter_id: int, _collector: Collector) -> None:
        done = await ended(rig, await wished(rig, meter_id, firmware_image(VERSION, 20_000)), 30)
        assert (done.state, done.attempts, done.after["firmware"]) == (CommandState.CONFIRMED, 1, VERSION)
        assert done.before["firmware"] != VERSION
        assert done.after["blocks"] == done.after["blocks_held"] > 0
        assert simulation.meters["m1"].image.version == VERSION
        again = await ended(rig, await wished(rig, meter_id, firmware_image(VERSION, 20_000)), 30)
        assert (again.state, again.outcome, again.attempts) == (CommandState.CONFIRMED, "already so", 0)

    upgraded(rig, story)


@pytest.mark.usefixtures("small_shares")
def test_reads_and_other_commands_go_between_the_shares(rig: Rig) -> None:
    async def story(_simulation: Simulation, meter_id: int, collector: Collector) -> None:
        asked = await wished(rig, meter_id, firmware_image(VERSION, 30_000))
        await eventually(lambda: (now(rig, asked).progress or {}).get("done", 0) > 0)
        assert now(rig, asked).progress["doing"] == "sending blocks"
        assert (await collector.read_now(meter_id)).outcome == "ok"
        switched = await asyncio.to_thread(lambda: ask(rig, meter_id, OperationKind.DISCONNECT))
        switched = await ended(rig, switched)
        assert switched.state is CommandState.CONFIRMED
        assert not now(rig, asked).state.final, "both went in between"
        done = await ended(rig, asked, 60)
        assert (done.state, done.attempts) == (CommandState.CONFIRMED, 1)

    upgraded(rig, story)


@pytest.mark.usefixtures("small_shares")
def test_a_transfer_goes_on_after_a_restart_and_after_a_power_cut(rig: Rig) -> None:
    async def play() -> None:
        since = int((datetime.now(UTC) - timedelta(hours=6)).timestamp())
        async with Simulation(FleetConfig("Asia/Kolkata", since, (single_phase(1),))) as simulation:
            meter_id, bank = await added(rig, simulation), simulation.meters["m1"].image
            async with running(rig.collector(QUIET, BRISK)):
                asked = await wished(rig, meter_id, firmware_image(VERSION, 30_000))
                await eventually(lambda: bank.first_missing > 16)
            assert bank.first_missing < bank.count
            async with running(rig.collector(QUIET, BRISK)):
                await eventually(lambda: bank.first_missing > 32)
                simulation.desk.carry_out({"meter": "m1", "fault": "reboot", "seconds": 1})
                done = await ended(rig, asked, 60)
            assert (done.state, done.attempts) == (CommandState.CONFIRMED, 1)
            assert bank._received <= bank.count + 2, "what the meter held was not sent again"

    asyncio.run(play())


def test_blocks_that_are_lost_are_sent_again(rig: Rig) -> None:
    async def story(simulation: Simulation, meter_id: int, _collector: Collector) -> None:
        simulation.desk.carry_out({"meter": "m1", "fault": "lost", "one_in": 5})
        done = await ended(rig, await wished(rig, meter_id, firmware_image(VERSION, 10_000)), 30)
        assert done.state is CommandState.CONFIRMED
        assert simulation.meters["m1"].image._received > simulation.meters["m1"].image.count

    upgraded(rig, story)


def test_a_faulty_image_is_told_and_a_good_one_taken_afterwards(rig: Rig) -> None:
    async def story(_simulation: Simulation, meter_id: int, _collector: Collector) -> None:
        spoiled = bytearray(firmware_image(VERSION, 5_000))
        spoiled[-40] ^= 0xFF
        done = await ended(rig, await wished(rig, meter_id, bytes(spoiled)), 30)
        assert (done.state, done.outcome) == (CommandState.FAILED, "image_faulty")
        assert "faulty" in (done.detail or "")
        good = await ended(rig, await wished(rig, meter_id, firmware_image(VERSION, 5_000)), 30)
        assert good.state is CommandState.CONFIRMED

    upgraded(rig, story)


def test_an_image_that_makes_another_version_of_the_meter_is_told(rig: Rig) -> None:
    async def story(simulation: Simulation, meter_id: int, _collector: Collector) -> None:
        done = await ended(rig, await wished(rig, meter_id, firmware_image("DMT-3.1.4", 5_000), "DMT-2.0.0"), 30)
        assert (done.state, done.outcome) == (CommandState.FAILED, "other_version")
        assert done.after["firmware"] == simulation.meters["m1"].image.version == "DMT-3.1.4"

    upgraded(rig, story)


def test_activation_waits_for_its_time_in_the_meter_itself(rig: Rig) -> None:
    async def story(simulation: Simulation, meter_id: int, collector: Collector) -> None:
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
        asked = await wished(rig, meter_id, firmware_image(VERSION, 5_000), activate_at=at)
        bank = simulation.meters["m1"].image
        await eventually(lambda: bool(bank.times))
        assert not now(rig, asked).state.final
        assert bank.version != VERSION
        assert (await collector.read_now(meter_id)).outcome == "ok"
        done = await ended(rig, asked, 30)
        assert (done.state, done.after["firmware"]) == (CommandState.CONFIRMED, VERSION)
        assert done.ended_at >= at

    upgraded(rig, story)


def test_verification_that_takes_its_time_is_waited_for(rig: Rig) -> None:
    async def story(simulation: Simulation, meter_id: int, _collector: Collector) -> None:
        simulation.meters["m1"].image._seconds = 1
        done = await ended(rig, await wished(rig, meter_id, firmware_image(VERSION, 3_000)), 30)
        assert done.state is CommandState.CONFIRMED

    upgraded(rig, story)


def test_images_are_kept_once_and_bounded_by_those_who_may(rig: Rig) -> None:
    meter_id = rig.add_meter("DM1", "127.0.0.1:9")
    content = firmware_image(VERSION, 2_000)
    with rig.database.unit_of_work(rig.scope) as work:
        first = headend.keep_firmware(work, content, VERSION)
        assert headend.keep_firmware(work, content, VERSION) == first
        assert first.sha256 == hashlib.sha256(content).hexdigest()
        assert headend.firmwares(work) == [first]
        with pytest.raises(Invalid, match="kept as version"):
            headend.keep_firmware(work, content, "another")
        with pytest.raises(Invalid, match="octets"):
            headend.keep_firmware(work, b"", VERSION)
        with pytest.raises(NotFound):
            headend.upgrade_firmware(work, meter_id, UpgradeOrder("0" * 64))
        with pytest.raises(Invalid, match="over"):
            headend.upgrade_firmware(work, meter_id, UpgradeOrder(first.sha256, datetime(2020, 1, 1, tzinfo=UTC)))
        asked = headend.upgrade_firmware(work, meter_id, UpgradeOrder(first.sha256, idempotency_key="winter-2026"))
        same = headend.upgrade_firmware(work, meter_id, UpgradeOrder(first.sha256, idempotency_key="winter-2026"))
        assert replace(same, idempotency_key="") == replace(asked, idempotency_key="")
        with pytest.raises(Conflict):
            headend.upgrade_firmware(work, meter_id, UpgradeOrder(first.sha256))
    operator = Scope(1, "operator", frozenset({"headend.command", "headend.read", "estate.read"}))
    with rig.database.unit_of_work(operator) as work, pytest.raises(Denied):
        headend.upgrade_firmware(work, meter_id, UpgradeOrder(first.sha256))
