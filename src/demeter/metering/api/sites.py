"""Whole sites: the units table, reconciliation, usage statements."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from demeter.identity.api import REFUSALS, AppDatabase, IdPath, MonthQuery, authorize
from demeter.metering.api.models import ReconciliationAnswer, UnitsAnswer, UsageAnswer
from demeter.runtime.database import Scope

router = APIRouter(prefix="/api/sites/{site_id}", tags=["metering"], responses=REFUSALS)
Reader = Annotated[Scope, Depends(authorize("metering.read"))]


@router.get("/units", operation_id="units")
def units(site_id: IdPath, scope: Reader, database: AppDatabase, month: MonthQuery = None) -> UnitsAnswer:
    """Show what every unit, bulk supply and common area of a site used in a month, and what needs a person."""
    raise NotImplementedError


@router.get("/reconciliation", operation_id="reconciliation")
def reconciliation(
    site_id: IdPath, scope: Reader, database: AppDatabase, month: MonthQuery = None
) -> ReconciliationAnswer:
    """Compare each building's bulk meter with its units and metered common area."""
    raise NotImplementedError


@router.get("/usage", operation_id="usage")
def usage(site_id: IdPath, scope: Reader, database: AppDatabase, month: MonthQuery = None) -> UsageAnswer:
    """Return the newest usage statements of a month, as billing receives them."""
    raise NotImplementedError
