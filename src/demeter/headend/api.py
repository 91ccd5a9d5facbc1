"""Meters as the head-end sees them, and reading one now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from demeter import estate
from demeter.headend import model, service, service_level
from demeter.headend.model import Purpose, ReadRequest, RequestState
from demeter.identity.api import REFUSALS, AppDatabase, Id, IdPath, Instant, Wire, authorize
from demeter.kernel import DAY, day_start
from demeter.runtime.database import Database, Scope

LONGEST_WAIT_S = 60.0
FIRST_LOOK_S, LOOK_EVERY_S = 0.04, 0.25


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
    place: str = Field(description="Label of the service point it is installed at; empty when it is not.")
    role: Literal["unit", "bulk", "common"] | None
    last_read_at: Instant | None = Field(description="When a session with it last succeeded.")
    last_measured_at: Instant | None = Field(description="Stamp of its newest interval reading.")
    reads_due: int = Field(description="Interval readings since ``counted_from`` that should be here by now.")
    reads_received: int = Field(description="How many of these interval readings are here.")
    last_failure: FailureAnswer | None
    state: Literal["live", "late", "stale", "never"] = Field(
        description="late: readings are missing; stale: none for ``stale_after_h`` hours; never: none ever."
    )


class MetersAnswer(Wire):
    """The meters of a site that a driver reads."""

    counted_from: Instant = Field(description="The site's midnight of yesterday: reads are counted since then.")
    stale_after_h: int = Field(description="Hours without a reading that make a meter stale: a read failure.")
    meters: list[MeterRow]


class ReadNowAnswer(Wire):
    """What an on-demand read brought. What it counts is committed."""

    outcome: str = Field(description="ok, waiting (it has not ended within a minute), expired, or why it failed.")
    message: str
    readings: int = Field(description="Readings that were committed.")


class KeptAnswer(Wire):
    """Reads that came within a time, of those that have had that time."""

    due: int
    received: int


class LevelAnswer(Wire):
    """Interval reads due and received in time."""

    within_15min: KeptAnswer
    within_4h: KeptAnswer
    within_24h: KeptAnswer


class MeterLevelAnswer(LevelAnswer):
    """Of one meter."""

    id: Id
    serial: str


class FailureCountAnswer(Wire):
    """Why reads failed, of how many meters and in how many sessions."""

    reason: str
    meters: int
    sessions: int
    last_at: Instant
    last_message: str


class PerformanceAnswer(Wire):
    """How well a site was read in some of its days."""

    since: date
    until: date = Field(description="The last day, included.")
    zone: str = Field(description="IANA zone of the days.")
    site: LevelAnswer
    meters: list[MeterLevelAnswer]
    failures: list[FailureCountAnswer] = Field(description="Ranked: the reason with the most meters first.")


router = APIRouter(prefix="/api", tags=["headend"], responses=REFUSALS)


@router.get("/sites/{site_id}/meters", operation_id="meters")
def meters(
    site_id: IdPath, request: Request, scope: Annotated[Scope, Depends(authorize(service.READ))], database: AppDatabase
) -> MetersAnswer:
    """List a site's meters with their last read, reads due and received, and last failure."""
    stale_after: timedelta = request.app.state.read_failure_after
    with database.unit_of_work(scope) as work:
        now = work.now()
        zone = estate.site(work, site_id).zone
        rows = service.meter_rows(work, site_id)
        known = {meter.id: meter for meter in estate.meters(work, site_id)}
        points = {point.id: point for point in estate.service_points(work, site_id)}
        places = {
            installed.meter_id: points[installed.service_point_id]
            for installed in estate.installations(work, site_id)
            if installed.ends_at is None
        }
    return MetersAnswer(
        counted_from=day_start(zone, service.counted_days(zone, now)[0]),
        stale_after_h=int(stale_after.total_seconds()) // 3600,
        meters=[_row(row, known[row.meter_id], places, (now, stale_after)) for row in rows],
    )


