"""Replay windows: which numbers of a sender have been taken; kept in the database, so that a restart forgets none.

A number is taken in memory before anything is stored, given back where storing fails, and written a few times a
second. An answer leaves only after its number is written. Dying between the commit of a push and the writing of its
number makes the very same message pass once more: the journal recognises it and stores nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from demeter.headend.control import database_errors
from demeter.headend.push import store
from demeter.headend.push.directory import Sender
from demeter.headend.push.store import CounterRow
from demeter.headend.recorder import ACTOR
from demeter.kernel import Unavailable
from demeter.runtime import logging
from demeter.runtime.database import Database, Scope
from demeter.sdk import OpenedPush, PushFault, PushRefusal

log = logging.get("push")

Place = tuple[str, str, int]
"""System title, what is counted, key version."""


@dataclass(slots=True)
class Window:
    """The numbers taken: the highest, and as bits those just below it (bit k: ``reached - k``)."""

    reached: int = -1
    taken: int = 0

    def check(self, number: int, size: int) -> None:
        """Compare a number without taking it.

        Raises:
            PushRefusal: REPLAYED, it was taken already or is older than the window.
        """
        age = self.reached - number
        if age >= size or (age >= 0 and self.taken >> age & 1):
            raise PushRefusal(PushFault.REPLAYED, f"counter {number}, where {self.reached} was taken already")

    def take(self, number: int, size: int) -> None:
        """Take a number that was checked."""
        ahead = number - self.reached
        if ahead > 0:
            self.taken = (self.taken << ahead) & ((1 << size) - 1) if ahead < size else 0
            self.reached = number
        self.taken |= 1 << (self.reached - number)

    def give_back(self, number: int) -> None:
        """Forget that a number was taken: what it came with was not stored."""
        age = self.reached - number
        if age >= 0:
            self.taken &= ~(1 << age)


@dataclass(slots=True)
class Counting:
    """All windows of one meter."""

    sender: Sender
    windows: dict[Place, Window]


class Windows:
    """The windows of all meters that have pushed; ``run`` writes them until it is cancelled."""

    def __init__(self, database: Database, size: int, flush_s: float) -> None:
        self._database = database
        self._size = size
        self._flush_s = flush_s
        self._meters: dict[int, Counting] = {}
        self._loading: dict[int, asyncio.Lock] = {}
        self._dirty: set[tuple[int, Place]] = set()
        self._written: asyncio.Future[None] | None = None

    async def know(self, sender: Sender) -> None:
        """Fetch what a meter has counted so far, once.

        Raises:
            Unavailable: the database does not answer.
        """
        if sender.meter_id in self._meters:
            return
        # One at a time, so that a meter's first messages stay in their order.
        async with self._loading.setdefault(sender.meter_id, asyncio.Lock()):
            if sender.meter_id not in self._meters:
                rows = await asyncio.to_thread(self._load, sender)
                windows = {(row.title, row.series, row.key_version): Window(row.reached, row.taken) for row in rows}
                self._meters[sender.meter_id] = Counting(sender, windows)
        self._loading.pop(sender.meter_id, None)

    def _load(self, sender: Sender) -> list[CounterRow]:
        with (
            database_errors(),
            self._database.unit_of_work(Scope.system(sender.organization_id, ACTOR)) as work,
        ):
            return store.counters(work, sender.site_id, sender.meter_id)

    def take(self, sender: Sender, title: str, opened: OpenedPush) -> None:
        """Take all numbers of a message, or none.

        Raises:
            PushRefusal: REPLAYED.
        """
        found = [(self._window(sender, title, series), number) for series, number in opened.counters]
        for window, number in found:
            window.check(number, self._size)
        for window, number in found:
            window.take(number, self._size)
        self._note(sender, title, opened)

    def give_back(self, sender: Sender, title: str, opened: OpenedPush) -> None:
        """Give back what :meth:`take` took: it was not stored and may come again."""
        for series, number in opened.counters:
            self._window(sender, title, series).give_back(number)
        self._note(sender, title, opened)

    async def written(self) -> None:
        """Wait until everything taken so far is in the database.

        Raises:
            Unavailable: it could not be written.
        """
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._written)

    async def run(self) -> None:
        """Write for ever; a database that does not answer is tried again."""
        while True:
            await asyncio.sleep(self._flush_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what is not written yet; what cannot be written stays."""
        if not self._dirty and self._written is None:
            return
        waiting, self._written = self._written, None
        taken, self._dirty = self._dirty, set()
        try:
            await asyncio.to_thread(self._write, self._changed(taken))
        except Unavailable as error:
            log.warning("counters of pushes could not be written, trying again", reason=str(error))
            self._dirty |= taken
            if waiting is not None:
                waiting.set_exception(error)
                _ = waiting.exception()  # read here, because nobody may have waited to the end
        else:
            if waiting is not None:
                waiting.set_result(None)

    def _changed(self, places: set[tuple[int, Place]]) -> dict[int, list[CounterRow]]:
        by_organization: dict[int, list[CounterRow]] = defaultdict(list)
        for meter_id, place in sorted(places):
            counting = self._meters[meter_id]
            sender, window = counting.sender, counting.windows[place]
            row = CounterRow(sender.site_id, meter_id, *place, window.reached, window.taken)
            by_organization[sender.organization_id].append(row)
        return by_organization

    def _write(self, rows: dict[int, list[CounterRow]]) -> None:
        for organization_id, changed in rows.items():
            with database_errors(), self._database.unit_of_work(Scope.system(organization_id, ACTOR)) as work:
                store.save_counters(work, changed)

    def _window(self, sender: Sender, title: str, series: str) -> Window:
        place = title, series, sender.meter.credentials.key_version
        return self._meters[sender.meter_id].windows.setdefault(place, Window())

    def _note(self, sender: Sender, title: str, opened: OpenedPush) -> None:
        for series, _ in opened.counters:
            self._mark(sender, title, series)

    def _mark(self, sender: Sender, title: str, series: str) -> None:
        self._dirty.add((sender.meter_id, (title, series, sender.meter.credentials.key_version)))
