"""How pushes travel: wrapper frames, HDLC frames, or the bare APDU of a datagram; in blocks, or behind a gateway.

Whatever carried a message, it is kept as wrapper frames holding the APDUs as they came, like every answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple

from demeter.protocols.dlms.apdu import GENERAL_BLOCK_TRANSFER, MAX_WINDOW, GeneralBlock
from demeter.protocols.dlms.apdu.general_block import read_general_block
from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated
from demeter.protocols.dlms.gateway import GatewayFrame, decode_gateway, is_prefixed
from demeter.protocols.dlms.hdlc import Address, Assembler, Control, Deframer, Frame, Kind
from demeter.protocols.dlms.hdlc.numbering import LLC_REQUEST
from demeter.protocols.dlms.transfer import Incoming
from demeter.protocols.dlms.wrapper import Unwrapper, WrapperFrame, unwrap_all, wrap
from demeter.sdk import PushFault, PushFrame, PushRefusal

LONGEST: Final = 256 * 1024
"""Longest push put together from blocks, in octets."""

MOST_UNDER_WAY: Final = 4
"""Senders behind one connection whose messages come in blocks at the same time."""

_FLAG: Final = 0x7E
_WRAPPER_VERSION: Final = b"\x00\x01"


class Carrier(Enum):
    """What a message came in."""

    WRAPPER = auto()
    HDLC = auto()
    BARE = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """How an answer travels back. ``addresses``: of the meter and of this side, over HDLC."""

    carrier: Carrier
    addresses: tuple[Address, Address] | None = None


class Whole(NamedTuple):
    """A message put together. ``gateway``: what stood before it, if it came through one."""

    source: int
    destination: int
    gateway: GatewayFrame | None
    apdu: bytes


def refusal(error: DlmsError, fault: PushFault = PushFault.GARBLED) -> PushRefusal:
    """Return the refusal a protocol error means."""
    return PushRefusal(fault, error.message, offset=error.offset)


def whole(payload: bytes) -> Whole:
    """Put a message together from the wrapper frames that are kept of it.

    Raises:
        DlmsError: they are not one whole message.
    """
    frames = [_without_prefix(frame) for frame in unwrap_all(payload)]
    if not frames:
        raise Truncated("no frame", offset=0)
    first = frames[0]
    if len(frames) == 1 and first.apdu[0] != GENERAL_BLOCK_TRANSFER:
        return first
    incoming = Incoming(LONGEST, MAX_WINDOW)
    for frame in frames:
        incoming.take(read_general_block(frame.apdu))
    if not incoming.done:
        raise Truncated("the blocks are not the whole message", offset=len(payload))
    return first._replace(apdu=incoming.whole())


def _without_prefix(frame: WrapperFrame) -> Whole:
    if not is_prefixed(frame.apdu):
        return Whole(frame.source, frame.destination, None, frame.apdu)
    prefixed = decode_gateway(frame.apdu)
    return Whole(frame.source, frame.destination, prefixed, prefixed.apdu)


def enclose(answer: bytes, payload: bytes, line: Line) -> bytes:
    """Return an answer to a message as it travels back.

    Raises:
        DlmsError: it does not fit.
    """
    asked = whole(payload)
    if asked.gateway is not None:
        answer = GatewayFrame(asked.gateway.network, asked.gateway.address, answer).to_bytes()
    if line.carrier is Carrier.BARE:
        return answer
    if line.addresses is not None:
        meter, own = line.addresses
        control = Control(Kind.UNNUMBERED_INFORMATION, final=False)
        return Frame(meter, own, control, LLC_REQUEST + answer).to_bytes()
    return wrap(answer, asked.destination, asked.source)


class Blocks:
    """Messages that come in general blocks, one for each pair of addresses at a time."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[int, int], tuple[Incoming, list[bytes]]] = {}
        self._replies: list[bytes] = []

    @property
    def pending(self) -> int:
        """Return how many octets of incomplete messages are kept."""
        return sum(len(part) for _, parts in self._under_way.values() for part in parts)

    def take(self, frame: WrapperFrame) -> bytes | None:
        """Take a frame; return the kept form of the message it completes.

        Raises:
            DlmsError: it is no block, or the message grows too long.
        """
        octets = wrap(frame.apdu, frame.source, frame.destination)
        if (inner := _without_prefix(frame)).apdu[:1] != bytes((GENERAL_BLOCK_TRANSFER,)):
            return octets
        place = frame.source, frame.destination
        block = read_general_block(inner.apdu)
        incoming, parts = self._under_way.setdefault(place, (Incoming(LONGEST, MAX_WINDOW), []))
        if len(self._under_way) > MOST_UNDER_WAY:
            raise Malformed("too many messages in blocks at once", offset=0)
        if incoming.take(block):
            parts.append(octets)
        if not block.streaming and not incoming.done:
            self._acknowledge(inner, incoming)
        if not incoming.done:
            return None
        del self._under_way[place]
        return b"".join(parts)

    def replies(self) -> bytes:
        """Return the acknowledgements due by now."""
        due, self._replies = b"".join(self._replies), []
        return due

    def _acknowledge(self, asked: Whole, incoming: Incoming) -> None:
        answer = GeneralBlock(
            last=True, streaming=False, window=min(incoming.room, MAX_WINDOW), number=1, ack=incoming.ack
        )
        octets = answer.encode()
        if asked.gateway is not None:
            octets = GatewayFrame(asked.gateway.network, asked.gateway.address, octets).to_bytes()
        self._replies.append(wrap(octets, asked.destination, asked.source))


