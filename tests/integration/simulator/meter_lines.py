"""A client's end of simulated meters: real protocol over real sockets."""

import asyncio
import contextlib
import functools
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.classes import cosem_object
from demeter.protocols.dlms.classes.commands import Invoke, Read, Write
from demeter.protocols.dlms.client import WAIT, CipherMode, Client, ClientSettings, Quiet
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import decode_capture_objects, decode_scaler_profile, profile_columns
from demeter.protocols.dlms.wrapper import Unwrapper, wrap
from demeter.simulator import FleetConfig, LoadConfig, MeterConfig, MeterKind

TITLE = b"HESDEMET"
IST = ZoneInfo("Asia/Kolkata")
NOW = datetime.now(UTC)
START_S = int((NOW - timedelta(days=40)).timestamp())
COUNTER = Obis.parse("0.0.43.1.3.255")


def meter(name, number=1, kind=MeterKind.SINGLE_PHASE, **more):
    values = {"load": LoadConfig("steady", per_hour=1000), "entries": 6400} | more
    return MeterConfig(
        name,
        f"DM{number}",
        kind,
        server_sap=number,
        system_title=(b"DMT" + number.to_bytes(5, "big")).hex(),
        encryption_key=bytes([number] * 16).hex(),
        authentication_key=bytes([number + 100] * 16).hex(),
        password="read me",
        **values,
    )


def fleet(*meters, **more):
    return FleetConfig("Asia/Kolkata", START_S, tuple(meters), **more)


OPEN = []
"""The lines of the running test, closed at its end whatever happened."""


class Line:
    """A client's end of one TCP connection."""

    def __init__(self, reader, writer, settings):
        self.reader, self.writer = reader, writer
        self.client, self.settings = Client(settings), settings
        self.unwrapper = Unwrapper()
        self.waiting = deque()
        self.received = b""
        self.sent = self.answered = 0

    async def do(self, exchange, patience_s=2.0):
        apdu = next(exchange)
        while True:
            if apdu != WAIT:
                self.sent += 1
                self.writer.write(wrap(apdu, self.settings.client_sap, self.settings.server_sap))
            try:
                quiet = isinstance(apdu, Quiet)
                apdu = exchange.send(WAIT if quiet else await asyncio.wait_for(self._answer(), patience_s))
            except StopIteration as done:
                return done.value

    async def _answer(self):
        while not self.waiting:
            data = await self.reader.read(65536)
            if not data:
                raise ConnectionResetError
            self.received += data
            self.waiting.extend(frame.apdu for frame in self.unwrapper.feed(data))
        self.answered += 1
        return self.waiting.popleft()


async def connect(place, settings):
    reader, writer = await asyncio.open_connection(place.host, place.port)
    line = Line(reader, writer, replace(settings, server_sap=place.server_sap))
    OPEN.append(line)
    return line


async def utility(running, name, patience_s=2.0, **more):
    """Associate as the utility: the invocation counter by the public client first."""
    place, config = running.addresses[name], running.meters[name].config
    public = await connect(place, ClientSettings())
    await public.do(public.client.associate(), patience_s)
    counter = axdr.decode_all(await public.do(public.client.get(1, COUNTER, 2))).value
    settings = ClientSettings(
        client_sap=48,
        mechanism=Mechanism.HLS_GMAC,
        system_title=TITLE,
        encryption_key=bytes.fromhex(config.encryption_key),
        authentication_key=bytes.fromhex(config.authentication_key),
        invocation_counter=counter + 1,
        cipher=CipherMode.GLO,
    )
    line = await connect(place, replace(settings, **more))
    await line.do(line.client.associate())
    return line


async def load_profile(line, obis="1.0.99.1.0.255", scalers="1.0.94.91.4.255", selection=None, zone=IST):
    client = line.client
    captures = decode_capture_objects(await line.do(client.get(7, Obis.parse(obis), 3)))
    scaler_captures = decode_capture_objects(await line.do(client.get(7, Obis.parse(scalers), 3)))
    found = decode_scaler_profile(await line.do(client.get(7, Obis.parse(scalers), 2)), scaler_captures)
    payload = await line.do(client.get(7, Obis.parse(obis), 2, selection), 10)
    return profile_columns(payload, captures, found, 900, zone)


def column(columns, obis):
    return next(found for found in columns.columns if found.capture.obis == Obis.parse(obis))


def simulate(coroutine):
    async def run():
        try:
            await coroutine
        finally:
            for line in OPEN:
                line.writer.close()
                with contextlib.suppress(ConnectionError):
                    await line.writer.wait_closed()
            OPEN.clear()

    asyncio.run(run())


def simulated(test):
    """Run a coroutine function as a test."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        simulate(test(*args, **kwargs))

    return run


async def carry_out(line, *steps):
    """Send steps, one after the other; return what the last one returned."""
    answer = None
    for step in steps:
        match step:
            case Read():
                answer = await line.do(line.client.get(step.class_id, step.obis, step.attribute))
            case Write():
                answer = await line.do(line.client.set(step.class_id, step.obis, step.attribute, step.payload))
            case Invoke():
                answer = await line.do(line.client.action(step.class_id, step.obis, step.method, step.payload))
    return answer


async def read_object(line, steps, version=0):
    """Read attributes of one object and return it."""
    found = None
    for step in steps:
        found = cosem_object(step.class_id, version, step.obis) if found is None else found
        found = found.with_data(step.attribute, await carry_out(line, step))
    return found


async def value(line, class_id, obis, attribute=2):
    return axdr.decode_all(await line.do(line.client.get(class_id, Obis.parse(obis), attribute))).value


async def event_codes(line, group):
    """Return the codes in the log of a group, oldest first."""
    rows = await value(line, 7, f"0.0.99.98.{group}.255")
    return [row.value[1].value for row in rows]
