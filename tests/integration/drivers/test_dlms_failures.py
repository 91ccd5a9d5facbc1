"""Every way a read can fail, by a real server that really misbehaves, and the reason a person gets to see."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from demeter.drivers.dlms import DlmsDriver, DlmsSession
from demeter.protocols.dlms.wrapper import wrap
from demeter.sdk import Collected, Credentials, Endpoint, FailureKind, Profile, ReadFailure
from tests.integration.drivers.peer import KEYS, PeerMeter, electricity_meter, listening

UNTIL = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)
Mangle = Callable[[bytes, bytes], bytes | None]


def failure(
    meter: PeerMeter, secrets: dict[str, bytes] | None = None, mangle: Mangle | None = None, **options: object
) -> ReadFailure:
    """Open a session, misbehave from then on, read the block load, and return what went wrong."""

    async def story() -> None:
        async with listening(meter) as address:
            endpoint = Endpoint(address, {"answer_s": 0.3, **options})
            session = await DlmsDriver().open(endpoint, Credentials(KEYS if secrets is None else secrets))
            await session.capture_period_s(Profile.BLOCK)
            meter.mangle = mangle
            try:
                await read(session)
            finally:
                await session.close()

    with pytest.raises(ReadFailure) as caught:
        asyncio.run(story())
    return caught.value


async def read(session: DlmsSession) -> list[Collected]:
    return await session.read_profile(Profile.BLOCK, UNTIL - timedelta(days=1), UNTIL)


def test_nobody_at_the_address() -> None:
    with pytest.raises(ReadFailure) as caught:
        asyncio.run(DlmsDriver().open(Endpoint("127.0.0.1:9"), Credentials(KEYS)))
    assert caught.value.kind is FailureKind.NO_ANSWER


def test_a_meter_that_says_nothing() -> None:
    meter = electricity_meter(UNTIL, 96)
    meter.silent = True
    started = time.monotonic()
    found = failure(meter)
    assert (found.kind, found.message) == (FailureKind.NO_ANSWER, "nothing came for 0.3 s")
    assert time.monotonic() - started < 2


def test_a_line_that_is_cut_before_the_answer() -> None:
    assert failure(electricity_meter(UNTIL, 96), mangle=lambda _, __: None).kind is FailureKind.NO_ANSWER


def test_an_answer_that_stops_names_the_byte() -> None:
    found = failure(electricity_meter(UNTIL, 96), mangle=lambda _, answer: answer[:100])
    assert (found.kind, found.offset) == (FailureKind.TRUNCATED, 100)
    assert str(found).endswith("(at byte 100)")


def test_another_encryption_key() -> None:
    found = failure(electricity_meter(UNTIL, 4), {**KEYS, "encryption_key": b"x" * 16})
    assert found.kind is FailureKind.WRONG_KEY
    assert str(found).startswith("wrong key: tag check failed")


def test_another_authentication_key() -> None:
    found = failure(electricity_meter(UNTIL, 4), {**KEYS, "authentication_key": b"x" * 16})
    assert found.kind is FailureKind.WRONG_KEY


def test_another_password() -> None:
    found = failure(electricity_meter(UNTIL, 4), {"password": b"wrong"}, mechanism="lls")
    assert found.kind is FailureKind.WRONG_KEY


def test_keys_that_were_never_entered() -> None:
    found = failure(electricity_meter(UNTIL, 4), {})
    assert (found.kind, found.message) == (
        FailureKind.NOT_CONFIGURED,
        "no encryption_key and no authentication_key is stored for this meter",
    )


def test_an_association_the_meter_does_not_offer() -> None:
    assert failure(electricity_meter(UNTIL, 4), client_sap=99).kind is FailureKind.REFUSED


def test_an_answer_sent_again_is_not_taken_twice() -> None:
    kept: list[bytes] = []

    def replay(_: bytes, answer: bytes) -> bytes:
        kept.append(answer)
        return kept[0]

    meter = electricity_meter(UNTIL, 4)

    async def story() -> None:
        async with listening(meter) as address:
            session = await DlmsDriver().open(Endpoint(address), Credentials(KEYS))
            meter.mangle = replay
            await session.clock()
            await session.clock()

    with pytest.raises(ReadFailure) as caught:
        asyncio.run(story())
    assert caught.value.kind is FailureKind.REPLAYED


def test_a_counter_the_meter_has_seen_is_read_again_once_not_for_ever() -> None:
    meter = electricity_meter(UNTIL, 4)

    def jump(request: bytes, answer: bytes) -> bytes:
        if request[:1] == b"\x62":  # between our reading of the counter and its use, somebody else speaks to the meter
            meter.counters.received += 1_000
        return answer

    meter.mangle = jump

    async def story() -> None:
        async with listening(meter) as address:
            await DlmsDriver().open(Endpoint(address), Credentials(KEYS))

    with pytest.raises(ReadFailure) as caught:
        asyncio.run(story())
    assert caught.value.kind is FailureKind.REPLAYED
    assert meter.connections == 2


def test_a_counter_that_jumped_once_is_caught_up_with() -> None:
    meter = electricity_meter(UNTIL, 4)

    def jump(request: bytes, answer: bytes) -> bytes:
        if request[:1] == b"\x62" and meter.connections == 1:
            meter.counters.received += 1_000
        return answer

    meter.mangle = jump

    async def story() -> None:
        async with listening(meter) as address:
            session = await DlmsDriver().open(Endpoint(address), Credentials(KEYS))
            await session.clock()
            await session.close()

    asyncio.run(story())
    assert meter.connections == 2


@pytest.mark.parametrize("size", [1, 8, 60, 3000])
def test_noise_is_garbled_truncated_or_refused_never_taken(size: int) -> None:
    noise = random.Random(size)
    found = failure(electricity_meter(UNTIL, 96), mangle=lambda _, __: noise.randbytes(size))
    assert found.kind in {FailureKind.GARBLED, FailureKind.TRUNCATED, FailureKind.NOT_SUPPORTED}


def test_a_frame_for_somebody_else_is_garbled() -> None:
    found = failure(electricity_meter(UNTIL, 96), mangle=lambda _, answer: wrap(answer[8:], 1, 17))
    assert found.kind is FailureKind.GARBLED


def test_a_meter_that_never_stops_talking_is_cut_off() -> None:
    notice = wrap(b"\x0f" + b"\0" * 50, 1, 48)
    found = failure(electricity_meter(UNTIL, 96), mangle=lambda _, __: notice * 1000)
    assert found.kind is FailureKind.GARBLED


def test_a_notification_before_the_answer_is_passed_over() -> None:
    meter = electricity_meter(UNTIL, 96)
    meter.mangle = lambda request, answer: wrap(b"\x0f\0\0\0\1", 1, 48 if request[0] > 0x7F else 16) + answer

    async def story() -> list[Collected]:
        async with listening(meter) as address:
            session = await DlmsDriver().open(Endpoint(address), Credentials(KEYS))
            return await read(session)

    assert sum(answer.rows for answer in asyncio.run(story())) > 90


@pytest.mark.parametrize(
    ("address", "options", "words"),
    [
        ("meter", {}, "not host:port"),
        ("h:1", {"mechanism": "hls-sha512"}, "not one of none, lls, hls, hls-md5"),
        ("h:1", {"suite": 3}, "not one of 0, 1, 2"),
        ("h:1", {"suite": 2}, "the encryption key of suite 2 has 32 octets"),
        ("h:1", {"protection": "none"}, "not one of authenticated-encrypted"),
        ("h:1", {"signed": "yes"}, "not true or false"),
        ("h:1", {"mechanism": "hls-ecdsa", "suite": 1}, "meter_signing_key is missing"),
        ("h:1", {"mechanism": "hls-ecdsa", "suite": 1, "meter_signing_key": "00"}, "no signing_key is stored"),
        ("h:1", {"meter_signing_key": "xyz"}, "not hexadecimal"),
        ("h:1", {"server_sap": "one"}, "not a number from 1 to 65535"),
        ("h:1", {"zone": "India/Delhi"}, "no IANA zone"),
        ("h:1", {"client_title": "short"}, "not eight characters"),
        ("h:1", {"counter_obis": "0.0"}, "no OBIS code"),
    ],
)
def test_a_wrong_record_is_named(address: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(ReadFailure, match=words) as caught:
        asyncio.run(DlmsDriver().open(Endpoint(address, options), Credentials(KEYS)))
    assert caught.value.kind is FailureKind.NOT_CONFIGURED


def test_mutated_answers_end_in_a_read_failure_or_a_result_never_in_another_error() -> None:
    noise = random.Random(20_261_120)

    def mutate(_: bytes, answer: bytes) -> bytes:
        spoiled = bytearray(answer)
        for _turn in range(noise.randint(0, 3)):
            spoiled[noise.randrange(8, len(spoiled))] = noise.randrange(256)
        return bytes(spoiled)

    async def story() -> int:
        meter = electricity_meter(UNTIL, 20)
        failures = 0
        async with listening(meter) as address:
            # Without ciphering nothing but the decoders stands between the noise and the store.
            endpoint = Endpoint(address, {"mechanism": "lls", "answer_s": 0.5})
            for _ in range(250):
                meter.mangle = None
                session = await DlmsDriver().open(endpoint, Credentials(KEYS))
                meter.mangle = mutate
                try:
                    await session.nameplate()
                    await session.clock()
                    await session.held(Profile.BLOCK)
                    await read(session)
                except ReadFailure:
                    failures += 1
                finally:
                    await session.close()
        return failures

    assert asyncio.run(story()) > 100
