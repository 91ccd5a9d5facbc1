"""A head-end in a process of its own, to be killed: ``python -m tests.integration.headend.collector_process URL``."""

from __future__ import annotations

import asyncio
import sys

from demeter.drivers.dlms import DlmsDriver
from demeter.headend import Collector, Pacing
from demeter.runtime.database import Database
from demeter.runtime.secrets import SecretBox
from tests.integration.headend.rig import MASTER_KEY, QUIET, MemoryStore


async def main(url: str) -> None:
    """Collect, and carry out commands, until killed."""
    pacing = Pacing(settle_s=1, look_every_s=0.05, retry_s=0.1, patience_s=0.2, arrive_s=0.2, look_after_s=20)
    collector = Collector(
        Database(url), {"dlms": DlmsDriver()}, MemoryStore(), SecretBox(MASTER_KEY), limits=QUIET, pacing=pacing
    )
    await collector.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
