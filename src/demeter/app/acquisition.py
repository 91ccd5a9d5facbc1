"""The acquisition process: the head-end's sessions and push listener, and the ingest writer their deliveries go to.

They do not know each other: this module hands one's deliveries to the other, and the receipt (after COMMIT) back.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress

import uvloop
from prometheus_client import start_http_server

from demeter.app.supervisor import end_with_parent
from demeter.app.wiring import Wiring
from demeter.headend import Collector, DatabaseCounters, Limits, Purpose, PushListener
from demeter.ingest import IngestWriter
from demeter.kernel import Unavailable
from demeter.runtime import logging
from demeter.runtime.config import Settings
from demeter.runtime.memory import keep_freed
from demeter.sdk import CounterStore

log = logging.get("acquisition")


def limits_of(settings: Settings) -> Limits:
    """Return what the head-end may do at once: ``read_concurrency`` sessions, shared among the kinds of reads.

    Each kind keeps its part of the whole, and at least one session: no kind may starve another. Commands have places
    of their own.
    """
    usual = Limits().lanes
    reads = {purpose: part for purpose, part in usual.items() if purpose is not Purpose.COMMAND}
    whole = sum(reads.values())
    lanes: dict[Purpose, int] = {
        purpose: max(1, settings.read_concurrency * part // whole) for purpose, part in reads.items()
    }
    return Limits(schedule_s=settings.read_interval_s, lanes=usual | lanes, learn_pushes=bool(settings.push_port))


async def collect(wiring: Wiring) -> None:
    """Collect from all meters until cancelled or told to stop by a signal."""
    end_with_parent()
    writer = IngestWriter(wiring.database, wiring.decoders())
    counters = DatabaseCounters(wiring.database)
    limits = limits_of(wiring.settings)
    collector = Collector(wiring.database, wiring.drivers(counters), writer.accept, wiring.secrets, limits=limits)
    if wiring.settings.acquisition_metrics_port:
        start_http_server(wiring.settings.acquisition_metrics_port, "127.0.0.1")
    running = asyncio.create_task(_all(collector, push_listeners(wiring, writer, counters)))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        log.info("acquisition ends")
    finally:
        with suppress(Unavailable):
            await counters.close()
        await asyncio.to_thread(writer.close)


def push_listeners(wiring: Wiring, writer: IngestWriter, counters: CounterStore) -> list[PushListener]:
    """Return who listens for pushes: nobody, unless the setting ``push_port`` says where."""
    settings = wiring.settings
    if not settings.push_port:
        return []
    receiver = wiring.push_receivers(counters)["dlms"]
    return [
        PushListener(
            wiring.database, receiver, writer.accept, wiring.secrets, host=settings.push_host, port=settings.push_port
        )
    ]


async def _all(collector: Collector, listeners: Sequence[PushListener]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(collector.run())
        for listener in listeners:
            group.create_task(listener.run())


def main(wiring: Wiring) -> None:
    """Run the acquisition process."""
    keep_freed()
    uvloop.run(collect(wiring))
