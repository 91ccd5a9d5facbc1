"""The job queue (procrastinate): deferred and periodic work, kept in PostgreSQL, run by ``demeter worker``."""

from __future__ import annotations

import procrastinate

from demeter.runtime.database import Database


def job_app(database: Database) -> procrastinate.App:
    """Return the queue on ``database``; tasks are registered on it by wiring, then ``run_worker_async`` runs them."""
    return procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=database.url, kwargs={"application_name": "demeter jobs"})
    )
