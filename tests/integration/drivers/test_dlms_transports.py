"""The driver reads simulated meters over every transport: real sockets, real pseudo-terminals, nothing replaced."""

from __future__ import annotations

import asyncio
import socket
import termios
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demeter.drivers.dlms import DlmsDriver, DlmsSession, ProfileDecoder
from demeter.kernel import Clock
from demeter.protocols.dlms.hdlc import Address, Control, Frame, Kind
from demeter.protocols.iec62056_21 import Identification, ModeEMeter
from demeter.sdk import Collected, Credentials, Endpoint, FailureKind, Profile, ReadFailure
from demeter.simulator import (
    Fault,
    FaultKind,
    FleetConfig,
    LoadConfig,
    MeterConfig,
    MeterKind,
    Simulation,
    Transport,
)
from tests.integration.drivers.serial_bridge import serial_line

NOW = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)
SINCE = NOW - timedelta(days=3)
SECRETS = {"encryption_key": bytes(range(16)), "authentication_key": bytes(range(16, 32)), "password": b"reader"}
READER = Credentials(SECRETS)


class Fixed(Clock):
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


def meter(transport: Transport, name: str = "m", **more: Any) -> MeterConfig:
    return MeterConfig(
        name=name,
        serial=f"SER-{name}",
        kind=MeterKind.SINGLE_PHASE,
        load=LoadConfig("steady", per_hour=400),
        system_title="444d540000000001",
        encryption_key=SECRETS["encryption_key"].hex(),
        authentication_key=SECRETS["authentication_key"].hex(),
        password="reader",
        transport=transport,
        **more,
    )


def fleet(*meters: MeterConfig, **more: Any) -> FleetConfig:
    return FleetConfig("Asia/Kolkata", int(SINCE.timestamp()) - 86_400, meters, **more)


Act = Callable[[DlmsSession], Awaitable[Any]]


async def with_session(address: str, act: Act, **options: object) -> Any:
    endpoint = Endpoint(address, {"zone": "Asia/Kolkata", "answer_s": 5, **options})
    session = await DlmsDriver(Fixed()).open(endpoint, READER)
    try:
        return await act(session)
    finally:
        await session.close()


async def block_load(session: DlmsSession) -> list[Collected]:
    assert (await session.nameplate()).serial.startswith("SER-")
    return await session.read_profile(Profile.BLOCK, SINCE, NOW + timedelta(seconds=1))


def rows(answers: list[Collected]) -> tuple[list[int], set[int]]:
    """Return all stamps and the different amounts of imported energy."""
    energy = [series for answer in answers for series in answer.series if series.reading_type.obis == "1.0.1.29.0.255"]
    stamps = [int(at) for series in energy for at in series.at_s]
    return stamps, {int(value) for series in energy for value in series.values}


EXPECTED = (list(range(int(SINCE.timestamp()), int(NOW.timestamp()) + 1, 900)), {100})

LINES: list[tuple[Transport, dict[str, object], dict[str, Any]]] = [
    (Transport.WRAPPER, {}, {}),
    (Transport.WRAPPER_UDP, {}, {}),
    (Transport.WRAPPER_UDP, {"max_pdu": 300, "cipher": "general-glo"}, {}),
    (Transport.HDLC, {}, {}),
    (Transport.HDLC, {"frame_size": 128, "window": 1}, {}),
    (Transport.HDLC, {"frame_size": 2030, "window": 3, "physical_address": 17}, {"physical_address": 17}),
    (Transport.HDLC, {"address_size": 4, "physical_address": 300, "mechanism": "lls"}, {"physical_address": 300}),
    (Transport.HDLC, {"max_pdu": 500, "cipher": "general-glo"}, {}),
]


