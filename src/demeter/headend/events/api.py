"""Meter events over HTTP: of one meter, and of a whole site."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field, WithJsonSchema

from demeter import estate
from demeter.headend.events import service
from demeter.headend.events.model import EventFilter, StoredEvent
from demeter.identity.api import REFUSALS, AppDatabase, Id, IdPath, Instant, Wire, authorize
from demeter.kernel import Span
from demeter.runtime.database import Scope, UnitOfWork
from demeter.sdk import MeterEventKind

MOST = 1000
FOREVER = datetime.fromisoformat("0001-01-01T00:00:00+00:00"), datetime.fromisoformat("9999-12-31T00:00:00+00:00")


class ValueAnswer(Wire):
    """What the meter measured at the moment: ``value × 10^scaler unit``."""

    obis: str
    value: int
    scaler: int
    unit: str


class EventAnswer(Wire):
    """Something a meter noted."""

    id: Id
    meter_id: Id
    serial: str
    at: Instant | None = Field(description="The meter's own stamp; null where it had none.")
    received_at: Instant
    code: int
    kind: Literal["occurrence", "restoration", "change"]
    group: str = Field(description="The log in one word: voltage, current, power, transaction, other, control, …")
    meaning: str
    until: Instant | None = Field(description="When what an occurrence tells of was over.")
    open: bool = Field(description="It still lasts, as far as is known.")
    sequence: int | None = Field(description="The meter's own number.")
    doubtful: bool = Field(description="The meter did not trust its clock then.")
    values: list[ValueAnswer]
    frame_id: Id | None = Field(description="The raw frame in the journal that it was read from.")


class EventsAnswer(Wire):
    """Events, newest first. For the next page give the last ``id`` as ``before``."""

    events: list[EventAnswer]


def _wanted(
    since: Instant | None = None,
    until: Annotated[Instant | None, Query(description="Not included.")] = None,
    group: Annotated[str, Query(max_length=60)] = "",
    kind: Literal["occurrence", "restoration", "change"] | None = None,
    code: Annotated[int | None, Query(ge=0, le=0xFFFF_FFFF)] = None,
    lasting: Annotated[bool, Query(alias="open", description="Only what still lasts.")] = False,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1), WithJsonSchema({"type": "string"})] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 200,
) -> EventFilter:
    span = Span(since or FOREVER[0], until or FOREVER[1]) if since or until else None
    return EventFilter(span, group, MeterEventKind(kind) if kind else None, code, lasting, before, limit)


router = APIRouter(prefix="/api", tags=["headend"], responses=REFUSALS)
Reading = Annotated[Scope, Depends(authorize(service.READ))]
Wanted = Annotated[EventFilter, Depends(_wanted)]


@router.get("/meters/{meter_id}/events", operation_id="meter_events")
def meter_events(meter_id: IdPath, wanted: Wanted, scope: Reading, database: AppDatabase) -> EventsAnswer:
    """List what a meter noted, newest first, as far as it is collected."""
    with database.unit_of_work(scope) as work:
        return _answer(work, estate.meter(work, meter_id).site_id, service.meter_events(work, meter_id, wanted=wanted))


@router.get("/sites/{site_id}/events", operation_id="site_events")
def site_events(site_id: IdPath, wanted: Wanted, scope: Reading, database: AppDatabase) -> EventsAnswer:
    """List what the meters of a site noted, newest first."""
    with database.unit_of_work(scope) as work:
        return _answer(work, site_id, service.site_events(work, site_id, wanted=wanted))


def _answer(work: UnitOfWork, site_id: int, found: list[StoredEvent]) -> EventsAnswer:
    serials = {meter.id: meter.serial for meter in estate.meters(work, site_id)}
    return EventsAnswer(events=[_event(each, serials[each.meter_id]) for each in found])


def _event(found: StoredEvent, serial: str) -> EventAnswer:
    return EventAnswer(
        id=str(found.id),
        meter_id=str(found.meter_id),
        serial=serial,
        at=found.at,
        received_at=found.received_at,
        code=found.code,
        kind=found.kind.value,
        group=found.group,
        meaning=found.meaning,
        until=found.until,
        open=found.open,
        sequence=found.sequence,
        doubtful=found.doubtful,
        values=[ValueAnswer(**asdict(each)) for each in found.values],
        frame_id=None if found.frame_id is None else str(found.frame_id),
    )
