"""Sites over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from demeter import estate
from demeter.identity.api import REFUSALS, AppDatabase, Id, Wire, authorize
from demeter.runtime.database import Scope


class SiteAnswer(Wire):
    """A place with one time zone, currency and locale."""

    id: Id
    name: str
    zone: str
    currency: str
    locale: str

    @classmethod
    def of(cls, site: estate.Site) -> SiteAnswer:
        """Return a site as it is shown."""
        return cls(id=str(site.id), name=site.name, zone=site.zone, currency=site.currency, locale=site.locale)


class SitesAnswer(Wire):
    """The organization's sites, by name."""

    sites: list[SiteAnswer]


router = APIRouter(prefix="/api", tags=["estate"], responses=REFUSALS)


@router.get("/sites", operation_id="sites")
def sites(scope: Annotated[Scope, Depends(authorize("estate.read"))], database: AppDatabase) -> SitesAnswer:
    """List the sites of the caller's organization."""
    with database.unit_of_work(scope) as uow:
        return SitesAnswer(sites=[SiteAnswer.of(site) for site in estate.sites(uow)])
