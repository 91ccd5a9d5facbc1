"""How a session ends: cancelled, with a meter that does not answer a release, or with one that has left already."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from demeter.drivers.dlms import DlmsDriver
from demeter.sdk import Credentials, Endpoint
from tests.integration.drivers.peer import KEYS, electricity_meter, listening

UNTIL = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)


def test_a_session_that_is_cancelled_while_it_says_goodbye_lets_the_line_go() -> None:
    meter = electricity_meter(UNTIL, 4)

    async def story() -> None:
        driver = DlmsDriver()
        async with listening(meter) as address:
            session = await driver.open(Endpoint(address), Credentials(KEYS))
            meter.silent = True
            closing = asyncio.create_task(session.close())
            await asyncio.sleep(0.05)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            await asyncio.sleep(0.05)
            assert meter.open_now == 0
            meter.silent = False
            await (await driver.open(Endpoint(address), Credentials(KEYS))).close()

    asyncio.run(story())
