"""A mark says: every row up to here is committed. What a slow store, a late answer or an odd meter does to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from demeter import headend
from demeter.protocols.dlms.profile import RangeSelection, decode_selection
from demeter.runtime.database import Database
from demeter.sdk import Delivery, Profile
from tests.integration.drivers.peer import Buffer, PeerMeter, Row, electricity_meter, grow, listening
from tests.integration.headend.rig import (
    QUIET,
    Committed,
    MemoryStore,
    Rig,
    eventually,
    expected_stamps,
    last_quarter,
    make_rig,
    running,
)


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def mark(rig: Rig) -> tuple[int | None, int]:
    """Up to when the block load is collected, and how many rows were counted."""
    with rig.database.unit_of_work(rig.scope) as work:
        row = work.raw.execute(
            "SELECT collected_until, received FROM headend.profile_state WHERE profile = %s", (Profile.BLOCK.value,)
        ).fetchone()
    if row is None:
        return None, 0
    return (None if row[0] is None else int(row[0].timestamp())), row[1]


@dataclass
class Reluctant(MemoryStore):
    """A store that keeps its ``number``-th delivery waiting until the gate opens; others are taken at once."""

    number: int = 1
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    began: int = 0

    async def __call__(self, delivery: Delivery) -> Committed:
        self.began += 1
        if self.began == self.number:
            await self.opened.wait()
        return await super().__call__(delivery)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_session_that_runs_out_of_time_while_it_waits_for_the_store_leaves_no_gap(rig: Rig, number: int) -> None:
    store = rig.store = Reluctant(number=number)
    meter = electricity_meter(last_quarter(), 96 * 6)

    async def story() -> None:
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            limits = replace(QUIET, slice_rows=96, outstanding=1, turn_s=0.8)
            async with running(rig.collector(limits)) as collector:
                first = asyncio.create_task(collector.read_now(meter_id))
                await asyncio.sleep(1.5)
                until, _ = mark(rig)
                assert until is None or set(stamps_until(meter, until)) <= set(rig.store.stamps(meter_id))
                store.opened.set()
                await first
                await eventually(lambda: mark(rig)[0] is not None)
                until, _ = mark(rig)
                assert until is not None
                assert set(stamps_until(meter, until)) <= set(rig.store.stamps(meter_id))
                assert (await collector.read_now(meter_id)).succeeded
        assert sorted(rig.store.stamps(meter_id)) == expected_stamps(meter), "nothing twice, nothing left out"
        assert mark(rig) == (expected_stamps(meter)[-1], 96 * 6)

    asyncio.run(story())


def stamps_until(meter: PeerMeter, until: int) -> list[int]:
    return [stamp for stamp in expected_stamps(meter) if stamp <= until]


def test_a_commit_that_was_cancelled_counts_as_not_stored(rig: Rig) -> None:
    class Cancelling(MemoryStore):
        async def __call__(self, delivery: Delivery) -> Committed:
            if len(self.deliveries) == 1:
                raise asyncio.CancelledError
            return await super().__call__(delivery)

    rig.store = Cancelling()
    meter = electricity_meter(last_quarter(), 96 * 3)

    async def story() -> None:
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(replace(QUIET, slice_rows=96))) as collector:
                assert (await collector.read_now(meter_id)).outcome == "not stored"
        assert mark(rig) == (expected_stamps(meter)[95], 96)

    asyncio.run(story())


def test_the_present_registers_reach_the_store_even_if_the_session_ends_meanwhile(rig: Rig) -> None:
    store = rig.store = Reluctant(number=3)  # block, daily, then the present values
    meter = electricity_meter(last_quarter(), 96)
    meter.buffers["94.91.0"] = meter.buffers["99.2"]

    async def story() -> None:
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(replace(QUIET, turn_s=0.8))) as collector:
                asked = asyncio.create_task(collector.read_now(meter_id))
                await asyncio.sleep(1.5)
                store.opened.set()
                await asked
        assert len(store.deliveries) == store.began

    asyncio.run(story())


def test_a_meter_put_in_anothers_place_is_noticed_in_the_next_session(rig: Rig) -> None:
    """Not hours later: every row until then would be another flat's."""
    meter = electricity_meter(last_quarter() - timedelta(hours=1), 96)

    async def story() -> None:
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(QUIET)) as collector:
                assert (await collector.read_now(meter_id)).succeeded
                before, requests = len(rig.store.deliveries), meter.requests
                assert (await collector.read_now(meter_id)).succeeded
                usual = meter.requests - requests
                meter.serial = "OTHER"
                grow(meter, last_quarter() - timedelta(hours=1), last_quarter())
                session = await collector.read_now(meter_id)
            assert session.outcome == "another meter answered"
            assert session.detail.endswith("PEER-1 was called, OTHER answered")
            assert len(rig.store.deliveries) == before
            # Public: associate, counter, release. Ciphered: associate, prove, columns with the serial, and the
            # registers of this moment, which this meter does not have; release.
            assert usual <= 9

    asyncio.run(story())


