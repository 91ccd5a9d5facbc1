"""The engine: keeps every meter collected, within the limits, as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from demeter.headend import store
from demeter.headend.control import ControlLine, database_errors
from demeter.headend.events.collecting import EventCollector
from demeter.headend.key_finding import KeyFinder
from demeter.headend.lanes import Lanes, Timetable
from demeter.headend.model import INTERNAL, NOT_STORED, CollectionProgress, Limits, Purpose, ReadRequest, Session, Sink
from demeter.headend.operations import COMMAND_CHANNEL, Crew, Pacing, Rigging
from demeter.headend.recorder import ACTOR, Recorder
from demeter.headend.schedule import back_off, next_due
from demeter.headend.service import progress_of
from demeter.headend.targets import Contact, load
from demeter.headend.turn import Turn
from demeter.kernel import Clock, NotFound, SystemClock, Unavailable
from demeter.runtime import logging
from demeter.runtime.database import Database, Scope
from demeter.runtime.secrets import SecretBox
from demeter.sdk import Driver, Profile

RESTART_S = 0.5
"""Pause before collecting again after the database was lost."""

LAST_FLUSH_S = 2

log = logging.get("headend")


class Collector:
    """Reads all meters of the database that have a driver, and hands what they say to ``sink``.

    ``sink`` returns once a delivery is committed. Run one per process; of several processes one collects and the
    others stand by. When the database is lost every session is left and all starts again from what is committed.
    """

    def __init__(
        self,
        database: Database,
        drivers: Mapping[str, Driver],
        sink: Sink,
        secrets: SecretBox,
        clock: Clock | None = None,
        limits: Limits | None = None,
        pacing: Pacing | None = None,
    ) -> None:
        self._database = database
        self._drivers = drivers
        self._sink = sink
        self._secrets = secrets
        self._clock = clock or SystemClock()
        self._limits = limits or Limits()
        self._pacing = pacing or Pacing()
        self._engine: Engine | None = None
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Collect until cancelled."""
        while True:
            line = ControlLine(self._database, (store.REQUEST_CHANNEL, COMMAND_CHANNEL))
            try:
                await line.seize()
                await self._collect(line)
            except* (Unavailable, OSError) as lost:
                log.warning("collecting stopped, trying again", reason=str(lost.exceptions[0]))
            finally:
                self.ready.clear()
                self._engine = None
                line.close()
            await asyncio.sleep(RESTART_S)

    async def _collect(self, line: ControlLine) -> None:
        recorder = Recorder(self._database, self._limits.flush_s)
        engine = Engine(
            self._database,
            self._drivers,
            self._sink,
            self._secrets,
            recorder,
            self._clock,
            self._limits,
            self._pacing,
        )
        try:
            async with asyncio.TaskGroup() as group:
                await engine.refresh()
                group.create_task(line.listen(engine.heard))
                group.create_task(recorder.run())
                engine.start(group)
                self._engine = engine
                self.ready.set()
        finally:
            # A lost database must not hold up the stop: what is not written is read again.
            with suppress(Unavailable, TimeoutError):
                await asyncio.wait_for(recorder.flush(), LAST_FLUSH_S)

    async def read_now(self, meter_id: int) -> Session:
        """Read a meter at once and return how it went; people who ask at the same time share one session.

        Raises:
            Unavailable: the collector is not collecting.
            NotFound: no meter of that id is collected.
        """
        if self._engine is None:
            raise Unavailable("the head-end is not collecting", hint="See whether the acquisition process runs.")
        return await self._engine.read_now(meter_id)

    def progress(self) -> CollectionProgress:
        """Return how much of what the meters hold is committed (zeros while not collecting)."""
        return CollectionProgress(0, 0, 0, 0, 0, 0) if self._engine is None else self._engine.progress()


