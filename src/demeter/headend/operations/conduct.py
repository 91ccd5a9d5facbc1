"""Carrying out one command: observe, commit, perform, observe. No database here: a *book* commits, a *call* connects.

What is said to be sent is committed before the first octet leaves. Whatever happens after that commit — a lost answer,
a killed process — the next try begins by looking at the meter, and sends again only what looking shows not to be there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from demeter.headend.operations.model import Command, CommandState, Outcome, Pacing
from demeter.headend.operations.store import Move, late
from demeter.kernel import Clock
from demeter.sdk import (
    FailureKind,
    OperatingSession,
    Operation,
    OperationContinues,
    OperationRefused,
    ReadFailure,
    Report,
    Verdict,
    Words,
    judge,
)
from demeter.sdk.operations import RULES

HOPELESS: Final = frozenset(
    {FailureKind.WRONG_KEY, FailureKind.NOT_SUPPORTED, FailureKind.NOT_CONFIGURED, FailureKind.WRONG_METER}
)
"""What keeps a command from being sent however often it is tried."""

DEFINITE: Final = frozenset({FailureKind.REFUSED, FailureKind.NOT_SUPPORTED})
"""Failures in which the meter itself said no: it is known what became of the request."""


class Book(Protocol):
    """Where steps are committed."""

    async def move(self, command: Command, step: Move, *, sendable_until: datetime | None = None) -> Command | None:
        """Commit a step and return the command as it is then; None when it is not any more as ``command`` has it."""
        ...


Call = Callable[[Command], Awaitable[OperatingSession]]
"""Opens a session with the right meter, or raises :class:`demeter.sdk.ReadFailure`."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a command is carried out with. ``tries``: how often the meter could not be reached in a row before."""

    book: Book
    call: Call
    clock: Clock
    pacing: Pacing
    materials: Mapping[str, bytes]
    report: Report
    tries: int = 0


