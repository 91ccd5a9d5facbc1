"""What the proof of a month's number consists of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from demeter.estate import ServicePoint
from demeter.metering.vee import Finding
from demeter.metering.views.model import IntervalsView


class ProofState(StrEnum):
    """How a proof ended. WAITING: what came a moment ago is not worked in yet, and nothing else differs."""

    MATCHES = "matches"
    WAITING = "waiting"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class ExplainedFrame:
    """A raw frame readings of the month came from, by the hash that chains it to the one before."""

    id: int
    meter_id: int
    received_at: datetime
    codec: str
    sha256: str
    rows: int
    covers_start: datetime | None
    covers_end: datetime | None


@dataclass(frozen=True, slots=True)
class ExplainedEdit:
    """A value that was replaced, as exact decimals in ``unit``, the channel's own."""

    channel_id: int
    at: datetime
    unit: str
    old: Decimal | None
    new: Decimal | None
    old_quality: str
    new_quality: str
    who: str
    why: str
    logged_at: datetime


@dataclass(frozen=True, slots=True)
class ExplainedDay:
    """A day as kept and as derived again, in kWh or kL; ``frames`` are those that speak of it."""

    day: date
    consumption: Decimal | None
    rederived: Decimal | None
    coverage_ppm: int
    slots: int
    matches: bool
    frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where what is kept and what the frames give do not agree."""

    at: str
    kept: str | None
    rederived: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Chain:
    """A meter's hash chain: how many frames, and the first that does not fit."""

    meter: str
    frames: int
    whole: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The proof. ``statement`` says in a sentence that everything agrees, or what does not.

    ``differences`` of a waiting proof are those that what waits accounts for.
    """

    point: ServicePoint
    month: date
    state: ProofState
    statement: str
    consumption: Decimal | None
    rederived: Decimal | None
    revision: int | None
    days: tuple[ExplainedDay, ...]
    intervals: IntervalsView
    frames: tuple[ExplainedFrame, ...]
    edits: tuple[ExplainedEdit, ...]
    chains: tuple[Chain, ...]
    findings: tuple[Finding, ...]
    differences: tuple[Difference, ...]

    @property
    def matches(self) -> bool:
        """Tell whether everything agrees."""
        return self.state is ProofState.MATCHES