@router.get("/sites/{site_id}/reading-performance", operation_id="reading_performance")
def performance(
    site_id: IdPath,
    scope: Annotated[Scope, Depends(authorize(service.READ))],
    database: AppDatabase,
    since: Annotated[date | None, Query(description="First day; left out: six days before the last.")] = None,
    until: Annotated[date | None, Query(description="Last day; left out: today, as the site has it.")] = None,
) -> PerformanceAnswer:
    """Tell how many interval reads were due and came within 15 minutes, 4 hours and 24 hours, and why reads failed."""
    with database.unit_of_work(scope) as work:
        last = until or service_level.last_week(work, site_id)[1]
        found = service_level.reading_performance(work, site_id, since or last - 6 * DAY, last)
        zone = estate.site(work, site_id).zone
        serials = {meter.id: meter.serial for meter in estate.meters(work, site_id)}
    levels = [
        MeterLevelAnswer(id=str(level.meter_id), serial=serials[level.meter_id], **_level(level))
        for level in found.meters
        if level.meter_id is not None
    ]
    return PerformanceAnswer(
        since=found.since,
        until=found.until,
        zone=zone,
        site=LevelAnswer(**_level(found.site)),
        meters=levels,
        failures=[
            FailureCountAnswer(
                reason=f.reason, meters=f.meters, sessions=f.sessions, last_at=f.last_at, last_message=f.last_detail
            )
            for f in found.failures
        ],
    )


def _level(level: model.ServiceLevel) -> dict[str, KeptAnswer]:
    windows = ("within_15min", "within_4h", "within_24h")
    kept: list[model.Kept] = [getattr(level, window) for window in windows]
    return {
        window: KeptAnswer(due=each.due, received=each.received) for window, each in zip(windows, kept, strict=True)
    }


def _row(
    row: model.MeterRow,
    meter: estate.Meter,
    places: Mapping[int, estate.ServicePoint],
    when: tuple[datetime, timedelta],
) -> MeterRow:
    place = places.get(meter.id)
    return MeterRow(
        id=str(meter.id),
        serial=meter.serial,
        commodity=meter.commodity.value,
        place=place.label if place else "",
        role=place.role.value if place else None,
        last_read_at=row.last_success_at,
        last_measured_at=row.read_until,
        reads_due=row.due,
        reads_received=row.received,
        last_failure=_failure(row),
        state=_state(row, *when),
    )


def _failure(row: model.MeterRow) -> FailureAnswer | None:
    if row.last_failure_at is None:
        return None
    kind = row.last_failure_kind or "failed"
    return FailureAnswer(kind=kind, message=row.last_failure or kind, at=row.last_failure_at)


def _state(row: model.MeterRow, now: datetime, stale_after: timedelta) -> Literal["live", "late", "stale", "never"]:
    if row.read_until is None:
        return "never"
    if now - row.read_until > stale_after:
        return "stale"
    return "live" if row.state == "ok" else "late"


@router.post("/meters/{meter_id}/read", operation_id="read_now")
async def read_now(
    meter_id: IdPath, scope: Annotated[Scope, Depends(authorize(service.COMMAND))], database: AppDatabase
) -> ReadNowAnswer:
    """Read a meter now, beside its schedule; answers when the readings are committed or the read has failed."""
    # It may wait a minute for a meter: not in a thread that others wait for.
    asked = await asyncio.to_thread(_ask, database, scope, meter_id)
    deadline = asyncio.get_running_loop().time() + LONGEST_WAIT_S
    pause_s = FIRST_LOOK_S
    while asked.done_at is None and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.3, LOOK_EVERY_S)
        asked = await asyncio.to_thread(_look, database, scope, asked.id)
    return await asyncio.to_thread(_outcome, database, scope, asked)


def _ask(database: Database, scope: Scope, meter_id: int) -> ReadRequest:
    with database.unit_of_work(scope) as work:
        return service.request_read(work, meter_id)


def _look(database: Database, scope: Scope, request_id: int) -> ReadRequest:
    with database.unit_of_work(scope) as work:
        return service.read_request(work, request_id)


def _outcome(database: Database, scope: Scope, asked: ReadRequest) -> ReadNowAnswer:
    if asked.state in {RequestState.WAITING, RequestState.TAKEN}:
        message = "The read has not ended yet; its readings will appear by themselves."
        return ReadNowAnswer(outcome="waiting", message=message, readings=0)
    with database.unit_of_work(scope) as work:
        since = [
            session
            for session in service.sessions(work, asked.meter_id, 5)
            if session.purpose == Purpose.ON_DEMAND and session.ended_at >= asked.created_at
        ]
    rows = sum(session.rows for session in since)
    outcome = asked.outcome or "failed"
    read = "1 reading was read." if rows == 1 else f"{rows} readings were read."
    return ReadNowAnswer(
        outcome=outcome, message=read if outcome == model.OK else asked.detail or outcome, readings=rows
    )
