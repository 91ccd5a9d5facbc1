"""What the head-end knows of meters, their sessions and the reads people ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple, dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from demeter.sdk import Credentials, Delivery, Endpoint, FailureKind, Profile

OK = "ok"
NOT_STORED = "not stored"
INTERNAL = "internal error"
"""Outcomes of a session besides the failures of :class:`demeter.sdk.FailureKind`; neither is the meter's fault."""


class Receipt(Protocol):
    """What the store answers once it has committed what it says.

    ``accepted``: the frame is in the journal. ``refusals``: what was not taken over, kept there with the reasons.
    """

    @property
    def accepted(self) -> bool:
        """Tell whether the frame is kept; if not, the meter must be read again."""
        ...

    @property
    def frame_id(self) -> int | None:
        """Where the frame is in the journal; None where the store has no such number."""
        ...

    @property
    def refusals(self) -> Sequence[object]:
        """What of the delivery was refused."""
        ...


Sink = Callable[[Delivery], Awaitable[Receipt]]
"""Takes one delivery and returns only after it is committed; raises when it could not be."""


class Purpose(StrEnum):
    """Why a session takes place; also the lane it queues in, so that no kind of work waits for another."""

    SCHEDULED = "scheduled"
    BACKFILL = "back-fill"
    RECOVERY = "recovery"
    ON_DEMAND = "on demand"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Limits:
    """How the head-end paces itself. Seconds unless the name says otherwise.

    ``schedule_s``: grid of regular reads, aligned to UTC (so to every zone whose offset is whole quarters);
    ``settle_s`` after the grid, spread over ``jitter_s`` by meter. ``lanes``: meters spoken to at once, by purpose;
    a meter that has not answered within ``prompt_s`` gives its place to others and goes on without, so ``calling``
    sessions may be under way for each place.
    ``slice_rows``: rows asked for at a time; ``slices_per_turn``: after so many, a meter with more history goes to the
    end of the queue. ``outstanding``: deliveries of one meter that may wait for their commit. ``patience_s`` is the
    longest back-off, ``sulk_s`` the shortest for failures that waiting does not heal (wrong key).
    ``events_every_s``: how often the event logs of a meter are looked at.
    ``drift_warn_s`` is from when on a clock is said to be wrong; with ``set_clock`` it is then set. ``learn_pushes``:
    where pushes are listened for, what a meter's pushes carry is read whenever it is identified.
    """

    schedule_s: int = 900
    settle_s: int = 20
    jitter_s: int = 60
    lanes: dict[Purpose, int] = field(
        default_factory=lambda: {
            Purpose.SCHEDULED: 32,
            Purpose.BACKFILL: 24,
            Purpose.RECOVERY: 16,
            Purpose.ON_DEMAND: 8,
            Purpose.COMMAND: 48,
        }
    )
    prompt_s: float = 1
    calling: int = 8
    turn_s: float = 300
    slice_rows: int = 1344
    slices_per_turn: int = 12
    outstanding: int = 4
    back_off_s: int = 30
    patience_s: int = 900
    sulk_s: int = 600
    identify_every_s: int = 21_600
    events_every_s: int = 3600
    drift_warn_s: int = 60
    set_clock: bool = False
    learn_pushes: bool = False
    refresh_s: float = 30
    flush_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Target:
    """A meter to be read: where, with which secrets, and whose it is. ``trouble``: why it cannot be called at all.

    ``fallbacks``: what it may answer under besides, because its keys were once to be changed.
    """

    meter_id: int
    site_id: int
    organization_id: int
    serial: str
    protocol: str
    zone: str
    commissioned_at: datetime
    endpoint: Endpoint
    credentials: Credentials
    trouble: str = ""
    fallbacks: tuple[Credentials, ...] = ()


@dataclass(frozen=True, slots=True)
class MeterState:
    """What is remembered of a meter's sessions. ``failures``: how many in a row have failed.

    ``system_title``: hexadecimal, as the meter told it in its own association; ``push_objects``: JSON of what its
    pushes carry, as read from it.
    """

    site_id: int
    meter_id: int
    next_due_at: datetime | None = None
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_failure_kind: str | None = None
    last_failure_detail: str | None = None
    failures: int = 0
    identified_at: datetime | None = None
    clock_drift_s: int | None = None
    clock_set_at: datetime | None = None
    system_title: str | None = None
    push_objects: str | None = None


