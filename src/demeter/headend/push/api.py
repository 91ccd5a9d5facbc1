"""Pushes that were not taken, as far as they concern the caller's organization."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from demeter.headend import service
from demeter.headend.push import custody
from demeter.headend.push.model import Quarantined
from demeter.identity.api import REFUSALS, AppDatabase, Id, Instant, Wire, authorize
from demeter.runtime.database import Scope


class QuarantinedAnswer(Wire):
    """A message that was not taken. The same message from the same source for the same reason is one that counts."""

    id: Id
    meter_id: Id | None = Field(description="The meter it claims to be from; null when none is known by what it says.")
    protocol: str
    source: str = Field(description="IP address it came from.")
    title: str = Field(description="System title it names, hexadecimal; may be empty.")
    names: str = Field(description="What its body calls the meter; may be empty.")
    reason: str = Field(description="In a word: unknown sender, wrong key, replayed counter, …")
    detail: str
    size: int = Field(description="Bytes.")
    first_seen_at: Instant
    last_seen_at: Instant
    count: int


class QuarantineAnswer(Wire):
    """What quarantine holds, the newest first."""

    messages: list[QuarantinedAnswer]


router = APIRouter(prefix="/api/push", tags=["headend"], responses=REFUSALS)


@router.get("/quarantine", operation_id="push_quarantine")
def quarantine(
    scope: Annotated[Scope, Depends(authorize(service.READ))],
    database: AppDatabase,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> QuarantineAnswer:
    """List pushes that were not taken and claim to be from the organization's meters.

    Where the installation has one organization only, also those nobody is known for; with several, those are shown by
    ``demeter push quarantine list`` on the machine.
    """
    with database.unit_of_work(scope) as work:
        return QuarantineAnswer(messages=[_message(each) for each in custody.quarantined(work, limit)])


def _message(held: Quarantined) -> QuarantinedAnswer:
    return QuarantinedAnswer(
        id=str(held.id),
        meter_id=None if held.meter_id is None else str(held.meter_id),
        protocol=held.protocol,
        source=held.source,
        title=held.title,
        names=held.names,
        reason=held.reason,
        detail=held.detail,
        size=held.size,
        first_seen_at=held.first_seen_at,
        last_seen_at=held.last_seen_at,
        count=held.count,
    )
