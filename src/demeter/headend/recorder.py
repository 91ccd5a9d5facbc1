"""The one writer of the head-end's tables: changes are gathered and written a few times a second, together.

A state that is overwritten before it is written leaves no trace, so thousands of meters cost a handful of statements.
Nothing here is ahead of the readings: what is said to be collected was committed before it came here. What is lost when
the process dies makes the next one read again what it has already; the store recognises it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date

from demeter.headend import store
from demeter.headend.control import database_errors
from demeter.headend.model import DayCount, MeterState, ProfileState, Received, Session
from demeter.runtime.database import Database, Scope
from demeter.sdk import Profile

ACTOR = "headend"
MOST_SESSIONS = 20_000
"""Log entries that may wait for a database that does not answer; the oldest go first, they are only a log."""


@dataclass
class Changes:
    """What one organization's tables have yet to learn."""

    meters: dict[tuple[int, int], MeterState] = field(default_factory=dict)
    profiles: dict[tuple[int, int, Profile], ProfileState] = field(default_factory=dict)
    days: dict[tuple[int, int, date], Received] = field(default_factory=lambda: defaultdict(Received))
    sessions: list[Session] = field(default_factory=list)
    clocks_set: list[tuple[int, int]] = field(default_factory=list)

    def write(self, database: Database, organization_id: int) -> None:
        """Write all of it in one transaction, in key order (so that two writers could never deadlock)."""
        with database_errors(), database.unit_of_work(Scope.system(organization_id, ACTOR)) as work:
            store.save_meters(work, [self.meters[key] for key in sorted(self.meters)])
            store.save_profiles(work, [self.profiles[key] for key in sorted(self.profiles)])
            store.add_days(work, [DayCount(*key, self.days[key]) for key in sorted(self.days)])
            store.log_sessions(work, self.sessions)
            for meter_id, drift_s in self.clocks_set:
                work.audit("headend.clock.set", f"meter:{meter_id}", {"drift_s": drift_s})

    def before(self, newer: Changes) -> Changes:
        """Return these changes followed by ``newer`` ones."""
        days = defaultdict(Received, self.days)
        for key, count in newer.days.items():
            days[key] += count
        return Changes(
            self.meters | newer.meters,
            self.profiles | newer.profiles,
            days,
            (self.sessions + newer.sessions)[-MOST_SESSIONS:],
            self.clocks_set + newer.clocks_set,
        )


class Recorder:
    """Gathers changes by organization; ``run`` writes them every ``flush_s`` seconds until it is cancelled."""

    def __init__(self, database: Database, flush_s: float) -> None:
        self._database = database
        self._flush_s = flush_s
        self._waiting: dict[int, Changes] = defaultdict(Changes)
        self._one_at_a_time = asyncio.Lock()
        self._writing: set[asyncio.Task[None]] = set()

    def meter(self, organization_id: int, state: MeterState) -> None:
        """Remember a meter's state."""
        self._waiting[organization_id].meters[state.site_id, state.meter_id] = state

    def profile(self, organization_id: int, state: ProfileState, days: dict[date, Received]) -> None:
        """Remember how far a profile is collected, and what that adds to the day counts."""
        changes = self._waiting[organization_id]
        changes.profiles[state.site_id, state.meter_id, state.profile] = state
        for day, count in days.items():
            changes.days[state.site_id, state.meter_id, day] += count

    def session(self, organization_id: int, session: Session) -> None:
        """Log a session."""
        self._waiting[organization_id].sessions.append(session)

    def clock_set(self, organization_id: int, meter_id: int, drift_s: int) -> None:
        """Put into the audit trail that a meter's clock, wrong by ``drift_s``, was set."""
        self._waiting[organization_id].clocks_set.append((meter_id, drift_s))

    async def flush(self) -> None:
        """Write what is waiting, after what is being written; what cannot be written stays.

        Cancelled, it leaves at once, and the writing goes on to its end: a transaction whose outcome nobody awaits
        could be written a second time. The next flush waits for it.

        Raises:
            Unavailable: the database does not answer; the changes are kept for the next try.
        """
        writing = asyncio.create_task(self._write())
        self._writing.add(writing)
        writing.add_done_callback(self._written)
        await asyncio.shield(writing)

    async def _write(self) -> None:
        async with self._one_at_a_time:
            taken, self._waiting = self._waiting, defaultdict(Changes)
            for organization_id in sorted(taken):
                try:
                    await asyncio.to_thread(taken[organization_id].write, self._database, organization_id)
                except BaseException:
                    for kept in (key for key in taken if key >= organization_id):
                        self._waiting[kept] = taken[kept].before(self._waiting[kept])
                    raise

    def _written(self, writing: asyncio.Task[None]) -> None:
        self._writing.discard(writing)
        if not writing.cancelled():
            writing.exception()  # whoever awaits it has seen it

    async def run(self) -> None:
        """Flush for ever."""
        while True:
            await asyncio.sleep(self._flush_s)
            await self.flush()
