"""Commands: what somebody wants a meter to do, and where that stands.

::

                 ┌────────────┬────────────┬──────────────┐  nothing was sent
    waiting ─────┤            │            │              │
       │      confirmed    failed       expired       cancelled
       ▼         ▲            ▲            ▲
      sent ──────┴────────────┴────────────┴───── uncertain     something was sent; only looking tells what became of it
      └──┘ sent again, when looking shows that it had no effect
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from demeter.sdk import OperationKind, Words


class CommandState(StrEnum):
    """Where a command stands; see the picture above."""

    WAITING = "waiting"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Tell whether the command has ended."""
        return self not in {CommandState.WAITING, CommandState.SENT}


class Outcome(StrEnum):
    """Why a command is where it is: stable words for programs. Failures of the line keep the words of the driver."""

    ASKED = "asked"
    SENDING = "sending"
    SEEN = "seen"
    """The meter was looked at and shows the effect."""
    ALREADY = "already so"
    """The meter showed the effect before anything was sent."""
    NO_EFFECT = "no effect"
    """The meter said that it did it; looking shows that it did not."""
    REFUSED = "refused"
    NOT_SHOWN = "effect cannot be seen"
    UNSEEN = "not seen again"
    """It was sent, and the meter could not be looked at afterwards."""
    TOO_LATE = "too late"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks for. ``idempotency_key``: empty makes one up, so that the order is always a new one.

    ``expires_in`` counts from ``not_before``, or from now without one. ``supersede``: waiting orders of the same family
    (the relay's, say) are cancelled in favour of this one.
    """

    kind: OperationKind
    arguments: Words = field(default_factory=dict)
    reason: str = ""
    idempotency_key: str = ""
    not_before: datetime | None = None
    expires_in: timedelta | None = None
    supersede: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command as the database has it. Instants are aware UTC; ``before`` and ``after`` are what the meter showed."""

    id: int
    site_id: int
    meter_id: int
    kind: OperationKind
    arguments: Mapping[str, Any]
    idempotency_key: str
    requested_by: str
    reason: str
    created_at: datetime
    not_before: datetime
    expires_at: datetime
    state: CommandState
    attempts: int
    sent_at: datetime | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    ended_at: datetime | None
    outcome: str | None
    detail: str | None
    progress: Mapping[str, Any] | None

    def standing(self, now: datetime) -> CommandState:
        """Return the state as it is at ``now``: a command that waits beyond its expiry will never be sent."""
        late = self.state is CommandState.WAITING and now >= self.expires_at
        return CommandState.EXPIRED if late else self.state


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a command's way: append-only. ``seen``: what the meter showed then."""

    at: datetime
    actor: str
    state: CommandState
    attempt: int
    outcome: str
    detail: str
    seen: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Pacing:
    """How commands are paced. Seconds.

    ``last_moment_s``: so long before its expiry a command is not sent any more, so that nobody who was told "expired"
    sees it happen. ``settle_s``: for how long an answered command is looked at until its effect shows (relays move);
    ``look_every_s`` in between. ``arrive_s``: how long an unanswered request may still arrive at a meter, before one
    whose repetition would be a second effect is sent again. ``retry_s`` doubles up to ``patience_s``. ``look_after_s``:
    for how long after its expiry a command that was sent is looked for. ``most_attempts``: sendings in all.
    """

    last_moment_s: float = 1
    settle_s: float = 10
    look_every_s: float = 0.5
    arrive_s: float = 20
    retry_s: float = 2
    patience_s: float = 60
    look_after_s: float = 3600
    most_attempts: int = 5
    turn_s: float = 120


@dataclass(frozen=True, slots=True)
class Firmware:
    """An image. ``identifier``: what it is called in the transfer; ``version``: what a meter shows that runs it."""

    sha256: str
    identifier: str
    version: str
    size: int
    added_at: datetime
    added_by: str
