"""One service point: its month, its series, the proof of its number, and self-reads."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from demeter import estate
from demeter.identity.api import REFUSALS, AppDatabase, IdPath, Instant, MonthQuery, authorize
from demeter.kernel import Span, local_day
from demeter.metering import self_read as self_reads
from demeter.metering import views
from demeter.metering.api import answers
from demeter.metering.api.access import frame_access
from demeter.metering.api.models import (
    DaysAnswer,
    Explanation,
    IntervalsAnswer,
    MonthsAnswer,
    SelfRead,
    SelfReadAnswer,
    ServicePointPage,
)
from demeter.metering.explain import explain as prove
from demeter.runtime.database import Scope

router = APIRouter(prefix="/api/service-points/{service_point_id}", tags=["metering"], responses=REFUSALS)
Reader = Annotated[Scope, Depends(authorize("metering.read"))]
Moment = Annotated[Instant, Query(description="ISO 8601 with its offset.")]


@router.get("", operation_id="service_point")
def service_point(
    service_point_id: IdPath, scope: Reader, database: AppDatabase, month: MonthQuery = None
) -> ServicePointPage:
    """Show one service point's month: total, quality, registers, flags with their evidence, meters."""
    with database.unit_of_work(scope) as work:
        page = views.point_page(work, service_point_id, answers.first_day(month))
    return answers.point_answer(page)


@router.get("/intervals", operation_id="intervals")
def intervals(
    service_point_id: IdPath, scope: Reader, database: AppDatabase, start: Moment, end: Moment
) -> IntervalsAnswer:
    """Return interval consumption over ``[start, end)``, at most 400 days; null where nothing is known."""
    with database.unit_of_work(scope) as work:
        found = views.intervals(work, service_point_id, Span(start, end))
    return answers.intervals(found)


@router.get("/days", operation_id="days")
def days(service_point_id: IdPath, scope: Reader, database: AppDatabase, month: MonthQuery = None) -> DaysAnswer:
    """Return each site-local day of a month."""
    with database.unit_of_work(scope) as work:
        unit = answers.display_unit(estate.service_point(work, service_point_id).commodity)
        found = views.days(work, service_point_id, answers.first_day(month))
    return DaysAnswer(unit=unit, days=[answers.day(view) for view in found])


@router.get("/months", operation_id="months")
def months(service_point_id: IdPath, scope: Reader, database: AppDatabase) -> MonthsAnswer:
    """Return every month with readings."""
    with database.unit_of_work(scope) as work:
        unit = answers.display_unit(estate.service_point(work, service_point_id).commodity)
        found = views.months(work, service_point_id)
    return MonthsAnswer(unit=unit, months=[answers.month(view) for view in found])


@router.get("/explain", operation_id="explain")
def explain(
    service_point_id: IdPath,
    request: Request,
    scope: Annotated[Scope, Depends(authorize("metering.explain"))],
    database: AppDatabase,
    month: MonthQuery = None,
) -> Explanation:
    """Derive a month's number again from the raw frames, and say whether everything matches."""
    with database.unit_of_work(scope, snapshot=True) as work:
        zone = estate.site(work, estate.service_point(work, service_point_id).site_id).zone
        wanted = answers.first_day(month) or local_day(zone, work.now()).replace(day=1)
        access = frame_access(request)(work)
        proof = prove(work, service_point_id, wanted, access.decoders, access.credentials)
    return answers.explanation(proof)


@router.post("/self-reads", operation_id="self_read")
def self_read(
    service_point_id: IdPath,
    body: SelfRead,
    scope: Annotated[Scope, Depends(authorize(self_reads.PERMISSION))],
    database: AppDatabase,
) -> SelfReadAnswer:
    """Judge a register a person read, and keep it if it is plausible. Answers after the outcome is committed."""
    given = self_reads.SelfRead(body.at, Decimal(body.register_value), body.note)
    deliver = self_reads.deliver_now(database, scope.organization_id)
    result = self_reads.submit_self_read(database, scope, service_point_id, given, deliver)
    return SelfReadAnswer(outcome=result.outcome.value, reason=result.reason)
