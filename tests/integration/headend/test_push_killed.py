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
from dataclasses import replace
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


async def stream(port: int, first: int, answered: dict[int, int]) -> int:
    """Push until the line breaks; note which counters were answered, with the counter of the answer."""
    number = first
    unwrapper = Unwrapper()
    with suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                writer.write(pushed(number, number, BEGUN + timedelta(seconds=number), CONFIRMED | number))
                answers = []
                while not answers:
                    octets = await reader.read(4096)
                    if not octets:
                        return number
                    answers = unwrapper.feed(octets)
                opened = unprotect(suite_keys(EK, AK), None, answers[0].apdu)
                answered[number] = opened.counter
                number += 1
        finally:
            writer.close()
    return number


def test_nothing_answered_is_lost_doubled_or_taken_twice(database: Database) -> None:
    async def story() -> None:
        rig = make_rig(database)
        meter = a_meter(rig)
        answered: dict[int, int] = {}
        port, number, rng = free_port(), 1, random.Random(4)
        for _ in range(KILLS):
            with process(database.url, port) as running:
                before = len(answered)
                sending = asyncio.create_task(stream(port, number, answered))
                await asyncio.sleep(rng.uniform(0.3, 0.8))
                running.kill()
                # the one under way may be stored or not; the meter sends it again
                number = await sending
                assert len(answered) > before
        assert len(set(answered.values())) == len(answered)  # no answer's counter was ever used twice
        async with listening(rig, replace(QUICK, source_kept_frames=5000)) as push:
            await again(push, answered)
            kept = push.values()
            assert set(answered) <= set(kept)
            assert len(kept) == len(set(kept)) == len(push.journal(meter))

    asyncio.run(story())


async def again(push: Listening, answered: dict[int, int]) -> None:
    """Send everything answered once more: all of it is refused as a replay."""
    messages = [pushed(n, n, BEGUN + timedelta(seconds=n), CONFIRMED | n) for n in answered]
    await push.send(*messages)
    await eventually(lambda: sum(count for *_, count in push.quarantine()) == len(answered))
    assert {reason for _, reason, _ in push.quarantine()} == {"replayed counter"}
