"""Reads due and received in time, per meter and per site, and failure reasons ranked."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from demeter import headend
from demeter.headend import store
from demeter.headend.model import DayCount, MeterState, ProfileState, Purpose, Received, Session
from demeter.kernel import Denied, Invalid, day_start, local_day
from demeter.runtime.database import Database, Scope
from demeter.sdk import Profile
from tests.integration.drivers.peer import electricity_meter, listening
from tests.integration.headend.rig import QUIET, Rig, eventually, last_quarter, make_rig, running

ZONE = "Asia/Kolkata"


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def performance(rig: Rig, since: date, until: date) -> headend.ReadingPerformance:
    with rig.database.unit_of_work(rig.scope) as work:
        return headend.reading_performance(work, rig.site_id, since, until)


def yesterday() -> date:
    return local_day(ZONE, datetime.now(UTC)) - timedelta(days=1)


def write(rig: Rig, meter_id: int, day: date, counts: Received) -> None:
    with rig.database.unit_of_work(rig.scope) as work:
        store.add_days(work, [DayCount(rig.site_id, meter_id, day, counts)])
        store.save_profiles(work, [ProfileState(rig.site_id, meter_id, Profile.BLOCK, 900)])


def test_a_days_reads_are_told_by_how_soon_they_came(rig: Rig) -> None:
    prompt, late, never = (rig.add_meter(serial, "127.0.0.1:1") for serial in ("A", "B", "C"))
    day = yesterday() - timedelta(days=1)
    write(rig, prompt, day, Received(96, 96, 96, 96))
    write(rig, late, day, Received(90, 10, 40, 80))
    found = performance(rig, day, day)
    levels = {level.meter_id: level for level in found.meters}
    assert [levels[meter].within_15min.received for meter in (prompt, late, never)] == [96, 10, 0]
    assert {level.within_15min.due for level in found.meters} == {96}
    assert (found.site.within_4h.received, found.site.within_4h.due) == (136, 288)
    assert (found.site.within_24h.received, found.site.within_24h.due) == (176, 288)


def test_a_second_count_of_a_day_is_added_to_the_first(rig: Rig) -> None:
    meter, day = rig.add_meter("A", "127.0.0.1:1"), yesterday() - timedelta(days=1)
    write(rig, meter, day, Received(40, 40, 40, 40))
    write(rig, meter, day, Received(56, 0, 6, 56))
    (level,) = performance(rig, day, day).meters
    assert (level.within_15min.received, level.within_4h.received, level.within_24h.received) == (40, 46, 96)


def test_what_is_not_due_yet_hides_nothing_that_is_missing(rig: Rig) -> None:
    """Of the reads since yesterday all but one due are there, and the newest, not due yet, too."""
    meter, newest = rig.add_meter("A", "127.0.0.1:1"), last_quarter()
    first, last = yesterday(), yesterday() + timedelta(days=1)
    count = int((newest - day_start(ZONE, first)).total_seconds()) // 900
    with rig.database.unit_of_work(rig.scope) as work:
        store.add_days(work, [DayCount(rig.site_id, meter, first, Received(*[count - 1] * 4))])
        store.save_profiles(work, [ProfileState(rig.site_id, meter, Profile.BLOCK, 900, None, newest, count - 1)])
    (level,) = performance(rig, first, last).meters
    assert level.within_15min.due - level.within_15min.received == 1


def test_what_a_meter_held_for_days_came_and_came_late(rig: Rig) -> None:
    async def story() -> None:
        async with listening(electricity_meter(last_quarter(), 96 * 3)) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(QUIET)):
                await eventually(lambda: len(rig.store.stamps(meter_id)) == 96 * 3)

    asyncio.run(story())
    day = yesterday()
    (level,) = performance(rig, day, day).meters
    assert level.within_15min.received < 96
    assert level.within_15min.received <= level.within_4h.received <= level.within_24h.received


def test_reasons_are_ranked_by_how_many_meters_they_struck(rig: Rig) -> None:
    meters = [rig.add_meter(serial, "127.0.0.1:1") for serial in ("A", "B", "C")]
    at = day_start(ZONE, yesterday()) + timedelta(hours=1)

    def session(meter: int, outcome: str, purpose: Purpose = Purpose.SCHEDULED) -> Session:
        return Session(rig.site_id, meter, purpose, at, at, outcome, f"{outcome} of {meter}")

    with rig.database.unit_of_work(rig.scope) as work:
        store.save_meters(work, [MeterState(rig.site_id, meter) for meter in meters])
        store.log_sessions(work, [session(meters[0], "refused")] * 5 + [session(m, "no answer") for m in meters])
        store.log_sessions(work, [session(meters[0], "ok"), session(meters[1], "wrong key", Purpose.COMMAND)])
    found = performance(rig, yesterday(), yesterday()).failures
    assert [(each.reason, each.meters, each.sessions) for each in found] == [("no answer", 3, 3), ("refused", 1, 5)]
    assert found[1].last_detail == f"refused of {meters[0]}"


def test_days_in_the_wrong_order_and_strangers_are_refused(rig: Rig) -> None:
    with pytest.raises(Invalid, match="no span"):
        performance(rig, yesterday(), yesterday() - timedelta(days=1))
    nobody = Scope(rig.scope.organization_id, "nobody", frozenset())
    with rig.database.unit_of_work(nobody) as work, pytest.raises(Denied):
        headend.reading_performance(work, rig.site_id, yesterday(), yesterday())
