"""A command has its effect once, whatever is lost and whatever dies: the conduct of one command, without a database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.headend.operations.conduct import Conduct, Means
from demeter.headend.operations.model import Command, CommandState, Outcome, Pacing
from demeter.headend.operations.store import Move
from demeter.kernel import FixedClock
from demeter.sdk import FailureKind, Operation, OperationKind, OperationRefused, ReadFailure, Words, unreported

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
QUICK = Pacing(settle_s=0, look_every_s=0, retry_s=2, patience_s=30, arrive_s=20, look_after_s=600)


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Meter:
    """What the command is to change. Requests on their way arrive when the clock has moved on."""

    clock: FixedClock
    relay: str = "connected"
    resets: int = 7
    effects: int = 0
    travelling: list[tuple[datetime, OperationKind]] = field(default_factory=list)
    tells: bool = True

    def arrive(self) -> None:
        now = self.clock.now()
        for at, kind in [each for each in self.travelling if each[0] <= now]:
            self.travelling.remove((at, kind))
            self.do(kind)

    def do(self, kind: OperationKind) -> None:
        if kind is OperationKind.BILLING_RESET:
            self.resets += 1
            self.effects += 1
        elif self.relay != kind.value + "ed":
            self.relay = kind.value + "ed"
            self.effects += 1

    def words(self, kind: OperationKind) -> dict[str, Any]:
        self.arrive()
        if not self.tells:
            return {}
        return {"resets": self.resets} if kind is OperationKind.BILLING_RESET else {"relay": self.relay}


@dataclass
class MemoryBook:
    """Commits as the table does: only from the state the caller knows, and never a sending after the expiry."""

    command: Command
    clock: FixedClock
    faults: Iterator[str]
    steps: list[Move] = field(default_factory=list)

    async def move(self, command: Command, step: Move, *, sendable_until: datetime | None = None) -> Command | None:
        fault = next(self.faults, "")
        if fault == "crash before commit":
            raise Crash
        kept = self.command
        assert not (kept.state.final and command.state is kept.state), "a command that has ended moves on"
        late = sendable_until is not None and kept.expires_at <= sendable_until
        if (kept.state, kept.attempts) != (command.state, command.attempts) or late:
            return None
        self.steps.append(step)
        self.command = replace(
            kept,
            state=step.state,
            attempts=kept.attempts + step.sending,
            sent_at=self.clock.now() if step.sending else kept.sent_at,
            before=kept.before if kept.before is not None else step.seen,
            outcome=str(step.outcome),
            detail=step.detail,
            ended_at=self.clock.now() if step.state.final else None,
        )
        if fault == "crash after commit":
            raise Crash
        return self.command


@dataclass
class FaultySession:
    """An operating session on a line that loses requests and answers, by the faults it is given."""

    meter: Meter
    faults: Iterator[str]

    def operations(self) -> frozenset[OperationKind]:
        return frozenset(OperationKind)

    async def observe(self, operation: Operation) -> Words:
        self._look_out(next(self.faults, ""))
        return self.meter.words(operation.kind)

    async def perform(self, operation: Operation, _seen: Words, _report: object = unreported) -> None:
        fault = next(self.faults, "")
        if fault in {"request lost", "crash"}:
            self._look_out(fault)
        if fault == "refused":
            raise OperationRefused("control_mode", "the relay is in control mode 0")
        if fault == "no effect":
            return
        if fault == "late":
            self.meter.travelling.append((self.meter.clock.now() + timedelta(seconds=15), operation.kind))
            raise ReadFailure(FailureKind.NO_ANSWER, "nothing came back in time")
        self.meter.do(operation.kind)
        self._look_out({"answer lost": "request lost", "crash after effect": "crash"}.get(fault, ""))

    def _look_out(self, fault: str) -> None:
        if fault.startswith("crash"):
            raise Crash
        if fault in {"request lost", "answer lost", "late"}:
            raise ReadFailure(FailureKind.NO_ANSWER, "nothing came back in time")

    async def nameplate(self) -> object:
        raise NotImplementedError

    async def close(self) -> None:
        pass


def order(kind: OperationKind, life: timedelta = timedelta(minutes=15), **more: Any) -> Command:
    values: Mapping[str, Any] = {
        "id": 1,
        "site_id": 1,
        "meter_id": 1,
        "kind": kind,
        "arguments": {},
        "idempotency_key": "k",
        "requested_by": "user:1",
        "reason": "",
        "created_at": START,
        "not_before": START,
        "expires_at": START + life,
        "state": CommandState.WAITING,
        "attempts": 0,
        **dict.fromkeys(("sent_at", "before", "after", "ended_at", "outcome", "detail", "progress")),
        **more,
    }
    return Command(**values)


@dataclass
class Story:
    """One command of one meter and the head-end that may die at any moment."""

    command: Command
    line_faults: list[str] = field(default_factory=list)
    book_faults: list[str] = field(default_factory=list)
    unreachable: int = 0

    def __post_init__(self) -> None:
        self.clock = FixedClock(START)
        self.meter = Meter(self.clock)
        self.book = MemoryBook(self.command, self.clock, iter(self.book_faults))
        self.session = FaultySession(self.meter, iter(self.line_faults))
        self.crashes = 0
        self.tries = 0

    async def call(self, _command: Command) -> FaultySession:
        if self.unreachable:
            self.unreachable -= 1
            raise ReadFailure(FailureKind.NO_ANSWER, "nobody accepted the connection")
        return self.session

    def once(self) -> datetime | None:
        means = Means(self.book, self.call, self.clock, QUICK, {}, unreported, self.tries)  # type: ignore[arg-type]
        conduct = Conduct(self.book.command, means)
        again_at = asyncio.run(conduct.run())
        self.tries = 0 if conduct.failure is None else self.tries + 1
        return again_at

    def to_the_end(self) -> Command:
        for _ in range(500):
            if self.book.command.state.final:
                return self.book.command
            try:
                again_at = self.once()
            except Crash:
                self.crashes += 1
                again_at = self.clock.now() + timedelta(seconds=3)
            if again_at is not None:
                self.clock.advance(max(again_at - self.clock.now(), timedelta()))
        raise AssertionError(f"never ends: {self.book.command}")


LINE = st.sampled_from(
    ["", "request lost", "answer lost", "crash", "crash after effect", "late", "no effect", "refused"]
)
BOOK = st.sampled_from(["", "", "crash before commit", "crash after commit"])
KINDS = st.sampled_from([OperationKind.BILLING_RESET, OperationKind.DISCONNECT])


@given(KINDS, st.lists(LINE, max_size=12), st.lists(BOOK, max_size=8), st.integers(0, 3), st.integers(5, 120))
def test_whatever_is_lost_or_dies_the_effect_comes_once_and_is_told_truly(kind, line, book, unreachable, life_s):
    story = Story(order(kind, timedelta(seconds=life_s)), line, book, unreachable)
    ended = story.to_the_end()
    story.clock.advance(timedelta(hours=2))
    story.meter.arrive()
    assert story.meter.effects <= 1
    sent = ended.attempts > 0
    if ended.state is CommandState.CONFIRMED:
        assert story.meter.effects == 1
        assert sent
    elif "late" not in line or not {"refused", "no effect"} & set(line):  # a no to the second says nothing of the first
        assert story.meter.effects == 0 or ended.state is CommandState.UNCERTAIN
    if ended.state in {CommandState.CANCELLED, CommandState.EXPIRED} and not sent:
        assert story.meter.effects == 0


@given(KINDS, st.lists(LINE, max_size=6), st.lists(BOOK, max_size=6))
def test_nothing_is_performed_that_was_not_committed_as_sent_before(kind, line, book):
    story = Story(order(kind), line, book)
    performed = []
    perform = story.session.perform

    async def watched(operation: Operation, seen: Words, report: object = unreported) -> None:
        performed.append((story.book.command.state, story.book.command.attempts))
        assert story.book.command.before is not None
        await perform(operation, seen, report)

    story.session.perform = watched  # type: ignore[method-assign]
    story.to_the_end()
    assert all(state is CommandState.SENT for state, _ in performed)
    attempts = [attempt for _, attempt in performed]
    assert attempts == sorted(set(attempts)), "one attempt was performed twice"


def test_a_lost_answer_is_looked_for_and_not_sent_again():
    story = Story(order(OperationKind.BILLING_RESET), ["", "answer lost"])
    ended = story.to_the_end()
    assert (ended.state, ended.outcome, ended.attempts) == (CommandState.CONFIRMED, Outcome.SEEN, 1)
    assert story.meter.resets == 8


def test_a_lost_request_is_sent_again_once_it_cannot_arrive_any_more():
    story = Story(order(OperationKind.BILLING_RESET), ["", "request lost"])
    ended = story.to_the_end()
    assert (ended.state, ended.attempts, story.meter.resets) == (CommandState.CONFIRMED, 2, 8)
    assert ended.sent_at >= START + timedelta(seconds=QUICK.arrive_s)


def test_a_request_that_arrives_late_is_not_doubled():
    story = Story(order(OperationKind.BILLING_RESET), ["", "late"])
    ended = story.to_the_end()
    assert (ended.state, ended.attempts, story.meter.resets) == (CommandState.CONFIRMED, 1, 8)


def test_what_is_so_already_is_confirmed_without_sending():
    story = Story(order(OperationKind.CONNECT))
    ended = story.to_the_end()
    assert (ended.state, ended.outcome, ended.attempts) == (CommandState.CONFIRMED, Outcome.ALREADY, 0)


def test_a_meter_that_says_done_and_did_not_has_failed():
    story = Story(order(OperationKind.DISCONNECT), ["", "no effect"])
    ended = story.to_the_end()
    assert (ended.state, ended.outcome) == (CommandState.FAILED, Outcome.NO_EFFECT)


def test_a_refusal_is_told_in_the_meters_words():
    story = Story(order(OperationKind.DISCONNECT), ["", "refused"])
    ended = story.to_the_end()
    assert (ended.state, ended.outcome) == (CommandState.FAILED, Outcome.REFUSED)
    assert "control mode 0" in ended.detail


def test_an_expired_command_is_never_sent():
    story = Story(order(OperationKind.DISCONNECT, timedelta(seconds=30)), unreachable=50)
    ended = story.to_the_end()
    assert (ended.state, ended.attempts) == (CommandState.EXPIRED, 0)
    assert "nobody accepted the connection" in ended.detail
    assert story.meter.relay == "connected"


def test_a_command_that_expires_between_looking_and_sending_is_not_sent():
    story = Story(order(OperationKind.DISCONNECT, timedelta(seconds=30)))
    observe = story.session.observe

    async def slowly(operation: Operation) -> Words:
        story.clock.advance(timedelta(seconds=29.5))
        return await observe(operation)

    story.session.observe = slowly  # type: ignore[method-assign]
    assert story.to_the_end().state is CommandState.EXPIRED
    assert story.meter.effects == 0


def test_a_command_that_was_cancelled_meanwhile_is_not_sent():
    story = Story(order(OperationKind.DISCONNECT))
    observe = story.session.observe

    async def meanwhile(operation: Operation) -> Words:
        seen = await observe(operation)
        story.book.command = replace(story.book.command, state=CommandState.CANCELLED)
        return seen

    story.session.observe = meanwhile  # type: ignore[method-assign]
    story.once()
    assert (story.book.command.state, story.meter.effects) == (CommandState.CANCELLED, 0)


def test_a_meter_that_is_never_seen_again_leaves_it_uncertain():
    story = Story(order(OperationKind.DISCONNECT), ["", "answer lost"])
    story.once()
    story.unreachable = 10_000
    ended = story.to_the_end()
    assert (ended.state, ended.outcome) == (CommandState.UNCERTAIN, Outcome.UNSEEN)
    assert "look" in ended.detail


def test_a_meter_that_does_not_show_the_effect_is_not_told_anything():
    story = Story(order(OperationKind.BILLING_RESET))
    story.meter.tells = False
    ended = story.to_the_end()
    assert (ended.state, ended.outcome, ended.attempts) == (CommandState.FAILED, Outcome.NOT_SHOWN, 0)


@pytest.mark.parametrize("kind", [FailureKind.WRONG_KEY, FailureKind.WRONG_METER, FailureKind.NOT_CONFIGURED])
def test_what_waiting_does_not_heal_fails_at_once(kind):
    story = Story(order(OperationKind.DISCONNECT))

    async def call(_command: Command) -> FaultySession:
        raise ReadFailure(kind, "no")

    story.call = call  # type: ignore[method-assign]
    assert story.once() is None
    assert (story.book.command.state, story.book.command.outcome) == (CommandState.FAILED, kind.value)


def test_unanswered_sendings_come_to_an_end():
    story = Story(order(OperationKind.DISCONNECT, timedelta(hours=5)), ["", "request lost"] * 20)
    ended = story.to_the_end()
    assert (ended.state, ended.attempts) == (CommandState.FAILED, QUICK.most_attempts)
