"""The collector's line to the database: the right to collect, and the calls that wake it.

Only one process talks to the meters at a time: it holds a session-level advisory lock, which PostgreSQL gives up the
moment that process or its connection dies. A second process stands by and takes over.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError

from demeter.kernel import Unavailable
from demeter.runtime.database import Database, Role

COLLECTOR_LOCK = 0x0DE0_0005
POLL_S = 0.5


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn the errors of a database that is gone into :class:`demeter.kernel.Unavailable`."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Unavailable(f"the database does not answer: {error}", code="database_down") from error
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.OperationalError | psycopg.InterfaceError):
            raise
        raise Unavailable(f"the database does not answer: {error.orig}", code="database_down") from error


class ControlLine:
    """One connection of its own, used and closed by one thread at a time."""

    def __init__(self, database: Database, channels: Sequence[str]) -> None:
        self._database = database
        self._channels = channels
        self._connection: psycopg.Connection[Any] | None = None
        self._in_use = threading.Lock()
        self._closed = threading.Event()

    async def seize(self) -> None:
        """Connect, wait until no other process collects, and start listening.

        Raises:
            Unavailable: the database does not answer.
        """
        await asyncio.to_thread(self._seize)

    def _seize(self) -> None:
        with database_errors(), self._in_use:
            connection = self._database.connect(Role.APP, autocommit=True)  # unscoped: a lock and a LISTEN, no data
            self._connection = connection
            while not self._closed.is_set():
                row = connection.execute("SELECT pg_try_advisory_lock(%s)", (COLLECTOR_LOCK,)).fetchone()
                if row and row[0]:
                    break
                self._closed.wait(POLL_S)
            for channel in self._channels:
                connection.execute(f"LISTEN {channel}")
        if self._closed.is_set():
            self.close()

    async def listen(self, heard: Callable[[str, str], None]) -> None:
        """Call ``heard(channel, payload)`` in the event loop for every notification, for ever.

        Raises:
            Unavailable: the connection broke, and with it the right to collect.
        """
        await asyncio.to_thread(self._listen, asyncio.get_running_loop(), heard)

    def _listen(self, loop: asyncio.AbstractEventLoop, heard: Callable[[str, str], None]) -> None:
        connection = self._connection
        assert connection is not None
        with database_errors(), self._in_use:
            while not self._closed.is_set():
                for note in connection.notifies(timeout=POLL_S):
                    with suppress(RuntimeError):  # the loop may have closed while the thread was waiting
                        loop.call_soon_threadsafe(heard, note.channel, note.payload)
        self.close()

    def close(self) -> None:
        """Let go of the lock and the connection; a thread that still uses it does so itself within half a second."""
        self._closed.set()
        if self._connection is not None and self._in_use.acquire(blocking=False):
            try:
                self._connection.close()
            finally:
                self._in_use.release()
