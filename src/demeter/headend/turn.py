"""One session with one meter: who it is, its clock, and every row that is not collected yet.

Reading and storing overlap: while a slice waits for its commit the next one is read. A profile's ``collected_until``
moves only over slices that are committed, in their order, so a process that dies at any moment leaves no gap.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from demeter.headend.events.collecting import EventCollector, EventsNotStored
from demeter.headend.key_finding import KeyFinder
from demeter.headend.lanes import Place
from demeter.headend.model import NOT_STORED, OK, Limits, ProfileState, Purpose, Receipt, Session, Sink, Target
from demeter.headend.recorder import Recorder
from demeter.headend.schedule import SECOND, midnight_due, received_by_day, slices
from demeter.headend.targets import Contact
from demeter.kernel import Clock, Span, Unavailable
from demeter.runtime import logging
from demeter.sdk import Collected, Delivery, Driver, FailureKind, MeterSession, Profile, PushSession, ReadFailure

log = logging.get("headend")

COLLECTED = (Profile.BLOCK, Profile.DAILY)
"""The profiles that are collected without gaps, in this order."""


DISTURBED = frozenset({FailureKind.NO_ANSWER, FailureKind.TRUNCATED, FailureKind.GARBLED})
"""Failures that a smaller answer may escape."""

FEWEST_ROWS = 8


class NotStored(Exception):
    """The store did not commit a delivery; the meter is not at fault and will be read again."""


@dataclass(slots=True)
class Slice:
    """Rows on their way to the store; ``stamps``: those in the range that was asked for, distinct and sorted."""

    profile: Profile
    stamps: NDArray[np.int64]
    commits: list[asyncio.Task[Receipt]]


class Turn:
    """A session that is about to happen. ``more`` tells afterwards whether history is left for another turn."""

    def __init__(
        self,
        contact: Contact,
        driver: Driver,
        sink: Sink,
        recorder: Recorder,
        clock: Clock,
        limits: Limits,
        purpose: Purpose,
        gate: asyncio.Semaphore,
        events: EventCollector | None = None,
        keys: KeyFinder | None = None,
    ) -> None:
        self._keys = keys
        self._contact = contact
        self._events = events
        self._gate = gate
        # The record may change while the meter speaks: this session is with the meter that was called.
        self._target = contact.target
        self._driver = driver
        self._sink = sink
        self._recorder = recorder
        self._clock = clock
        self._limits = limits
        self._purpose = purpose
        self._began = 0.0
        self._slices = 0
        self._uncommitted: deque[Slice] = deque()
        self._rows = 0
        self._frames = 0
        self._refusals = 0
        self.more = False

    async def run(self) -> Session:
        """Hold the session and return what to log; never raises what a meter or the store did wrong."""
        started = self._clock.now()
        outcome, detail = OK, ""
        try:
            await self._hold()
        except ReadFailure as failure:
            outcome, detail = failure.kind.value, str(failure)
        except (NotStored, EventsNotStored) as failure:
            outcome, detail = NOT_STORED, str(failure)
        except Unavailable as failure:  # the counters cannot be reached: nothing was sent
            outcome, detail = NOT_STORED, failure.message
        if outcome != OK:
            self._contact.searched.clear()
        if outcome == OK and self._refusals:
            detail = f"{self._refusals} of {self._frames} answers were refused by the store, with their reasons"
        target = self._target
        return Session(
            target.site_id,
            target.meter_id,
            self._purpose,
            started,
            self._clock.now(),
            outcome,
            detail,
            self._rows,
            self._frames,
        )

    async def _hold(self) -> None:
        try:
            failure = await self._read()
            # What was read before a failure is good: it is waited for and counts.
            await self._settle(0)
        except asyncio.CancelledError:
            for part in self._uncommitted:
                for commit in part.commits:
                    commit.cancel()
            raise
        if failure is not None:
            raise failure

    async def _read(self) -> ReadFailure | None:
        """Talk with the meter and return what went wrong with it or with the line."""
        try:
            await self._open_and_talk()
        except ReadFailure as failure:
            return failure
        except TimeoutError:
            message = f"the session did not end within {self._limits.turn_s:g} s"
            return ReadFailure(FailureKind.NO_ANSWER, message)
        return None

    async def _open_and_talk(self) -> None:
        target = self._target
        if target.trouble:
            raise ReadFailure(FailureKind.NOT_CONFIGURED, target.trouble)
        async with Place(self._gate, self._limits.prompt_s) as place, asyncio.timeout(self._limits.turn_s):
            self._began = asyncio.get_running_loop().time()
            session = await self._open(target)
            place.answered()
            try:
                await self._talk(session)
            finally:
                await session.close()

    async def _open(self, target: Target) -> MeterSession:
        """Open a session; where the meter's keys were once to be changed, with whichever of them it has."""
        try:
            return await self._driver.open(target.endpoint, target.credentials)
        except ReadFailure as failure:
            if failure.kind is not FailureKind.WRONG_KEY or not target.fallbacks or self._keys is None:
                raise
            return await self._keys.open(self._driver, self._contact, failure)

    async def _talk(self, session: MeterSession) -> None:
        identified = self._contact.state.identified_at
        every = timedelta(seconds=self._limits.identify_every_s)
        due = identified is None or self._clock.now() - identified >= every
        if due:
            await self._identify(session)
            await self._check_clock(session)
            if self._contact.target is self._target:
                self._contact.state = replace(self._contact.state, identified_at=self._clock.now())
        budget = self._limits.slices_per_turn
        for profile in COLLECTED:
            if profile not in self._contact.absent:
                budget = await self._collect(session, profile, budget)
        if self._purpose is Purpose.ON_DEMAND:
            await self._read_now(session)
        if due and isinstance(session, PushSession) and self._contact.target is self._target:
            await self._learn(session)
        if self._events is not None and not self.more and self._events.due(self._contact, self._purpose):
            await self._settle(0)
            await self._identify(session)
            await self._events.collect(session, self._contact)

    async def _identify(self, session: MeterSession) -> None:
        """Make sure that the right meter answers: a changed address must not credit one flat's use to another."""
        serial = await session.serial()
        expected = self._target.serial
        if serial != expected:
            self._contact.state = replace(self._contact.state, identified_at=None)
            raise ReadFailure(FailureKind.WRONG_METER, f"{expected} was called, {serial} answered")

    async def _learn(self, session: PushSession) -> None:
        """Keep by what the meter's pushes are known and read; a meter that does not tell is read all the same."""
        title = session.peer_title or self._contact.state.system_title
        self._contact.state = replace(self._contact.state, system_title=title)
        if not self._limits.learn_pushes:
            return
        try:
            told = {setup: list(columns) for setup, columns in (await session.push_objects()).items()}
        except ReadFailure as failure:
            log.info("a meter does not tell what it pushes", meter=self._contact.target.serial, reason=str(failure))
        else:
            self._contact.state = replace(self._contact.state, push_objects=json.dumps(told))

    async def _check_clock(self, session: MeterSession) -> None:
        asked = self._clock.now()
        shown = await session.clock()
        now = self._clock.now()
        drift = round((shown - (asked + (now - asked) / 2)).total_seconds())
        state = replace(self._contact.state, clock_drift_s=drift)
        target = self._target
        if abs(drift) > self._limits.drift_warn_s:
            log.warning("a meter's clock is wrong", meter=target.serial, drift_s=drift, set=self._limits.set_clock)
            if self._limits.set_clock:
                await session.set_clock(self._clock.now())
                state = replace(state, clock_drift_s=0, clock_set_at=self._clock.now())
                self._recorder.clock_set(target.organization_id, target.meter_id, drift)
        self._contact.state = state

    async def _collect(self, session: MeterSession, profile: Profile, budget: int) -> int:
        """Read what is not collected of a profile, at most ``budget`` slices; return what is left of the budget."""
        try:
            span = await self._uncollected(session, profile)
        except ReadFailure as failure:
            if failure.kind is not FailureKind.NOT_SUPPORTED or profile is Profile.BLOCK:
                raise
            self._contact.absent.add(profile)
            return budget
        if span is None:
            return budget
        contact = self._contact
        period_s = contact.profiles[profile].period_s
        rows = contact.slice_rows.get(profile, self._limits.slice_rows)
        for part in slices(span.start, span.end, period_s, rows):
            if budget == 0 or contact.awaited or self._late():
                self.more = True
                contact.searched[profile] = part.start
                return 0
            budget -= 1
            self._hand_over(profile, part, await self._read_slice(session, profile, part, rows))
            await self._settle(self._limits.outstanding)
        contact.searched.pop(profile, None)
        return budget

    def _late(self) -> bool:
        """Tell whether another slice might not end in time; the first one is always tried."""
        spent_s = asyncio.get_running_loop().time() - self._began
        return self._slices > 0 and spent_s * (self._slices + 1) > self._limits.turn_s * self._slices

    async def _read_slice(self, session: MeterSession, profile: Profile, part: Span, rows: int) -> list[Collected]:
        """Read a slice of ``rows``.

        When it does not come through, slow or disturbed as the line is, the next session asks for half as many; when
        it came so quickly that twice as many would have as well, for those.
        """
        sizes, limits = self._contact.slice_rows, self._limits
        began = asyncio.get_running_loop().time()
        try:
            answers = await session.read_profile(profile, part.start, part.end)
        except (ReadFailure, asyncio.CancelledError) as failure:
            if not isinstance(failure, ReadFailure) or failure.kind in DISTURBED:
                sizes[profile] = max(rows // 2, min(FEWEST_ROWS, limits.slice_rows))
            raise
        self._slices += 1
        if rows < limits.slice_rows and asyncio.get_running_loop().time() - began < limits.turn_s / 8:
            sizes[profile] = min(2 * rows, limits.slice_rows)
        return answers

    async def _uncollected(self, session: MeterSession, profile: Profile) -> Span | None:
        """Return the stamps still to be read; None when there can be none."""
        now = self._clock.now()
        target = self._target
        known = self._contact.profiles.get(profile)
        until = None if known is None else known.collected_until
        if profile is Profile.DAILY and not midnight_due(target.zone, until, now):
            return None
        period_s = await session.capture_period_s(profile)
        await self._identify(session)  # asked for with the columns, so it costs nothing
        if known is None or known.period_s != period_s:
            known = replace(
                known or ProfileState(target.site_id, target.meter_id, profile, period_s), period_s=period_s
            )
            self._contact.profiles[profile] = known
        # A clock that runs ahead stamps rows ahead: they are read, and read again when the clock is right.
        end = now + SECOND + timedelta(seconds=max(self._contact.state.clock_drift_s or 0, 0))
        slice_s = max(period_s, 1) * self._limits.slice_rows
        if until is not None and (end - until).total_seconds() <= slice_s:
            return Span(until + SECOND, end)
        held = await session.held(profile)
        if held is None:
            return None
        oldest, newest = held
        if known.history_from is None:
            self._contact.profiles[profile] = replace(known, history_from=oldest)
        start = max(oldest, self._contact.searched.get(profile, oldest), oldest if until is None else until + SECOND)
        return Span(start, min(end, newest + SECOND)) if start <= newest else None

    def _hand_over(self, profile: Profile, asked: Span, answers: Sequence[Collected]) -> None:
        """Start storing what was read; an answer without rows is no delivery.

        Rows outside the range that was asked for are kept like all others, but the mark knows nothing of them: what
        lies between was not asked for yet.
        """
        filled = [answer for answer in answers if answer.rows]
        if not filled:
            return
        stamps = _stamps(filled)
        if not len(stamps) and any(answer.series for answer in filled):
            # Rows without any value or of unknown time: evidence, but the mark knows nothing of them.
            self._uncommitted.append(Slice(profile, stamps, [self._commit(answer) for answer in filled]))
            return
        if not len(stamps):
            raise ReadFailure(FailureKind.NOT_SUPPORTED, f"no column of {profile.value} is understood")
        stamps = stamps[(stamps >= asked.start.timestamp()) & (stamps < asked.end.timestamp())]
        if not len(stamps):
            message = f"rows of {profile.value} from {asked.start} to {asked.end} were asked for, others came"
            raise ReadFailure(FailureKind.GARBLED, message)
        commits = [self._commit(answer) for answer in filled]
        self._uncommitted.append(Slice(profile, stamps, commits))

    def _commit(self, answer: Collected) -> asyncio.Task[Receipt]:
        self._rows += answer.rows
        self._frames += 1
        delivery = Delivery(self._target.meter_id, answer.frame, answer.series)
        return asyncio.ensure_future(_stored(self._sink, delivery))

    async def _settle(self, keep: int) -> None:
        """Wait until at most ``keep`` slices are uncommitted, oldest first.

        Raises:
            NotStored: one was not committed; it and those behind it count as not read.
        """
        while len(self._uncommitted) > keep:
            part = self._uncommitted[0]
            try:
                refused = await committed(part.commits)
            except NotStored:
                await self._abandon()
                raise
            # Only now: had the session run out of time while waiting, the slice would still be the next one.
            self._uncommitted.popleft()
            self._refusals += refused
            self._advance(part)

    async def _abandon(self) -> None:
        waiting = [commit for part in self._uncommitted for commit in part.commits]
        self._uncommitted.clear()
        await asyncio.wait(waiting)

    def _advance(self, part: Slice) -> None:
        """Move the profile's mark over a committed slice, never beyond the present: a fast clock may stamp ahead."""
        if not len(part.stamps):  # values of this moment: nothing is collected by them
            return
        contact, target = self._contact, self._target
        known = contact.profiles[part.profile]
        newest = min(datetime.fromtimestamp(int(part.stamps[-1]), UTC), self._clock.now().replace(microsecond=0))
        before = -1 if known.collected_until is None else int(known.collected_until.timestamp())
        fresh = part.stamps[(part.stamps > before) & (part.stamps <= int(newest.timestamp()))]
        if not len(fresh):
            return
        state = replace(known, collected_until=newest, received=known.received + len(fresh))
        contact.profiles[part.profile] = state
        days = received_by_day(target.zone, fresh, self._clock.now()) if part.profile is Profile.BLOCK else {}
        self._recorder.profile(target.organization_id, state, days)

    async def _read_now(self, session: MeterSession) -> None:
        """Read the registers as they stand at this moment, where the meter has an instantaneous profile."""
        now = self._clock.now()
        try:
            answers = await session.read_profile(Profile.INSTANTANEOUS, now, now + SECOND)
        except ReadFailure as failure:
            if failure.kind is not FailureKind.NOT_SUPPORTED:
                raise
            return
        commits = [self._commit(answer) for answer in answers if answer.series]
        if commits:
            self._uncommitted.append(Slice(Profile.INSTANTANEOUS, np.empty(0, dtype=np.int64), commits))


async def committed(commits: Sequence[asyncio.Task[Receipt]]) -> int:
    """Wait for commits; return how many of the answers were refused in part.

    Raises:
        NotStored: one was not committed, or refused as a whole.
    """
    refused = 0
    # Whoever waits may be cancelled; what is on its way to the store goes on.
    await asyncio.wait(commits)
    for commit in commits:
        if commit.cancelled():
            raise NotStored("the store was stopped before it took the readings")
        error = commit.exception()
        if error is not None:
            raise NotStored(f"the store did not take the readings: {error}") from error
        receipt = commit.result()
        if not receipt.accepted:
            raise NotStored(f"the store refused the readings: {'; '.join(str(r) for r in receipt.refusals)}")
        refused += bool(receipt.refusals)
    return refused


async def _stored(sink: Sink, delivery: Delivery) -> Receipt:
    return await sink(delivery)


def _stamps(answers: Sequence[Collected]) -> NDArray[np.int64]:
    """Return the distinct stamps of all rows, sorted."""
    columns = {id(series.at_s): series.at_s for answer in answers for series in answer.series}
    return np.unique(np.concatenate(list(columns.values()))) if columns else np.empty(0, dtype=np.int64)
