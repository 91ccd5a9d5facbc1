"""What a head-end does to a meter has its effect: over real sockets, with our own client and command steps."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from demeter.kernel import FixedClock
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.classes import AssociationLn1, ControlMode
from demeter.protocols.dlms.classes.access import KeyId
from demeter.protocols.dlms.classes.commands import clock as clock_steps
from demeter.protocols.dlms.classes.commands import discovery, keys, supply, tariff
from demeter.protocols.dlms.classes.commands.supply import Relay, relay_state
from demeter.protocols.dlms.client import ClientSettings
from demeter.protocols.dlms.data import u32
from demeter.protocols.dlms.errors import DlmsError, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import Suite
from demeter.simulator import Fault, FaultKind, LoadConfig, MeterKind, Role, SecurityConfig, Simulation
from tests.integration.simulator.meter_lines import (
    IST,
    carry_out,
    column,
    connect,
    event_codes,
    fleet,
    load_profile,
    meter,
    read_object,
    simulated,
    utility,
    value,
)

NOON = datetime(2026, 11, 18, 6, 30, tzinfo=UTC)
START_S = int((NOON - timedelta(days=40)).timestamp())
MASTER = bytes(range(16, 32))
LN = AssociationLn1.interface


def history(*meters):
    return replace(fleet(*meters), history_start_s=START_S)


async def relay(line):
    return relay_state(await read_object(line, supply.read_relay()))


@simulated
async def test_a_disconnected_meter_carries_no_load_and_says_so_everywhere():
    clock = FixedClock(NOON)
    async with Simulation(history(meter("m")), clock) as running:
        line = await utility(running, "m")
        assert await relay(line) is Relay.CONNECTED
        assert await value(line, 3, "1.0.1.7.0.255") == 1000
        await carry_out(line, supply.disconnect())
        assert await relay(line) is Relay.DISCONNECTED
        before = await value(line, 3, "1.0.1.8.0.255")
        assert await value(line, 3, "1.0.1.7.0.255") == 0
        assert await value(line, 3, "1.0.11.7.0.255") == 0
        clock.advance(timedelta(hours=2))
        assert await value(line, 3, "1.0.1.8.0.255") == before
        await carry_out(line, supply.reconnect())
        clock.advance(timedelta(hours=1))
        assert await relay(line) is Relay.CONNECTED
        assert await value(line, 3, "1.0.1.8.0.255") == before + 1000
        energy = column(await load_profile(line), "1.0.1.29.0.255").values.tolist()
        assert energy[-13:] == [250] + [0] * 8 + [250] * 4, "zero is measured, no row is missing"
        assert await event_codes(line, 6) == [301, 302]
        assert await value(line, 1, "0.0.96.15.6.255") == 2
        assert await value(line, 1, "0.0.96.11.6.255") == 302


@simulated
async def test_control_modes_decide_whether_reconnection_connects_or_makes_ready():
    async with Simulation(history(meter("m")), FixedClock(NOON)) as running:
        line = await utility(running, "m")
        await carry_out(line, supply.disconnect(), *supply.arm(4))
        assert await relay(line) is Relay.ARMED
        assert running.desk.carry_out({"meter": "m", "press": True})["did"]
        assert await relay(line) is Relay.CONNECTED
        await carry_out(line, supply.set_control_mode(ControlMode.ALWAYS_CONNECTED))
        with pytest.raises(Refused):
            await carry_out(line, supply.disconnect())
        assert await relay(line) is Relay.CONNECTED


@simulated
async def test_a_welded_contact_contradicts_its_control():
    config = meter("m", faults=(Fault(FaultKind.WELD),))
    async with Simulation(history(config), FixedClock(NOON)) as running:
        line = await utility(running, "m")
        await carry_out(line, supply.disconnect())
        assert await relay(line) is Relay.CONTRADICTORY
        assert await value(line, 3, "1.0.1.7.0.255") == 1000
        assert await event_codes(line, 5) == [253]
        assert await event_codes(line, 6) == []


@simulated
async def test_a_load_over_the_limit_is_cut_after_its_time_and_not_before():
    clock = FixedClock(NOON)
    async with Simulation(history(meter("m")), clock) as running:
        line = await utility(running, "m")
        limiter = await read_object(line, supply.read_limiter())
        assert supply.limit_of(limiter, 0) == 0xFFFF_FFFF, "no limit at first"
        await carry_out(line, *supply.limit_load(Decimal(900), 0, limiter.threshold_normal, over_s=120))
        limiter = await read_object(line, supply.read_limiter())
        assert (limiter.threshold_active, limiter.min_over_threshold_duration) == (u32(900), 120)
        clock.advance(timedelta(seconds=119))
        assert await relay(line) is Relay.CONNECTED
        clock.advance(timedelta(seconds=1))
        assert await relay(line) is Relay.ARMED, "the limiter's cut leaves the button"
        assert await event_codes(line, 6) == [301]
        assert 215 in await event_codes(line, 4)
        assert await event_codes(line, 3) == [158, 159, 158]
        await carry_out(line, supply.reconnect())
        assert await relay(line) is Relay.CONNECTED


@simulated
async def test_a_limiter_that_may_reconnects_when_the_load_is_gone():
    clock = FixedClock(NOON)
    config = meter("m", control_mode=5, limit_w=900, limit_over_s=60)
    async with Simulation(history(config), clock) as running:
        line = await utility(running, "m")
        clock.advance(timedelta(seconds=90))
        assert await relay(line) is Relay.ARMED
        clock.advance(timedelta(seconds=40))
        assert await relay(line) is Relay.CONNECTED, "60 s under the limit"
        assert await event_codes(line, 4) == [215, 216]


@simulated
async def test_a_limit_waits_for_a_late_look_and_is_kept_all_the_same():
    """Nobody asks the meter for three hours: it was cut after the first minute nevertheless."""
    clock = FixedClock(NOON)
    async with Simulation(history(meter("m", limit_w=900)), clock) as running:
        line = await utility(running, "m")
        before = await value(line, 3, "1.0.1.8.0.255")
        clock.advance(timedelta(hours=3))
        assert await value(line, 3, "1.0.1.8.0.255") == before + 1000 // 60 + 0
        assert await relay(line) is Relay.ARMED


@simulated
async def test_a_billing_reset_closes_the_period_and_begins_the_demand_anew():
    clock = FixedClock(NOON)
    async with Simulation(history(meter("m")), clock) as running:
        line = await utility(running, "m")
        counted = await value(line, 1, "0.0.0.1.0.255")
        bills = await load_profile(line, "1.0.98.1.0.255", "1.0.94.91.6.255")
        assert counted == len(bills) == 1
        assert await value(line, 4, "1.0.1.6.0.255") == 1000
        await carry_out(line, tariff.reset_billing())
        assert await value(line, 1, "0.0.0.1.0.255") == counted + 1
        assert await value(line, 4, "1.0.1.6.0.255") == 0, "no demand period has passed since"
        bills = await load_profile(line, "1.0.98.1.0.255", "1.0.94.91.6.255")
        dates = column(bills, "0.0.0.1.2.255").values.tolist()
        assert dates[-1] == int(NOON.timestamp())
        assert column(bills, "1.0.1.8.0.255").values[-1] == await value(line, 3, "1.0.1.8.0.255")
        assert await event_codes(line, 3) == [166]
        with pytest.raises(Refused):
            await carry_out(line, tariff.reset_billing(script=9))


@simulated
async def test_transferred_keys_are_in_force_for_the_next_association_and_the_old_ones_are_not():
    config = meter("m", security=SecurityConfig(master_key=MASTER.hex()))
    async with Simulation(history(config), FixedClock(NOON)) as running:
        line = await utility(running, "m")
        new = {KeyId.GLOBAL_UNICAST_ENCRYPTION: b"E" * 16, KeyId.AUTHENTICATION: b"A" * 16}
        await carry_out(line, keys.transfer_keys(new, MASTER, Obis(0, 0, 43, 0, 3, 255)))
        with pytest.raises(DlmsError):
            await utility(running, "m")
        again = await utility(running, "m", encryption_key=b"E" * 16, authentication_key=b"A" * 16)
        assert await event_codes(again, 3) == [164]
        with pytest.raises(Refused):
            await carry_out(again, keys.transfer_keys(new, b"not the master!!", Obis(0, 0, 43, 0, 3, 255)))


@simulated
async def test_clock_methods_move_the_clock_and_are_noted():
    config = meter("m", faults=(Fault(FaultKind.DRIFT, seconds=95),))
    async with Simulation(history(config), FixedClock(NOON)) as running:
        line = await utility(running, "m")

        async def drift():
            return clock_steps.drift_s(await read_object(line, clock_steps.read_time()), NOON)

        assert await drift() == 95
        await carry_out(line, clock_steps.shift(-90))
        assert await drift() == 5
        await carry_out(line, clock_steps.adjust_to_minute())
        assert await drift() == 0
        late = NOON + timedelta(seconds=7)
        await carry_out(line, *clock_steps.preset(late, NOON - timedelta(minutes=1), late, IST))
        assert await drift() == 7
        assert await event_codes(line, 3) == [151] * 3


@simulated
async def test_tampers_are_logged_with_what_flowed_and_their_end():
    clock = FixedClock(NOON)
    async with Simulation(history(meter("m")), clock) as running:
        line = await utility(running, "m")
        running.desk.carry_out({"meter": "m", "fault": "tamper", "code": 201})
        clock.advance(timedelta(minutes=10))
        running.desk.carry_out({"meter": "m", "clear": "tamper"})
        assert await event_codes(line, 4) == [201, 202]
        events = await load_profile(line, "0.0.99.98.4.255", "1.0.94.91.7.255")
        assert events.at_s.tolist() == [int(NOON.timestamp()), int(NOON.timestamp()) + 600]
        index = column(events, "1.0.1.8.0.255").values
        assert index[1] - index[0] in (166, 167)
        assert await value(line, 1, "0.0.94.91.0.255") == 1


@simulated
async def test_a_valve_stops_the_water_a_leak_included():
    clock = FixedClock(NOON)
    config = meter("m", kind=MeterKind.WATER, relay=True, faults=(Fault(FaultKind.LEAK, litres_per_hour=60),))
    async with Simulation(history(config), clock) as running:
        line = await utility(running, "m")
        await carry_out(line, supply.disconnect())
        before = await value(line, 3, "8.0.1.0.0.255")
        clock.advance(timedelta(hours=3))
        assert await value(line, 3, "8.0.1.0.0.255") == before
        assert await value(line, 3, "8.0.2.0.0.255") == 0


def kinds():
    return [
        meter("m"),
        meter("m", kind=MeterKind.THREE_PHASE),
        meter("m", kind=MeterKind.WATER),
        meter("m", kind=MeterKind.WATER, relay=True, role=Role.COMMON),
        meter("m", kind=MeterKind.THREE_PHASE, role=Role.BULK, load=LoadConfig("steady", per_hour=9)),
        meter("m", security=SecurityConfig(suite=1, mechanism="hls-gmac", master_key=MASTER.hex())),
    ]


@pytest.mark.parametrize("config", kinds(), ids=lambda config: f"{config.kind}-{config.role}-{config.security.suite}")
@simulated
async def test_the_object_list_is_true_everything_listed_is_served_and_what_is_refused_is_not_listed(config):
    async with Simulation(history(config), FixedClock(NOON)) as running:
        line = await utility(running, "m", **({"suite": Suite.ONE} if config.security.suite else {}))
        found = await listed(line)
        assert found.find(Obis.parse("0.0.96.3.10.255")) is None or config.switched
        assert all(each.typed for each in found.objects)
        for each in found.objects:
            for number in each.readable:
                answer = await line.do(line.client.get(each.class_id, each.obis, number), 5)
                axdr.decode_all(answer)
            for number in range(2, 14):
                if number not in each.readable:
                    with pytest.raises(Refused):
                        await line.do(line.client.get(each.class_id, each.obis, number))
            for number in set(range(1, 8)) - set(each.methods):
                with pytest.raises(Refused):
                    await line.do(line.client.action(each.class_id, each.obis, number, axdr.encode(u32(1))))
        await reads_what_is_listed(running)


async def reads_what_is_listed(running):
    """The public client and the reader see what their lists say, and write nothing."""
    for settings in (ClientSettings(), ClientSettings(client_sap=32, mechanism=Mechanism.LLS, password=b"read me")):
        line = await connect(running.addresses["m"], settings)
        await line.do(line.client.associate())
        found = await listed(line)
        assert found.objects
        for each in found.objects:
            assert (each.writable, each.methods) == ((), ())
            for number in each.readable:
                axdr.decode_all(await line.do(line.client.get(each.class_id, each.obis, number), 5))
        with pytest.raises(Refused):
            await carry_out(line, supply.disconnect())


async def listed(line):
    read = discovery.read_objects()
    return discovery.discover(AssociationLn1(read.obis, {}).with_data(2, await carry_out(line, read)))
