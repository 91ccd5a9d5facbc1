"""Invocation counters: what was sent once is never sent again, whatever the meter or somebody on the line says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demeter.drivers.dlms import DlmsDriver, FileCounters, MemoryCounters
from demeter.kernel import Clock
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.association import MAX_LEAP
from demeter.protocols.dlms.wrapper import wrap
from demeter.sdk import CounterStore, Credentials, Endpoint, FailureKind, Profile, ReadFailure
from demeter.simulator import FleetConfig, LoadConfig, MeterConfig, MeterKind, Simulation
from tests.integration.drivers.peer import KEYS, PeerMeter, electricity_meter, listening

UNTIL = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)
GLO_GET = 0xC8
COUNTER_PLACE = bytes((0xC0, 1))
"""How a plain GET begins: in these tests only the public client sends one."""


class At(Clock):
    """A clock that stands still."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at


class Ear:
    """Hears the counters of ciphered GETs, and tells the public client what it is told to tell."""

    def __init__(self, meter: PeerMeter) -> None:
        self.counters: list[int] = []
        self.ciphered = 0
        self.tells: int | None = None
        meter.mangle = self.hear

    def hear(self, request: bytes, answer: bytes) -> bytes:
        if request[0] == GLO_GET:
            start = 3 if request[1] < 0x80 else 3 + (request[1] & 0x7F)
            self.counters.append(int.from_bytes(request[start : start + 4], "big"))
        if request[0] == 0x60 and b"\x21" in request[20:]:
            self.ciphered += b"\x60\x85\x74\x05\x08\x01\x03" in request
        if request[:2] == COUNTER_PLACE and self.tells is not None:
            return wrap(bytes((0xC4, 1, request[2], 0)) + axdr.encode(data.u32(self.tells)), 1, 16)
        return answer


async def clock_is_read(driver: DlmsDriver, address: str, **options: object) -> None:
    session = await driver.open(Endpoint(address, {"answer_s": 1, **options}), Credentials(KEYS))
    try:
        await session.clock()
    finally:
        await session.close()


def stores(folder: Path) -> list[CounterStore]:
    return [MemoryCounters(), FileCounters(folder / "counters.json")]


@pytest.mark.parametrize("which", [0, 1], ids=["memory", "file"])
def test_a_meter_that_lost_its_counter_does_not_make_us_use_one_twice(which: int, tmp_path: Path) -> None:
    meter = electricity_meter(UNTIL, 4)
    ear = Ear(meter)

    async def story() -> None:
        store = stores(tmp_path)[which]
        async with listening(meter) as address:
            for _ in range(3):
                await clock_is_read(DlmsDriver(counters=store), address)
                meter.counters.received = 0

    asyncio.run(story())
    assert len(set(ear.counters)) == len(ear.counters) == 3


def test_a_low_number_told_by_a_stranger_does_not_make_us_use_one_twice() -> None:
    meter = electricity_meter(UNTIL, 4)
    ear = Ear(meter)

    async def story() -> None:
        driver = DlmsDriver()
        async with listening(meter) as address:
            await clock_is_read(driver, address)
            ear.tells = 0
            await clock_is_read(driver, address)

    asyncio.run(story())
    assert len(set(ear.counters)) == len(ear.counters) == 2


def test_a_high_number_told_by_a_stranger_is_refused_and_costs_nothing() -> None:
    meter = electricity_meter(UNTIL, 4)
    ear = Ear(meter)

    async def story() -> None:
        driver = DlmsDriver()
        async with listening(meter) as address:
            await clock_is_read(driver, address)
            associations = ear.ciphered
            ear.tells = 0xFFFF_FFFD
            with pytest.raises(ReadFailure, match="4294967293") as caught:
                await clock_is_read(driver, address)
            assert caught.value.kind is FailureKind.IMPLAUSIBLE_COUNTER
            assert ear.ciphered == associations, "nothing was sent under the key"
            ear.tells = None
            await clock_is_read(driver, address)

    asyncio.run(story())
    assert max(ear.counters) < 100


def test_at_the_first_contact_a_key_is_not_taken_as_nearly_used_up() -> None:
    meter = electricity_meter(UNTIL, 4)
    ear = Ear(meter)

    async def story() -> None:
        driver = DlmsDriver()
        async with listening(meter) as address:
            ear.tells = 0xFFFF_FFFD
            with pytest.raises(ReadFailure) as caught:
                await clock_is_read(driver, address)
            assert caught.value.kind is FailureKind.IMPLAUSIBLE_COUNTER
            ear.tells = None
            meter.counters.received = 40_000_000  # as another head-end left it
            await clock_is_read(driver, address)

    asyncio.run(story())
    assert min(ear.counters) > 40_000_000


