"""Collecting over real sockets into a real database's marks: back-fill, outages, dead meters, one session per meter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from demeter import headend
from demeter.headend import Limits
from demeter.kernel import Commodity
from demeter.runtime.database import Database, Scope
from tests.integration.drivers.peer import electricity_meter, grow, listening, water_meter
from tests.integration.headend.rig import FAST, QUIET, Rig, eventually, expected_stamps, last_quarter, make_rig, running


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def test_everything_a_meter_holds_is_collected_once(rig: Rig) -> None:
    async def story() -> None:
        meter = electricity_meter(last_quarter(), 96 * 20)
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(QUIET)) as collector:
                await eventually(lambda: len(rig.store.stamps(meter_id)) == 96 * 20)
                await eventually(lambda: collector.progress().complete == 1)
        assert rig.store.stamps(meter_id) == expected_stamps(meter)
        with rig.database.unit_of_work(rig.scope) as work:
            [row] = headend.meter_rows(work, rig.site_id)
            progress = headend.progress(work, rig.site_id)
        assert (row.state, row.read_until, row.interval_s) == ("ok", last_quarter(), 900)
        assert row.due == row.received
        assert (progress.received, progress.meters, progress.complete) == (96 * 20, 1, 1)

    asyncio.run(story())


def test_water_meters_are_read_as_litres(rig: Rig) -> None:
    async def story() -> None:
        async with listening(water_meter(last_quarter(), 96)) as address:
            meter_id = rig.add_meter("PEER-1", address, Commodity.WATER)
            async with running(rig.collector(QUIET)):
                await eventually(lambda: len(rig.store.stamps(meter_id, "8.0.1.0.0.255")) == 96)
        reading_type = rig.store.deliveries[0].series[0].reading_type
        assert (reading_type.unit, reading_type.scaler, reading_type.kind) == ("L", 0, "register")

    asyncio.run(story())


def test_after_an_outage_every_missed_interval_is_filled(rig: Rig) -> None:
    async def story() -> None:
        until = last_quarter()
        meter = electricity_meter(until - timedelta(days=2), 96 * 3)
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address, answer_s=0.3)
            async with running(rig.collector()):
                await eventually(lambda: len(rig.store.stamps(meter_id)) == 96 * 3)
                meter.silent = True
                grow(meter, until - timedelta(days=2), until)
                await eventually(lambda: failing(rig) == 1)
                meter.silent = False
                await eventually(lambda: len(rig.store.stamps(meter_id)) >= 96 * 5)
        assert rig.store.stamps(meter_id) == expected_stamps(meter)

    asyncio.run(story())


def failing(rig: Rig) -> int:
    with rig.database.unit_of_work(rig.scope) as work:
        return headend.progress(work, rig.site_id).failing


def test_dead_meters_do_not_delay_the_living(rig: Rig) -> None:
    async def story() -> None:
        silent = electricity_meter(last_quarter(), 1)
        silent.silent = True
        meter = electricity_meter(last_quarter() - timedelta(hours=1), 96)
        async with listening(silent) as dead, listening(meter) as address:
            for number in range(20):
                rig.add_meter(f"DEAD-{number}", dead if number % 2 else "127.0.0.1:9", answer_s=5)
            meter_id = rig.add_meter("PEER-1", address)
            limits = replace(FAST, lanes={**FAST.lanes, headend.Purpose.BACKFILL: 24})
            async with running(rig.collector(limits)):
                await eventually(lambda: len(rig.store.stamps(meter_id)) == 96, 4)
                # Now the dead are in the recovery lane, two at a time, 5 s each: the living one is still read at once.
                grow(meter, last_quarter() - timedelta(hours=1), last_quarter())
                asked = asyncio.get_running_loop().time()
                await eventually(lambda: len(rig.store.stamps(meter_id)) == 100, 4)
                assert asyncio.get_running_loop().time() - asked < 3

    asyncio.run(story())


def test_the_mark_follows_the_commit_never_the_reading(rig: Rig) -> None:
    async def story() -> None:
        meter = electricity_meter(last_quarter(), 96 * 40)
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            rig.store.gate = asyncio.Event()
            async with running(rig.collector(replace(FAST, slice_rows=96))):
                await eventually(lambda: meter.requests > 10)
                await asyncio.sleep(0.3)
            assert marks(rig) == []
            rig.store.gate = None
            # The first collector is gone in the middle; the next one begins where the commits ended.
            async with running(rig.collector(replace(FAST, slice_rows=96))):
                await eventually(lambda: len(set(rig.store.stamps(meter_id))) == 96 * 40)
        assert rig.store.stamps(meter_id) == expected_stamps(meter)

    asyncio.run(story())


def marks(rig: Rig) -> list[datetime]:
    with rig.database.unit_of_work(rig.scope) as work:
        rows = work.raw.execute("SELECT collected_until FROM headend.profile_state WHERE profile = 'block load'")
        return [row[0] for row in rows]


def test_what_the_store_does_not_take_is_read_again(rig: Rig) -> None:
    async def story() -> None:
        meter = electricity_meter(last_quarter(), 96 * 3)
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            rig.store.fails = True
            async with running(rig.collector(replace(FAST, slice_rows=96))):
                await eventually(lambda: last_outcome(rig, meter_id) == "not stored")
                rig.store.fails = False
                await eventually(lambda: len(rig.store.stamps(meter_id)) == 96 * 3)
        assert rig.store.stamps(meter_id) == expected_stamps(meter)

    asyncio.run(story())


def last_outcome(rig: Rig, meter_id: int) -> str | None:
    with rig.database.unit_of_work(rig.scope) as work:
        found = headend.sessions(work, meter_id, 1)
    return found[0].outcome if found else None


def test_two_readers_never_talk_to_one_meter_at_once(rig: Rig) -> None:
    async def story() -> None:
        meter = electricity_meter(last_quarter(), 96 * 10)
        meter.delay_s = 0.005
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector()) as collector:
                second = asyncio.create_task(rig.collector().run())
                sessions = await asyncio.gather(*(collector.read_now(meter_id) for _ in range(5)))
                await collector.read_now(meter_id)
                await asyncio.sleep(1)
                second.cancel()
        assert {session.outcome for session in sessions} == {"ok"}
        assert len({id(session) for session in sessions}) == 1, "those who ask together share one session"
        assert meter.most_at_once == 1

    asyncio.run(story())


def test_a_standby_takes_over(rig: Rig) -> None:
    async def story() -> None:
        async with listening(electricity_meter(last_quarter(), 4)) as address:
            meter_id = rig.add_meter("PEER-1", address)
            first, second = rig.collector(QUIET), rig.collector(QUIET)
            async with running(first):
                standby = asyncio.create_task(second.run())
                await asyncio.sleep(0.7)
                assert not second.ready.is_set()
            await asyncio.wait_for(second.ready.wait(), 5)
            assert (await second.read_now(meter_id)).succeeded
            standby.cancel()

    asyncio.run(story())


def test_another_meter_at_the_address_is_not_taken_for_the_right_one(rig: Rig) -> None:
    async def story() -> None:
        async with listening(electricity_meter(last_quarter(), 4, serial="OTHER")) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(QUIET)) as collector:
                session = await collector.read_now(meter_id)
        assert session.outcome == "another meter answered"
        assert session.detail.endswith("PEER-1 was called, OTHER answered")
        assert not rig.store.deliveries

    asyncio.run(story())


def test_a_wrong_clock_is_measured_and_set_only_when_allowed(rig: Rig) -> None:
    async def story(limits: Limits) -> tuple[int | None, datetime | None]:
        meter = electricity_meter(last_quarter(), 4)
        meter.drift = timedelta(seconds=150)
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address) if not rig.store.deliveries else only_meter(rig, address)
            async with running(rig.collector(limits)) as collector:
                await collector.read_now(meter_id)
                await asyncio.sleep(0.2)
        with rig.database.unit_of_work(rig.scope) as work:
            return headend.meter_rows(work, rig.site_id)[0].clock_drift_s, meter.clock_set_to

    assert asyncio.run(story(QUIET)) == (150, None)
    drift, set_to = asyncio.run(story(replace(QUIET, set_clock=True, identify_every_s=0)))
    with rig.database.unit_of_work(rig.scope) as work:
        found = work.raw.execute("SELECT detail FROM runtime.audit WHERE action = 'headend.clock.set'").fetchall()
    assert found[0][0] in {'{"drift_s": 149}', '{"drift_s": 150}', '{"drift_s": 151}'}
    assert drift == 0
    assert set_to is not None
    assert abs((datetime.now(UTC) - set_to).total_seconds()) < 10


def only_meter(rig: Rig, address: str) -> int:
    with rig.database.unit_of_work(rig.scope) as work:
        work.raw.execute("UPDATE estate.meter SET address = %s", (address,))
        row = work.raw.execute("SELECT id FROM estate.meter").fetchone()
        assert row is not None
        return int(row[0])


def test_a_read_asked_for_by_another_process_happens_once(rig: Rig) -> None:
    async def story() -> None:
        async with listening(electricity_meter(last_quarter(), 4)) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(QUIET)):
                await eventually(lambda: len(rig.store.stamps(meter_id)) == 4)
                with rig.database.unit_of_work(rig.scope) as work:
                    first, again = (headend.request_read(work, meter_id) for _ in range(2))
                assert first.id == again.id
                await eventually(lambda: request(rig, first.id).state is headend.RequestState.DONE)
        assert request(rig, first.id).outcome == "ok"
        with rig.database.unit_of_work(rig.scope) as work:
            purposes = [session.purpose for session in headend.sessions(work, meter_id)]
        assert purposes.count("on demand") == 1

    asyncio.run(story())


def request(rig: Rig, request_id: int) -> headend.ReadRequest:
    with rig.database.unit_of_work(rig.scope) as work:
        return headend.read_request(work, request_id)


def test_a_request_nobody_takes_expires(rig: Rig) -> None:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9")
    with rig.database.unit_of_work(rig.scope) as work:
        asked = headend.request_read(work, meter_id)
        work.raw.execute("UPDATE headend.read_request SET expires_at = now()")
    assert request(rig, asked.id).state is headend.RequestState.EXPIRED
    with rig.database.unit_of_work(rig.scope) as work:
        assert headend.request_read(work, meter_id).id != asked.id


def test_another_organization_sees_none_of_it(rig: Rig) -> None:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9")
    with rig.database.unit_of_work(rig.scope) as work:
        headend.request_read(work, meter_id)
    with rig.database.unit_of_work(Scope.system(2, "test")) as work:
        for table in ("meter_state", "profile_state", "read_day", "session_log", "read_request"):
            assert work.raw.execute(f"SELECT count(*) FROM headend.{table}").fetchone() == (0,)


def test_the_log_is_pruned_and_the_states_stay(rig: Rig) -> None:
    async def story() -> None:
        async with listening(electricity_meter(last_quarter(), 4)) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(QUIET)) as collector:
                await collector.read_now(meter_id)

    asyncio.run(story())
    assert headend.prune_log(rig.database) == 0
    with rig.database.unit_of_work(rig.scope) as work:
        work.raw.execute("UPDATE headend.session_log SET ended_at = ended_at - interval '36 days'")
    assert headend.prune_log(rig.database) >= 1
    with rig.database.unit_of_work(rig.scope) as work:
        [row] = headend.meter_rows(work, rig.site_id)
    assert row.read_until == last_quarter()


def test_a_gap_longer_than_a_turn_is_crossed_and_a_meter_that_stands_still_is_left_in_peace(rig: Rig) -> None:
    async def story() -> None:
        until = last_quarter() - timedelta(days=60)  # the meter has recorded nothing since
        meter = electricity_meter(until - timedelta(days=40), 8)
        grow(meter, until - timedelta(hours=2), until)
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(replace(FAST, slice_rows=96, slices_per_turn=5))):
                await eventually(lambda: len(rig.store.stamps(meter_id)) == 16)
                before = meter.connections
                await asyncio.sleep(2)
                assert meter.connections - before <= 3
        assert rig.store.stamps(meter_id) == expected_stamps(meter)

    asyncio.run(story())
