"""The timetable gives out what is due, in order, each meter once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from demeter.headend.lanes import Timetable
from demeter.kernel import FixedClock

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_what_is_due_first_comes_first_and_only_once() -> None:
    async def story() -> list[int]:
        clock = FixedClock(NOON)
        timetable = Timetable(clock)
        for meter_id, seconds in ((1, -5), (2, -10), (3, 60)):
            timetable.put(meter_id, NOON + timedelta(seconds=seconds))
        timetable.put(2, NOON - timedelta(seconds=1))  # moved behind 1
        found = [await timetable.next(), await timetable.next()]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(timetable.next(), 0.05)
        clock.advance(timedelta(minutes=2))
        return [*found, await asyncio.wait_for(timetable.next(), 2)]

    assert asyncio.run(story()) == [1, 2, 3]


def test_a_dropped_meter_does_not_come() -> None:
    async def story() -> int:
        timetable = Timetable(FixedClock(NOON))
        timetable.put(1, NOON - timedelta(seconds=2))
        timetable.put(2, NOON)
        timetable.drop(1)
        return await timetable.next()

    assert asyncio.run(story()) == 2


def test_a_meter_put_while_waiting_wakes_the_waiter() -> None:
    async def story() -> int:
        timetable = Timetable(FixedClock(NOON))
        timetable.put(9, NOON + timedelta(hours=1))
        waiting = asyncio.create_task(timetable.next())
        await asyncio.sleep(0)
        timetable.put(7, NOON)
        return await asyncio.wait_for(waiting, 0.5)

    assert asyncio.run(story()) == 7
