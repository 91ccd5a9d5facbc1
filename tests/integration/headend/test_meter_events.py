"""Event logs of simulated meters become meter events: once, with their ends, provable from the journal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from demeter import headend, readings
from demeter.drivers.dlms import DlmsDriver, EventDecoder, ProfileDecoder
from demeter.headend import Collector, DatabaseCounters, EventFilter
from demeter.ingest import IngestWriter
from demeter.kernel import Span
from demeter.runtime.database import Database, Role
from demeter.sdk import Credentials, Frame, MeterEvent, MeterEventKind
from demeter.simulator import FleetConfig, Simulation
from tests.integration.headend.rig import QUIET, Rig, eventually, make_rig, running
from tests.integration.headend.test_commands_simulated import single_phase

Story = Callable[[Simulation, int, Collector], Awaitable[None]]
LIMITS = replace(QUIET, events_every_s=3600)


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def watched(rig: Rig, story: Story, noted: Callable[[Simulation], None] = lambda _: None) -> None:
    """Run a story with one simulated meter, a head-end, and the real store."""

    async def play() -> None:
        config = single_phase(1)
        since = int((datetime.now(UTC) - timedelta(hours=6)).timestamp())
        writer = IngestWriter(rig.database, {"dlms/profile": ProfileDecoder(), "dlms/events": EventDecoder()})
        try:
            async with Simulation(FleetConfig("Asia/Kolkata", since, (config,))) as simulation:
                noted(simulation)
                place = simulation.addresses["m1"]
                keys = {
                    "encryption_key": bytes.fromhex(config.encryption_key),
                    "authentication_key": bytes.fromhex(config.authentication_key),
                }
                meter_id = rig.add_meter("DM1", f"{place.host}:{place.port}", keys=keys, server_sap=place.server_sap)
                drivers = {"dlms": DlmsDriver(counters=DatabaseCounters(rig.database, 0.05))}
                collector = Collector(rig.database, drivers, writer.accept, rig.secrets, limits=LIMITS)
                async with running(collector):
                    await story(simulation, meter_id, collector)
        finally:
            await asyncio.to_thread(writer.close)

    asyncio.run(play())


def found(
    rig: Rig, meter_id: int, wanted: EventFilter | None = None, span: Span | None = None
) -> list[headend.StoredEvent]:
    with rig.database.unit_of_work(rig.scope) as work:
        return headend.meter_events(work, meter_id, span, wanted)


async def listed(rig: Rig, meter_id: int, count: int) -> list[headend.StoredEvent]:
    await eventually(lambda: len(found(rig, meter_id)) == count)
    return found(rig, meter_id)


def outage(simulation: Simulation, at: datetime) -> None:
    log = simulation.meters["m1"].log
    log.note(int(at.timestamp()), 101)
    log.note(int((at + timedelta(minutes=5)).timestamp()), 102)
    log.note(int((at + timedelta(minutes=9)).timestamp()), 51)


AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


def test_what_a_meter_noted_is_listed_with_meaning_and_end(rig: Rig) -> None:
    async def story(_simulation: Simulation, meter_id: int, _collector: Collector) -> None:
        newest, restored, failed = await listed(rig, meter_id, 3)
        assert (failed.code, failed.kind, failed.group) == (101, MeterEventKind.OCCURRENCE, "power")
        assert failed.at == AT
        assert (failed.until, failed.open) == (AT + timedelta(minutes=5), False)
        assert (restored.kind, restored.open, restored.until) == (MeterEventKind.RESTORATION, False, None)
        assert (newest.code, newest.open, newest.until) == (51, True, None)
        assert newest.values
        assert all(isinstance(value.value, int) for value in newest.values)
        assert {"V", "A"} <= {value.unit for value in newest.values}
        assert [each.code for each in found(rig, meter_id, EventFilter(open=True))] == [51]
        assert [each.code for each in found(rig, meter_id, EventFilter(group="power"))] == [102, 101]
        assert [each.code for each in found(rig, meter_id, span=Span(AT, AT + timedelta(minutes=1)))] == [101]
        assert [each.code for each in found(rig, meter_id, EventFilter(before=newest.id, limit=1))] == [102]

    watched(rig, story, lambda simulation: outage(simulation, AT))


def test_the_same_log_read_again_brings_nothing_twice(rig: Rig) -> None:
    async def story(simulation: Simulation, meter_id: int, collector: Collector) -> None:
        await listed(rig, meter_id, 3)
        with rig.database.connect(Role.OWNER) as owner:
            owner.execute("UPDATE headend.event_log SET read_at = read_at - interval '2 days'")
        simulation.meters["m1"].log.note(int(AT.timestamp()), 101)  # the same code in the same second: another event
        await collector.read_now(meter_id)
        assert sorted(each.code for each in await listed(rig, meter_id, 4)) == [51, 101, 101, 102]
        await collector.read_now(meter_id)
        assert len(found(rig, meter_id)) == 4

    watched(rig, story, lambda simulation: outage(simulation, AT))


def test_logs_without_news_are_not_read(rig: Rig) -> None:
    async def story(simulation: Simulation, meter_id: int, collector: Collector) -> None:
        await listed(rig, meter_id, 3)
        before = frames(rig, meter_id)
        await collector.read_now(meter_id)
        assert frames(rig, meter_id) == before
        simulation.meters["m1"].log.note(int(datetime.now(UTC).timestamp()), 52)
        await collector.read_now(meter_id)
        assert len(frames(rig, meter_id)) == len(before) + 1
        restored, current, *_ = found(rig, meter_id)
        assert (restored.code, current.code) == (52, 51)
        assert (current.until, current.open) == (restored.at, False)

    watched(rig, story, lambda simulation: outage(simulation, AT))


def frames(rig: Rig, meter_id: int) -> list[int]:
    with rig.database.unit_of_work(rig.scope) as work:
        return [frame.id for frame in readings.journal_frames(work, meter_id) if frame.codec == "dlms/events"]


def test_events_are_what_their_frames_say(rig: Rig) -> None:
    async def story(_simulation: Simulation, meter_id: int, _collector: Collector) -> None:
        stored = await listed(rig, meter_id, 3)
        told: dict[int, tuple[MeterEvent, ...]] = {}
        with rig.database.unit_of_work(rig.scope) as work:
            keys = Credentials(rig.secrets.open_all(work, "meter:")[f"meter:{meter_id}"])
            for kept in readings.journal_frames(work, meter_id):
                if kept.codec == EventDecoder.codec:
                    frame = Frame(kept.codec, kept.payload, kept.received_at, kept.context)
                    told[kept.id] = EventDecoder().events(frame, keys)
            assert readings.verify_chain(work, meter_id).whole
        for each in stored:
            assert each.frame_id is not None
            same = [event for event in told[each.frame_id] if (event.at, event.code) == (each.at, each.code)]
            assert [(event.meaning, event.values) for event in same] == [(each.meaning, each.values)]

    watched(rig, story, lambda simulation: outage(simulation, AT))


def test_a_head_end_killed_before_the_mark_reads_the_log_again_and_stores_it_once(rig: Rig) -> None:
    async def story(_simulation: Simulation, meter_id: int, collector: Collector) -> None:
        await listed(rig, meter_id, 3)
        with rig.database.connect(Role.OWNER) as owner:  # as if the frame was committed, and the process died then
            owner.execute("DELETE FROM headend.event_log")
            owner.execute("DELETE FROM headend.meter_event")

    watched(rig, story, lambda simulation: outage(simulation, AT))

    async def again(_simulation: Simulation, meter_id: int, _collector: Collector) -> None:
        assert [each.code for each in await listed(rig, meter_id, 3)] == [51, 102, 101]

    with rig.database.connect(Role.OWNER) as owner:
        owner.execute("UPDATE estate.meter SET active = false, serial = 'OLD' WHERE serial = 'DM1'")
    watched(rig, again, lambda simulation: outage(simulation, AT))


def test_events_of_a_push_come_in_by_the_same_door(rig: Rig) -> None:
    async def story(_simulation: Simulation, meter_id: int, _collector: Collector) -> None:
        (*_, failed) = await listed(rig, meter_id, 3)
        known = MeterEvent(failed.log, failed.at, failed.code, failed.kind, failed.group, failed.meaning, 102)
        with rig.database.unit_of_work(rig.scope) as work:
            assert headend.take_in(work, meter_id, [known], None, datetime.now(UTC)) == 0
            fresh = replace(known, at=AT + timedelta(hours=1))
            assert headend.take_in(work, meter_id, [fresh], None, datetime.now(UTC)) == 1
        newest = found(rig, meter_id, EventFilter(code=101))[0]
        assert (newest.at, newest.open) == (AT + timedelta(hours=1), True)

    watched(rig, story, lambda simulation: outage(simulation, AT))


def test_measured_values_are_kept_as_integers(rig: Rig) -> None:
    async def story(_simulation: Simulation, meter_id: int, _collector: Collector) -> None:
        await listed(rig, meter_id, 3)
        with rig.database.connect(Role.OWNER) as owner:
            [(measured,)] = owner.execute("SELECT measured FROM headend.meter_event WHERE code = 51").fetchall()
        assert all(isinstance(number, int) for _, number, scaler, _ in measured for number in (number, scaler))
        assert json.dumps(measured)

    watched(rig, story, lambda simulation: outage(simulation, AT))
