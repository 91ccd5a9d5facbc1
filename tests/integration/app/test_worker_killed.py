"""A worker, its connections or its machine may go at any moment of a job: the next one carries on within seconds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from demeter.app.doctor import Verdict, examine
from demeter.app.supervisor import Child
from demeter.metering.store.use import SITE_LOCK
from demeter.runtime import config
from demeter.runtime.database import Database, Role
from demeter.runtime.jobs import alone, late, put_back
from demeter.runtime.secrets import MasterKey
from tests.provision import Place, place

BACK_WITHIN_S = 10


@pytest.fixture
def worker(database: Database, tmp_path: Path) -> Iterator[Child]:
    """`demeter worker` as a process of its own, on the test's database."""
    MasterKey.from_file(tmp_path / "master.key", create=True)
    environment = {"DATABASE_URL": database.url, "DEMETER_DATA_DIR": str(tmp_path)}
    child = Child("worker", ("-m", "demeter", "worker"), environment=environment, log_file=tmp_path / "worker.log")
    child.start()
    yield child
    child.process.kill()
    child.process.wait()


@pytest.fixture
def at(database: Database) -> Place:
    return place(database)


def change(database: Database, at: Place) -> None:
    """Leave something for metering to work in."""
    with database.connect(Role.OWNER) as connection:
        connection.execute(
            "INSERT INTO readings.dirty (site_id, channel_id, first_day, last_day)"
            " VALUES (%s, 1, '2026-03-01', '2026-03-01')",
            (at.site_id,),
        )


def dirty(database: Database) -> int:
    with database.connect(Role.OWNER) as connection:
        return connection.execute("SELECT count(*) FROM readings.dirty").fetchone()[0]


@contextmanager
def in_the_middle_of_refresh(database: Database, at: Place) -> Iterator[None]:
    """Hold `metering.refresh` where it has claimed what changed and waits for its site."""
    with database.connect(Role.OWNER) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s, %s)", (SITE_LOCK, at.site_id))
        change(database, at)
        wait_for(lambda: waiting_for_the_site(database), 20, "the job to stand in the middle")
        yield


def waiting_for_the_site(database: Database) -> bool:
    with database.connect(Role.OWNER) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = %s", (SITE_LOCK,)
        ).fetchone()
    return bool(row[0])


def wait_for(holds: Callable[[], object], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"waited {seconds} s in vain for {what}"
        time.sleep(0.1)


def supervised(worker: Child, holds: Callable[[], object]) -> Callable[[], object]:
    """Keep the worker alive, as the supervisor does, while waiting for something."""

    def look() -> object:
        worker.keep_alive()
        return holds()

    return look


def test_a_worker_killed_in_the_middle_of_a_job_leaves_it_to_the_next(
    database: Database, at: Place, worker: Child
) -> None:
    with in_the_middle_of_refresh(database, at):
        os.kill(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
    assert dirty(database)
    wait_for(supervised(worker, lambda: not dirty(database)), BACK_WITHIN_S, "another worker to do the job")
    change(database, at)
    wait_for(supervised(worker, lambda: not dirty(database)), BACK_WITHIN_S, "the job to run again and again")


def test_a_worker_that_loses_its_connections_in_the_middle_of_a_job_does_it_again(
    database: Database, at: Place, worker: Child
) -> None:
    with in_the_middle_of_refresh(database, at), database.connect(Role.OWNER, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND pid NOT IN (SELECT pid FROM pg_locks WHERE granted AND locktype = 'advisory' AND classid = %s)",
            (SITE_LOCK,),
        )
    wait_for(supervised(worker, lambda: not dirty(database)), BACK_WITHIN_S, "the job to be done after all")
    change(database, at)
    wait_for(supervised(worker, lambda: not dirty(database)), BACK_WITHIN_S, "the job to run again and again")


def refreshes(database: Database) -> list[str]:
    """Return where the queue's rows of the job stand."""
    with database.connect(Role.OWNER) as connection:
        rows = connection.execute(
            "SELECT status::text FROM procrastinate_jobs WHERE task_name = 'metering.refresh' ORDER BY status"
        )
        return [row[0] for row in rows]


def test_a_job_nobody_is_at_is_put_back_and_one_at_work_is_left(database: Database, at: Place, worker: Child) -> None:
    at_once = timedelta(0)
    with in_the_middle_of_refresh(database, at):
        put_back(database, at_once)
        assert "doing" in refreshes(database)
        os.kill(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
    assert "metering.refresh" in late(database, at_once)
    wait_for(lambda: put_back(database, at_once), 5, "the killed worker's lock to go")
    assert refreshes(database) == ["todo"]
    assert put_back(database, at_once) == 0


def test_a_job_runs_alone(database: Database) -> None:
    with alone(database, "one") as first, alone(database, "one") as second, alone(database, "two") as other:
        assert (first, second, other) == (True, False, True)
    with alone(database, "one") as again:
        assert again


def test_the_doctor_tells_of_changes_nobody_works_in(database: Database, at: Place, tmp_path: Path) -> None:
    settings = config.load({}, {"DATABASE_URL": database.url, "DEMETER_DATA_DIR": str(tmp_path)})

    def told() -> Verdict:
        return next(f.verdict for f in examine(settings) if f.subject == "metering")

    change(database, at)
    assert told() is Verdict.OK
    with database.connect(Role.OWNER) as connection:
        connection.execute("UPDATE readings.dirty SET marked_at = marked_at - interval '10 minutes'")
    assert told() is Verdict.WARN
