"""The job queue (procrastinate): deferred and periodic work, kept in PostgreSQL, run by ``demeter worker``.

A queue's row says that a job was begun, not that somebody is still at it: whoever began it may have been killed. So no
job waits for another's row. One at a time is kept by a session's advisory lock (:func:`alone`), which PostgreSQL gives
back when the process or its connection dies; rows whose job nobody is at are put back (:func:`put_back`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import procrastinate
import psycopg

from demeter.runtime.database import Database, Role

JOB_LOCK = 0x0DE0_0007
ABANDONED_AFTER = timedelta(minutes=1)
LATE_AFTER = timedelta(minutes=5)

# Where the machine of a worker loses its power, PostgreSQL would else keep the session, and its lock, for hours.
KEEPALIVE = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"

LAST_TOLD = "(SELECT max(at) FROM procrastinate_events e WHERE e.job_id = j.id)"
BEGUN = f"""SELECT task_name, array_agg(id ORDER BY id) FROM procrastinate_jobs j
WHERE status = 'doing' AND coalesce({LAST_TOLD}, '-infinity') < clock_timestamp() - %s GROUP BY task_name"""
SURPLUS = """DELETE FROM procrastinate_jobs j WHERE id = ANY(%(ids)s) AND status = 'doing' AND (id <> %(last)s
OR EXISTS (SELECT FROM procrastinate_jobs o WHERE o.status = 'todo' AND o.queueing_lock = j.queueing_lock))"""
AGAIN = """SELECT procrastinate_retry_job_v2(id, clock_timestamp(), NULL, NULL, NULL) FROM procrastinate_jobs
WHERE id = %(last)s AND status = 'doing'"""


def job_app(database: Database) -> procrastinate.App:
    """Return the queue on ``database``; tasks are registered on it by wiring, then ``run_worker_async`` runs them."""
    return procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=database.url, kwargs={"application_name": "demeter jobs"})
    )


@contextmanager
def alone(database: Database, name: str) -> Iterator[bool]:
    """Tell whether this is the only run of the job ``name`` on the database, and keep it so until the end."""
    with database.connect(Role.OWNER, autocommit=True) as connection:
        connection.execute(KEEPALIVE)
        yield _lock(connection, name)


def _lock(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (JOB_LOCK, name)).fetchone()
    return bool(row and row[0])


def put_back(database: Database, after: timedelta = ABANDONED_AFTER) -> int:
    """Put jobs back into the queue that were begun ``after`` ago or longer and that nobody is at; return how many.

    Where the same job waits already, the row is dropped.
    """
    count = 0
    with database.connect(Role.OWNER, autocommit=True) as connection:
        connection.execute(KEEPALIVE)
        for name, ids in connection.execute(BEGUN, (after,)).fetchall():
            if _lock(connection, name):
                which = {"ids": ids, "last": ids[-1]}
                with connection.transaction():
                    connection.execute(SURPLUS, which)
                    connection.execute(AGAIN, which)
                connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (JOB_LOCK, name))
                count += len(ids)
    return count


def late(database: Database, after: timedelta = LATE_AFTER) -> list[str]:
    """Return the names of jobs that wait, or have been at it, for longer than ``after``."""
    with database.connect(Role.OWNER) as connection:
        rows = connection.execute(
            "SELECT DISTINCT task_name FROM procrastinate_jobs j WHERE status IN ('todo', 'doing')"
            f" AND {LAST_TOLD} < clock_timestamp() - %s ORDER BY task_name",
            (after,),
        )
        return [row[0] for row in rows]