def test_a_person_may_vouch_for_a_counter_far_ahead() -> None:
    meter = electricity_meter(UNTIL, 4)
    Ear(meter)

    async def story() -> None:
        driver = DlmsDriver()
        async with listening(meter) as address:
            await clock_is_read(driver, address)
            meter.counters.received = 3_000_000_000
            with pytest.raises(ReadFailure):
                await clock_is_read(driver, address)
            await clock_is_read(driver, address, counter_at_least=3_000_000_000)

    asyncio.run(story())


def test_a_long_session_takes_more_counters_and_never_one_twice() -> None:
    meter = electricity_meter(UNTIL, 96 * 20)
    ear = Ear(meter)

    async def story() -> None:
        driver = DlmsDriver()
        async with listening(meter) as address:
            endpoint = Endpoint(address, {"max_pdu": 200, "answer_s": 5})
            session, other = [await driver.open(endpoint, Credentials(KEYS)) for _ in range(2)]
            await other.close()  # both under one key: their counters lie apart
            await session.read_profile(Profile.BLOCK, UNTIL - timedelta(days=20), UNTIL)
            await session.close()

    meter.counters.window = 1 << 16  # meters of one key: here one meter hears what would go to two
    asyncio.run(story())
    assert len(ear.counters) > 200
    assert len(set(ear.counters)) == len(ear.counters)


def test_every_installation_has_a_title_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    async def story() -> None:
        first, again, other = (FileCounters(tmp_path / name) for name in ("a", "a", "b"))
        titles = [await store.title() for store in (first, again, other, MemoryCounters())]
        assert titles[0] == titles[1]
        assert len(set(titles)) == 3
        assert all(len(title) == 8 and title.startswith(b"DMT") for title in titles)

    asyncio.run(story())


def test_two_processes_reserve_apart_from_each_other(tmp_path: Path) -> None:
    async def story() -> list[int]:
        both = [FileCounters(tmp_path / "counters.json") for _ in range(2)]
        return await asyncio.gather(*(both[n % 2].reserve(b"DMT00000", b"f" * 16, 5, 10) for n in range(20)))

    assert sorted(asyncio.run(story())) == list(range(5, 205, 10))


def test_an_answer_recorded_earlier_is_refused_at_another_address_and_by_another_process(tmp_path: Path) -> None:
    """What was seen belongs to the meter's title and key, not to where it was reached or to a process."""
    meter = electricity_meter(UNTIL, 4)

    async def story() -> None:
        async with listening(meter) as address:
            await clock_is_read(DlmsDriver(counters=FileCounters(tmp_path / "counters")), address)
        meter.counters.sent = 0  # whoever answers now can only repeat what the meter once said
        async with listening(meter) as elsewhere:
            with pytest.raises(ReadFailure) as caught:
                await clock_is_read(DlmsDriver(counters=FileCounters(tmp_path / "counters")), elsewhere)
            assert caught.value.kind is FailureKind.REPLAYED
            await clock_is_read(
                DlmsDriver(counters=FileCounters(tmp_path / "counters")), elsewhere, counter_epoch=1
            )  # a person says: repaired, it counts anew

    asyncio.run(story())


def test_a_simulated_meter_does_not_forget_when_it_is_started_again() -> None:
    config = MeterConfig(
        "m",
        "SER-m",
        MeterKind.SINGLE_PHASE,
        LoadConfig("steady"),
        system_title="444d540000000001",
        encryption_key=KEYS["encryption_key"].hex(),
        authentication_key=KEYS["authentication_key"].hex(),
    )
    fleet = FleetConfig("Asia/Kolkata", int(UNTIL.timestamp()) - 86_400, (config,))

    async def first_counter(at: datetime) -> int:
        async with Simulation(fleet, At(at)) as running:
            place = running.addresses["m"]
            session = await DlmsDriver().open(Endpoint(f"{place.host}:{place.port}"), Credentials(KEYS))
            used = session._client.invocation_counter
            await session.close()
        return used

    before = asyncio.run(first_counter(UNTIL))
    assert before < asyncio.run(first_counter(UNTIL + timedelta(minutes=15))) < before + MAX_LEAP


def test_another_meter_put_at_the_address_is_not_taken_for_a_replay() -> None:
    async def story() -> None:
        driver = DlmsDriver()
        first, second = electricity_meter(UNTIL, 4), electricity_meter(UNTIL, 4)
        assert first.title != second.title
        first.counters.sent = 1_000_000
        server = None
        async with listening(first) as address:
            await clock_is_read(driver, address)
        host, port = address.split(":")
        server = await asyncio.start_server(second.serve, host, int(port))
        async with server:
            await clock_is_read(driver, address)

    asyncio.run(story())
