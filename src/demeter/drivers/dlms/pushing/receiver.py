"""Understands the pushes of DLMS meters (entry point group ``demeter.pushes``)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from demeter.drivers.dlms.counters import MemoryCounters
from demeter.drivers.dlms.counting import Books, fingerprint_of
from demeter.drivers.dlms.pushing.frames import CODEC, push_context, reading_context, series_of_push
from demeter.drivers.dlms.pushing.lines import Line, PushConnection, datagram_pushes, enclose, refusal, whole
from demeter.drivers.dlms.pushing.opening import (
    PLAIN,
    form_of,
    keys_of,
    notification,
    opened,
    pairs_of,
    recipient_of,
    sender_of,
)
from demeter.drivers.dlms.pushing.options import PushOptions, layouts_of, parse_push_options
from demeter.protocols.dlms.apdu import CONFIRMED, DataNotification, Notification
from demeter.protocols.dlms.errors import DlmsError, Downgraded, TagCheckFailed, Unsupported
from demeter.protocols.dlms.push import read_push
from demeter.protocols.dlms.security import (
    GENERAL_SIGNING,
    CipherMode,
    KeySet,
    is_ciphered,
    protect,
    signed_content,
)
from demeter.sdk import (
    CounterStore,
    Frame,
    OpenedPush,
    Pushed,
    PushFault,
    PushFrame,
    PushIdentity,
    PushMeter,
    PushRefusal,
    PushStream,
)


@dataclass(frozen=True, slots=True)
class Looked:
    """What looking at a message found: the APDU, and the notification where it is not protected."""

    apdu: bytes
    plain: Notification | None = None


class DlmsPushes:
    """Implements :class:`demeter.sdk.PushReceiver`; meters of the protocol ``dlms-push`` push and are never read."""

    name = "dlms"
    protocols = ("dlms", "dlms-push")

    def __init__(self, counters: CounterStore | None = None) -> None:
        self._books = Books(counters or MemoryCounters())

    def stream(self) -> PushStream:
        """Return what cuts a connection's octets into messages."""
        return PushConnection()

    def datagram(self, octets: bytes) -> list[PushFrame]:
        """Return the messages of a datagram; raises ``PushRefusal``."""
        return datagram_pushes(octets)

    def again(self, payload: bytes) -> PushFrame:
        """Return a message from what was kept of it."""
        return PushFrame(payload)

    def look(self, frame: PushFrame) -> Pushed:
        """Look at a message without any key.

        Raises:
            PushRefusal: GARBLED or NOT_SUPPORTED.
        """
        with refusing():
            message = whole(frame.payload)
            names = () if message.gateway is None else (_text(message.gateway.address),)
            if is_ciphered(message.apdu):
                return Pushed(frame, sender_of(message.apdu), names, protected=True, content=Looked(message.apdu))
            sent = notification(message.apdu)
            if isinstance(sent, DataNotification):
                names = (*read_push(sent.body, layouts_of("")).names, *names)
            return Pushed(frame, names=names, content=Looked(message.apdu, sent))

    def identity(self, meter: PushMeter) -> PushIdentity:
        """Return by what a meter is known; raises ``PushRefusal`` for wrong options."""
        options = parse_push_options(meter)
        host = _host(meter.address)
        return PushIdentity(
            titles=frozenset() if options.title is None else frozenset((options.title.hex(),)),
            names=frozenset(name for name in (meter.serial, options.device_id) if name),
            hosts=frozenset(place for place in (host, options.source) if place),
            trusted=frozenset((options.source,) if options.source else ()),
        )

    def open(self, pushed: Pushed, meter: PushMeter, received_at: datetime) -> OpenedPush:
        """Open a message as this meter's and decode it; raises ``PushRefusal``."""
        options = parse_push_options(meter)
        looked = pushed.content
        assert isinstance(looked, Looked)
        form = form_of(looked.apdu)
        _check_protection(looked.apdu, options)
        title = bytes.fromhex(pushed.title) or options.title
        with refusing():
            keys = None if form == PLAIN else self._keys(meter, options)
            genuine = opened(looked.apdu, keys, title, options.protection, fresh=True)
            sent = looked.plain or notification(genuine.plain)
            reading = None
            if isinstance(sent, DataNotification):
                reading = read_push(sent.body, options.layouts, options.objects)
        context = push_context(form, title, meter.credentials.key_version, options.suite, options.protection)
        context |= reading_context(reading, options.objects, options.period_s, options.zone)
        series = series_of_push(reading, sent, ZoneInfo(options.zone), options.period_s)
        return OpenedPush(
            Frame(CODEC, pushed.frame.payload, received_at, context),
            series,
            genuine.counters,
            confirm=isinstance(sent, DataNotification) and bool(sent.invoke & CONFIRMED),
            answer=sent,
        )

    async def answer(self, pushed: Pushed, opened: OpenedPush, meter: PushMeter) -> bytes:
        """Return the octets that confirm a message: plain for a plain one, else ciphered as general-glo.

        Raises:
            PushRefusal: it cannot be answered.
            Unavailable: counters cannot be reserved.
        """
        sent, line = opened.answer, pushed.frame.line
        assert isinstance(sent, DataNotification)
        with refusing():
            answer = sent.confirmation().encode()
            if pushed.protected:
                answer = await self._sealed(answer, meter)
            if not isinstance(line, Line):
                raise Unsupported("there is no line to answer on")
            return enclose(answer, pushed.frame.payload, line)

    async def _sealed(self, answer: bytes, meter: PushMeter) -> bytes:
        """Cipher an answer under a counter nobody ever uses again, above all that this meter was sent."""
        options = parse_push_options(meter)
        keys = self._keys(meter, options)
        title = options.client_title or await self._books.title()
        fingerprint = fingerprint_of(keys.encryption_key)
        counter = await self._books.store.reserve(title, fingerprint, max(options.counter_at_least, 1), 1)
        mode = CipherMode.GENERAL_GLO
        return protect(keys.sealing, title, counter, answer, mode=mode, protection=options.protection)

    def _keys(self, meter: PushMeter, options: PushOptions) -> KeySet:
        secrets = meter.credentials.secrets
        try:
            return keys_of(secrets, options.suite, pairs_of(secrets, options))
        except DlmsError as error:
            raise PushRefusal(PushFault.NOT_CONFIGURED, error.message) from error


