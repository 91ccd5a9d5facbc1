"""Commands through a real head-end, database and socket to a meter that is really switched."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from demeter import headend
from demeter.headend import Command, CommandState, Order, Pacing
from demeter.kernel import Conflict, Denied, Invalid, NotFound
from demeter.protocols.dlms.classes import ControlMode, ControlState
from demeter.runtime.database import Database, Scope, UnitOfWork, audit_entries
from demeter.sdk import OperationKind
from tests.integration.drivers.peer import electricity_meter, listening
from tests.integration.headend.operated import OperatedMeter
from tests.integration.headend.rig import QUIET, Rig, eventually, last_quarter, make_rig, running

BRISK = Pacing(settle_s=0.2, look_every_s=0.02, retry_s=0.05, patience_s=0.2, arrive_s=0.2, look_after_s=1)
CALENDAR = {
    "name": "TOU1",
    "seasons": [{"name": "S", "month": 4, "day": 1, "week": "W"}],
    "weeks": [{"name": "W", "days": [1, 1, 1, 1, 1, 2, 2]}],
    "days": {"1": {"00:00": 1, "06:00": 2, "22:00": 1}, "2": {"00:00": 1}},
}


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


@contextmanager
def working(rig: Rig, scope: Scope | None = None) -> Iterator[UnitOfWork]:
    with rig.database.unit_of_work(scope or rig.scope) as work:
        yield work


def ask(rig: Rig, meter_id: int, kind: OperationKind, scope: Scope | None = None, **more: Any) -> Command:
    with working(rig, scope) as work:
        return headend.request_command(work, meter_id, Order(kind, **more))


async def ended(rig: Rig, command: Command, within_s: float = 15) -> Command:
    found = await asyncio.to_thread(headend.await_command, rig.database, rig.scope, command.id, within_s)
    assert found.state.final, found
    return found


async def told(rig: Rig, meter_id: int, kind: OperationKind, **more: Any) -> Command:
    return await ended(rig, await asyncio.to_thread(lambda: ask(rig, meter_id, kind, **more)))


def operated(rig: Rig, story: Any, **options: Any) -> None:
    """Run a story with a meter that answers and a head-end that runs."""

    async def play() -> None:
        meter = OperatedMeter()
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address, answer_s=2, **options)
            async with running(rig.collector(QUIET, BRISK)):
                await story(meter, meter_id)

    asyncio.run(play())


def test_a_disconnection_is_confirmed_by_contact_and_control(rig: Rig) -> None:
    async def story(meter: OperatedMeter, meter_id: int) -> None:
        done = await told(rig, meter_id, OperationKind.DISCONNECT, reason="moved out")
        assert (done.state, done.outcome, done.attempts) == (CommandState.CONFIRMED, "seen", 1)
        assert done.before == {"relay": "connected", "output_state": True, "control_state": 1, "control_mode": 4}
        assert done.after == {"relay": "disconnected", "output_state": False, "control_state": 0, "control_mode": 4}
        assert meter.relay() == "disconnected"
        again = await told(rig, meter_id, OperationKind.DISCONNECT)
        assert (again.state, again.outcome, again.attempts) == (CommandState.CONFIRMED, "already so", 0)
        back = await told(rig, meter_id, OperationKind.CONNECT)
        assert (back.state, back.after["relay"]) == (CommandState.CONFIRMED, "connected")
        assert meter.commands == ["action 70/1", "action 70/2"]

    operated(rig, story)


def test_every_step_is_kept_and_audited_with_who_and_why(rig: Rig) -> None:
    async def story(_meter: OperatedMeter, meter_id: int) -> None:
        asked = await asyncio.to_thread(lambda: ask(rig, meter_id, OperationKind.DISCONNECT, reason="moved out"))
        await ended(rig, asked)
        with working(rig) as work:
            steps = headend.steps(work, asked.id)
            trail = [audit_entries(work, f"headend.command.{word}", f"meter:{meter_id}") for word in STATES]
        assert [(step.state, step.outcome, step.actor) for step in steps] == [
            ("waiting", "asked", "test"),
            ("sent", "sending", "headend"),
            ("confirmed", "seen", "headend"),
        ]
        assert steps[1].seen["relay"] == "connected"
        assert [[entry.actor for entry in entries] for entries in trail] == [["test"], ["headend"], ["headend"]]
        assert trail[0][0].detail["detail"] == "moved out"
        assert trail[2][0].detail["seen"]["relay"] == "disconnected"

    operated(rig, story)


STATES = ("waiting", "sent", "confirmed")


def test_a_welded_relay_is_told_as_it_is(rig: Rig) -> None:
    async def story(meter: OperatedMeter, meter_id: int) -> None:
        meter.welded = True
        done = await told(rig, meter_id, OperationKind.DISCONNECT)
        assert (done.state, done.outcome) == (CommandState.FAILED, "no effect")
        assert (done.after["relay"], done.after["output_state"]) == ("contradictory", True)

    operated(rig, story)


@pytest.mark.parametrize(
    ("mode", "kind", "says"),
    [
        (ControlMode.ALWAYS_CONNECTED, OperationKind.DISCONNECT, "control mode 0"),
        (ControlMode.MODE_3, OperationKind.CONNECT, "control mode 3"),
        (ControlMode.MODE_4, OperationKind.ARM, "nothing to make ready"),
    ],
)
def test_what_the_control_mode_forbids_is_refused_before_anything_is_sent(
    rig: Rig, mode: int, kind: OperationKind, says: str
) -> None:
    async def story(meter: OperatedMeter, meter_id: int) -> None:
        meter.mode = mode
        if kind is OperationKind.CONNECT:
            meter.control = ControlState.DISCONNECTED
        done = await told(rig, meter_id, kind)
        assert (done.state, done.outcome) == (CommandState.FAILED, "refused")
        assert says in done.detail
        assert meter.commands == []

    operated(rig, story)


def test_a_disconnected_meter_is_armed_and_connected_again_by_naming_the_mode(rig: Rig) -> None:
    async def story(meter: OperatedMeter, meter_id: int) -> None:
        meter.control = ControlState.DISCONNECTED
        done = await told(rig, meter_id, OperationKind.ARM)
        assert (done.state, done.after["relay"], done.after["control_mode"]) == (CommandState.CONFIRMED, "armed", 3)
        done = await told(rig, meter_id, OperationKind.CONNECT, arguments={"control_mode": 4})
        assert (done.state, done.after["relay"], done.after["control_mode"]) == (
            CommandState.CONFIRMED,
            "connected",
            4,
        )

    operated(rig, story)


def test_a_load_limit_is_set_in_the_meters_unit_and_type(rig: Rig) -> None:
    async def story(meter: OperatedMeter, meter_id: int) -> None:
        done = await told(rig, meter_id, OperationKind.LOAD_LIMIT, arguments={"limit": "2500", "over_s": 30})
        assert (done.state, done.before["limit"], done.after["limit"]) == (CommandState.CONFIRMED, "5000", "2500")
        assert (meter.limit, meter.over_s) == (2500, 30)
        other = await told(rig, meter_id, OperationKind.LOAD_LIMIT, arguments={"limit": "10", "unit": "A"})
        assert (other.state, other.outcome) == (CommandState.FAILED, "refused")
        assert "limits by W" in other.detail
        assert meter.limit == 2500

    operated(rig, story)


def test_a_small_drift_is_shifted_and_a_large_one_set(rig: Rig) -> None:
    async def story(meter: OperatedMeter, meter_id: int) -> None:
        meter.drift = timedelta(seconds=120)
        done = await told(rig, meter_id, OperationKind.SET_CLOCK)
        assert done.state is CommandState.CONFIRMED
        assert done.before["drift_s"] in {119, 120}
        assert abs(done.after["drift_s"]) <= 1
        meter.drift = timedelta(hours=2)
        done = await told(rig, meter_id, OperationKind.SET_CLOCK)
        assert done.state is CommandState.CONFIRMED
        meter.drift, meter.shifts = timedelta(seconds=-60), False
        done = await told(rig, meter_id, OperationKind.SET_CLOCK)
        assert (done.state, done.attempts) == (CommandState.CONFIRMED, 1)
        assert meter.commands == ["action 8/6", "set 8/2", "set 8/2"]

    operated(rig, story)


def test_a_shift_whose_answer_is_lost_is_not_shifted_twice(rig: Rig) -> None:
    async def story(meter: OperatedMeter, meter_id: int) -> None:
        meter.drift, meter.lose = timedelta(seconds=120), 1
        done = await told(rig, meter_id, OperationKind.SET_CLOCK)
        assert (done.state, done.attempts) == (CommandState.CONFIRMED, 1)
        assert meter.commands == ["action 8/6"]
        assert abs(meter.drift) <= timedelta(seconds=1)

    operated(rig, story)


def test_a_calendar_is_written_and_activated_at_once_or_at_a_time(rig: Rig) -> None:
    async def story(meter: OperatedMeter, meter_id: int) -> None:
        done = await told(rig, meter_id, OperationKind.SET_CALENDAR, arguments=CALENDAR)
        assert done.state is CommandState.CONFIRMED, done
        assert done.before["active"]["name"] == "OLD"
        assert done.after["active"] == CALENDAR
        assert meter.active_calendar().name == b"TOU1"
        at = "2027-04-01T00:00:00+05:30"
        later = await told(
            rig, meter_id, OperationKind.SET_CALENDAR, arguments={**CALENDAR, "name": "TOU2", "activate_at": at}
        )
        assert later.state is CommandState.CONFIRMED
        assert meter.active_calendar().name == b"TOU1"
        assert meter.activation() == datetime.fromisoformat(at)
        broken = {**CALENDAR, "name": "TOU3", "weeks": [{"name": "X", "days": [1] * 7}]}
        refused = await told(rig, meter_id, OperationKind.SET_CALENDAR, arguments=broken)
        assert (refused.state, refused.outcome) == (CommandState.FAILED, "refused")
        assert "there is not" in refused.detail

    operated(rig, story)


def test_special_days_are_replaced_and_read_back(rig: Rig) -> None:
    async def story(meter: OperatedMeter, meter_id: int) -> None:
        days = {"*-12-25": 2, "2027-01-26": 2}
        done = await told(rig, meter_id, OperationKind.SET_SPECIAL_DAYS, arguments={"days": days})
        assert (done.state, done.after["days"]) == (CommandState.CONFIRMED, days)
        assert len(meter.special_days()) == 2
        none = await told(rig, meter_id, OperationKind.SET_SPECIAL_DAYS, arguments={"days": {}})
        assert (none.state, meter.special_days()) == (CommandState.CONFIRMED, [])

    operated(rig, story)


def test_a_billing_reset_comes_once_though_the_answer_is_lost(rig: Rig) -> None:
    async def story(meter: OperatedMeter, meter_id: int) -> None:
        meter.lose = 1
        done = await told(rig, meter_id, OperationKind.BILLING_RESET)
        assert (done.state, done.attempts, meter.resets) == (CommandState.CONFIRMED, 1, 8)
        meter.deaf = 1
        done = await told(rig, meter_id, OperationKind.BILLING_RESET)
        assert (done.state, done.attempts, meter.resets) == (CommandState.CONFIRMED, 2, 9)
        meter.counts = False
        done = await told(rig, meter_id, OperationKind.BILLING_RESET)
        assert (done.state, done.attempts, meter.resets) == (CommandState.FAILED, 0, 9)

    operated(rig, story)


def test_the_same_key_gives_the_same_command_and_another_order_under_it_is_refused(rig: Rig) -> None:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9")
    first = ask(rig, meter_id, OperationKind.DISCONNECT, idempotency_key="k1", reason="moved out")
    assert ask(rig, meter_id, OperationKind.DISCONNECT, idempotency_key="k1", reason="moved out") == first
    with pytest.raises(Conflict) as refused:
        ask(rig, meter_id, OperationKind.CONNECT, idempotency_key="k1", reason="moved out")
    assert refused.value.code == "idempotency_key"
    other = rig.add_meter("PEER-2", "127.0.0.1:9")
    assert ask(rig, other, OperationKind.CONNECT, idempotency_key="k1").id != first.id
    assert ask(rig, meter_id, OperationKind.DISCONNECT, reason="moved out").id != first.id


def test_commands_are_carried_out_in_the_order_they_were_asked_for(rig: Rig) -> None:
    async def story() -> None:
        meter = OperatedMeter()
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            kinds = (OperationKind.DISCONNECT, OperationKind.CONNECT, OperationKind.DISCONNECT)
            asked = [ask(rig, meter_id, kind) for kind in kinds]
            async with running(rig.collector(QUIET, BRISK)):
                done = [await ended(rig, each) for each in asked]
            assert [each.state for each in done] == [CommandState.CONFIRMED] * 3
            assert meter.commands == ["action 70/1", "action 70/2", "action 70/1"]
            assert done[0].ended_at <= done[1].ended_at <= done[2].ended_at

    asyncio.run(story())


def test_a_newer_relay_command_takes_the_place_of_a_waiting_one_only_when_told_to(rig: Rig) -> None:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9")
    first = ask(rig, meter_id, OperationKind.DISCONNECT)
    billing = ask(rig, meter_id, OperationKind.BILLING_RESET)
    ask(rig, meter_id, OperationKind.CONNECT)
    with working(rig) as work:
        assert headend.command(work, first.id).state is CommandState.WAITING
    newest = ask(rig, meter_id, OperationKind.CONNECT, supersede=True)
    with working(rig) as work:
        states = {each.id: (each.state, each.outcome) for each in headend.commands(work, meter_id)}
    assert states[first.id] == (CommandState.CANCELLED, "superseded")
    assert states[billing.id][0] is CommandState.WAITING
    assert states[newest.id][0] is CommandState.WAITING
    assert sorted(state for state, _ in states.values()) == ["cancelled", "cancelled", "waiting", "waiting"]


def test_a_waiting_command_can_be_cancelled_and_a_sent_one_not(rig: Rig) -> None:
    meter_id = rig.add_meter("PEER-2", "127.0.0.1:9")
    waiting = ask(rig, meter_id, OperationKind.DISCONNECT)
    with working(rig) as work:
        assert headend.cancel_command(work, waiting.id, "a mistake").state is CommandState.CANCELLED
        assert headend.cancel_command(work, waiting.id).detail == "a mistake"

    async def story(meter: OperatedMeter, other_id: int) -> None:
        meter.hold = asyncio.Event()
        asked = await asyncio.to_thread(ask, rig, other_id, OperationKind.DISCONNECT)
        await eventually(lambda: bool(meter.commands))
        with pytest.raises(Conflict), working(rig) as work:
            headend.cancel_command(work, asked.id)
        meter.hold.set()
        assert (await ended(rig, asked)).state is CommandState.CONFIRMED

    operated(rig, story)


def test_a_command_expires_unsent_when_the_meter_cannot_be_reached(rig: Rig) -> None:
    async def story() -> None:
        meter_id = rig.add_meter("DEAD-1", "127.0.0.1:9")
        async with running(rig.collector(QUIET, BRISK)):
            asked = ask(rig, meter_id, OperationKind.DISCONNECT, expires_in=timedelta(seconds=4))
            done = await ended(rig, asked)
            assert (done.state, done.outcome, done.attempts) == (CommandState.EXPIRED, "too late", 0)
            assert "127.0.0.1:9" in done.detail

    asyncio.run(story())


def test_without_a_head_end_a_command_expires_too_and_is_shown_so_at_once(rig: Rig) -> None:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9")
    asked = ask(rig, meter_id, OperationKind.DISCONNECT, expires_in=timedelta(milliseconds=50))
    time.sleep(0.06)
    assert asked.standing(datetime.now(UTC)) is CommandState.EXPIRED
    assert headend.expire_commands(rig.database) == 1
    with working(rig) as work:
        assert headend.command(work, asked.id).state is CommandState.EXPIRED
    assert headend.expire_commands(rig.database) == 0


def test_a_command_for_later_waits_and_holds_up_nobody(rig: Rig) -> None:
    async def story(meter: OperatedMeter, meter_id: int) -> None:
        at = datetime.now(UTC) + timedelta(seconds=4)
        later = await asyncio.to_thread(lambda: ask(rig, meter_id, OperationKind.CONNECT, not_before=at))
        now = await told(rig, meter_id, OperationKind.DISCONNECT)
        assert now.state is CommandState.CONFIRMED
        assert now.ended_at < at
        done = await ended(rig, later)
        assert (done.state, meter.relay()) == (CommandState.CONFIRMED, "connected")
        assert done.ended_at >= at

    operated(rig, story)


def test_a_command_goes_ahead_of_a_long_history(rig: Rig) -> None:
    async def story() -> None:
        held = 96 * 60
        meter = OperatedMeter(buffers=electricity_meter(last_quarter(), held).buffers, delay_s=0.1)
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            limits = replace(QUIET, slice_rows=96, slices_per_turn=100)
            async with running(rig.collector(limits, BRISK)):
                await eventually(lambda: len(rig.store.stamps(meter_id)) > 0)
                done = await told(rig, meter_id, OperationKind.DISCONNECT)
                assert done.state is CommandState.CONFIRMED
                assert len(rig.store.stamps(meter_id)) < held / 2
                meter.delay_s = 0
                await eventually(lambda: len(set(rig.store.stamps(meter_id))) == held)

    asyncio.run(story())


def test_another_meter_at_the_address_is_never_switched(rig: Rig) -> None:
    async def story() -> None:
        meter = OperatedMeter(serial="SOMEBODY-ELSE")
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(QUIET, BRISK)):
                done = await told(rig, meter_id, OperationKind.DISCONNECT)
        assert (done.state, done.outcome) == (CommandState.FAILED, "another meter answered")
        assert meter.commands == []

    asyncio.run(story())


def test_what_waits_for_a_meter_that_is_taken_out_of_use_fails(rig: Rig) -> None:
    async def story() -> None:
        meter_id = rig.add_meter("DEAD-1", "127.0.0.1:9")
        asked = ask(rig, meter_id, OperationKind.DISCONNECT)
        with working(rig) as work:
            work.raw.execute("UPDATE estate.meter SET active = false WHERE id = %s", (meter_id,))
        async with running(rig.collector(QUIET, BRISK)):
            done = await ended(rig, asked)
        assert (done.state, done.outcome) == (CommandState.FAILED, "not configured")

    asyncio.run(story())


def test_who_may_not_switch_supplies_may_still_set_clocks(rig: Rig) -> None:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9")
    technician = Scope(1, "user:2", frozenset({"headend.command", "headend.read", "estate.read"}))
    with pytest.raises(Denied, match=r"headend\.supply"):
        ask(rig, meter_id, OperationKind.DISCONNECT, technician)
    assert ask(rig, meter_id, OperationKind.SET_CLOCK, technician).requested_by == "user:2"
    switched = ask(rig, meter_id, OperationKind.DISCONNECT)
    with pytest.raises(Denied), working(rig, technician) as work:
        headend.cancel_command(work, switched.id)
    reader = Scope(1, "user:3", frozenset({"headend.read", "estate.read"}))
    with pytest.raises(Denied):
        ask(rig, meter_id, OperationKind.SET_CLOCK, reader)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (OperationKind.DISCONNECT, {"force": True}),
        (OperationKind.LOAD_LIMIT, {"limit": "much"}),
        (OperationKind.LOAD_LIMIT, {"limit": "-1"}),
        (OperationKind.SET_CLOCK, {"tolerance_s": 0}),
        (OperationKind.SET_CALENDAR, {"name": "X"}),
        (OperationKind.SET_CALENDAR, {**CALENDAR, "weeks": [{"name": "W", "days": [1]}]}),
        (OperationKind.SET_CALENDAR, {**CALENDAR, "activate_at": "2027-01-01T00:00:00"}),
        (OperationKind.SET_SPECIAL_DAYS, {"days": {"2026-02-30": 1}}),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_when_it_is_asked_for(
    rig: Rig, kind: OperationKind, arguments: dict[str, Any]
) -> None:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9")
    with pytest.raises(Invalid):
        ask(rig, meter_id, kind, arguments=arguments)


def test_another_organization_sees_and_cancels_nothing(rig: Rig) -> None:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9")
    asked = ask(rig, meter_id, OperationKind.DISCONNECT)
    stranger = Scope.system(2, "stranger")
    with pytest.raises(NotFound), working(rig, stranger) as work:
        headend.command(work, asked.id)
    with pytest.raises(NotFound), working(rig, stranger) as work:
        headend.cancel_command(work, asked.id)
    with pytest.raises(NotFound):
        ask(rig, meter_id, OperationKind.DISCONNECT, stranger)


def test_the_database_itself_keeps_the_history_from_being_rewritten(rig: Rig) -> None:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9")
    asked = ask(rig, meter_id, OperationKind.DISCONNECT)
    for statement in (
        "UPDATE headend.command SET reason = 'x'",
        "UPDATE headend.command SET arguments = '{}'",
        "DELETE FROM headend.command",
        "UPDATE headend.command_step SET detail = 'x'",
        "DELETE FROM headend.command_step",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), working(rig) as work:
            work.raw.execute(statement)
    with working(rig) as work:
        headend.cancel_command(work, asked.id)
    with pytest.raises(psycopg.errors.CheckViolation), working(rig) as work:
        work.raw.execute("UPDATE headend.command SET state = 'waiting', ended_at = NULL")


def test_a_disconnection_is_confirmed_by_read_back_within_two_seconds(rig: Rig) -> None:
    took: list[float] = []

    async def story(_meter: OperatedMeter, meter_id: int) -> None:
        for number in range(40):
            kind = OperationKind.CONNECT if number % 2 else OperationKind.DISCONNECT
            started = time.perf_counter()
            done = await told(rig, meter_id, kind)
            took.append(time.perf_counter() - started)
            assert (done.state, done.attempts) == (CommandState.CONFIRMED, 1)

    operated(rig, story)
    p95 = statistics.quantiles(took, n=20)[-1]
    assert p95 < 2, f"p95 {p95:.2f} s"
