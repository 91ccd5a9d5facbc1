"""What the sender of a delivery learns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why readings were not taken over; stable words for API and translations."""

    UNKNOWN_METER = "unknown meter"
    NOT_AUTHORIZED = "not authorized"
    UNKNOWN_CODEC = "unknown codec"
    UNDECODABLE = "undecodable"
    BAD_READING_TYPE = "bad reading type"
    UNIT_CHANGED = "unit changed"
    BAD_COLUMNS = "bad columns"
    BAD_READINGS = "bad readings"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something was not taken over: why, in one word and in one sentence."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        """Return it as people read it in logs."""
        return f"{self.reason.value}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to one delivery, given only after what it says was committed.

    ``frame_id`` is where the raw frame is in the journal (None: not kept, the whole delivery was refused). ``points``
    counts the readings taken over, ``rows`` their distinct instants. ``duplicate``: the journal had this very frame.
    """

    meter_id: int
    frame_id: int | None
    points: int
    rows: int
    duplicate: bool
    refusals: tuple[Refusal, ...]

    @property
    def accepted(self) -> bool:
        """Tell whether the frame is in the journal."""
        return self.frame_id is not None
