"""The acquisition process: the head-end's sessions, and the ingest writer their deliveries go to.

The two do not know each other: this module hands one's deliveries to the other, and the receipt (after COMMIT) back.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import uvloop

from demeter.app.supervisor import end_with_parent
from demeter.app.wiring import Wiring
from demeter.headend import Collector, DatabaseCounters, Limits
from demeter.ingest import IngestWriter
from demeter.kernel import Unavailable
from demeter.runtime import logging
from demeter.runtime.config import Settings
from demeter.runtime.memory import keep_freed

log = logging.get("acquisition")


def limits_of(settings: Settings) -> Limits:
    """Return what the head-end may do at once: ``read_concurrency`` sessions, shared among the kinds of reads.

    Each kind keeps its part of the whole, and at least one session: no kind may starve another.
    """
    usual = Limits().lanes
    whole = sum(usual.values())
    lanes = {purpose: max(1, settings.read_concurrency * part // whole) for purpose, part in usual.items()}
    return Limits(schedule_s=settings.read_interval_s, lanes=lanes)


async def collect(wiring: Wiring) -> None:
    """Collect from all meters until cancelled or told to stop by a signal."""
    end_with_parent()
    writer = IngestWriter(wiring.database, wiring.decoders())
    counters = DatabaseCounters(wiring.database)
    limits = limits_of(wiring.settings)
    collector = Collector(wiring.database, wiring.drivers(counters), writer.accept, wiring.secrets, limits=limits)
    running = asyncio.create_task(collector.run())
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


def main(wiring: Wiring) -> None:
    """Run the acquisition process."""
    keep_freed()
    uvloop.run(collect(wiring))