@pytest.mark.parametrize(("transport", "options", "config"), LINES, ids=str)
def test_a_load_profile_is_read_whole_and_every_frame_decodes_again(
    transport: Transport, options: dict[str, object], config: dict[str, Any]
) -> None:
    async def story() -> list[Collected]:
        async with Simulation(fleet(meter(transport, **config)), Fixed()) as running:
            place = running.addresses["m"]
            answers = await with_session(f"{place.host}:{place.port}", block_load, transport=transport.value, **options)
            again = await with_session(f"{place.host}:{place.port}", block_load, transport=transport.value, **options)
            assert rows(again) == rows(answers)
        return answers

    answers = asyncio.run(story())
    assert rows(answers) == EXPECTED
    for answer in answers:
        decoded = ProfileDecoder().decode(answer.frame, READER)
        assert [series.values.tobytes() for series in decoded] == [series.values.tobytes() for series in answer.series]


@pytest.mark.parametrize("transport", [Transport.WRAPPER, Transport.WRAPPER_UDP, Transport.HDLC])
def test_a_gateway_leads_to_the_meter_with_that_serial(transport: Transport) -> None:
    meters = [meter(transport, name, server_sap=sap) for sap, name in ((1, "gateway"), (2, "a"), (3, "b"))]

    async def serial(session: DlmsSession) -> str:
        return (await session.nameplate()).serial

    async def story() -> None:
        async with Simulation(fleet(*meters, shared_port=0), Fixed()) as running:
            place = running.addresses["a"]
            for name in ("a", "b"):
                options = {"transport": transport.value, "gateway_address": f"SER-{name}", "gateway_network": 4}
                assert await with_session(f"{place.host}:{place.port}", serial, **options) == f"SER-{name}"
            with pytest.raises(ReadFailure) as caught:
                await with_session(
                    f"{place.host}:{place.port}",
                    serial,
                    transport=transport.value,
                    gateway_address="0x00ff",
                    answer_s=0.2,
                )
            assert caught.value.kind is FailureKind.NO_ANSWER

    asyncio.run(story())


def test_meters_on_one_bus_are_told_apart_by_their_addresses() -> None:
    meters = [meter(Transport.HDLC, f"m{n}", server_sap=n, physical_address=n + 20) for n in (1, 2, 3)]

    async def story() -> None:
        async with Simulation(fleet(*meters, shared_port=0), Fixed()) as running:
            for n in (1, 2, 3):
                place = running.addresses[f"m{n}"]
                options = {"transport": "hdlc", "server_sap": n, "physical_address": n + 20}
                answers = await with_session(f"{place.host}:{place.port}", block_load, **options)
                assert rows(answers) == EXPECTED
            with pytest.raises(ReadFailure) as caught:
                await with_session(
                    f"{place.host}:{place.port}", block_load, **{**options, "physical_address": 99}, answer_s=0.2
                )
            assert caught.value.kind is FailureKind.NO_ANSWER

    asyncio.run(story())


@pytest.mark.parametrize("one_in", [4, 9])
def test_hdlc_reads_on_over_a_line_that_damages_frames(one_in: int) -> None:
    """The wrapper transport fails on the first damaged answer; the link repeats what it lost."""
    noise = Fault(FaultKind.GARBAGE, one_in=one_in, seed=5)

    async def story() -> list[Collected]:
        async with Simulation(fleet(meter(Transport.HDLC, faults=(noise,))), Fixed()) as running:
            place = running.addresses["m"]
            options = {"transport": "hdlc", "frame_s": 0.05, "repeats": 10, "frame_size": 256, "window": 3}
            answers: list[Collected] = await with_session(f"{place.host}:{place.port}", block_load, **options)
            return answers

    assert rows(asyncio.run(story())) == EXPECTED


def test_a_slow_hdlc_meter_is_waited_for_and_a_dead_one_given_up() -> None:
    slow = meter(Transport.HDLC, "slow", faults=(Fault(FaultKind.SLOW, delay_ms=120),))
    dead = meter(Transport.HDLC, "dead", faults=(Fault(FaultKind.OFFLINE),))
    cut = meter(Transport.HDLC, "cut", faults=(Fault(FaultKind.TRUNCATE, bytes=20),))

    async def story() -> list[ReadFailure]:
        failures = []
        async with Simulation(fleet(slow, dead, cut), Fixed()) as running:
            place = running.addresses["slow"]
            options: dict[str, object] = {"transport": "hdlc", "frame_s": 0.08, "repeats": 3}
            answers = await with_session(f"{place.host}:{place.port}", block_load, **options)
            assert rows(answers) == EXPECTED
            for name in ("dead", "cut"):
                place = running.addresses[name]
                with pytest.raises(ReadFailure) as caught:
                    await with_session(f"{place.host}:{place.port}", block_load, **options)
                failures.append(caught.value)
        return failures

    silent, cut_off = asyncio.run(story())
    assert (silent.kind, silent.message) == (FailureKind.NO_ANSWER, "no answer to 4 attempts")
    assert cut_off.kind is FailureKind.TRUNCATED


