"""Commands to simulated meters, whose loads, registers and events follow: one head-end, real sockets, real database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from demeter import headend
from demeter.headend import Command, CommandState
from demeter.protocols.dlms.classes import ControlMode
from demeter.runtime.database import Database
from demeter.sdk import OperationKind
from demeter.simulator import FleetConfig, LoadConfig, MeterConfig, MeterKind, Simulation
from tests.integration.headend.rig import QUIET, Rig, eventually, make_rig, running
from tests.integration.headend.test_commands import BRISK, CALENDAR, ask, told

Story = Callable[[Simulation, dict[str, int]], Awaitable[None]]


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def single_phase(number: int, **more: object) -> MeterConfig:
    values = {"load": LoadConfig("steady", per_hour=1000), "entries": 96} | more
    return MeterConfig(
        f"m{number}",
        f"DM{number}",
        MeterKind.SINGLE_PHASE,
        server_sap=number,
        system_title=(b"DMT" + number.to_bytes(5, "big")).hex(),
        encryption_key=bytes([number] * 16).hex(),
        authentication_key=bytes([number + 100] * 16).hex(),
        password="read me",
        **values,  # type: ignore[arg-type]
    )


def simulated(rig: Rig, story: Story, *meters: MeterConfig) -> None:
    """Run a story with a simulated fleet and a head-end that runs."""

    async def play() -> None:
        since = int((datetime.now(UTC) - timedelta(hours=6)).timestamp())
        async with Simulation(FleetConfig("Asia/Kolkata", since, meters)) as simulation:
            ids = {}
            for config in meters:
                place = simulation.addresses[config.name]
                keys = {
                    "encryption_key": bytes.fromhex(config.encryption_key),
                    "authentication_key": bytes.fromhex(config.authentication_key),
                    "password": config.password.encode(),
                }
                address = f"{place.host}:{place.port}"
                ids[config.name] = rig.add_meter(config.serial, address, keys=keys, server_sap=place.server_sap)
            async with running(rig.collector(QUIET, BRISK)):
                await story(simulation, ids)

    asyncio.run(play())


def test_a_simulated_meter_obeys_every_kind_of_command(rig: Rig) -> None:
    async def story(simulation: Simulation, ids: dict[str, int]) -> None:
        meter = ids["m1"]
        for kind, arguments, shown in (
            (OperationKind.DISCONNECT, {}, {"relay": "disconnected", "output_state": False}),
            (OperationKind.ARM, {}, {"relay": "armed", "control_mode": 3}),
            (OperationKind.CONNECT, {"control_mode": 4}, {"relay": "connected", "output_state": True}),
            (OperationKind.LOAD_LIMIT, {"limit": "2500", "over_s": 30}, {"limit": "2500", "unit": "W", "over_s": 30}),
            (OperationKind.SET_CALENDAR, CALENDAR, {"active": CALENDAR}),
            (OperationKind.SET_SPECIAL_DAYS, {"days": {"2027-01-26": 2}}, {"days": {"2027-01-26": 2}}),
            (OperationKind.BILLING_RESET, {}, {}),
            (OperationKind.SET_CLOCK, {}, {}),
        ):
            done = await told(rig, meter, kind, arguments=arguments)
            assert done.state is CommandState.CONFIRMED, (kind, done)
            assert done.after is not None
            assert {name: done.after[name] for name in shown} == shown, kind
            if kind is OperationKind.BILLING_RESET:
                assert done.before is not None
                assert done.after["resets"] == done.before["resets"] + 1
        assert simulation.meters["m1"].relay.closed

    simulated(rig, story, single_phase(1))


def test_a_welded_contact_and_a_forbidding_mode_are_told(rig: Rig) -> None:
    async def story(simulation: Simulation, ids: dict[str, int]) -> None:
        simulation.desk.carry_out({"meter": "m1", "fault": "weld"})
        welded = await told(rig, ids["m1"], OperationKind.DISCONNECT)
        assert (welded.state, welded.outcome) == (CommandState.FAILED, "no effect")
        assert welded.after is not None
        assert welded.after["relay"] == "contradictory"
        fixed = await told(rig, ids["m2"], OperationKind.DISCONNECT)
        assert (fixed.state, fixed.outcome) == (CommandState.FAILED, "refused")
        assert "control mode 0" in (fixed.detail or "")

    simulated(rig, story, single_phase(1), single_phase(2, control_mode=int(ControlMode.ALWAYS_CONNECTED)))


def test_twenty_disconnections_at_once_are_each_confirmed_once(rig: Rig) -> None:
    async def story(simulation: Simulation, ids: dict[str, int]) -> None:
        for kind, closed in ((OperationKind.DISCONNECT, False), (OperationKind.CONNECT, True)):
            asked = [ask(rig, meter_id, kind) for meter_id in ids.values()]
            await eventually(lambda: all(each.state.final for each in newest(rig, ids)), 30)
            done = newest(rig, ids)
            assert [each.id for each in done] == [each.id for each in asked]
            assert {(each.state, each.attempts) for each in done} == {(CommandState.CONFIRMED, 1)}
            assert {meter.relay.closed for meter in simulation.meters.values()} == {closed}

    simulated(rig, story, *(single_phase(number) for number in range(1, 21)))


def newest(rig: Rig, ids: dict[str, int]) -> list[Command]:
    with rig.database.unit_of_work(rig.scope) as work:
        return [headend.commands(work, meter_id, 1)[0] for meter_id in ids.values()]
