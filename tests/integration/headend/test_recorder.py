"""The recorder writes each change once, in order, whoever asks for it and however it is interrupted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import date

import pytest

from demeter.headend.model import MeterState, ProfileState, Received
from demeter.headend.recorder import Recorder
from demeter.kernel import Unavailable
from demeter.runtime.database import Database
from demeter.sdk import Profile
from tests.integration.headend.rig import Rig, make_rig

DAY = date(2026, 3, 10)


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


@pytest.fixture
def held(rig: Rig) -> Iterator[Held]:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9")
    lock = Held(rig, meter_id)
    yield lock
    lock.let_go()


class Held:
    """A database in which nobody else can write meters' states for now."""

    def __init__(self, rig: Rig, meter_id: int) -> None:
        self.rig = rig
        self.meter_id = meter_id
        self._asked = threading.Event()
        self._go = threading.Event()
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()
        assert self._asked.wait(10)

    def _hold(self) -> None:
        with self.rig.database.unit_of_work(self.rig.scope) as work:
            work.raw.execute(
                "INSERT INTO headend.meter_state (site_id, meter_id) VALUES (%s, %s)", (self.rig.site_id, self.meter_id)
            )
            self._asked.set()
            self._go.wait(20)

    def let_go(self) -> None:
        self._go.set()
        self._thread.join()


def change(recorder: Recorder, rig: Rig, meter_id: int, failures: int) -> None:
    recorder.meter(1, MeterState(rig.site_id, meter_id, failures=failures))
    recorder.profile(1, ProfileState(rig.site_id, meter_id, Profile.BLOCK, 900), {DAY: Received(1)})


def kept(rig: Rig) -> tuple[int, int]:
    """The failures a meter's state tells, and the reads of the day."""
    with rig.database.unit_of_work(rig.scope) as work:
        failures = work.raw.execute("SELECT failures FROM headend.meter_state").fetchone()
        reads = work.raw.execute("SELECT received FROM headend.read_day").fetchone()
    assert failures is not None
    assert reads is not None
    return failures[0], reads[0]


def test_a_flush_that_is_cancelled_while_it_writes_does_not_count_twice(held: Held) -> None:
    rig = held.rig

    async def story() -> None:
        recorder = Recorder(rig.database, 60)
        change(recorder, rig, held.meter_id, 1)
        flushing = asyncio.create_task(recorder.flush())
        await asyncio.sleep(0.3)
        flushing.cancel()
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.2, held._go.set)
        with suppress(asyncio.CancelledError):
            await flushing
        await recorder.flush()

    asyncio.run(story())
    assert kept(rig) == (1, 1)


def test_flushes_at_the_same_time_write_in_order_and_end_when_all_is_written(held: Held) -> None:
    rig = held.rig
    ended: list[str] = []

    async def story() -> None:
        recorder = Recorder(rig.database, 60)

        async def flush(name: str) -> None:
            await recorder.flush()
            ended.append(name)

        change(recorder, rig, held.meter_id, 1)
        first = asyncio.create_task(flush("first"))
        await asyncio.sleep(0.2)
        second = asyncio.create_task(flush("second"))  # nothing waits, but something is being written
        await asyncio.sleep(0.2)
        assert ended == []
        change(recorder, rig, held.meter_id, 2)
        third = asyncio.create_task(flush("third"))
        await asyncio.sleep(0.2)
        held._go.set()
        await asyncio.gather(first, second, third)

    asyncio.run(story())
    assert kept(rig) == (2, 2)
    assert ended == ["first", "second", "third"]


def test_what_could_not_be_written_is_written_once_later(rig: Rig) -> None:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9")

    async def story() -> None:
        recorder = Recorder(Database("postgresql://nobody@127.0.0.1:9/none"), 60)
        change(recorder, rig, meter_id, 1)
        with pytest.raises(Unavailable):
            await recorder.flush()
        change(recorder, rig, meter_id, 2)
        recorder._database = rig.database
        await recorder.flush()

    asyncio.run(story())
    assert kept(rig) == (2, 2)
