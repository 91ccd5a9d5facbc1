"""Collecting event logs in the normal turn: seldom, cheap when nothing is new, committed before the mark moves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from demeter.headend.control import database_errors
from demeter.headend.events import store
from demeter.headend.model import Purpose, Sink
from demeter.headend.recorder import ACTOR
from demeter.headend.targets import Contact
from demeter.kernel import Clock
from demeter.runtime import logging
from demeter.runtime.database import Database, Scope
from demeter.sdk import Delivery, EventSession, FailureKind, LogAnswer, MeterSession, Profile, ReadFailure

log = logging.get("headend")

PASSED_OVER = frozenset({FailureKind.NOT_SUPPORTED, FailureKind.REFUSED, FailureKind.GARBLED})
"""What is the matter with the logs and not with the meter: its readings go on."""


class EventsNotStored(Exception):
    """The store did not commit a frame of events; the log will be read again."""


@dataclass(frozen=True, slots=True)
class EventCollector:
    """Reads what is new in meters' event logs. ``every_s``: how often a meter that answers is looked at."""

    database: Database
    sink: Sink
    clock: Clock
    every_s: int

    def due(self, contact: Contact, purpose: Purpose) -> bool:
        """Tell whether a meter's logs are to be looked at in this session.

        They are when the hour is over, after failures (what cut the meter off may stand there), and when a person asks.
        """
        if Profile.EVENTS in contact.absent or contact.awaited:
            return False
        if contact.events_at is None or contact.state.failures or purpose is Purpose.ON_DEMAND:
            return True
        return self.clock.now() - contact.events_at >= timedelta(seconds=self.every_s)

    async def collect(self, session: MeterSession, contact: Contact) -> None:
        """Read and store what is new.

        Raises:
            ReadFailure: the line or the meter failed. EventsNotStored: the store did not commit.
            Unavailable: the database does not answer.
        """
        target = contact.target
        if not isinstance(session, EventSession):
            contact.absent.add(Profile.EVENTS)
            return
        try:
            answers = await session.new_events(contact.logs)
        except ReadFailure as failure:
            if failure.kind not in PASSED_OVER:
                raise
            tell = log.debug if failure.kind is FailureKind.NOT_SUPPORTED else log.warning
            tell("the event logs of a meter cannot be read", meter=target.serial, reason=str(failure))
            contact.absent.add(Profile.EVENTS)
            return
        for answer in answers:
            await self._keep(contact, answer)
        contact.events_at = self.clock.now()

    async def _keep(self, contact: Contact, answer: LogAnswer) -> None:
        target = contact.target
        frame_id = None
        if answer.frame is not None:
            try:
                receipt = await self.sink(Delivery(target.meter_id, answer.frame, ()))
            except Exception as error:
                raise EventsNotStored(f"the store did not take an event log: {error}") from error
            if not receipt.accepted:
                refusals = "; ".join(str(refusal) for refusal in receipt.refusals)
                raise EventsNotStored(f"the store refused an event log: {refusals}")
            frame_id = receipt.frame_id
        await asyncio.to_thread(self._write, contact, answer, frame_id)
        contact.logs[answer.mark.log] = answer.mark

    def _write(self, contact: Contact, answer: LogAnswer, frame_id: int | None) -> None:
        target = contact.target
        place = target.site_id, target.meter_id
        received_at = answer.mark.read_at if answer.frame is None else answer.frame.received_at
        scope = Scope.system(target.organization_id, ACTOR)
        with database_errors(), self.database.unit_of_work(scope) as work:
            store.insert(work, place, answer.events, (frame_id, received_at))
            store.save_marks(work, place, [answer.mark])