class WrapperPushes:
    """Messages in wrapper frames over a connection."""

    def __init__(self) -> None:
        self._unwrapper = Unwrapper()
        self._blocks = Blocks()

    def feed(self, octets: bytes) -> list[PushFrame]:
        """Return the messages completed; raises ``DlmsError``."""
        payloads = (self._blocks.take(frame) for frame in self._unwrapper.feed(octets))
        return [PushFrame(payload, Line(Carrier.WRAPPER)) for payload in payloads if payload is not None]

    def replies(self) -> bytes:
        """Return the acknowledgements due by now."""
        return self._blocks.replies()

    @property
    def pending(self) -> int:
        """Return how many octets of incomplete messages are kept."""
        return self._unwrapper.pending + self._blocks.pending


class HdlcPushes:
    """Messages in HDLC frames that nobody asked for; whatever is no frame is passed over."""

    def __init__(self) -> None:
        self._deframer = Deframer()
        self._assembler = Assembler()
        self._blocks = Blocks()

    def feed(self, octets: bytes) -> list[PushFrame]:
        """Return the messages completed; raises ``DlmsError``."""
        found = []
        for frame in self._deframer.feed(octets):
            if frame.control.kind not in (Kind.INFORMATION, Kind.UNNUMBERED_INFORMATION) or not frame.information:
                continue
            apdu = self._assembler.take(frame)
            if apdu is None:
                continue
            payload = self._blocks.take(WrapperFrame(frame.source.upper, frame.destination.upper, apdu))
            if payload is not None:
                found.append(PushFrame(payload, Line(Carrier.HDLC, (frame.source, frame.destination))))
        return found

    def replies(self) -> bytes:
        """Return nothing: such frames are not acknowledged."""
        return b""

    @property
    def pending(self) -> int:
        """Return how many octets of incomplete messages are kept."""
        return self._deframer.pending + self._blocks.pending


class PushConnection:
    """A connection of either kind; its first octet tells which (implements :class:`demeter.sdk.PushStream`)."""

    def __init__(self) -> None:
        self._kind: WrapperPushes | HdlcPushes | None = None

    def feed(self, octets: bytes) -> list[PushFrame]:
        """Take what was received and return the messages it completes.

        Raises:
            PushRefusal: it is neither wrapper nor HDLC frames, or no longer in step.
        """
        if self._kind is None and octets:
            if octets[0] not in (_FLAG, _WRAPPER_VERSION[0]):
                raise PushRefusal(PushFault.GARBLED, "neither a wrapper nor an HDLC frame", offset=0)
            self._kind = HdlcPushes() if octets[0] == _FLAG else WrapperPushes()
        try:
            return [] if self._kind is None else self._kind.feed(octets)
        except DlmsError as error:
            raise refusal(error) from error

    def replies(self) -> bytes:
        """Return what the transport itself has to answer by now."""
        return b"" if self._kind is None else self._kind.replies()

    @property
    def pending(self) -> int:
        """Return how many octets of incomplete messages are kept."""
        return 0 if self._kind is None else self._kind.pending


def datagram_pushes(octets: bytes) -> list[PushFrame]:
    """Return the messages of a datagram: in wrapper frames, in HDLC frames, or one bare APDU.

    Raises:
        PushRefusal: it holds none, or only a part of one.
    """
    if octets[:1] == bytes((_FLAG,)):
        found = HdlcPushes().feed(octets)
    elif octets[:2] == _WRAPPER_VERSION:
        found = [PushFrame(payload, Line(Carrier.WRAPPER)) for payload in _in_wrappers(octets)]
    elif octets[:1] in (b"", b"\x00"):
        raise PushRefusal(PushFault.GARBLED, "a datagram without an APDU", offset=0)
    else:
        found = [PushFrame(wrap(octets, 0, 0), Line(Carrier.BARE))]
    if not found:
        raise PushRefusal(PushFault.GARBLED, "a datagram without a whole message", offset=len(octets))
    return found


def _in_wrappers(octets: bytes) -> Iterable[bytes]:
    blocks = Blocks()
    try:
        frames = unwrap_all(octets)
        return [payload for payload in map(blocks.take, frames) if payload is not None]
    except DlmsError as error:
        raise refusal(error) from error
