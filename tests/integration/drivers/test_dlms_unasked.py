"""What meters send unasked, in the middle of a session: it is no answer, and it ends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demeter.drivers.dlms import DlmsDriver, DlmsSession
from demeter.drivers.dlms.connection import MAX_UNASKED
from demeter.drivers.dlms.dialing import dial
from demeter.drivers.dlms.options import parse_options
from demeter.kernel import SystemClock
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.apdu import DataNotification
from demeter.protocols.dlms.client import Client, ClientSettings
from demeter.protocols.dlms.gateway import GatewayFrame, decode_gateway
from demeter.protocols.dlms.hdlc import Address, Control, Frame, Kind, ServerStation
from demeter.protocols.dlms.profile import CLOCK
from demeter.protocols.dlms.server import ServerSession, ServerSettings
from demeter.protocols.dlms.wrapper import Unwrapper, WrapperFrame, unwrap_datagram, wrap
from demeter.sdk import Credentials, Endpoint, FailureKind, Profile, ReadFailure
from tests.integration.drivers.peer import AK, EK, KEYS, PASSWORD, PeerMeter, electricity_meter

UNTIL = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)
NOTICE = DataNotification(1, axdr.encode(data.structure(data.u32(7))))
UTILITY = 48
LLC = b"\xe6\xe7\x00"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Answer = Callable[[ServerSession, WrapperFrame], list[bytes]]
"""All octets to send for a request, each item in a segment of its own."""


def unless_cut(serve: Serve) -> Serve:
    """Serve a connection until either side ends it."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()

    return served


