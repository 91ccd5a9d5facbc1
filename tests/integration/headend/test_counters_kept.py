"""Invocation counters in the database: reserved once whoever asks, remembered past the process, one title for all."""

from __future__ import annotations

import asyncio

import pytest

from demeter.drivers.dlms import DlmsDriver
from demeter.headend import DatabaseCounters
from demeter.kernel import Unavailable
from demeter.runtime.database import Database
from demeter.sdk import Credentials, Endpoint, FailureKind, ReadFailure
from tests.integration.drivers.peer import KEYS, electricity_meter, listening
from tests.integration.headend.rig import QUIET, last_quarter, make_rig, running

KEY, TITLE = b"f" * 16, b"DMT00000"


def test_reservations_of_many_processes_never_overlap(database: Database) -> None:
    async def story() -> list[int]:
        both = [DatabaseCounters(database) for _ in range(2)]
        return await asyncio.gather(*(both[n % 2].reserve(TITLE, KEY, 7, 10) for n in range(40)))

    assert sorted(asyncio.run(story())) == list(range(7, 407, 10))


def test_what_was_reserved_and_seen_outlives_the_process(database: Database) -> None:
    async def story() -> None:
        first = DatabaseCounters(database)
        await first.reserve(TITLE, KEY, 1, 1000)
        await first.reserve(TITLE, KEY, 5000, 1000)
        await first.saw(b"MTR00001", KEY, 90)
        await first.saw(b"MTR00001", KEY, 80)
        await first.saw(b"MTR00002", KEY, 70)
        await first.close()
        second = DatabaseCounters(database)
        await second.saw(b"MTR00002", KEY, 60)
        await second.close()
        known = await second.counted(KEY)
        assert known.sent == {TITLE: 5999}
        assert known.seen == {b"MTR00001": 90, b"MTR00002": 70}
        assert await second.counted(b"g" * 16) == type(known)({}, {})
        assert await second.reserve(TITLE, KEY, 1, 10) == 6000

    asyncio.run(story())


def test_the_title_is_made_once(database: Database) -> None:
    async def story() -> set[bytes]:
        return set(await asyncio.gather(*(DatabaseCounters(database).title() for _ in range(8))))

    titles = asyncio.run(story())
    assert len(titles) == 1
    assert len(titles.pop()) == 8


def test_what_was_seen_is_written_without_being_asked_to(database: Database) -> None:
    async def story() -> None:
        counters = DatabaseCounters(database, 0.01)
        await counters.saw(b"MTR00001", KEY, 90)
        async with asyncio.timeout(5):
            while not (await counters.counted(KEY)).seen:  # noqa: ASYNC110 - what is waited for happens in a database
                await asyncio.sleep(0.01)

    asyncio.run(story())


def test_a_recorded_session_is_refused_after_a_restart(database: Database) -> None:
    meter = electricity_meter(last_quarter(), 4)

    async def story() -> None:
        async with listening(meter) as address:
            for _ in range(2):
                counters = DatabaseCounters(database)
                session = await DlmsDriver(counters=counters).open(Endpoint(address), Credentials(KEYS))
                await session.close()
                await counters.close()
                meter.counters.sent = 0

    with pytest.raises(ReadFailure) as caught:
        asyncio.run(story())
    assert caught.value.kind is FailureKind.REPLAYED


def test_without_the_database_nothing_is_sent_under_a_key(database: Database) -> None:
    meter = electricity_meter(last_quarter(), 4)

    async def story() -> None:
        async with listening(meter) as address:
            counters = DatabaseCounters(Database("postgresql://nobody@127.0.0.1:9/none"))
            with pytest.raises(Unavailable):
                await DlmsDriver(counters=counters).open(Endpoint(address), Credentials(KEYS))
            assert meter.counters.received == 0

    asyncio.run(story())


def test_restarted_head_ends_go_on_above_what_was_sent(database: Database) -> None:
    rig = make_rig(database)
    meter = electricity_meter(last_quarter(), 4)
    highest = []

    async def story() -> None:
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            for _ in range(2):
                async with running(rig.collector(QUIET)) as collector:
                    assert (await collector.read_now(meter_id)).succeeded
                highest.append(meter.counters.received)
                meter.counters.received = 0

    asyncio.run(story())
    assert highest[1] > highest[0]
