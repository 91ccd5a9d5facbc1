"""The line to meters: connections with wrapper frames, and everything that can go wrong on them.

A connection leads to one meter, or to many told apart by the destination address of each frame, or by the serial number
in a gateway prefix. HDLC lines stand in :mod:`.line_hdlc`, UDP in :mod:`.line_udp`. Faults of the line
(offline, slow, garbage, truncate, replay, reboot) happen here, below the object model, as they do in the field.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, cast
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.apdu import MAX_WINDOW, DataNotification
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.gateway import GatewayFrame, decode_gateway, is_prefixed
from demeter.protocols.dlms.security import Channel, CipherMode, Counters, Form, KeyId, mode_of
from demeter.protocols.dlms.server import MeterKeys, ServerSession, ServerSettings
from demeter.protocols.dlms.wrapper import Unwrapper, WrapperFrame, wrap
from demeter.simulator.event_log import GLOBAL_KEYS
from demeter.simulator.faults import FaultKind
from demeter.simulator.meter import Meter
from demeter.simulator.model.clock import local_moment
from demeter.simulator.model.meter_model import OPEN_OBJECTS, MeterModel
from demeter.simulator.model.pushes import set_up
from demeter.simulator.noise import draw
from demeter.simulator.push_config import PushForm
from demeter.simulator.pushing import Pushes, PushPoint
from demeter.simulator.security import server_settings

_COUNTER_ORIGIN_S = 1_700_000_000
_COUNTERS_A_SECOND = 16
CONFIRMED = 1 << 30
"""Service class bit of the long-invoke-id-and-priority."""
_SILENCING = (FaultKind.OFFLINE, FaultKind.UNPUSHED)

PUSH_MODES = {PushForm.GENERAL_GLO: CipherMode.GENERAL_GLO, PushForm.GENERAL_CIPHERING: CipherMode.GENERAL}
_SECONDS_A_REQUEST = 10


class Line(Protocol):
    """What leads to meters and can be lost."""

    def lose(self, host: MeterHost) -> None:
        """End what leads to one meter."""
        ...

    def abort(self) -> None:
        """End at once."""
        ...


class ChangingKeys(MeterKeys):
    """The keys of a meter that notes every change of them."""

    __slots__ = ("_changed", "changes")

    def __init__(self, settings: ServerSettings, counters: Counters, changed: Callable[[], None]) -> None:
        super().__init__(settings, counters)
        self._changed = changed
        self.changes = 0

    def replace(self, new: Mapping[KeyId, bytes]) -> None:
        """Take new keys; as :meth:`MeterKeys.replace`."""
        super().replace(new)
        self.changes += 1
        self._changed()


@dataclass(slots=True)
class PushCount:
    """How the pushes of one meter went."""

    sent: int = 0
    confirmed: int = 0
    failed: int = 0


class MeterHost:
    """One meter on the line: what its connections share."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.connections: set[Line] = set()
        self._model: MeterModel | None = None
        # A meter never uses an invocation counter twice, not even after this process was killed: counters start from
        # the time, faster than any meter answers, and reach 32 bits in the year 2032.
        elapsed_s = max(meter.true_now_s() - _COUNTER_ORIGIN_S, 0)
        # Nor does it accept one twice: what it says to have received begins with the time as well, faster than a
        # head-end asks in the long run, and so slowly that a pause of years is no leap to be doubted.
        received = elapsed_s // _SECONDS_A_REQUEST
        counters = Counters(elapsed_s * _COUNTERS_A_SECOND & 0xFFFF_FFFF, received)
        self._answers = 0
        self._last_answer = b""
        config = meter.config
        self._settings = server_settings(
            config.security,
            system_title=config.system_title,
            encryption_key=config.encryption_key,
            authentication_key=config.authentication_key,
            password=config.password,
            public_objects=OPEN_OBJECTS,
            push=config.push,
            max_pdu=config.max_pdu,
        )
        self.keys = ChangingKeys(self._settings, counters, lambda: meter.noted(GLOBAL_KEYS))
        self._wrong_keys: MeterKeys | None = None
        self.pushes = Pushes(meter)
        self._pushed = 0
        self.count = PushCount()
        if config.push.destination:
            set_up(self.pushes)
        self.changed: Callable[[MeterHost], None] = lambda _host: None

    @property
    def model(self) -> MeterModel:
        """The meter's objects, built when they are first needed."""
        if self._model is None:
            if not self.pushes.points:
                set_up(self.pushes)
            self._model = MeterModel(
                self.meter, self.pushes, lambda: self.keys.counters.sent, lambda: self.changed(self)
            )
        return self._model

    def session(self, window: int = 1) -> ServerSession:
        """Return the associations of a new connection that takes ``window`` general blocks in one go."""
        return ServerSession(self.model, replace(self._settings, window=window), keys=self._present_keys())

    # What the meter does by itself

    def restless(self) -> bool:
        """Tell whether the meter has anything to do by itself: pushes, or a limit to keep."""
        return self.pushes.active or not self.meter.limiter.idle

    def tick(self) -> None:
        """Do what is due."""
        self.meter.advance()
        self.pushes.by_schedule()

    def speechless(self) -> str:
        """Return why pushes do not go out now; empty when they do. The last gasp of a failing supply does."""
        now_s, book = self.meter.true_now_s(), self.meter.book
        return next((kind.value for kind in _SILENCING if book.active(kind, now_s)), "")

    def notification(self, point: PushPoint, *, confirmed: bool) -> DataNotification:
        """Return what a push says now, numbered anew."""
        self._pushed += 1
        invoke = (self._pushed & 0xFF_FFFF) | (CONFIRMED if confirmed else 0)
        at = local_moment(self.meter.now_s(), ZoneInfo(self.meter.zone)).to_bytes()
        return DataNotification(invoke, self.model.pushed(point.captures), at)

    def seal_push(self, plain: bytes) -> bytes:
        """Return a notification protected as the meter's pushes are, under its next counter."""
        push = self.meter.config.push
        return plain if push.plain else self._push_channel(PUSH_MODES[push.form]).seal(plain)

    def open_push_answer(self, octets: bytes) -> bytes:
        """Return the plain answer to a push; a plain one is taken only where pushes are plain.

        Raises:
            DlmsError: it is not from who has the keys, or replayed.
        """
        if self.meter.config.push.plain:
            return octets
        return self._push_channel(mode_of(octets)).open(octets)

    def _push_channel(self, mode: CipherMode) -> Channel:
        keys = self._present_keys()
        title = bytes.fromhex(self.meter.config.push.client_title)
        form = Form(mode, keys.policy)
        return Channel(keys.current, self._settings.system_title, title, keys.counters, form=form, policy=keys.policy)

    def _present_keys(self) -> MeterKeys:
        wrong = self.meter.book.active(FaultKind.WRONG_KEY, self.meter.true_now_s())
        return self.keys if wrong is None else self._strange_keys()

    def _strange_keys(self) -> MeterKeys:
        """Return keys nobody knows, for the fault of that name."""
        if self._wrong_keys is None:
            self._wrong_keys = MeterKeys(self._settings, Counters(0, 0))
            turned = bytes(octet ^ 0x55 for octet in self.keys.current.encryption_key)
            self._wrong_keys.replace({KeyId.UNICAST_ENCRYPTION: turned})
        return self._wrong_keys

    def drop_connections(self) -> None:
        """Lose every connection and association, as a reboot does."""
        for connection in list(self.connections):
            connection.lose(self)

    def unreachable(self) -> str:
        """Return why nobody reaches the meter now: ``silent``, ``closed``, or empty when it answers."""
        now_s = self.meter.true_now_s()
        book = self.meter.book
        offline = book.active(FaultKind.OFFLINE, now_s)
        if offline is not None:
            return offline.mode
        down = book.active(FaultKind.OUTAGE, now_s) or book.active(FaultKind.REBOOT, now_s)
        return "silent" if down else ""

    def spoil(self, answer: bytes) -> tuple[bytes, bool]:
        """Return what the faults of the line make of an answer, and whether the connection ends with it."""
        now_s = self.meter.true_now_s()
        book = self.meter.book
        self._answers += 1
        previous, self._last_answer = self._last_answer, answer
        replay = book.active(FaultKind.REPLAY, now_s)
        if replay is not None and previous and self._answers % replay.one_in == 0:
            answer = previous
        garbage = book.active(FaultKind.GARBAGE, now_s)
        if garbage is not None and self._answers % garbage.one_in == 0:
            answer = _mutated(answer, garbage.seed, self._answers)
        cut = book.active(FaultKind.TRUNCATE, now_s)
        return (answer, False) if cut is None else (answer[: cut.bytes], True)

    def delay_s(self) -> float:
        """Return how long answers are held back now, in seconds."""
        slow = self.meter.book.active(FaultKind.SLOW, self.meter.true_now_s())
        return 0.0 if slow is None else slow.delay_ms / 1000


