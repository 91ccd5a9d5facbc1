"""A push listener in a process of its own, to be killed: ``python -m tests.integration.headend.push_process URL PORT``."""

from __future__ import annotations

import asyncio
import sys

from demeter.drivers.dlms import DlmsPushes, PushDecoder
from demeter.headend import DatabaseCounters, PushListener
from demeter.ingest import IngestWriter
from demeter.runtime.database import Database
from demeter.runtime.secrets import MasterKey, SecretBox
from tests.integration.headend.pushing import QUICK


async def run(url: str, port: int) -> None:
    database = Database(url)
    writer = IngestWriter(database, {"dlms/push": PushDecoder()})
    secrets = SecretBox(MasterKey(b"k" * 32))
    listener = PushListener(
        database,
        DlmsPushes(DatabaseCounters(database)),
        writer.accept,
        secrets,
        host="127.0.0.1",
        port=port,
        limits=QUICK,
    )
    running = asyncio.create_task(listener.run())
    await listener.ready.wait()
    print("ready", flush=True)
    await running


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
