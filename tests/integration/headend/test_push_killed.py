"""The listener is killed, again and again, while confirmed pushes come in: what was answered is there, once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

from demeter.protocols.dlms.security import suite_keys, unprotect
from demeter.protocols.dlms.wrapper import Unwrapper
from demeter.runtime.database import Database
from tests.integration.drivers.peer import AK, EK
from tests.integration.headend.pushing import BEGUN, CONFIRMED, QUICK, Listening, a_meter, listening, pushed
from tests.integration.headend.rig import eventually, make_rig

KILLS = 4


@contextmanager
def process(url: str, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.integration.headend.push_process", url, str(port)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert running.stdout is not None
        while running.stdout.readline().strip() != "ready":
            assert running.poll() is None
        yield running
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait(10)
        running.stdout.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@dataclass
class Meter:
    """A meter that pushes a reading after the other, and again under a new counter until it is answered."""

    port: int
    counter: int = 0
    number: int = 1
    answered: dict[int, bytes] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)

    async def push(self) -> None:
        """Push until the line breaks."""
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                while octets := await self.one(reader, writer):
                    opened = unprotect(suite_keys(EK, AK), None, octets)
                    self.answers.append(opened.counter)
                    self.number += 1
            finally:
                writer.close()

    async def one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        self.counter += 1
        at = BEGUN + timedelta(seconds=self.number)
        message = pushed(self.number, self.counter, at, CONFIRMED | self.number)
        writer.write(message)
        unwrapper, frames = Unwrapper(), []
        while not frames:
            octets = await reader.read(4096)
            if not octets:
                return b""
            frames = unwrapper.feed(octets)
        self.answered[self.number] = message
        return frames[0].apdu


def test_nothing_answered_is_lost_doubled_or_taken_twice(database: Database) -> None:
    async def story() -> None:
        rig = make_rig(database)
        a_meter(rig)
        meter, rng = Meter(free_port()), random.Random(4)
        for _ in range(KILLS):
            before = len(meter.answered)
            with process(database.url, meter.port) as running:
                sending = asyncio.create_task(meter.push())
                await eventually(lambda before=before: len(meter.answered) > before)
                await asyncio.sleep(rng.uniform(0.05, 0.3))
                running.kill()
                await sending
        assert len(set(meter.answers)) == len(meter.answers)  # no answer's counter was ever used twice
        async with listening(rig, replace(QUICK, source_kept_frames=5000)) as push:
            await again(push, list(meter.answered.values()))
            kept = push.values()
            assert kept == list(range(1, len(kept) + 1))  # each once, none left out
            assert len(meter.answered) <= len(kept) <= len(meter.answered) + 1

    asyncio.run(story())


async def again(push: Listening, messages: list[bytes]) -> None:
    """Send everything answered once more: all of it is refused as a replay."""
    await push.send(*messages)
    await eventually(lambda: sum(count for *_, count in push.quarantine()) == len(messages))
    assert {reason for _, reason, _ in push.quarantine()} == {"replayed counter"}
