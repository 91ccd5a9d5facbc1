"""Meters as the head-end sees them, and reading one now."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from demeter.identity.api import REFUSALS, AppDatabase, Id, IdPath, Instant, Wire, authorize
from demeter.runtime.database import Scope


class FailureAnswer(Wire):
    """Why the last failed read failed, in words a person understands."""

    kind: str
    message: str
    at: Instant


class MeterRow(Wire):
    """One meter: how fresh it is and what stands in the way."""

    id: Id
    serial: str
    commodity: Literal["electricity", "water"]
    place: str
    role: Literal["unit", "bulk", "common"]
    last_read_at: Instant | None = Field(description="When Demeter last heard from it.")
    last_measured_at: Instant | None = Field(description="Stamp of its newest reading.")
    reads_due: int = Field(description="Scheduled reads of the last 24 hours.")
    reads_received: int = Field(description="How many of those brought readings.")
    last_failure: FailureAnswer | None
    state: Literal["live", "late", "stale", "never"]


class MetersAnswer(Wire):
    """The meters of a site."""

    meters: list[MeterRow]


class ReadNowAnswer(Wire):
    """What an on-demand read brought, after it was committed."""

    outcome: str
    message: str
    readings: int


router = APIRouter(prefix="/api", tags=["headend"], responses=REFUSALS)


@router.get("/sites/{site_id}/meters", operation_id="meters")
def meters(
    site_id: IdPath, scope: Annotated[Scope, Depends(authorize("headend.read"))], database: AppDatabase
) -> MetersAnswer:
    """List a site's meters with their last read, reads due and received, and last failure."""
    raise NotImplementedError


@router.post("/meters/{meter_id}/read", operation_id="read_now")
def read_now(
    meter_id: IdPath, scope: Annotated[Scope, Depends(authorize("headend.read_now"))], database: AppDatabase
) -> ReadNowAnswer:
    """Read a meter now, beside its schedule; answers when the readings are committed or the read has failed."""
    raise NotImplementedError