class Conduct:
    """One try at one command. ``command`` is as the last committed step left it, ``failure`` what ended the session."""

    def __init__(self, command: Command, means: Means) -> None:
        self.command = command
        self._means = means
        resumed = command.state is CommandState.SENT
        self._operation = Operation(command.kind, command.arguments, means.materials, resumed)
        self._connected = False
        self.failure: ReadFailure | None = None

    async def run(self) -> datetime | None:
        """Take the command as far as it goes; return when to try again, None when it has ended or was taken away."""
        if self._too_late() and not self._sent:
            return await self._end(late(self.command))
        if self._sent and self._now() >= self._give_up_at():
            detail = "it was sent, and the meter could not be looked at since: look whether it did it"
            return await self._end(Move(CommandState.UNCERTAIN, Outcome.UNSEEN, detail))
        try:
            async with asyncio.timeout(self._means.pacing.turn_s):
                return await self._call_and_carry_out()
        except ReadFailure as failure:
            return await self._unreached(failure)
        except TimeoutError:
            message = f"the session did not end within {self._means.pacing.turn_s:g} s"
            return await self._unreached(ReadFailure(FailureKind.NO_ANSWER, message))

    @property
    def _sent(self) -> bool:
        return self.command.state is CommandState.SENT

    def _now(self) -> datetime:
        return self._means.clock.now()

    def _too_late(self) -> bool:
        return self._now() >= self.command.expires_at - timedelta(seconds=self._means.pacing.last_moment_s)

    def _give_up_at(self) -> datetime:
        return self.command.expires_at + timedelta(seconds=self._means.pacing.look_after_s)

    async def _call_and_carry_out(self) -> datetime | None:
        session = await self._means.call(self.command)
        self._connected = True
        try:
            return await self._carry_out(session)
        finally:
            await session.close()

    async def _carry_out(self, session: OperatingSession) -> datetime | None:
        if self.command.kind not in session.operations():
            raise OperationRefused(
                "kind", f"the driver does not perform {self.command.kind}", FailureKind.NOT_SUPPORTED
            )
        seen = await session.observe(self._operation)
        verdict = self._judge(seen)
        if verdict is Verdict.ACHIEVED:
            outcome = Outcome.SEEN if self._sent else Outcome.ALREADY
            return await self._end(Move(CommandState.CONFIRMED, outcome, "", seen))
        if verdict is Verdict.UNDECIDED:
            state = CommandState.UNCERTAIN if self._sent else CommandState.FAILED
            return await self._end(Move(state, Outcome.NOT_SHOWN, self._not_shown(), seen))
        again_at = await self._held_back(seen)
        if again_at is not None or self.command.state.final:
            return again_at
        return await self._send(session, seen)

    def _judge(self, seen: Words) -> Verdict:
        before = self.command.before if self.command.before is not None else seen
        return judge(self.command.kind, self.command.arguments, before, seen)

    def _not_shown(self) -> str:
        if self._sent:
            return "it was sent; what the meter shows does not tell whether it did it"
        return "nothing was sent: the meter does not show what this changes, so nobody could know whether it did it"

    async def _held_back(self, seen: Words) -> datetime | None:
        """See whether the command may be sent now; return when to look again, or end it if it never may."""
        command, pacing = self.command, self._means.pacing
        if not self._sent:
            return await self._end(late(command)) if self._too_late() else None
        worn = command.attempts >= pacing.most_attempts
        if not (self._too_late() or worn or RULES[command.kind].once):
            return None
        arrived = (command.sent_at or self._now()) + timedelta(seconds=pacing.arrive_s)
        if self._now() < arrived:  # what was sent may still be on its way: neither a repetition nor a verdict yet
            return arrived
        if self._too_late():
            detail = f"it was sent {command.attempts} times and had no effect; it is not sent again"
            return await self._end(Move(CommandState.EXPIRED, Outcome.TOO_LATE, detail, seen))
        if worn:
            detail = f"it was sent {command.attempts} times, was never answered and had no effect"
            return await self._end(Move(CommandState.FAILED, Outcome.NO_ANSWER, detail, seen))
        return None

    async def _send(self, session: OperatingSession, seen: Words) -> datetime | None:
        if not (self._sent and RULES[self.command.kind].resumes):  # going on is no new attempt
            latest = self._now() + timedelta(seconds=self._means.pacing.last_moment_s)
            sending = Move(CommandState.SENT, Outcome.SENDING, "", seen, sending=True)
            moved = await self._means.book.move(self.command, sending, sendable_until=latest)
            if moved is None:  # cancelled, or expired, in this very moment
                return self._now()
            self.command = moved
        refusal: ReadFailure | None = None
        try:
            await session.perform(self._operation, seen, self._means.report)
        except OperationContinues as share:
            return self._now() + share.wait
        except ReadFailure as failure:
            if not isinstance(failure, OperationRefused) and failure.kind not in DEFINITE:
                raise
            refusal = failure
        return await self._look(session, refusal)

    async def _look(self, session: OperatingSession, refusal: ReadFailure | None) -> datetime | None:
        """Look until the effect shows, or long enough; a refused command is looked at once."""
        until = self._now() + timedelta(seconds=self._means.pacing.settle_s)
        while True:
            seen = await session.observe(self._operation)
            verdict = self._judge(seen)
            if verdict is Verdict.ACHIEVED:
                return await self._end(Move(CommandState.CONFIRMED, Outcome.SEEN, "", seen))
            if refusal is not None or self._now() >= until:
                break
            await asyncio.sleep(self._means.pacing.look_every_s)
        if verdict is Verdict.UNDECIDED:
            return await self._end(Move(CommandState.UNCERTAIN, Outcome.NOT_SHOWN, self._not_shown(), seen))
        if refusal is not None:
            return await self._end(Move(CommandState.FAILED, self._word(refusal), refusal.message, seen))
        detail = "the meter said that it did it, and what it shows says that it did not"
        return await self._end(Move(CommandState.FAILED, Outcome.NO_EFFECT, detail, seen))

    def _word(self, refusal: ReadFailure) -> str:
        """Return why the meter's no ended the command; a long operation has more than one reason."""
        named = isinstance(refusal, OperationRefused) and RULES[self.command.kind].resumes
        return refusal.code if named and isinstance(refusal, OperationRefused) else Outcome.REFUSED

    async def _unreached(self, failure: ReadFailure) -> datetime | None:
        """Note why the meter could not be spoken to, and when to try again."""
        self.failure = failure
        command, hopeless = self.command, failure.kind in HOPELESS or isinstance(failure, OperationRefused)
        if command.state.final:  # only taking leave failed
            return None
        if not self._sent and (hopeless or (self._connected and failure.kind is FailureKind.REFUSED)):
            outcome = Outcome.REFUSED if isinstance(failure, OperationRefused) else failure.kind.value
            return await self._end(Move(CommandState.FAILED, outcome, f"nothing was sent: {failure.message}"))
        if (command.outcome, command.detail) != (failure.kind.value, str(failure)):  # the same again is no news
            await self._means.book.move(command, Move(command.state, failure.kind.value, str(failure)))
        pacing = self._means.pacing
        wait = timedelta(seconds=min(pacing.retry_s * 2 ** min(self._means.tries, 16), pacing.patience_s))
        return min(self._now() + wait, self._give_up_at() if self._sent else command.expires_at)

    async def _end(self, step: Move) -> datetime | None:
        """Commit an end; if the command is not any more what it was, look at it anew."""
        moved = await self._means.book.move(self.command, step)
        if moved is None:
            return self._now()
        self.command = moved
        return None
