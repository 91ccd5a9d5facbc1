"""Periodic work of commands."""

from __future__ import annotations

from demeter.headend.operations import service
from demeter.headend.recorder import ACTOR
from demeter.runtime.database import Database, Scope


def expire_commands(database: Database) -> int:
    """End the commands that nobody took in time, also where no acquisition process runs; return how many."""
    ended = 0
    for organization_id in database.organization_ids():
        with database.unit_of_work(Scope.system(organization_id, ACTOR)) as work:
            ended += service.expire(work, work.now())
    return ended