def test_a_record_that_changes_during_a_session_does_not_change_whose_rows_they_are(rig: Rig) -> None:
    meter = electricity_meter(last_quarter(), 96 * 4)
    meter.delay_s = 0.1

    async def story() -> None:
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-2", address)  # a wrong record: PEER-1 is there
            async with running(rig.collector(replace(QUIET, refresh_s=0.05))):
                await eventually(lambda: meter.requests >= 4)  # the session is opening
                with rig.database.unit_of_work(rig.scope) as work:
                    work.raw.execute("UPDATE estate.meter SET serial = 'PEER-1', address = '127.0.0.1:9'")
                await eventually(lambda: len(sessions(rig, meter_id)) > 0)
        assert sessions(rig, meter_id)[-1].detail.endswith("PEER-2 was called, PEER-1 answered")
        assert not rig.store.deliveries

    asyncio.run(story())


def sessions(rig: Rig, meter_id: int) -> list[headend.Session]:
    with rig.database.unit_of_work(rig.scope) as work:
        return headend.sessions(work, meter_id)


def test_rows_beyond_what_was_asked_for_do_not_move_the_mark(rig: Rig) -> None:
    """A meter that adds its newest row to every answer would else skip all that lies between."""
    meter = electricity_meter(last_quarter(), 96 * 5)
    honest = meter.chosen

    def eager(buffer: Buffer, selection: bytes | None) -> list[Row]:
        rows = honest(buffer, selection)
        return [*rows, buffer.rows[-1]] if len(rows) > 1 and rows[-1] != buffer.rows[-1] else rows

    meter.chosen = eager  # type: ignore[method-assign]

    async def story() -> None:
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            limits = replace(QUIET, slice_rows=96, slices_per_turn=1)
            async with running(rig.collector(limits)):
                await eventually(lambda: mark(rig)[0] == expected_stamps(meter)[-1])
        assert sorted(set(rig.store.stamps(meter_id))) == expected_stamps(meter)
        assert mark(rig)[1] == 96 * 5, "no row is counted twice"

    asyncio.run(story())


def test_an_answer_without_any_row_of_the_range_is_garbled(rig: Rig) -> None:
    meter = electricity_meter(last_quarter(), 96 * 5)
    honest = meter.chosen

    def stubborn(buffer: Buffer, selection: bytes | None) -> list[Row]:
        ranged = selection is not None and isinstance(decode_selection(selection), RangeSelection)
        return buffer.rows[-1:] if ranged else honest(buffer, selection)

    meter.chosen = stubborn  # type: ignore[method-assign]

    async def story() -> None:
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(replace(QUIET, slice_rows=96))) as collector:
                session = await collector.read_now(meter_id)
        assert session.outcome == "garbled"
        assert mark(rig) == (None, 0)

    asyncio.run(story())
