"""Whole sites: the units table, reconciliation, usage statements."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from demeter import estate
from demeter.identity.api import REFUSALS, AppDatabase, IdPath, MonthQuery, authorize
from demeter.kernel import local_day
from demeter.metering import export, views
from demeter.metering.api import answers
from demeter.metering.api.models import MissingStatement, ReconciliationAnswer, UnitsAnswer, UsageAnswer, UsageDocument
from demeter.runtime.database import Scope

router = APIRouter(prefix="/api/sites/{site_id}", tags=["metering"], responses=REFUSALS)
Reader = Annotated[Scope, Depends(authorize("metering.read"))]


@router.get("/units", operation_id="units")
def units(site_id: IdPath, scope: Reader, database: AppDatabase, month: MonthQuery = None) -> UnitsAnswer:
    """Show what every unit, bulk supply and common area of a site used in a month, and what needs a person."""
    with database.unit_of_work(scope) as work:
        page = views.units_page(work, site_id, answers.first_day(month))
    return answers.units_answer(page)


@router.get("/reconciliation", operation_id="reconciliation")
def reconciliation(
    site_id: IdPath, scope: Reader, database: AppDatabase, month: MonthQuery = None
) -> ReconciliationAnswer:
    """Compare each building's bulk meter with its units and metered common area."""
    with database.unit_of_work(scope) as work:
        site = estate.site(work, site_id)
        wanted = answers.first_day(month) or local_day(site.zone, work.now()).replace(day=1)
        found = views.reconciliation(work, site_id, wanted)
    return ReconciliationAnswer(month=answers.month_word(wanted), rows=[answers.balance(view) for view in found])


@router.get("/usage", operation_id="usage")
def usage(site_id: IdPath, scope: Reader, database: AppDatabase, month: MonthQuery = None) -> UsageAnswer:
    """Return the newest published usage statements of a month, as billing receives them, and whose are missing."""
    with database.unit_of_work(scope) as work:
        site = estate.site(work, site_id)
        wanted = answers.first_day(month) or local_day(site.zone, work.now()).replace(day=1)
        found = export.usage(work, site_id, wanted)
    statements = [UsageDocument.model_validate(document) for document in found.documents]
    missing = [MissingStatement.model_validate(one.document()) for one in found.missing]
    return UsageAnswer(month=answers.month_word(wanted), statements=statements, missing=missing)
