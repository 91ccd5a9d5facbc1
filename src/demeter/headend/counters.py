"""The installation's invocation counters, in PostgreSQL: what :class:`demeter.sdk.CounterStore` promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from demeter.headend import store
from demeter.headend.control import database_errors
from demeter.headend.recorder import ACTOR
from demeter.kernel import Unavailable
from demeter.runtime import logging
from demeter.runtime.database import Database, Scope, UnitOfWork
from demeter.sdk import Counted

T = TypeVar("T")

NOBODY = Scope.system(0, ACTOR)
"""Counters belong to keys, not to organizations: this scope sees no organization's rows."""

FLUSH_S = 1.0

log = logging.get("headend")


class DatabaseCounters:
    """Reserves in a transaction of its own; what was seen from meters is written once a second, all together.

    What was seen in the last second before a process is killed may be forgotten: frames recorded within it, and only
    those, could be played back once.
    """

    def __init__(self, database: Database, flush_s: float = FLUSH_S) -> None:
        self._database = database
        self._flush_s = flush_s
        self._seen: dict[tuple[bytes, bytes], int] = {}
        self._flushing: asyncio.Task[None] | None = None

    async def title(self) -> bytes:
        """Return the installation's title; the first process that asks makes it."""
        return await self._within(store.own_title)

    async def counted(self, fingerprint: bytes) -> Counted:
        """Return what was counted under a key."""
        return await self._within(lambda work: store.counted(work, fingerprint))

    async def reserve(self, title: bytes, fingerprint: bytes, least: int, count: int) -> int:
        """Reserve counters; committed before it returns."""
        return await self._within(lambda work: store.reserve_counters(work, title, fingerprint, least, count))

    async def saw(self, title: bytes, fingerprint: bytes, counter: int) -> None:
        """Remember what came from a meter, and write it soon."""
        place = title, fingerprint
        self._seen[place] = max(counter, self._seen.get(place, -1))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_soon())

    async def close(self) -> None:
        """Write what is not written yet."""
        if self._flushing is not None:
            self._flushing.cancel()
        await self.flush()

    async def flush(self) -> None:
        """Write what was seen.

        Raises:
            Unavailable: the database does not answer; it is kept for the next time.
        """
        taken, self._seen = self._seen, {}
        if not taken:
            return
        try:
            await self._within(lambda work: store.saw_counters(work, taken))
        except BaseException:
            for place, counter in taken.items():
                self._seen[place] = max(counter, self._seen.get(place, -1))
            raise

    async def _flush_soon(self) -> None:
        while self._seen:
            await asyncio.sleep(self._flush_s)
            try:
                await self.flush()
            except Unavailable as error:
                log.warning("counters seen from meters are not written yet", reason=str(error))

    async def _within(self, act: Callable[[UnitOfWork], T]) -> T:
        return await asyncio.to_thread(self._in_transaction, act)

    def _in_transaction(self, act: Callable[[UnitOfWork], T]) -> T:
        with database_errors(), self._database.unit_of_work(NOBODY) as work:
            return act(work)
