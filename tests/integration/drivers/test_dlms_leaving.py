"""How a session ends: cancelled, with a meter that does not answer a release, or with one that has left already."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from demeter.drivers.dlms import DlmsDriver
from demeter.protocols.dlms.hdlc import ServerStation
from demeter.protocols.dlms.server import ServerSession
from demeter.protocols.dlms.wrapper import unwrap_datagram, wrap
from demeter.sdk import Credentials, Endpoint
from tests.integration.drivers.peer import KEYS, PeerMeter, electricity_meter, listening

UNTIL = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)
RELEASE = 0x62
SILENCE = b"\x0f\0\0\0\1"
"""A notification: nobody takes it for the answer to a release."""


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


@pytest.mark.parametrize("transport", ["wrapper", "wrapper-udp"])
def test_a_meter_that_does_not_answer_a_release_is_read_all_the_same(transport: str) -> None:
    """The public association comes first: left unanswered, it must not cost the second one."""
    times: list[float] = []

    async def story() -> None:
        driver = DlmsDriver()
        async with deaf_to_releases(transport) as (meter, address):
            for _ in range(3):
                began = time.monotonic()
                endpoint = Endpoint(address, {"transport": transport, "answer_s": 1})
                session = await driver.open(endpoint, Credentials(KEYS))
                assert (await session.serial()) == meter.serial
                times.append(time.monotonic() - began)
                closing = asyncio.create_task(session.close())
                await asyncio.sleep(0)
                closing.cancel()

    asyncio.run(story())
    assert max(times[1:]) < times[0] / 2, "what was learnt is not waited for again"


@asynccontextmanager
async def deaf_to_releases(transport: str) -> AsyncIterator[tuple[PeerMeter, str]]:
    meter = electricity_meter(UNTIL, 4)
    if transport == "wrapper":
        whole = meter.session

        class Deaf:
            def __init__(self) -> None:
                self.session = whole()

            def receive(self, client: int, apdu: bytes) -> bytes:
                return self.session.receive(client, apdu) if apdu[0] != RELEASE else SILENCE

        meter.session = Deaf  # type: ignore[method-assign, assignment]
        async with listening(meter) as address:
            yield meter, address
        return
    loop = asyncio.get_running_loop()
    there, _ = await loop.create_datagram_endpoint(lambda: DeafDatagrams(meter), local_addr=("127.0.0.1", 0))
    try:
        yield meter, f"127.0.0.1:{there.get_extra_info('sockname')[1]}"
    finally:
        there.close()


class DeafDatagrams(asyncio.DatagramProtocol):
    """A meter on UDP, one association for each address it hears from, that does not answer releases."""

    def __init__(self, meter: PeerMeter) -> None:
        self._meter = meter
        self._sessions: dict[Any, ServerSession] = {}
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        frame = unwrap_datagram(data)
        session = self._sessions.setdefault(addr, self._meter.session())
        if frame.apdu[0] != RELEASE:
            answer = session.receive(frame.source, frame.apdu)
            self._transport.sendto(wrap(answer, frame.destination, frame.source), addr)


def test_over_hdlc_a_link_taken_down_is_release_enough() -> None:
    """The meter hears no release of the public association: the link ends it, at once."""
    heard: list[int] = []

    async def story() -> None:
        meter = electricity_meter(UNTIL, 4)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            session, station = meter.session(), ServerStation(lambda _: True)
            with suppress(ConnectionError, asyncio.CancelledError):
                while received := await reader.read(65_536):
                    for request in station.receive(received):
                        heard.append(request.apdu[0])
                        if request.apdu[0] != RELEASE:
                            station.answer(request, session.receive(request.client, request.apdu))
                    writer.write(station.output())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            began = time.monotonic()
            session = await DlmsDriver().open(
                Endpoint(address, {"transport": "hdlc", "answer_s": 1, "frame_s": 0.2}), Credentials(KEYS)
            )
            assert await session.serial() == meter.serial
            await session.close()
            assert time.monotonic() - began < 1

    asyncio.run(story())
    assert RELEASE not in heard
