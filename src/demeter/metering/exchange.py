"""Meter exchange: the estate's record of it, and every month it touches computed anew."""

from __future__ import annotations

from datetime import date

from demeter import estate
from demeter.estate import Exchange, ServicePoint
from demeter.kernel import local_day, next_month
from demeter.metering.assess import MARGIN
from demeter.metering.gather import site_map
from demeter.metering.model import Policy
from demeter.metering.service import compute
from demeter.metering.store import use
from demeter.runtime.database import UnitOfWork

PERMISSION = "estate.write"


def exchange_meter(work: UnitOfWork, point: ServicePoint, exchange: Exchange, policy: Policy | None = None) -> int:
    """Record a meter exchange and compute the service point's months from then on; return the new installation's id.

    A month that was published already gets its next revision as soon as drafts are published again. Months are
    computed here, not by way of the meters' channels: a meter that was never read has none, and its recorded reads
    count all the same.

    Raises:
        Denied: the scope lacks ``estate.write``.
        Conflict: nothing is installed there, it began after ``exchange.at``, or the new meter is installed elsewhere.
        NotFound: no such meter in the scope. Invalid: it measures another commodity, or stands on another site.
    """
    work.scope.require(PERMISSION)
    use.lock_site(work, point.site_id)
    made = estate.exchange_meter(work, point, exchange)
    where = site_map(work, point.site_id)
    today = local_day(where.site.zone, work.now())
    month = local_day(where.site.zone, exchange.at - MARGIN).replace(day=1)
    targets: list[tuple[int, date]] = []
    while month <= today:
        targets.append((point.id, month))
        month = next_month(month)
    compute(work, where, targets, policy)
    use.announce(work, point.site_id, [point.id])
    return made