def _mutated(answer: bytes, seed: int, number: int) -> bytes:
    """Return the answer with one to four octets changed, the same ones for the same seed and number."""
    spoiled = bytearray(answer)
    for turn in range(draw(seed, 300, number, 1, 4)):
        place = draw(seed, 301 + turn, number, 0, len(spoiled) - 1)
        spoiled[place] ^= draw(seed, 311 + turn, number, 1, 255)
    return bytes(spoiled)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a meter has to say, before the line has its way with it: none or several APDUs within a window of blocks."""

    host: MeterHost
    apdus: tuple[bytes, ...]


class Switchboard:
    """The meters behind a port, keyed by their address on it (None: the only one), and one client's associations.

    ``window``: how many general blocks may follow each other unanswered on such a line.
    """

    def __init__(self, hosts: Mapping[int | None, MeterHost], line: Line, window: int = MAX_WINDOW) -> None:
        self._window = window
        self.only = hosts.get(None)
        self._hosts = hosts
        self._line = line
        self._sessions: dict[tuple[int, bytes], tuple[MeterHost, ServerSession]] = {}

    def at(self, destination: int) -> MeterHost | None:
        """Return the meter at an address."""
        return self.only or self._hosts.get(destination)

    def answer(self, source: int, destination: int, octets: bytes) -> Answer | None:
        """Hand a request to its meter; None: nobody answers."""
        prefix = None
        host = self.at(destination)
        if is_prefixed(octets):
            try:
                prefix = decode_gateway(octets)
            except DlmsError:
                return None
            host = self._behind(prefix.address)
        if host is None or host.unreachable():
            if host is not None and host.unreachable() == "closed" and self.only is not None:
                self._line.abort()
            return None
        place = (destination, b"" if prefix is None else prefix.address)
        known = self._sessions.get(place)
        if known is None:
            known = self._sessions[place] = (host, host.session(self._window))
            host.connections.add(self._line)
        if prefix is None:
            return Answer(host, tuple(known[1].answers(source, octets, most=self._window)))
        apdus = known[1].answers(source, prefix.apdu, most=self._window)
        frames = (GatewayFrame(prefix.network, prefix.address, apdu, response=True) for apdu in apdus)
        return Answer(host, tuple(frame.to_bytes() for frame in frames))

    def lose(self, host: MeterHost) -> None:
        """Forget the associations with a meter."""
        self._sessions = {place: known for place, known in self._sessions.items() if known[0] is not host}

    def close(self) -> None:
        """Say that the line is gone."""
        for host in self._hosts.values():
            host.connections.discard(self._line)

    def _behind(self, address: bytes) -> MeterHost | None:
        """Return the meter whose serial number is the address in a gateway prefix."""
        serial = address.decode("latin-1")
        return next((host for host in self._hosts.values() if host.meter.config.serial == serial), None)


class TcpLine(asyncio.Protocol):
    """One TCP connection to the meters behind a port: what the kinds of framing have in common."""

    def __init__(self, hosts: Mapping[int | None, MeterHost], window: int = MAX_WINDOW) -> None:
        self._switch = Switchboard(hosts, self, window)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless the only meter behind it is known to be off."""
        self._transport = cast("asyncio.Transport", transport)
        only = self._switch.only
        if only is not None:
            only.connections.add(self)
            if only.unreachable() == "closed":
                self.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection and its associations."""
        self._transport = None
        self._switch.close()

    def pause_writing(self) -> None:
        """Stop reading requests while the client does not read answers."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on reading requests."""
        if self._transport is not None:
            self._transport.resume_reading()

    def lose(self, host: MeterHost) -> None:
        """End what leads to one meter: the connection, or its associations if other meters are behind it."""
        if self._switch.only is not None:
            self.abort()
        self._switch.lose(host)

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _say(self, host: MeterHost, octets: bytes) -> None:
        """Send octets of a meter, after what its faults make of them."""
        spoiled, ends = host.spoil(octets)
        delay_s = host.delay_s()
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._send, spoiled, ends)
        else:
            self._send(spoiled, ends)

    def _send(self, answer: bytes, ends: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(answer)
        if ends:
            self._transport.close()


class Connection(TcpLine):
    """A TCP connection with wrapper frames."""

    def __init__(self, hosts: Mapping[int | None, MeterHost]) -> None:
        super().__init__(hosts)
        self._unwrapper = Unwrapper()

    def data_received(self, data: bytes) -> None:
        """Answer every whole frame; a stream out of step is ended, as nothing can bring it back into step."""
        try:
            frames = self._unwrapper.feed(data)
        except DlmsError:
            self.abort()
            return
        for frame in frames:
            self._serve(frame)

    def _serve(self, frame: WrapperFrame) -> None:
        answer = self._switch.answer(frame.source, frame.destination, frame.apdu)
        if answer is not None and answer.apdus:
            octets = b"".join(wrap(apdu, frame.destination, frame.source) for apdu in answer.apdus)
            self._say(answer.host, octets)
