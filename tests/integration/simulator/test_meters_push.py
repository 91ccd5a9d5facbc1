"""Meters push to a listener of the test: real sockets, real ciphering, the meter's own counter."""

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from demeter.kernel import FixedClock
from demeter.protocols.dlms import apdu, axdr
from demeter.protocols.dlms.classes import PushSetup
from demeter.protocols.dlms.classes.commands import push, supply
from demeter.protocols.dlms.classes.communication import PushService
from demeter.protocols.dlms.classes.timing import SingleActionSchedule
from demeter.protocols.dlms.client import ClientSettings
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DlmsError, Refused, TagCheckFailed
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import decode_capture_objects, profile_columns
from demeter.protocols.dlms.security import Channel, CipherMode, Counters, Form, KeySet
from demeter.protocols.dlms.wrapper import Unwrapper, unwrap_datagram, wrap
from demeter.simulator import Fault, FaultKind, MeterKind, Simulation
from demeter.simulator.push_config import PushConfig, PushForm, PushTransport
from demeter.simulator.pushing import ALERT, INSTANT, LOAD, execution_times
from tests.integration.simulator.meter_lines import (
    IST,
    carry_out,
    connect,
    fleet,
    meter,
    read_object,
    simulated,
    utility,
    value,
)

NOON = datetime(2026, 11, 18, 6, 30, tzinfo=UTC)
START_S = int((NOON - timedelta(days=3)).timestamp())
HEAD_END = b"DMTHES01"


def history(*meters):
    return replace(fleet(*meters), history_start_s=START_S)


class Listener:
    """Takes pushes; ``answer``: confirms what asks for it."""

    def __init__(self, config, answer=True, plain=False):
        keys = KeySet(bytes.fromhex(config.encryption_key), bytes.fromhex(config.authentication_key))
        title = bytes.fromhex(config.system_title)
        self.channel = Channel(keys, HEAD_END, title, Counters(1 << 30, -1), form=Form(CipherMode.GENERAL_GLO))
        self.answer, self.plain = answer, plain
        self.taken, self.sealed, self.counters = [], [], []
        self.arrived = asyncio.Event()
        self.failure = None
        self.port = 0

    def take(self, frame):
        assert (frame.source, frame.destination) == (1, 64)
        self.sealed.append(frame.apdu)
        self.arrived.set()
        try:
            opened = frame.apdu if self.plain else self.channel.open(frame.apdu)
        except DlmsError as unopened:
            self.failure = unopened
            return None
        self.counters.append(self.channel.counters.received)
        found = apdu.decode(opened)
        self.taken.append(found)
        self.arrived.set()
        if not found.invoke & 1 << 30 or not self.answer:
            return None
        confirmation = found.confirmation().encode()
        return wrap(confirmation if self.plain else self.channel.seal(confirmation), 64, 1)

    async def serve(self, reader, writer):
        unwrapper = Unwrapper()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                for frame in unwrapper.feed(data):
                    answer = self.take(frame)
                    if answer is not None:
                        writer.write(answer)
        writer.close()

    async def next(self, count=1):
        async with asyncio.timeout(5):
            while len(self.taken) < count:
                self.arrived.clear()
                await self.arrived.wait()
                if self.failure:
                    raise self.failure
        return self.taken[count - 1]


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, listener):
        self.listener = listener

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        answer = self.listener.take(unwrap_datagram(data))
        if answer is not None:
            self.transport.sendto(answer, addr)


@asynccontextmanager
async def listening(config, **more):
    listener = Listener(config, **more)
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Datagrams(listener), local_addr=("127.0.0.1", listener.port)
    )
    try:
        yield listener
    finally:
        transport.close()
        server.close()
        await server.wait_closed()


def pushing(listener, config, **more):
    return replace(config, push=PushConfig(f"127.0.0.1:{listener.port}", **more))


def cells(notification):
    return [item.value for item in axdr.decode_all(notification.body).value]