@dataclass(frozen=True, slots=True)
class ProfileState:
    """How far a meter's profile is collected: every row stamped up to and including ``collected_until`` is committed.

    ``period_s`` is the integration period as read from the meter, ``history_from`` the oldest stamp it held at the
    first contact, ``received`` how many rows were committed.
    """

    site_id: int
    meter_id: int
    profile: Profile
    period_s: int
    history_from: datetime | None = None
    collected_until: datetime | None = None
    received: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    """One session as the log keeps it. ``outcome``: ``ok`` or the reason, ``detail`` the sentence for a person."""

    site_id: int
    meter_id: int
    purpose: Purpose
    started_at: datetime
    ended_at: datetime
    outcome: str
    detail: str = ""
    rows: int = 0
    frames: int = 0

    @property
    def succeeded(self) -> bool:
        """Tell whether everything asked for was read and committed."""
        return self.outcome == OK


@dataclass(frozen=True, slots=True)
class MeterRow:
    """One line of the meters page.

    ``state``: ``never read``, ``ok``, ``late`` or ``failing``. ``due`` and ``received`` count interval reads since
    ``counted_from``, the site-local midnight at which yesterday began, so over one to two days. ``read_until`` is the
    stamp of the newest committed row; the last failure stays after a success, with its time.
    """

    meter_id: int
    state: str
    counted_from: datetime
    due: int
    received: int
    interval_s: int | None
    read_until: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_failure_kind: str | None
    last_failure: str | None
    failures: int
    next_due_at: datetime | None
    clock_drift_s: int | None


@dataclass(frozen=True, slots=True)
class CollectionProgress:
    """How much of what the meters hold is committed; ``expected`` grows as meters tell how far they reach back.

    ``complete``: meters whose newest committed row is at most two periods old. ``failing``: the last session failed.
    """

    meters: int
    contacted: int
    complete: int
    failing: int
    expected: int
    received: int


class RequestState(StrEnum):
    """Where a read that somebody asked for stands."""

    WAITING = "waiting"
    TAKEN = "taken"
    DONE = "done"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A read somebody asked for. ``outcome`` as in :class:`Session`, None until it is done."""

    id: int
    site_id: int
    meter_id: int
    requested_by: str
    created_at: datetime
    expires_at: datetime
    taken_at: datetime | None
    done_at: datetime | None
    outcome: str | None
    detail: str | None

    @property
    def state(self) -> RequestState:
        """Return where it stands."""
        if self.done_at is not None:
            return RequestState.EXPIRED if self.outcome == RequestState.EXPIRED else RequestState.DONE
        return RequestState.WAITING if self.taken_at is None else RequestState.TAKEN


@dataclass(frozen=True, slots=True)
class Received:
    """Interval reads that were committed, and how many of them so soon after their interval had ended."""

    received: int = 0
    within_15min: int = 0
    within_4h: int = 0
    within_24h: int = 0

    def __add__(self, other: Received) -> Received:
        return Received(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class DayCount:
    """The interval reads of a meter that ended within a site-local day."""

    site_id: int
    meter_id: int
    day: date
    counts: Received


@dataclass(frozen=True, slots=True)
class FailureCount:
    """A reason for which reads failed: of how many meters, in how many sessions, and what was said of the last."""

    reason: str
    meters: int
    sessions: int
    last_at: datetime
    last_detail: str


@dataclass(frozen=True, slots=True)
class Kept:
    """How many of the reads that were due came within a time; ``due`` counts those that have had that time."""

    due: int
    received: int


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """Reads due and received in time, of one meter (or of a site: ``meter_id`` None)."""

    meter_id: int | None
    within_15min: Kept
    within_4h: Kept
    within_24h: Kept


HOPELESS = frozenset(
    {
        FailureKind.WRONG_KEY,
        FailureKind.REFUSED,
        FailureKind.NOT_SUPPORTED,
        FailureKind.NOT_CONFIGURED,
        FailureKind.WRONG_METER,
        FailureKind.REPLAYED,
        FailureKind.IMPLAUSIBLE_COUNTER,
    }
)
"""Failures that waiting alone does not heal; asking often may even lock the meter."""

REQUEST_LIFE = timedelta(minutes=2)
"""How long a read request waits for a head-end before it expires."""
