"""A meter of the tests: the real DLMS server behind a real socket, with ways to misbehave."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import (
    CLOCK,
    CaptureObject,
    RangeSelection,
    decode_selection,
    encode_capture_objects,
)
from demeter.protocols.dlms.security import Counters, Protection
from demeter.protocols.dlms.server import Association, ServerSession, ServerSettings
from demeter.protocols.dlms.wrapper import Unwrapper, wrap

EK, AK, PASSWORD = b"E" * 16, b"A" * 16, b"secret-password"
_titles = itertools.count(1)
KEYS = {"encryption_key": EK, "authentication_key": AK, "password": PASSWORD}
INDIA = ZoneInfo("Asia/Kolkata")

ENERGY = CaptureObject(3, Obis.parse("1.0.1.29.0.255"), 2)
VOLTAGE = CaptureObject(3, Obis.parse("1.0.12.27.0.255"), 2)
HEALTH = CaptureObject(1, Obis.parse("0.0.96.10.1.255"), 2)
INDEX = CaptureObject(3, Obis.parse("1.0.1.8.0.255"), 2)
VOLUME = CaptureObject(3, Obis.parse("8.0.1.0.0.255"), 2)

BLOCK_ELECTRICITY = (CLOCK, ENERGY, VOLTAGE, HEALTH)
BLOCK_WATER = (CLOCK, VOLUME)


Row = tuple[datetime, int, tuple[int, ...]]


@dataclass
class Buffer:
    """Rows of one profile: (stamp, clock status, values)."""

    captures: tuple[CaptureObject, ...]
    scalers: tuple[tuple[CaptureObject, int, int], ...]
    period_s: int
    rows: list[Row] = field(default_factory=list)


@dataclass
class PeerMeter:
    """The meter's content, and what went over its line. ``mangle`` may replace or drop (None) an answer."""

    serial: str = "PEER-1"
    medium: int = 1
    buffers: dict[str, Buffer] = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    drift: timedelta = timedelta()
    max_pdu: int = 1024
    mangle: Callable[[bytes, bytes], bytes | None] | None = None
    silent: bool = False
    has_scaler_profile: bool = True
    delay_s: float = 0
    connections: int = 0
    open_now: int = 0
    most_at_once: int = 0
    requests: int = 0
    clock_set_to: datetime | None = None
    title: bytes = field(default_factory=lambda: b"PEER%04d" % next(_titles))
    protection: Protection = Protection.AUTHENTICATED_ENCRYPTED
    counters: Counters = field(default_factory=lambda: Counters(0, 0))
    pushes: dict[str, tuple[CaptureObject, ...]] = field(default_factory=dict)

    def get(self, _as: Association, class_id: int, obis: Obis, attribute: int, selection: bytes | None) -> bytes:
        place = f"{class_id}/{str(obis).split('.', 1)[1]}/{attribute}"
        if place == "8/0.1.0.0.255/2":
            return axdr.encode(data.octets(CosemDateTime.from_utc(self.now() + self.drift, INDIA).to_bytes()))
        if place == "1/0.96.1.0.255/2":
            return axdr.encode(data.octets(self.serial.encode()))
        if class_id == 3 and attribute == 3:
            return self._own_scaler(obis)
        if class_id == 40 and attribute == 2 and str(obis) in self.pushes:
            return encode_capture_objects(self.pushes[str(obis)])
        for name, buffer in self.buffers.items():
            scaler_name = {"99.1": "94.91.4", "99.2": "94.91.5", "94.91.0": "94.91.3"}[name]
            if str(obis) == f"{self.medium}.0.{name}{'.0' if name[:2] == '99' else ''}.255":
                return self._profile(buffer, attribute, selection)
            if str(obis) == f"{self.medium}.0.{scaler_name}.255" and self.has_scaler_profile:
                return scaler_profile(buffer, attribute)
        raise Refused(DataAccessResult.OBJECT_UNDEFINED)

    def _own_scaler(self, obis: Obis) -> bytes:
        for buffer in self.buffers.values():
            for capture, scaler, unit in buffer.scalers:
                if capture.obis == obis:
                    return axdr.encode(data.structure(data.i8(scaler), data.enum(unit)))
        raise Refused(DataAccessResult.OBJECT_UNDEFINED)

    def _profile(self, buffer: Buffer, attribute: int, selection: bytes | None) -> bytes:
        if attribute == 3:
            return encode_capture_objects(buffer.captures)
        if attribute == 4:
            return axdr.encode(data.u32(buffer.period_s))
        if attribute == 7:
            return axdr.encode(data.u32(len(buffer.rows)))
        return axdr.encode(data.array(*(self.encoded(buffer, row) for row in self.chosen(buffer, selection))))

    def encoded(self, buffer: Buffer, row: Row) -> data.Data:
        return encode_row(buffer, row)

    def chosen(self, buffer: Buffer, selection: bytes | None) -> list[Row]:
        if selection is None:
            return buffer.rows
        chosen = decode_selection(selection)
        if isinstance(chosen, RangeSelection):
            since, until = chosen.instants(INDIA)
            return [row for row in buffer.rows if since <= row[0] <= until]
        return buffer.rows[chosen.first - 1 : chosen.last or None]

    def set(self, _as: Association, class_id: int, _obis: Obis, _attribute: int, value: bytes) -> None:
        if class_id != 8:
            raise Refused(DataAccessResult.READ_WRITE_DENIED)
        self.clock_set_to = CosemDateTime.from_bytes(axdr.decode_all(value).value).to_utc(INDIA)
        self.drift = timedelta()

    def action(self, _as: Association, _class: int, _obis: Obis, _method: int, _parameter: bytes | None) -> None:
        raise Refused(DataAccessResult.OBJECT_UNDEFINED)

    def session(self) -> ServerSession:
        settings = ServerSettings(self.title, EK, AK, PASSWORD, max_pdu=self.max_pdu, protection=self.protection)
        return ServerSession(self, settings, self.counters)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.most_at_once = max(self.most_at_once, self.open_now)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open_now -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, unwrapper = self.session(), Unwrapper()
        while received := await reader.read(65_536):
            for frame in unwrapper.feed(received):
                self.requests += 1
                if self.silent:
                    continue
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                answer: bytes | None = wrap(session.receive(frame.source, frame.apdu), frame.destination, frame.source)
                if self.mangle is not None:
                    answer = self.mangle(frame.apdu, answer)
                if answer is None:
                    return
                writer.write(answer)


