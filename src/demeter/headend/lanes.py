"""Who is talked to next: a heap of due meters and a lane of workers for each kind of work.

The lanes are what keeps the head-end fair: a meter that does not answer waits out its time in the recovery lane, long
histories are collected in the back-fill lane, a slice-limited turn at a time, and neither takes a worker from the
meters that are simply due, or from a person who waits.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Self

from demeter.headend.model import Purpose
from demeter.kernel import Clock

LONGEST_NAP_S = 1.0


class Timetable:
    """Meters by the instant they are due; each is in it at most once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[datetime, int]] = []
        self._due: dict[int, datetime] = {}
        self._changed = asyncio.Event()

    def put(self, meter_id: int, due: datetime) -> None:
        """Enter a meter, or move it to another instant."""
        self._due[meter_id] = due
        heapq.heappush(self._heap, (due, meter_id))
        self._changed.set()

    def drop(self, meter_id: int) -> None:
        """Take a meter out."""
        self._due.pop(meter_id, None)

    def __len__(self) -> int:
        return len(self._due)

    async def next(self) -> int:
        """Wait for the next meter that is due, and take it out."""
        while True:
            self._changed.clear()
            wait = LONGEST_NAP_S
            while self._heap:
                due, meter_id = self._heap[0]
                if self._due.get(meter_id) != due:
                    heapq.heappop(self._heap)
                    continue
                wait = (due - self._clock.now()).total_seconds()
                if wait <= 0:
                    heapq.heappop(self._heap)
                    del self._due[meter_id]
                    return meter_id
                break
            # Naps are short because the wall clock may be set while we sleep.
            try:
                async with asyncio.timeout(min(wait, LONGEST_NAP_S)):
                    await self._changed.wait()
            except TimeoutError:
                pass


class Place:
    """One of the few places at which meters are spoken to, given to others when a meter keeps silent.

    Dead meters come in numbers, when a street has no power: were each to hold its place until it is given up, the
    others would wait for them. A meter that answers late goes on without a place: its line holds it up, not the others.
    """

    def __init__(self, gate: asyncio.Semaphore, prompt_s: float) -> None:
        self._gate = gate
        self._prompt_s = prompt_s
        self._held = False
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._gate.acquire()
        self._held = True
        self._timer = asyncio.get_running_loop().call_later(self._prompt_s, self._give_up)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.answered()
        self._give_up()

    def answered(self) -> None:
        """Keep the place until the end."""
        assert self._timer is not None
        self._timer.cancel()

    def _give_up(self) -> None:
        if self._held:
            self._held = False
            self._gate.release()


class Lanes:
    """A queue of meters and a fixed number of workers for each purpose."""

    def __init__(self, workers: dict[Purpose, int], work: Callable[[int, Purpose], Awaitable[None]]) -> None:
        self._workers = workers
        self._work = work
        self._queues: dict[Purpose, asyncio.Queue[int]] = {purpose: asyncio.Queue() for purpose in Purpose}
        self.talking = 0

    def put(self, meter_id: int, purpose: Purpose) -> None:
        """Queue a meter. The caller queues each meter once per lane, so queues are bounded by the number of meters."""
        self._queues[purpose].put_nowait(meter_id)

    def waiting(self, purpose: Purpose) -> int:
        """Return how many meters wait in a lane."""
        return self._queues[purpose].qsize()

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start the workers in a task group."""
        for purpose, count in self._workers.items():
            for _ in range(count):
                group.create_task(self._serve(purpose))

    async def _serve(self, purpose: Purpose) -> None:
        queue = self._queues[purpose]
        while True:
            meter_id = await queue.get()
            self.talking += 1
            try:
                await self._work(meter_id, purpose)
            finally:
                self.talking -= 1
