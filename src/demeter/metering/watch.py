"""What only the passing of time brings about: read failures, and months that end without another reading."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from demeter import estate
from demeter.kernel import local_day, month_span
from demeter.metering.failures import check_meters
from demeter.metering.gather import SiteMap, site_map
from demeter.metering.model import Policy
from demeter.metering.service import compute, publish_due
from demeter.metering.store import hand_off, use
from demeter.runtime.database import Database, Scope, UnitOfWork

ACTOR = "job:metering.watch"
MONTHS_BACK = 3
CLOSE_LIMIT = 2_000


def watch_offline(database: Database, policy: Policy | None = None) -> int:
    """Raise and clear read failures, close months that ended, and publish; for every organization.

    Returns how many flags were raised or cleared and statements published.
    """
    policy = policy or Policy()
    done = 0
    for organization_id in database.organization_ids():
        with database.unit_of_work(Scope.system(organization_id, ACTOR)) as work:
            for site in sorted(estate.sites(work), key=lambda site: site.id):  # by number, as every job locks them
                use.lock_site(work, site.id)
                where = site_map(work, site.id)
                checked = check_meters(work, where, policy)
                close_months(work, where, policy, checked.waiting)
                done += checked.changed
            done += publish_due(work, policy)
    return done


def close_months(work: UnitOfWork, where: SiteMap, policy: Policy, waiting: Collection[int] = ()) -> int:
    """Compute ended months of installed meters that have no statement and no draft: nothing may go unsaid.

    Service points whose meter was entered lately and is still ``waiting`` for its first reading come later.
    """
    today = local_day(where.site.zone, work.now())
    count = 0
    for month in _months_before(today):
        span = month_span(where.site.zone, month.year, month.month)
        unclosed = hand_off.unclosed(work, where.site.id, month, (span.start, span.end), CLOSE_LIMIT + len(waiting))
        points = [point for point in unclosed if point not in waiting]
        compute(work, where, [(point, month) for point in points], policy)
        count += len(points)
    return count


def _months_before(today: date) -> list[date]:
    found, month = [], today.replace(day=1)
    for _ in range(MONTHS_BACK):
        month = (month - timedelta(days=1)).replace(day=1)
        found.append(month)
    return found
