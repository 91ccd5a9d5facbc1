"""Commands inside the collector: taken as soon as they are asked for, carried out under the meter's session lock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from demeter.headend.model import INTERNAL, OK, Purpose, Session, Target
from demeter.headend.operations.book import CommandBook, open_meters
from demeter.headend.operations.conduct import Conduct, Means
from demeter.headend.operations.model import Command, CommandState, Pacing
from demeter.headend.operations.plans import PLANS
from demeter.headend.operations.store import Move
from demeter.headend.recorder import Recorder
from demeter.headend.targets import Contact
from demeter.kernel import Clock, Unavailable
from demeter.runtime import logging
from demeter.runtime.database import Database
from demeter.runtime.secrets import SecretBox
from demeter.sdk import (
    Driver,
    FailureKind,
    MeterSession,
    OperatingSession,
    OperationKind,
    ReadFailure,
    unreported,
)

LONGEST_NAP_S = 1.0
LOOK_AGAIN_S = 30.0
"""How often the table is looked through for what a lost notification would have told."""

log = logging.get("headend")


@dataclass(frozen=True, slots=True)
class Rigging:
    """What the crew shares with the collector. ``contact`` finds a meter, ``queue`` gives it to the lane."""

    database: Database
    drivers: Mapping[str, Driver]
    secrets: SecretBox
    recorder: Recorder
    clock: Clock
    pacing: Pacing
    contact: Callable[[int], Awaitable[Contact | None]]
    queue: Callable[[int], None]


class Crew:
    """Looks after the open commands of all meters; one command of a meter at a time, in the order of their creation."""

    def __init__(self, rigging: Rigging) -> None:
        self._rigging = rigging
        self._due: dict[int, tuple[datetime, int]] = {}
        self._busy: set[int] = set()
        self._tries: dict[int, int] = {}
        self._changed = asyncio.Event()

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start looking after commands in a task group."""
        group.create_task(self._look_through())
        group.create_task(self._dispatch())

    def heard(self, payload: str) -> None:
        """Take note that a meter's commands have changed; ``payload`` is ``organization:meter``."""
        organization, _, meter = payload.partition(":")
        if organization.isdecimal() and meter.isdecimal():
            self._put(int(meter), int(organization), self._rigging.clock.now())

    def _put(self, meter_id: int, organization_id: int, due: datetime) -> None:
        known = self._due.get(meter_id)
        self._due[meter_id] = (due if known is None else min(due, known[0]), organization_id)
        self._changed.set()

    async def _look_through(self) -> None:
        while True:
            for organization_id, meter_id, due in await asyncio.to_thread(open_meters, self._rigging.database):
                if meter_id not in self._due and meter_id not in self._busy:
                    self._put(meter_id, organization_id, due)
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _dispatch(self) -> None:
        while True:
            self._changed.clear()
            now = self._rigging.clock.now()
            ready = [each for each, (due, _) in self._due.items() if due <= now and each not in self._busy]
            for meter_id in ready:
                self._busy.add(meter_id)
                self._rigging.queue(meter_id)
            soonest = min((due for each, (due, _) in self._due.items() if each not in self._busy), default=None)
            nap = LONGEST_NAP_S if soonest is None else min((soonest - now).total_seconds(), LONGEST_NAP_S)
            # Naps are short because the wall clock may be set while we sleep.
            try:
                async with asyncio.timeout(nap):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def serve(self, meter_id: int) -> None:
        """Carry out what a meter is to be told, one command after the other, until none is due."""
        due = self._due.pop(meter_id, None)
        try:
            if due is not None:
                await self._serve(meter_id, due[1])
        finally:
            self._busy.discard(meter_id)
            self._changed.set()

    async def _serve(self, meter_id: int, organization_id: int) -> None:
        rigging = self._rigging
        book = CommandBook(rigging.database, rigging.secrets, organization_id)
        contact = await rigging.contact(meter_id)
        if contact is None:
            again_at = await self._without_contact(book, meter_id)
        else:
            contact.awaited += 1
            try:
                async with contact.lock:
                    again_at = await self._one_after_the_other(book, contact)
            finally:
                contact.awaited -= 1
        if again_at is not None:
            self._put(meter_id, organization_id, again_at)

    async def _without_contact(self, book: CommandBook, meter_id: int) -> datetime | None:
        """The meter is not spoken to any more: what waits for it fails, what was sent is looked for in vain."""
        found = await book.next_due(meter_id)
        if found is None:
            return None
        command = await book.next_of(found[0], meter_id, self._rigging.clock.now())
        if command is None:
            return found[1]

        async def nobody(_command: Command) -> OperatingSession:
            message = "the meter is out of use, or no driver speaks its protocol"
            raise ReadFailure(FailureKind.NOT_CONFIGURED, message)

        conduct = Conduct(command, Means(book, nobody, self._rigging.clock, self._pacing(command), {}, unreported))
        return await conduct.run() or self._rigging.clock.now()

    async def _one_after_the_other(self, book: CommandBook, contact: Contact) -> datetime | None:
        target = contact.target
        while True:
            command = await book.next_of(target.site_id, target.meter_id, self._rigging.clock.now())
            if command is None:
                found = await book.next_due(target.meter_id)
                return None if found is None else found[1]
            again_at = await self._carry_out(book, contact, command)
            if again_at is not None and again_at > self._rigging.clock.now():
                return again_at

    async def _carry_out(self, book: CommandBook, contact: Contact, command: Command) -> datetime | None:
        started = self._rigging.clock.now()
        reporter = book.reports(command)
        conduct: Conduct | None = None
        try:
            materials = await book.materials(command)
            means = Means(
                book,
                lambda asked: self._call(contact.target, asked, materials),
                self._rigging.clock,
                self._pacing(command),
                materials,
                reporter,
                self._tries.get(command.id, 0),
            )
            conduct = Conduct(command, means)
            again_at = await conduct.run()
        except Unavailable:
            raise
        except Exception as error:  # a driver's defect must not stop the others
            log.exception("a command ended in an error of ours", command=command.id)
            detail = f"{type(error).__name__}: {error}"
            left = command if conduct is None else conduct.command
            if not left.state.final:
                await book.move(left, Move(left.state, INTERNAL, detail))
            return self._rigging.clock.now() + timedelta(seconds=self._rigging.pacing.patience_s)
        finally:
            await reporter.close()
        self._remember(contact, conduct, started)
        if conduct.command.state is CommandState.CONFIRMED:
            renewed = PLANS[command.kind].renewed(contact.target.credentials, materials)
            contact.target = replace(contact.target, credentials=renewed)
        return again_at

    def _pacing(self, command: Command) -> Pacing:
        plan, pacing = PLANS[command.kind], self._rigging.pacing
        turn_s = pacing.turn_s if plan.turn_s is None else plan.turn_s
        settle_s = pacing.settle_s if plan.settle_s is None else plan.settle_s
        return replace(pacing, turn_s=turn_s, settle_s=settle_s)

    async def _call(self, target: Target, command: Command, materials: Mapping[str, bytes]) -> OperatingSession:
        """Open a session with the meter, and make sure that it is this one: nobody's supply is switched by mistake."""
        wrong_key: ReadFailure | None = None
        chosen = PLANS[command.kind].credentials(command, target.credentials, materials)
        for credentials in (*chosen, *(each for each in target.fallbacks if each not in chosen)):
            try:
                session = await self._rigging.drivers[target.protocol].open(target.endpoint, credentials)
            except ReadFailure as failure:
                if failure.kind is not FailureKind.WRONG_KEY:
                    raise
                wrong_key = failure
                continue
            try:
                return await self._identified(session, target)
            except BaseException:
                await session.close()
                raise
        raise wrong_key or ReadFailure(FailureKind.NOT_CONFIGURED, "there are no secrets to call the meter with")

    async def _identified(self, session: MeterSession, target: Target) -> OperatingSession:
        if not isinstance(session, OperatingSession):
            raise ReadFailure(FailureKind.NOT_SUPPORTED, f"the driver {target.protocol} cannot operate meters")
        plate = await session.nameplate()
        if plate.serial != target.serial:
            raise ReadFailure(FailureKind.WRONG_METER, f"{target.serial} was called, {plate.serial} answered")
        return session

    def _remember(self, contact: Contact, conduct: Conduct, started: datetime) -> None:
        """Log the session, and what a command has shown of the meter's clock."""
        command, failure, target = conduct.command, conduct.failure, contact.target
        if failure is None or command.state.final:
            self._tries.pop(command.id, None)
        else:
            self._tries[command.id] = self._tries.get(command.id, 0) + 1
        if command.state.final:
            told = {"command": command.id, "kind": str(command.kind), "meter": target.serial}
            log.info("a command has ended", state=str(command.state), outcome=command.outcome, **told)
        now = self._rigging.clock.now()
        outcome, detail = (OK, "") if failure is None else (failure.kind.value, str(failure))
        session = Session(target.site_id, target.meter_id, Purpose.COMMAND, started, now, outcome, detail)
        self._rigging.recorder.session(target.organization_id, session)
        if command.kind is OperationKind.SET_CLOCK and command.state is CommandState.CONFIRMED and command.after:
            contact.state = replace(contact.state, clock_drift_s=command.after.get("drift_s"), clock_set_at=now)
            self._rigging.recorder.meter(target.organization_id, contact.state)
