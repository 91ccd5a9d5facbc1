"""The head-end is killed (SIGKILL) at the worst moments of a command; the meter is switched once all the same."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from demeter import headend
from demeter.headend import Command, CommandState, Order
from demeter.runtime.database import Database
from demeter.sdk import OperationKind
from tests.integration.drivers.peer import listening
from tests.integration.headend.operated import OperatedMeter
from tests.integration.headend.rig import Rig, eventually, make_rig

ROOT = Path(__file__).parents[3]
KINDS = [
    (OperationKind.DISCONNECT, "action 70/1"),
    (OperationKind.BILLING_RESET, "action 9/1"),
    (OperationKind.SET_CLOCK, "action 8/6"),
]


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


@asynccontextmanager
async def head_end(rig: Rig) -> AsyncIterator[asyncio.subprocess.Process]:
    """A head-end in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.headend.collector_process",
        rig.database.url,
        cwd=ROOT,
        env={"PYTHONPATH": "src:."},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def killed(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.wait()


def stands(rig: Rig, asked: Command) -> Command:
    with rig.database.unit_of_work(rig.scope) as work:
        return headend.command(work, asked.id)


def ask(rig: Rig, meter_id: int, kind: OperationKind) -> Command:
    with rig.database.unit_of_work(rig.scope) as work:
        return headend.request_command(work, meter_id, Order(kind))


@pytest.mark.parametrize(("kind", "effect"), KINDS)
def test_killed_between_sending_and_the_answer(rig: Rig, kind: OperationKind, effect: str) -> None:
    async def story() -> None:
        meter = OperatedMeter(hold=asyncio.Event())
        meter.drift_by(120)
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            asked = ask(rig, meter_id, kind)
            async with head_end(rig) as process:
                await eventually(lambda: meter.commands == [effect])  # done, and its answer held back
                await killed(process)
            assert stands(rig, asked).state is CommandState.SENT
            meter.hold.set()
            async with head_end(rig):
                await eventually(lambda: stands(rig, asked).state.final)
        done = stands(rig, asked)
        assert (done.state, done.outcome, done.attempts) == (CommandState.CONFIRMED, "seen", 1)
        assert meter.commands == [effect]

    asyncio.run(story())


@pytest.mark.parametrize(("kind", "effect"), KINDS)
def test_killed_after_the_commit_and_before_the_request_arrives(rig: Rig, kind: OperationKind, effect: str) -> None:
    async def story() -> None:
        meter = OperatedMeter(deaf=1, hold_deaf=asyncio.Event())
        meter.drift_by(120)
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            asked = ask(rig, meter_id, kind)
            async with head_end(rig) as process:
                await eventually(lambda: meter.deaf == 0)  # committed, sent, and lost on its way
                await killed(process)
            assert (stands(rig, asked).state, meter.commands) == (CommandState.SENT, [])
            meter.hold_deaf.set()
            async with head_end(rig):
                await eventually(lambda: stands(rig, asked).state.final)
        done = stands(rig, asked)
        assert (done.state, done.outcome, done.attempts) == (CommandState.CONFIRMED, "seen", 2)
        assert meter.commands == [effect]

    asyncio.run(story())
