"""Periodic work of the slice."""

from __future__ import annotations

from datetime import timedelta

from demeter.headend import service
from demeter.headend.recorder import ACTOR
from demeter.runtime.database import Database, Scope

LOG_KEPT = timedelta(days=35)
"""How long sessions are told one by one; counts by day and the readings themselves stay."""


def prune_log(database: Database) -> int:
    """Delete sessions and finished read requests that are older than 35 days; return how many rows went."""
    gone = 0
    for organization_id in database.organization_ids():
        with database.unit_of_work(Scope.system(organization_id, ACTOR)) as work:
            gone += service.prune(work, work.now() - LOG_KEPT)
    return gone
