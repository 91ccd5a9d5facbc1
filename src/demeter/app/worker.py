"""The worker process: periodic and deferred jobs on the PostgreSQL-backed queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import procrastinate

from demeter import headend, metering, readings
from demeter.app.supervisor import end_with_parent
from demeter.app.wiring import CONSUMERS, Wiring
from demeter.runtime import logging, outbox
from demeter.runtime.database import Database
from demeter.runtime.jobs import alone, job_app, put_back

log = logging.get("worker")
EVERY_FEW_SECONDS = "* * * * * */3"  # the sixth field is seconds
EVERY_MINUTE = "* * * * *"
EVERY_QUARTER_MINUTE = "* * * * * */15"
EVERY_TEN_MINUTES = "*/10 * * * *"  # readers join the inbox in; folding often would only rewrite blocks
NIGHTLY = "20 21 * * *"  # 21:20 UTC: after midnight in India, late evening in Europe


def schedule(wiring: Wiring, jobs: procrastinate.App) -> None:
    """Register every periodic job; one that still waits is not queued twice, one that still runs not run twice."""
    policy = metering.Policy(offline_after=timedelta(hours=wiring.settings.read_failure_after_h))

    def periodic(cron: str, name: str, work: Callable[[Database], object]) -> None:
        _periodic(jobs, cron, name, lambda: _alone(wiring.database, name, work))

    periodic(EVERY_TEN_MINUTES, "readings.fold", readings.fold_inbox)
    periodic(EVERY_FEW_SECONDS, "metering.refresh", lambda database: metering.refresh(database, policy))
    periodic(EVERY_FEW_SECONDS, "outbox.dispatch", lambda database: outbox.dispatch(database, CONSUMERS))
    periodic(NIGHTLY, "readings.retain", lambda _: _forget_old_frames(wiring))
    periodic(NIGHTLY, "headend.prune", headend.prune_log)
    periodic(NIGHTLY, "outbox.forget", outbox.forget_delivered)
    periodic(EVERY_MINUTE, "headend.expire", headend.expire_commands)
    periodic(EVERY_QUARTER_MINUTE, "metering.watch", lambda database: metering.watch_offline(database, policy))
    _periodic(jobs, EVERY_MINUTE, "jobs.put_back", lambda: put_back(wiring.database))


def _forget_old_frames(wiring: Wiring) -> int:
    """Apply ``journal_keep_days``: whole months of raw frames that are older are dropped."""
    oldest = wiring.database.clock.now() - timedelta(days=wiring.settings.journal_keep_days)
    return readings.drop_frames_before(wiring.database, oldest.date().replace(day=1))


def _alone(database: Database, name: str, work: Callable[[Database], object]) -> object:
    with alone(database, name) as free:
        return work(database) if free else None


def _periodic(jobs: procrastinate.App, cron: str, name: str, work: Callable[[], object]) -> None:
    # Without the queue's own lock: a killed worker would hold it for ever.
    @jobs.periodic(cron=cron)
    @jobs.task(name=name, queueing_lock=name, pass_context=False)
    def run(timestamp: int) -> None:  # noqa: ARG001 - the queue passes the slot it was due
        done = work()
        if done:
            log.debug("job done", job=name, done=str(done))


async def run(wiring: Wiring) -> None:
    """Run jobs until told to stop."""
    end_with_parent()
    jobs = job_app(wiring.database)
    schedule(wiring, jobs)
    async with jobs.open_async():
        await jobs.run_worker_async(concurrency=2, wait=True, install_signal_handlers=True, delete_jobs="always")


def main(wiring: Wiring) -> None:
    """Run the worker process."""
    asyncio.run(run(wiring))
