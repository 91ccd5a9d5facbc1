"""Frames of GXDLMSSecureNotify reach the push listener: stored and provable, or held with the reason."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demeter.protocols.dlms import axdr
from demeter.runtime.database import Database
from tests.integration.drivers.peer import AK, EK
from tests.integration.headend.pushing import BEGUN, TITLE, Listening, a_meter, body, listening
from tests.integration.headend.rig import Rig, eventually, make_rig
from tests.interop.meters import run

WATT_HOURS = [1234, 1250]


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def told(push: Listening, transport: str, **different: Any) -> dict[str, Any]:
    bodies = [axdr.encode(body(wh, BEGUN + n * timedelta(minutes=15))).hex() for n, wh in enumerate(WATT_HOURS)]
    usual = {
        "host": "127.0.0.1",
        "port": push.port,
        "transport": transport,
        "client_sap": 16,
        "server_sap": 1,
        "title": TITLE.hex(),
        "encryption_key": EK.hex(),
        "authentication_key": AK.hex(),
        "suite": 0,
        "ciphered": True,
        "counter": 100,
        "bodies": bodies,
    }
    return usual | different


async def send(gurux: Path, job: dict[str, Any]) -> list[str]:
    sent: list[str] = (await asyncio.to_thread(run, gurux, "gurux_notify.py", job))["sent"]
    return sent


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("at", ["", datetime(2026, 11, 20, 12, tzinfo=UTC).isoformat()])
def test_what_a_foreign_meter_pushes_is_stored_and_kept_as_it_came(
    rig: Rig, gurux: Path, transport: str, at: str
) -> None:
    async def story() -> None:
        meter = a_meter(rig)
        async with listening(rig) as push:
            sent = await send(gurux, told(push, transport, at=at))
            await eventually(lambda: push.values() == WATT_HOURS)
            assert [frame.payload.hex() for frame in push.journal(meter)] == sent
            assert push.quarantine() == []

    asyncio.run(story())


def test_a_repeated_message_and_another_key_are_held_with_the_reason(rig: Rig, gurux: Path) -> None:
    async def story() -> None:
        a_meter(rig)
        async with listening(rig) as push:
            await send(gurux, told(push, "tcp"))
            await eventually(lambda: push.values() == WATT_HOURS)
            await send(gurux, told(push, "tcp"))
            await send(gurux, told(push, "tcp", counter=500, encryption_key=bytes(16).hex()))
            await send(gurux, told(push, "tcp", counter=900, title=b"UNKNOWN1".hex()))
            await eventually(lambda: sum(count for *_, count in push.quarantine()) == 6)
            reasons = {reason for _, reason, _ in push.quarantine()}
            assert len(reasons) == 3, reasons
            assert push.values() == WATT_HOURS, "nothing of it was taken over"

    asyncio.run(story())