@asynccontextmanager
async def meter_on(answer: Answer, meter: PeerMeter | None = None, **settings: Any) -> AsyncIterator[str]:
    """A wrapper line to a meter whose answers a test puts together."""
    peer = meter or electricity_meter(UNTIL, 96)
    server_settings = replace(ServerSettings(peer.title, EK, AK, PASSWORD), **settings)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, unwrapper = ServerSession(peer, server_settings, peer.counters), Unwrapper()
        writer.transport.get_extra_info("socket").setsockopt(6, 1, 1)
        while received := await reader.read(65_536):
            for frame in unwrapper.feed(received):
                for segment in answer(session, frame):
                    writer.write(segment)
                    await asyncio.sleep(0.005)

    server = await asyncio.start_server(unless_cut(serve), "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def pushes(session: ServerSession, times: int = 1) -> bytes:
    """Ciphered notifications for the utility client, once there is an association to send them in."""
    try:
        return b"".join(wrap(session.notify(UTILITY, NOTICE), 1, UTILITY) for _ in range(times))
    except Exception:  # noqa: BLE001 - no association yet
        return b""


def told(session: ServerSession, frame: WrapperFrame) -> bytes:
    return wrap(session.receive(frame.source, frame.apdu), frame.destination, frame.source)


async def everything(session: DlmsSession) -> int:
    await session.nameplate()
    await session.clock()
    answers = await session.read_profile(Profile.BLOCK, UNTIL - timedelta(days=1), UNTIL)
    return sum(answer.rows for answer in answers)


async def read(address: str, **options: object) -> int:
    session = await DlmsDriver().open(Endpoint(address, {"answer_s": 1, **options}), Credentials(KEYS))
    try:
        return await everything(session)
    finally:
        await session.close()


def stories() -> dict[str, Answer]:
    def one_segment(session: ServerSession, frame: WrapperFrame) -> list[bytes]:
        return [pushes(session) + told(session, frame)]

    def apart(session: ServerSession, frame: WrapperFrame) -> list[bytes]:
        return [pushes(session), told(session, frame)]

    def several(session: ServerSession, frame: WrapperFrame) -> list[bytes]:
        return [pushes(session, 3) + told(session, frame)]

    def behind(session: ServerSession, frame: WrapperFrame) -> list[bytes]:
        answer = told(session, frame)
        return [answer + pushes(session)]

    def to_another_port(session: ServerSession, frame: WrapperFrame) -> list[bytes]:
        return [wrap(b"\xdb" + bytes(40), 1, 102) + told(session, frame) + wrap(b"\xdb" + bytes(40), 1, 102)]

    return {f.__name__: f for f in (one_segment, apart, several, behind, to_another_port)}


@pytest.mark.parametrize("how", stories())
@pytest.mark.parametrize("options", [{}, {"max_pdu": 300}], ids=["whole", "blocks"])
def test_ciphered_notifications_around_answers_are_passed_over(how: str, options: dict[str, object]) -> None:
    async def story() -> int:
        async with meter_on(stories()[how]) as address:
            return await read(address, **options)

    assert asyncio.run(story()) == 95


def test_a_notification_before_an_association_is_answered_is_passed_over() -> None:
    def answer(session: ServerSession, frame: WrapperFrame) -> list[bytes]:
        general = wrap(bytes((0xDB, 8)) + b"PEER0001" + bytes((20, 0x30)) + bytes(19), 1, frame.source)
        return [(general if frame.apdu[0] in (0x60, 0x62) else b"") + told(session, frame)]

    async def story() -> int:
        async with meter_on(answer) as address:
            return await read(address)

    assert asyncio.run(story()) == 95


def test_frames_for_others_without_end_are_cut_off() -> None:
    stray = wrap(b"\xdb" + bytes(40), 1, 102)

    async def story() -> None:
        async with meter_on(lambda s, f: [stray * (MAX_UNASKED + 1) + told(s, f)]) as address:
            with pytest.raises(ReadFailure) as caught:
                await read(address)
            assert caught.value.kind is FailureKind.GARBLED

    asyncio.run(story())


def test_ciphered_notifications_without_end_are_cut_off() -> None:
    async def story() -> None:
        async with meter_on(lambda s, f: [pushes(s, 200) or told(s, f)]) as address:
            with pytest.raises(ReadFailure) as caught:
                await read(address)
            assert caught.value.kind is FailureKind.GARBLED

    asyncio.run(story())


@pytest.mark.parametrize("prefixed", ["same meter", "another meter", "request", "plain", "unprefixed"])
def test_a_gateway_may_hand_over_notifications_between_answers(prefixed: str) -> None:
    def answer(session: ServerSession, frame: WrapperFrame) -> list[bytes]:
        asked = decode_gateway(frame.apdu)
        try:
            notice = session.notify(frame.source, NOTICE)
        except Exception:  # noqa: BLE001 - no association yet
            notice = NOTICE.encode()
        apdu = session.receive(frame.source, asked.apdu)
        if prefixed == "plain":
            notice = NOTICE.encode()
        address = b"other" if prefixed == "another meter" else asked.address
        unasked = GatewayFrame(asked.network, address, notice, response=prefixed != "request").to_bytes()
        if prefixed == "unprefixed":
            unasked = NOTICE.encode()
        octets = GatewayFrame(asked.network, asked.address, apdu, response=True).to_bytes()
        return [b"".join(wrap(part, frame.destination, frame.source) for part in (unasked, octets))]

    async def story() -> int:
        async with meter_on(answer) as address:
            return await read(address, gateway_address="M1")

    assert asyncio.run(story()) == 95


@asynccontextmanager
async def hdlc_meter(kind: str, times: int = 1) -> AsyncIterator[str]:
    """A meter on an HDLC line that says something unasked before each answer: ``plain``, ``ciphered`` or ``ui``."""
    peer = electricity_meter(UNTIL, 96)

    def notice(session: ServerSession, client: int) -> bytes:
        try:
            return session.notify(client, NOTICE) if kind == "ciphered" else NOTICE.encode()
        except Exception:  # noqa: BLE001 - no association yet
            return NOTICE.encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, station = peer.session(), ServerStation(lambda _: True)
        while received := await reader.read(65_536):
            for request in station.receive(received):
                for _ in range(times):
                    if kind == "ui":
                        control = Control(Kind.UNNUMBERED_INFORMATION, final=False)
                        frame = Frame(Address(request.client), request.server, control, LLC + NOTICE.encode())
                        writer.write(frame.to_bytes())
                    else:
                        station.answer(request, notice(session, request.client))
                station.answer(request, session.receive(request.client, request.apdu))
            writer.write(station.output())

    server = await asyncio.start_server(unless_cut(serve), "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("kind", ["plain", "ciphered", "ui"])
@pytest.mark.parametrize("times", [1, 3])
def test_notifications_on_an_hdlc_line_are_passed_over(kind: str, times: int) -> None:
    async def story() -> int:
        async with hdlc_meter(kind, times) as address:
            return await read(address, transport="hdlc", frame_s=0.3)

    assert asyncio.run(story()) == 95


def test_an_hdlc_meter_that_talks_while_nobody_asks_is_cut_off() -> None:
    """A day of it would else be a day's memory."""

    async def story() -> None:
        flood = asyncio.Event()
        control = Control(Kind.UNNUMBERED_INFORMATION, final=False)
        talk = Frame(Address(UTILITY), Address(1), control, LLC + NOTICE.encode()).to_bytes() * 100
        peer = electricity_meter(UNTIL, 96)
        cut = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            session, station = peer.session(), ServerStation(lambda _: True)
            while not flood.is_set() and (received := await reader.read(65_536)):
                for request in station.receive(received):
                    station.answer(request, session.receive(request.client, request.apdu))
                writer.write(station.output())
                if session._states.get(UTILITY) and peer.counters.received > 3:
                    break
            with suppress(ConnectionError):
                for _ in range(200):
                    writer.write(talk)
                    await writer.drain()
                await reader.read()
            cut.set()

        server = await asyncio.start_server(unless_cut(serve), "127.0.0.1", 0)
        async with server:
            address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            options = {"transport": "hdlc", "frame_s": 0.3, "answer_s": 1}
            session = await DlmsDriver().open(Endpoint(address, options), Credentials(KEYS))
            await session.clock()
            await asyncio.wait_for(cut.wait(), 5)
            with pytest.raises(ReadFailure) as caught:
                await session.clock()
            assert caught.value.kind is FailureKind.GARBLED
            await session.close()

    asyncio.run(story())


@asynccontextmanager
async def windowed(peer: PeerMeter, transport: str) -> AsyncIterator[str]:
    """A meter that sends and takes general blocks four at a time."""
    settings = ServerSettings(peer.title, EK, AK, PASSWORD, window=4, max_pdu=200)

    def blocks(session: ServerSession, frame: WrapperFrame) -> list[bytes]:
        answers = session.answers(frame.source, frame.apdu)
        return [b"".join(wrap(part, frame.destination, frame.source) for part in answers)]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, station = ServerSession(peer, settings, peer.counters), ServerStation(lambda _: True)
        while received := await reader.read(65_536):
            for request in station.receive(received):
                for part in session.answers(request.client, request.apdu):
                    station.answer(request, part)
            writer.write(station.output())

    if transport == "wrapper":
        async with meter_on(blocks, peer, window=4, max_pdu=200) as address:
            yield address
        return
    server = await asyncio.start_server(unless_cut(serve), "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("transport", ["wrapper", "hdlc"])
def test_general_blocks_in_windows_go_over_a_line(transport: str) -> None:
    async def story() -> None:
        async with windowed(electricity_meter(UNTIL, 96), transport) as address:
            endpoint = Endpoint(address, {"answer_s": 1, "frame_s": 0.3, "mechanism": "lls", "transport": transport})
            options = parse_options(endpoint)
            connection = await dial(options.line, 1)
            client = Client(ClientSettings(32, 1, options.mechanism, PASSWORD, max_pdu=200, window=4))
            session = DlmsSession(connection, client, options, Credentials(KEYS), SystemClock())
            await session.associate()
            assert await everything(session) == 95
            long = axdr.encode(data.octets(bytes(3000)))
            with pytest.raises(ReadFailure, match="read write denied"):
                await session.run(client.set(1, CLOCK.obis, 2, long), "writing")
            await session.clock()
            await session.close()

    asyncio.run(story())


@pytest.mark.parametrize("gateway", [False, True], ids=["direct", "gateway"])
def test_the_same_refusal_twice_over_udp_answers_two_requests(gateway: bool) -> None:
    """Refusals carry no number: the second one looks like a second copy of the first."""
    refusal = bytes((0xD8, 1, 1))

    class Refusing(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self._session = electricity_meter(UNTIL, 4).session()

        def connection_made(self, transport: Any) -> None:
            self._transport = transport

        def datagram_received(self, octets: bytes, addr: Any) -> None:
            frame = unwrap_datagram(octets)
            asked = decode_gateway(frame.apdu) if gateway else None
            request = frame.apdu if asked is None else asked.apdu
            answer = refusal if request[0] == 0xC0 else self._session.receive(frame.source, request)
            if asked is not None:
                answer = GatewayFrame(asked.network, asked.address, answer, response=True).to_bytes()
            copies = 2 if request[0] == 0xC0 else 1
            for _ in range(copies):
                self._transport.sendto(wrap(answer, frame.destination, frame.source), addr)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        there, _ = await loop.create_datagram_endpoint(Refusing, local_addr=("127.0.0.1", 0))
        address = f"127.0.0.1:{there.get_extra_info('sockname')[1]}"
        options = {"transport": "wrapper-udp", "mechanism": "lls", "answer_s": 0.5}
        if gateway:
            options["gateway_address"] = "M1"
        session = await DlmsDriver().open(Endpoint(address, options), Credentials(KEYS))
        for _ in range(3):
            with pytest.raises(ReadFailure) as caught:
                await session.clock()
            assert caught.value.kind is FailureKind.REFUSED
            await asyncio.sleep(0.02)
        await session.close()
        there.close()

    asyncio.run(story())