@pytest.mark.parametrize("transport", list(PushTransport))
@pytest.mark.parametrize("form", list(PushForm))
@pytest.mark.parametrize("confirmed", [False, True])
@simulated
async def test_an_instantaneous_push_arrives_in_every_form_over_every_transport(transport, form, confirmed):
    config = meter("m")
    async with listening(config, plain=form is PushForm.PLAIN) as listener:
        config = pushing(listener, config, transport=transport, form=form, confirmed=confirmed, every_s=900)
        async with Simulation(history(config), FixedClock(NOON)) as running:
            running.tick()
            found = await listener.next()
            await running.office.idle()
            count = running.hosts["m"].count
            assert (count.sent, count.confirmed, count.failed) == (1, int(confirmed), 0)
    device, name, at, index, _, power, *_ = cells(found)
    assert device == b"DMT0000000000001"
    assert Obis.from_bytes(name) == INSTANT
    assert CosemDateTime.from_bytes(at).to_utc() == found.moment.to_utc() == NOON
    assert (index, power) == (72_000, 1000)
    if form is not PushForm.PLAIN:
        assert listener.counters[0] > 0
        assert bytes.fromhex(config.system_title) in listener.sealed[0]


@simulated
async def test_pushes_follow_the_schedule_and_each_has_a_counter_of_its_own():
    clock, config = FixedClock(NOON - timedelta(minutes=1)), meter("m")
    async with (
        listening(config) as listener,
        Simulation(history(pushing(listener, config, every_s=900)), clock) as running,
    ):
        for _ in range(60):
            running.tick()
            clock.advance(timedelta(minutes=1))
        await running.office.idle()
        times = [found.moment.to_utc() for found in listener.taken]
        assert times == [NOON + timedelta(minutes=15) * k for k in range(4)]
        assert listener.counters == sorted(set(listener.counters))
        line = await utility(running, "m")
        schedule = await value(line, 22, "0.0.15.0.4.255", 4)
        assert len(schedule) == 4
        steps = SingleActionSchedule.execution_time.encode(execution_times(3600))
        await line.do(line.client.set(22, Obis.parse("0.0.15.0.4.255"), 4, axdr.encode(steps)))
        for _ in range(90):
            running.tick()
            clock.advance(timedelta(minutes=1))
        await running.office.idle()
        assert [found.moment.to_utc().minute for found in listener.taken[4:]] == [30, 30], "an Indian full hour"


@simulated
async def test_an_event_is_pushed_as_it_happens_with_its_code():
    config = meter("m")
    async with (
        listening(config) as listener,
        Simulation(history(pushing(listener, config)), FixedClock(NOON)) as running,
    ):
        line = await utility(running, "m")
        await carry_out(line, supply.disconnect())
        _, name, _, word, *codes = cells(await listener.next())
        assert Obis.from_bytes(name) == ALERT
        assert str(word)[84] == "1"
        assert codes[:7] == [0, 0, 0, 0, 0, 0, 301]
        assert codes[7:] == [0, 0, 0, 0, 0, 0, 1]
        await carry_out(line, supply.reconnect())
        again = cells(await listener.next(2))
        assert str(again[3])[84] == "0"
        assert again[4:11][6] == 302


@simulated
async def test_a_failing_supply_has_its_last_gasp_and_its_first_breath():
    clock, config = FixedClock(NOON), meter("m")
    async with listening(config) as listener, Simulation(history(pushing(listener, config)), clock) as running:
        running.tick()
        running.desk.carry_out({"meter": "m", "fault": "outage"})
        gasp = cells(await listener.next())
        assert gasp[4 + 2] == 101
        assert str(gasp[3])[85:87] == "10"
        clock.advance(timedelta(minutes=20))
        running.desk.carry_out({"meter": "m", "clear": "outage"})
        breath = cells(await listener.next(2))
        assert breath[4 + 2] == 102
        assert str(breath[3])[85:87] == "01"