class Engine:
    """What runs while the right to collect is held."""

    def __init__(
        self,
        database: Database,
        drivers: Mapping[str, Driver],
        sink: Sink,
        secrets: SecretBox,
        recorder: Recorder,
        clock: Clock,
        limits: Limits,
        pacing: Pacing,
    ) -> None:
        self._database = database
        self._drivers = drivers
        self._sink = sink
        self._secrets = secrets
        self._recorder = recorder
        self._clock = clock
        self._limits = limits
        self._keys = KeyFinder(database, secrets)
        self._events = EventCollector(database, sink, clock, limits.events_every_s)
        self._contacts: dict[int, Contact] = {}
        self._timetable = Timetable(clock)
        places = {**Limits().lanes, **limits.lanes}
        self._gates = {purpose: asyncio.Semaphore(count) for purpose, count in places.items()}
        self._lanes = Lanes({purpose: count * limits.calling for purpose, count in places.items()}, self._serve)
        self._crew = Crew(
            Rigging(
                database,
                drivers,
                secrets,
                recorder,
                clock,
                pacing,
                self._contact,
                lambda meter_id: self._lanes.put(meter_id, Purpose.COMMAND),
            )
        )
        self._asked: dict[int, asyncio.Future[Session]] = {}
        self._requested = asyncio.Event()
        self._requested.set()

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start everything in a task group."""
        self._lanes.start(group)
        group.create_task(self._dispatch())
        group.create_task(self._keep_fresh())
        group.create_task(self._keep_answering(group))
        self._crew.start(group)

    async def refresh(self) -> None:
        """Look which meters there are now: new ones are due at once, changed ones are spoken to as they are now."""
        loaded = await asyncio.to_thread(load, self._database, self._secrets, tuple(self._drivers))
        present = {contact.target.meter_id for contact in loaded}
        for gone in self._contacts.keys() - present:
            self._timetable.drop(gone)
            self._contacts.pop(gone).retired = True
        now = self._clock.now()
        for contact in loaded:
            known = self._contacts.get(contact.target.meter_id)
            if known is None:
                self._contacts[contact.target.meter_id] = contact
                self._timetable.put(contact.target.meter_id, contact.state.next_due_at or now)
            elif known.target != contact.target:
                known.target = contact.target
                known.absent.clear()
                known.state = replace(known.state, identified_at=None, failures=0)
                if not known.lock.locked():
                    self._timetable.put(contact.target.meter_id, now)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(self._limits.refresh_s)
            await self.refresh()

    async def _dispatch(self) -> None:
        while True:
            meter_id = await self._timetable.next()
            contact = self._contacts.get(meter_id)
            if contact is not None and not contact.queued:
                contact.queued = True
                self._lanes.put(meter_id, self._lane(contact))

    def _lane(self, contact: Contact) -> Purpose:
        if contact.state.failures:
            return Purpose.RECOVERY
        block = contact.profiles.get(Profile.BLOCK)
        if block is None or block.collected_until is None:
            return Purpose.BACKFILL
        behind_s = (self._clock.now() - block.collected_until).total_seconds()
        return Purpose.BACKFILL if behind_s > max(block.period_s, 1) * self._limits.slice_rows else Purpose.SCHEDULED

    async def _serve(self, meter_id: int, purpose: Purpose) -> None:
        """Hold one session with a meter, then enter it in the timetable again."""
        if purpose is Purpose.COMMAND:
            await self._crew.serve(meter_id)
            return
        contact = self._contacts.get(meter_id)
        if contact is None:
            self._answer(meter_id, None)
            return
        if purpose is not Purpose.ON_DEMAND:
            contact.queued = False
        async with contact.lock:
            session, more = await self._session(contact, purpose)
            self._note(contact, session, more)
        if purpose is Purpose.ON_DEMAND:
            self._answer(meter_id, session)

    async def _session(self, contact: Contact, purpose: Purpose) -> tuple[Session, bool]:
        started = self._clock.now()
        driver, gate = self._drivers[contact.target.protocol], self._gates[purpose]
        more = self._events, self._keys
        turn = Turn(contact, driver, self._sink, self._recorder, self._clock, self._limits, purpose, gate, *more)
        try:
            return await turn.run(), turn.more
        except Exception as error:  # a driver's defect must not stop the others
            log.exception("a session ended in an error of ours", meter_id=contact.target.meter_id)
            target = contact.target
            now = self._clock.now()
            detail = f"{type(error).__name__}: {error}"
            return Session(target.site_id, target.meter_id, purpose, started, now, INTERNAL, detail), False

    def _note(self, contact: Contact, session: Session, more: bool) -> None:
        """Remember how a session went and when the next one is due."""
        target, state, now = contact.target, contact.state, session.ended_at
        state = replace(state, last_attempt_at=session.started_at)
        if session.succeeded:
            state = replace(state, last_success_at=now, failures=0)
            due = now if more else next_due(target.meter_id, now, self._limits)
        elif session.outcome == NOT_STORED:
            due = now + back_off(target.meter_id, 1, session.outcome, self._limits)
        else:
            failures = state.failures + 1
            state = replace(
                state,
                failures=failures,
                last_failure_at=now,
                last_failure_kind=session.outcome,
                last_failure_detail=session.detail,
            )
            due = now + back_off(target.meter_id, failures, session.outcome, self._limits)
            log.info("a session failed", meter=target.serial, failures=failures, reason=session.detail)
        contact.state = replace(state, next_due_at=due)
        if contact.retired:
            return
        self._timetable.put(target.meter_id, due)
        self._recorder.meter(target.organization_id, contact.state)
        self._recorder.session(target.organization_id, session)

    async def _contact(self, meter_id: int) -> Contact | None:
        """Return a meter that is collected, however new it is."""
        if meter_id not in self._contacts:
            await self.refresh()
        return self._contacts.get(meter_id)

    async def read_now(self, meter_id: int) -> Session:
        """Read a meter at once; see :meth:`Collector.read_now`."""
        if await self._contact(meter_id) is None:
            raise NotFound(
                f"meter {meter_id} is not collected", hint="It is inactive, or no driver speaks its protocol."
            )
        if meter_id not in self._asked:
            self._asked[meter_id] = asyncio.get_running_loop().create_future()
            self._lanes.put(meter_id, Purpose.ON_DEMAND)
        return await asyncio.shield(self._asked[meter_id])

    def _answer(self, meter_id: int, session: Session | None) -> None:
        waiting = self._asked.pop(meter_id, None)
        if waiting is None or waiting.done():
            return
        if session is None:
            waiting.set_exception(NotFound(f"meter {meter_id} is not collected any more"))
        else:
            waiting.set_result(session)

    def heard(self, channel: str, payload: str) -> None:
        """Take note that somebody asks for a read, or for a command."""
        if channel == COMMAND_CHANNEL:
            self._crew.heard(payload)
        else:
            self._requested.set()

    async def _keep_answering(self, group: asyncio.TaskGroup) -> None:
        """Take read requests from other processes; at first also those that a process which died had taken."""
        again = True
        while True:
            await self._requested.wait()
            self._requested.clear()
            for organization_id, asked in await asyncio.to_thread(take_requests, self._database, again):
                group.create_task(self._fulfil(organization_id, asked))
            again = False

    async def _fulfil(self, organization_id: int, asked: ReadRequest) -> None:
        try:
            session = await self.read_now(asked.meter_id)
            outcome, detail = session.outcome, session.detail
        except NotFound as error:
            outcome, detail = "not found", error.message
        # What the session found out is visible before its end is told.
        await self._recorder.flush()
        await asyncio.to_thread(finish_request, self._database, organization_id, asked, (outcome, detail))

    def progress(self) -> CollectionProgress:
        """Return how much of what the meters hold is committed."""
        contacts = self._contacts.values()
        now = self._clock.now()
        return progress_of([(c.state, c.profiles.get(Profile.BLOCK)) for c in contacts], now)


def take_requests(database: Database, again: bool) -> list[tuple[int, ReadRequest]]:
    """Claim the waiting read requests of every organization."""
    found: list[tuple[int, ReadRequest]] = []
    with database_errors():
        for organization_id in database.organization_ids():
            with database.unit_of_work(Scope.system(organization_id, ACTOR)) as work:
                found += [(organization_id, asked) for asked in store.take_requests(work, work.now(), again=again)]
    return found


def finish_request(database: Database, organization_id: int, asked: ReadRequest, result: tuple[str, str]) -> None:
    """Close a read request with its outcome and detail."""
    with database_errors(), database.unit_of_work(Scope.system(organization_id, ACTOR)) as work:
        store.finish_request(work, asked, *result)
