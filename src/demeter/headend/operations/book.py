"""The crew's side of the database: what is to be done next, and every step committed before the next one is taken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from demeter.headend.control import database_errors
from demeter.headend.operations import store
from demeter.headend.operations.model import Command, CommandState
from demeter.headend.operations.plans import PLANS
from demeter.headend.recorder import ACTOR
from demeter.runtime.database import Database, Scope
from demeter.runtime.secrets import SecretBox

REPORT_EVERY_S = 2.0
THREADS = ThreadPoolExecutor(4, thread_name_prefix="commands")
"""Threads of their own: a command does not wait for whatever else the process has in threads."""

T = TypeVar("T")


async def _committing(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(THREADS, work)


class CommandBook:
    """The commands of one organization. Every method raises :class:`demeter.kernel.Unavailable` without a database."""

    def __init__(self, database: Database, secrets: SecretBox, organization_id: int) -> None:
        self._database = database
        self._secrets = secrets
        self._scope = Scope.system(organization_id, ACTOR)
        self._reported = 0.0

    async def next_of(self, site_id: int, meter_id: int, now: datetime) -> Command | None:
        """Return what a meter is to be told next."""

        def look() -> Command | None:
            with database_errors(), self._database.unit_of_work(self._scope) as work:
                return store.next_of(work, site_id, meter_id, now)

        return await _committing(look)

    async def next_due(self, meter_id: int) -> tuple[int, datetime] | None:
        """Return a meter's site and when the first of its open commands is due; None when it has none."""

        def look() -> tuple[int, datetime] | None:
            with database_errors(), self._database.unit_of_work(self._scope) as work:
                return next(((site_id, due) for site_id, _, due in store.open_meters(work, meter_id)), None)

        return await _committing(look)

    async def move(
        self, command: Command, step: store.Move, *, sendable_until: datetime | None = None
    ) -> Command | None:
        """Commit a step; see :class:`demeter.headend.operations.conduct.Book`."""

        def commit() -> Command | None:
            with database_errors(), self._database.unit_of_work(self._scope) as work:
                moved = store.move(work, command, step, sendable_until)
                if moved is not None and moved.state is CommandState.CONFIRMED:
                    PLANS[moved.kind].confirmed(work, self._secrets, moved)
                return moved

        return await _committing(commit)

    async def materials(self, command: Command) -> Mapping[str, bytes]:
        """Fetch what a command's arguments only name."""

        def fetch() -> Mapping[str, bytes]:
            with database_errors(), self._database.unit_of_work(self._scope) as work:
                return PLANS[command.kind].materials(work, self._secrets, command)

        return await _committing(fetch)

    def reports(self, command: Command) -> Reporter:
        """Return what takes the reports of a long command."""
        return Reporter(self, command)

    async def report(self, command: Command, progress: Mapping[str, object]) -> None:
        """Commit how far a command is."""

        def write() -> None:
            with database_errors(), self._database.unit_of_work(self._scope) as work:
                store.report(work, command, progress)

        await _committing(write)


class Reporter:
    """Takes the reports of one command and writes the newest every two seconds; what it writes is only for show."""

    def __init__(self, book: CommandBook, command: Command) -> None:
        self._book = book
        self._command = command
        self._newest: dict[str, object] = {}
        self._written_at = 0.0
        self._writing: asyncio.Task[None] | None = None

    def __call__(self, doing: str, done: int, of: int) -> None:
        """Take a report."""
        self._newest = {"doing": doing, "done": done, "of": of}
        busy = self._writing is not None and not self._writing.done()
        if not busy and (done == of or time.monotonic() - self._written_at >= REPORT_EVERY_S):
            self._written_at = time.monotonic()
            self._writing = asyncio.ensure_future(self._book.report(self._command, dict(self._newest)))

    async def close(self) -> None:
        """Wait for what is being written; the database's absence is noticed elsewhere."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)


def open_meters(database: Database) -> list[tuple[int, int, datetime]]:
    """Return organization, meter and due instant of every meter with open commands."""
    found: list[tuple[int, int, datetime]] = []
    with database_errors():
        for organization_id in database.organization_ids():
            with database.unit_of_work(Scope.system(organization_id, ACTOR)) as work:
                found += [(organization_id, meter_id, due) for _, meter_id, due in store.open_meters(work)]
    return found