@simulated
async def test_the_newest_rows_of_the_load_profile_are_pushed_as_a_table():
    clock, config = FixedClock(NOON), meter("m", kind=MeterKind.WATER)
    async with (
        listening(config) as listener,
        Simulation(history(pushing(listener, config, every_s=900, load_rows=4)), clock) as running,
    ):
        running.tick()
        found = [axdr.decode_all(push.body).value for push in (await listener.next(), await listener.next(2))]
        load = next(body for body in found if Obis.from_bytes(body[1].value) == LOAD)
        line = await utility(running, "m")
        captures = decode_capture_objects(await line.do(line.client.get(7, Obis.parse("8.0.99.1.0.255"), 3)))
    columns = profile_columns(axdr.encode(load[3]), captures, {}, 900, IST)
    assert columns.at_s.tolist() == [int(NOON.timestamp()) - 900 * k for k in (3, 2, 1, 0)]
    assert np.diff(columns.columns[0].values).tolist() == [250] * 3


@simulated
async def test_a_destination_written_by_the_head_end_is_used_from_then_on():
    config = meter("m")
    async with listening(config) as listener, Simulation(history(config), FixedClock(NOON)) as running:
        assert len(running.watch) == 0
        line = await utility(running, "m")
        with pytest.raises(Refused):
            await carry_out(line, push.push_now())
        await carry_out(line, push.push_to(f"127.0.0.1:{listener.port}", PushService.UDP), push.push_now())
        await listener.next()
        setup = await read_object(line, push.read_push())
        assert isinstance(setup, PushSetup)
        listed = push.pushed_attributes(setup.push_object_list)
        assert len(listed) == len(cells(listener.taken[0]))
        assert listed[1].class_id == 40
        assert len(running.watch) == 1


@simulated
async def test_a_push_nobody_confirms_is_tried_again_under_a_new_counter():
    config = meter("m")
    async with listening(config, answer=False) as listener:
        config = pushing(listener, config, confirmed=True, retries=2, retry_s=0, every_s=900)
        async with Simulation(history(config), FixedClock(NOON)) as running:
            running.office.confirm_s = 0.05
            running.tick()
            await running.office.idle()
            count = running.hosts["m"].count
            assert (count.sent, count.confirmed, count.failed) == (0, 0, 1)
            assert len({found.invoke for found in listener.taken}) == 1
            assert listener.counters == sorted(set(listener.counters))
            assert len(listener.taken) == 3


@simulated
async def test_a_push_nobody_listens_for_is_given_up():
    async with listening(meter("m")) as listener:
        config = pushing(listener, meter("m"), retries=1, retry_s=0, every_s=900)
    async with Simulation(history(config), FixedClock(NOON)) as running:
        running.tick()
        await running.office.idle()
        assert running.hosts["m"].count.failed == 1


@simulated
async def test_silenced_meters_push_nothing():
    config = meter("m", faults=(Fault(FaultKind.UNPUSHED),))
    async with (
        listening(config) as listener,
        Simulation(history(pushing(listener, config, every_s=900)), FixedClock(NOON)) as running,
    ):
        running.tick()
        await running.office.idle()
        assert listener.sealed == []


@simulated
async def test_what_a_meter_with_wrong_keys_pushes_does_not_open_and_nobody_associates_with_it():
    config = meter("m", faults=(Fault(FaultKind.WRONG_KEY),))
    async with (
        listening(config) as listener,
        Simulation(history(pushing(listener, config, every_s=900)), FixedClock(NOON)) as running,
    ):
        running.tick()
        with pytest.raises(TagCheckFailed):
            await listener.next()
        with pytest.raises(DlmsError):
            await utility(running, "m")


@simulated
async def test_the_pre_established_association_shows_the_pushes_and_little_else():
    config = replace(meter("m"), push=PushConfig(form=PushForm.PLAIN))
    async with Simulation(history(config), FixedClock(NOON)) as running:
        line = await connect(running.addresses["m"], ClientSettings(client_sap=64))
        line.client.pre_establish()
        assert await value(line, 1, "0.0.43.1.4.255") > 0
        assert len(await value(line, 40, str(INSTANT), 2)) == 8
        for class_id, obis in ((3, "1.0.1.8.0.255"), (7, "1.0.99.1.0.255"), (70, "0.0.96.3.10.255")):
            with pytest.raises(Refused):
                await value(line, class_id, obis)