def _check_protection(apdu: bytes, options: PushOptions) -> None:
    """Refuse a message that is protected otherwise than the meter's record demands, before any key is used.

    Raises:
        PushRefusal: UNPROTECTED or NOT_CONFIGURED.
    """
    signed = apdu[0] == GENERAL_SIGNING
    if options.signed and not signed:
        raise PushRefusal(PushFault.UNPROTECTED, "not signed, where a signature is expected")
    if signed and not options.meter_signing_key:
        raise PushRefusal(PushFault.NOT_CONFIGURED, "the option meter_signing_key is missing")
    if not options.plain and not is_ciphered(signed_content(apdu)):
        raise PushRefusal(PushFault.UNPROTECTED, "not ciphered, where ciphering is expected")
    recipient = recipient_of(apdu)
    if options.client_title is not None and recipient not in (b"", options.client_title):
        raise PushRefusal(PushFault.NOT_CONFIGURED, f"it is addressed to {recipient.hex()}, not to client_title")


@contextmanager
def refusing() -> Iterator[None]:
    """Turn protocol errors raised inside into the refusal they mean."""
    try:
        yield
    except Downgraded as error:
        raise refusal(error, PushFault.UNPROTECTED) from error
    except TagCheckFailed as error:
        raise refusal(error, PushFault.WRONG_KEY) from error
    except Unsupported as error:
        raise refusal(error, PushFault.NOT_SUPPORTED) from error
    except DlmsError as error:
        raise refusal(error) from error


def _text(octets: bytes) -> str:
    """Return a gateway's address of a meter as its record would have it."""
    text = octets.decode("latin-1")
    return text if text.isascii() and text.isprintable() else "0x" + octets.hex()


def _host(address: str) -> str:
    """Return the IP address a meter is called at; empty where it is a name or no address."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""