async def from_a_noisy_peer(answers: list[bytes], **options: object) -> ReadFailure:
    """Open a session with something that answers whatever it hears with these octets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue = list(answers)
        while await reader.read(1000):
            if queue:
                writer.write(queue.pop(0))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ReadFailure) as caught:
            await with_session(f"127.0.0.1:{port}", block_load, transport="hdlc", frame_s=0.05, repeats=1, **options)
        await asyncio.sleep(0.01)
    return caught.value


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("7ea0072103 1f b64c 7e", FailureKind.GARBLED),
        ("7ea00a210313 000000000000 7e", FailureKind.GARBLED),
        ("ff" * 50, FailureKind.NO_ANSWER),
    ],
)
def test_noise_on_an_hdlc_line_is_told_from_silence(answer: str, kind: FailureKind) -> None:
    failure = asyncio.run(from_a_noisy_peer([bytes.fromhex(answer)] * 2))
    assert failure.kind is kind


def test_a_meter_that_refuses_the_link_is_told_as_such() -> None:
    refusal = Frame(Address(16), Address(1), Control(Kind.DISCONNECTED_MODE)).to_bytes()
    assert asyncio.run(from_a_noisy_peer([refusal])).kind is FailureKind.REFUSED


def test_datagrams_to_nobody_lost_ones_and_second_copies() -> None:
    async def story() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            with pytest.raises(ReadFailure) as silent:
                await with_session(f"127.0.0.1:{port}", block_load, transport="wrapper-udp", answer_s=0.1)
        assert silent.value.kind is FailureKind.NO_ANSWER
        with pytest.raises(ReadFailure) as closed:
            await with_session(f"127.0.0.1:{port}", block_load, transport="wrapper-udp", answer_s=1)
        assert closed.value.kind is FailureKind.NO_ANSWER
        async with Simulation(fleet(meter(Transport.WRAPPER_UDP)), Fixed()) as running, twice(running) as port:
            answers = await with_session(f"127.0.0.1:{port}", block_load, transport="wrapper-udp")
            assert rows(answers) == EXPECTED

    asyncio.run(story())


class twice(asyncio.DatagramProtocol):  # noqa: N801 - used as a context
    """A relay between the driver and a meter that delivers every answer two times, after a scrap of noise."""

    def __init__(self, running: Simulation) -> None:
        self._meter = (running.addresses["m"].host, running.addresses["m"].port)
        self._client: Any = None
        self._transport: Any = None

    async def __aenter__(self) -> int:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if addr != self._meter:
            self._client = addr
            self._transport.sendto(data, self._meter)
            return
        for copy in (b"noise", data, data):
            self._transport.sendto(copy, self._client)


@pytest.mark.parametrize("mode_e", [False, True], ids=["direct", "mode E"])
def test_a_serial_meter_is_read_through_a_pseudo_terminal(mode_e: bool) -> None:
    start = ModeEMeter(Identification("DEM", 19200, "\\2SIM")) if mode_e else None

    async def story() -> None:
        async with Simulation(fleet(meter(Transport.HDLC)), Fixed()) as running:
            place = running.addresses["m"]
            async with serial_line((place.host, place.port), start) as line:
                answers = await with_session(
                    line.path, block_load, transport="hdlc-serial", mode_e=mode_e, baud=19200, frame_s=1
                )
                speeds = line.speeds
        assert rows(answers) == EXPECTED
        assert speeds == ([termios.B300, termios.B19200] if mode_e else [termios.B19200])

    asyncio.run(story())


def test_an_answer_may_take_longer_than_a_silence_while_it_comes() -> None:
    async def story() -> None:
        async with Simulation(fleet(meter(Transport.HDLC)), Fixed()) as running:
            place = running.addresses["m"]
            async with serial_line((place.host, place.port), octets_s=9_000) as line:
                options = {"transport": "hdlc-serial", "frame_s": 0.5, "answer_s": 0.6}
                assert rows(await with_session(line.path, block_load, **options)) == EXPECTED
                assert line.carried > 2 * 0.6 * 9_000, "the answers took longer than one silence may"

    asyncio.run(story())


def test_a_serial_line_is_held_by_one_session_at_a_time() -> None:
    async def story() -> None:
        async with Simulation(fleet(meter(Transport.HDLC)), Fixed()) as running:
            place = running.addresses["m"]
            async with serial_line((place.host, place.port)) as line:
                options: dict[str, object] = {"transport": "hdlc-serial", "frame_s": 1}

                async def impatient(session: DlmsSession) -> list[Collected]:
                    with pytest.raises(ReadFailure) as caught:
                        await with_session(line.path, block_load, **options, line_wait_s=0)
                    assert "in use" in caught.value.message
                    return await block_load(session)

                first, second = await asyncio.gather(
                    with_session(line.path, impatient, **options), with_session(line.path, block_load, **options)
                )
                assert rows(first) == rows(second) == EXPECTED

    asyncio.run(story())


def test_serial_lines_that_are_not_there_silent_or_unplugged() -> None:
    async def story() -> None:
        options: dict[str, object] = {"transport": "hdlc-serial", "frame_s": 0.05, "repeats": 1}
        with pytest.raises(ReadFailure) as missing:
            await with_session("/dev/no-such-line", block_load, **options)
        assert missing.value.kind is FailureKind.NO_ANSWER
        with pytest.raises(ReadFailure) as no_line:
            await with_session("/dev/null", block_load, **options)
        assert no_line.value.kind is FailureKind.NOT_CONFIGURED
        async with Simulation(fleet(meter(Transport.HDLC, faults=(Fault(FaultKind.OFFLINE),))), Fixed()) as running:
            place = running.addresses["m"]
            async with serial_line((place.host, place.port)) as line:
                with pytest.raises(ReadFailure) as silent:
                    await with_session(line.path, block_load, **options)
        assert silent.value.kind is FailureKind.NO_ANSWER

    asyncio.run(story())


@pytest.mark.parametrize(
    ("address", "options", "word"),
    [
        ("host:1", {"transport": "pigeon"}, "transport"),
        ("host", {"transport": "hdlc"}, "host:port"),
        ("host:1", {"transport": "hdlc-serial"}, "serial device"),
        ("/dev/ttyS0", {"transport": "hdlc-serial", "baud": 12345}, "baud"),
        ("/dev/ttyS0", {"transport": "hdlc-serial", "mode_e": "yes"}, "mode_e"),
        ("/dev/ttyS0", {"transport": "hdlc-serial", "mode_e_address": "a/b"}, "mode_e_address"),
        ("host:1", {"transport": "hdlc", "window": 8}, "window"),
        ("host:1", {"transport": "hdlc", "frame_size": 4000}, "frame_size"),
        ("host:1", {"transport": "hdlc", "client_sap": 200}, "client_sap"),
        ("host:1", {"transport": "hdlc", "physical_address": 17, "address_size": 1}, "address_size"),
        ("host:1", {"transport": "hdlc", "server_sap": 500, "address_size": 2}, "address_size"),
        ("host:1", {"gateway_address": "0xzz"}, "gateway_address"),
        ("host:1", {"gateway_address": ""}, "gateway_address"),
        ("host:1", {"gateway_address": "a", "gateway_network": 256}, "gateway_network"),
    ],
    ids=str,
)
def test_wrong_line_options_are_named(address: str, options: dict[str, object], word: str) -> None:
    with pytest.raises(ReadFailure, match=word) as caught:
        asyncio.run(with_session(address, block_load, **options))
    assert caught.value.kind is FailureKind.NOT_CONFIGURED
