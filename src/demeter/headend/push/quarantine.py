"""Messages that were not taken are kept for a while, so that nothing is lost before somebody has looked at it.

They are gathered and written twice a second by the installation's owner role: who sent them is not known for sure, so
no organization's scope would do. What comes again counts on; memory and table are bounded, and the oldest go first.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime

import psycopg

from demeter.headend.control import database_errors
from demeter.headend.push import metrics, store
from demeter.headend.push.model import PushLimits, Refused
from demeter.kernel import Clock, Unavailable
from demeter.runtime import logging
from demeter.runtime.database import Database, Role

log = logging.get("push")
WAITING = 2000
"""Different messages that may wait to be written."""

Key = tuple[str, str, bytes]


class Quarantine:
    """Takes refused messages; ``run`` writes them until it is cancelled."""

    def __init__(self, database: Database, limits: PushLimits, clock: Clock) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock
        self._waiting: dict[Key, tuple[Refused, int, datetime, datetime]] = {}
        self._by_source: Counter[str] = Counter()

    def put(self, refused: Refused) -> None:
        """Keep a message, if there is room."""
        key = refused.source, refused.reason, store.digest(refused.payload)
        now = self._clock.now()
        _, count, first, _ = self._waiting.get(key, (refused, 0, now, now))
        metrics.QUARANTINED.inc()
        if not count:
            full = self._by_source[refused.source] >= self._limits.source_kept_frames
            if full or len(self._waiting) >= WAITING:
                metrics.LOST_FROM_QUARANTINE.inc()
                return
            self._by_source[refused.source] += 1
        self._waiting[key] = refused, count + 1, first, now

    async def run(self) -> None:
        """Write for ever; a database that does not answer is tried again."""
        while True:
            await asyncio.sleep(self._limits.quarantine_flush_s)
            try:
                await self.flush()
            except Unavailable as error:
                log.warning("quarantine could not be written, trying again", reason=str(error))
            except psycopg.Error:
                log.exception("messages could not be put into quarantine")  # they must not stop the listener

    async def flush(self) -> None:
        """Write what is waiting; what cannot be written stays.

        Raises:
            Unavailable: the database does not answer.
        """
        if not self._waiting:
            return
        taken, self._waiting = self._waiting, {}
        self._by_source.clear()
        try:
            await asyncio.to_thread(self._write, taken)
        except Unavailable:
            self._waiting = dict(list((taken | self._waiting).items())[-WAITING:])
            self._by_source = Counter(source for source, _, _ in self._waiting)
            raise

    def _write(self, taken: dict[Key, tuple[Refused, int, datetime, datetime]]) -> None:
        with (
            database_errors(),
            self._database.connect(Role.OWNER) as connection,  # unscoped: quarantine is the installation's
        ):
            store.keep(connection, list(taken.values()))
            store.prune(connection, {source for source, _, _ in taken}, self._limits)
