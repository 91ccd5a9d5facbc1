"""A push listener in a test: a real database, the real ingest writer, real sockets; and messages as meters send them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from demeter import readings
from demeter.drivers.dlms import DlmsPushes, PushDecoder
from demeter.headend import DatabaseCounters, PushLimits, PushListener, held
from demeter.ingest import IngestWriter
from demeter.kernel import Span
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.apdu import DataNotification
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import CipherMode, protect, suite_keys
from demeter.protocols.dlms.wrapper import Unwrapper, WrapperFrame, wrap
from demeter.runtime.database import Database
from tests.integration.drivers.peer import AK, EK
from tests.integration.headend.rig import Rig

TITLE = b"MMM00001"
CONFIRMED = 1 << 30
QUICK = PushLimits(refresh_s=0.5, refresh_least_s=0.05, quarantine_flush_s=0.05, flush_s=0.005)
ENERGY, CLOCK, SERIAL = (Obis.parse(text) for text in ("1.0.1.8.0.255", "0.0.1.0.0.255", "0.0.96.1.0.255"))
BEGUN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def stamp(at: datetime) -> Data:
    return data.octets(CosemDateTime.from_utc(at, ZoneInfo("Asia/Kolkata")).to_bytes())


def name(obis: Obis) -> Data:
    return data.octets(obis.to_bytes())


def body(wh: int, at: datetime = BEGUN, serial: str = "") -> Data:
    """A body that says itself what is in it."""
    energy = data.structure(name(ENERGY), data.u32(wh), data.structure(data.i8(0), data.enum(30)))
    said = [data.structure(name(SERIAL), data.text(serial))] if serial else []
    return data.array(*said, data.structure(name(CLOCK), stamp(at)), energy)


def notification(content: Data, invoke: int = 1, at: bytes = b"") -> bytes:
    return DataNotification(invoke, axdr.encode(content), at).encode()


def sealed(
    apdu: bytes, counter: int, title: bytes = TITLE, key: bytes = EK, mode: CipherMode = CipherMode.GENERAL_GLO
) -> bytes:
    return protect(suite_keys(key, AK), title, counter, apdu, mode=mode)


def pushed(wh: int, counter: int, at: datetime = BEGUN, invoke: int = 1, **how: bytes) -> bytes:
    """A ciphered push in a wrapper frame."""
    return wrap(sealed(notification(body(wh, at), invoke), counter, **how), 1, 16)


@dataclass
class Listening:
    """A listener that runs, what stores for it, and its rig."""

    rig: Rig
    writer: IngestWriter
    listener: PushListener
    frames: list[WrapperFrame] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.listener.address[1]

    async def send(self, *messages: bytes, answers: int = 0) -> list[bytes]:
        """Send messages over one connection; return the APDUs answered."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        unwrapper, found = Unwrapper(), []
        try:
            writer.write(b"".join(messages))
            await writer.drain()
            async with asyncio.timeout(20):
                while len(found) < answers:
                    octets = await reader.read(65536)
                    if not octets:
                        break
                    found += unwrapper.feed(octets)
        finally:
            writer.close()
        self.frames = found
        return [frame.apdu for frame in found]

    def values(self, obis: str = "1.0.1.8.0.255") -> list[int]:
        """Every reading stored of a quantity, by time."""
        with self.rig.database.unit_of_work(self.rig.scope) as work:
            channels = [c for c in readings.channels(work, self.rig.site_id) if c.reading_type.obis == obis]
            span = Span(datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC))
            kept = readings.read(work, channels, span)
            return [int(value) for channel in channels for value in kept[channel.id].values]

    def journal(self, meter_id: int) -> list[readings.JournalFrame]:
        with self.rig.database.unit_of_work(self.rig.scope) as work:
            return list(readings.journal_frames(work, meter_id))

    def quarantine(self) -> list[tuple[str, str, int]]:
        """What is held: source's title, reason, count."""
        return sorted((each.title, each.reason, each.count) for each in held(self.rig.database))


@contextmanager
def stored_by(database: Database) -> Iterator[IngestWriter]:
    writer = IngestWriter(database, {"dlms/push": PushDecoder()})
    try:
        yield writer
    finally:
        writer.close()


@asynccontextmanager
async def listening(
    rig: Rig, limits: PushLimits = QUICK, sink: object = None, port: int = 0
) -> AsyncIterator[Listening]:
    with stored_by(rig.database) as writer:
        receiver = DlmsPushes(DatabaseCounters(rig.database))
        listener = PushListener(
            rig.database, receiver, sink or writer.accept, rig.secrets, host="127.0.0.1", port=port, limits=limits
        )
        running = asyncio.create_task(listener.run())
        try:
            async with asyncio.timeout(20):
                await listener.ready.wait()
            yield Listening(rig, writer, listener)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


def a_meter(rig: Rig, serial: str = "DM000001", **options: object) -> int:
    return rig.add_meter(serial, "10.0.0.9:4059", **{"system_title": TITLE.decode(), **options})