def encode_row(buffer: Buffer, row: Row) -> data.Data:
    at, status, values = row
    cells = [data.octets(CosemDateTime.from_utc(at, INDIA, status).to_bytes())]
    cells += [data.u32(value) for value in values]
    assert len(cells) == len(buffer.captures)
    return data.structure(*cells)


def scaler_profile(buffer: Buffer, attribute: int) -> bytes:
    """The scalers, in another order than the columns they are for."""
    turned = buffer.scalers[::-1]
    if attribute == 3:
        return encode_capture_objects([CaptureObject(c.class_id, c.obis, 3) for c, _, _ in turned])
    pairs = (data.structure(data.i8(scaler), data.enum(unit)) for _, scaler, unit in turned)
    return axdr.encode(data.array(data.structure(*pairs)))


def electricity_meter(until: datetime, quarters: int, **more: object) -> PeerMeter:
    """A meter with ``quarters`` quarter-hours up to ``until`` and one row per Indian midnight."""
    meter = PeerMeter(**more)  # type: ignore[arg-type]
    block = Buffer(BLOCK_ELECTRICITY, ((ENERGY, 0, 30), (VOLTAGE, -1, 35)), 900)
    meter.buffers["99.1"] = block
    meter.buffers["99.2"] = Buffer((CLOCK, INDEX), ((INDEX, 0, 30),), 86_400)
    grow(meter, until - timedelta(minutes=15) * quarters, until)
    return meter


def grow(meter: PeerMeter, since: datetime, until: datetime) -> None:
    """Record the quarter-hours that end in ``(since, until]``."""
    at = since + timedelta(minutes=15)
    while at <= until:
        k = int(at.timestamp()) // 900
        meter.buffers["99.1"].rows.append((at, 0, (k % 251, 2300 + k % 7, 0)))
        if at.astimezone(INDIA).hour == 0 and at.astimezone(INDIA).minute == 0:
            meter.buffers["99.2"].rows.append((at, 0, (k,)))
        at += timedelta(minutes=15)


def water_meter(until: datetime, quarters: int) -> PeerMeter:
    meter = PeerMeter(medium=8)
    meter.buffers["99.1"] = Buffer(BLOCK_WATER, ((VOLUME, -3, 13),), 900)
    for number in range(quarters):
        meter.buffers["99.1"].rows.append(
            (until - timedelta(minutes=15) * (quarters - 1 - number), 0, (1000 + number,))
        )
    return meter


@asynccontextmanager
async def listening(meter: PeerMeter) -> AsyncIterator[str]:
    """Serve ``meter`` on a port of its own; gives its address."""
    server = await asyncio.start_server(meter.serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
