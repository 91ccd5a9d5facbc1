"""HDLC frames of format type 3 (IEC 62056-46 / Green Book 8.4, after ISO/IEC 13239).

::

    7E | 1010 S LLL LLLLLLLL | destination | source | control | HCS | information | FCS | 7E

``S``: more segments of the same message follow. ``L``: octets between the flags. HCS and the information field are
there together or not at all. There is no octet stuffing: the length says where the frame ends.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated, Unsupported

FLAG: Final = 0x7E
FRAME_TYPE: Final = 0xA0
SEGMENTED: Final = 0x08
FORMAT_SIZE: Final = 2
CHECK_SIZE: Final = 2
MAX_LENGTH: Final = 0x7FF
MIN_LENGTH: Final = FORMAT_SIZE + 1 + 1 + 1 + CHECK_SIZE
MAX_INFORMATION: Final = 2030
"""Longest information field that may be negotiated (Green Book 8.4.5.3.2)."""

ALL_STATION: Final = 0x7F
ALL_STATION_LONG: Final = 0x3FFF

_REVERSED: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def check_sequence(octets: bytes) -> bytes:
    """Return the CRC-16 of X.25 over ``octets``, two octets, low one first.

    X.25 takes bits from the low end; the library's CRC takes them from the high end, so the octets go in mirrored.
    """
    remainder = crc_hqx(octets.translate(_REVERSED), 0xFFFF) ^ 0xFFFF
    return bytes((_REVERSED[remainder >> 8], _REVERSED[remainder & 0xFF]))


@dataclass(frozen=True, slots=True)
class Address:
    """An HDLC address of ``size`` 1, 2 or 4 octets.

    A client has one octet and only ``upper``. A server's ``upper`` is its logical device, ``lower`` the physical device
    (the meter on a shared line); one octet has no ``lower``. Each is below 128, or below 16,384 in four octets.
    """

    upper: int
    lower: int = 0
    size: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be encoded."""
        limit = 0x3FFF if self.size == 4 else 0x7F
        if self.size not in (1, 2, 4) or not (0 <= self.upper <= limit and 0 <= self.lower <= limit):
            raise Malformed(f"{self.upper}/{self.lower} is no address of {self.size} octets")
        if self.size == 1 and self.lower:
            raise Malformed("an address of one octet has no physical part")

    def to_bytes(self) -> bytes:
        """Return the octets: seven bits each, the lowest bit is set in the last one only."""
        return _address_octets(self)

    @property
    def is_broadcast(self) -> bool:
        """Tell whether every station is meant: nobody answers then."""
        everyone = ALL_STATION_LONG if self.size == 4 else ALL_STATION
        return self.upper == everyone and (self.size == 1 or self.lower == everyone)

    def means(self, own: Address) -> bool:
        """Tell whether a frame for this address is for the station ``own``, whatever the sizes of the two."""
        if self.is_broadcast:
            return True
        return self.upper == own.upper and (self.size == 1 or own.size == 1 or self.lower == own.lower)

    def __str__(self) -> str:
        return str(self.upper) if self.size == 1 else f"{self.upper}/{self.lower}"


def server_address(logical: int, physical: int | None = None, size: int = 0) -> Address:
    """Return a server's address; ``size`` 0 takes the shortest that fits. ``physical`` None: none.

    Raises:
        Malformed: the numbers do not fit ``size``.
    """
    if not size:
        widest = max(logical, physical or 0)
        size = 4 if widest > 0x7F else 1 if physical is None else 2
    return Address(logical, physical or 0, size)


@lru_cache(maxsize=4096)
def _address_octets(address: Address) -> bytes:
    parts = {
        1: (address.upper,),
        2: (address.upper, address.lower),
        4: (address.upper >> 7, address.upper & 0x7F, address.lower >> 7, address.lower & 0x7F),
    }[address.size]
    octets = bytearray(part << 1 for part in parts)
    octets[-1] |= 1
    return bytes(octets)


class Kind(Enum):
    """What a frame is for; the value is its control octet without sequence numbers and poll/final bit."""

    INFORMATION = 0x00
    RECEIVE_READY = 0x01
    RECEIVE_NOT_READY = 0x05
    SET_NORMAL_RESPONSE_MODE = 0x83
    DISCONNECT = 0x43
    UNNUMBERED_ACKNOWLEDGE = 0x63
    DISCONNECTED_MODE = 0x0F
    FRAME_REJECT = 0x87
    UNNUMBERED_INFORMATION = 0x03
    UNKNOWN = 0xFF


NUMBERED: Final = (Kind.INFORMATION, Kind.RECEIVE_READY, Kind.RECEIVE_NOT_READY)
POLL_FINAL: Final = 0x10


@dataclass(frozen=True, slots=True)
class Control:
    """A control octet. ``final`` is the poll bit of a command and the final bit of a response.

    ``sent`` is N(S) of an information frame, ``expected`` N(R) of an information or supervisory frame. ``raw`` is the
    octet of a kind that is not known here.
    """

    kind: Kind
    final: bool = True
    sent: int = 0
    expected: int = 0
    raw: int = 0

    def to_octet(self) -> int:
        """Return the octet."""
        if self.kind is Kind.UNKNOWN:
            return self.raw
        octet: int = self.kind.value | (POLL_FINAL if self.final else 0)
        if self.kind in NUMBERED:
            octet |= (self.expected & 7) << 5
        return octet | (self.sent & 7) << 1 if self.kind is Kind.INFORMATION else octet


def _control(octet: int) -> Control:
    final, expected = bool(octet & POLL_FINAL), octet >> 5
    if not octet & 1:
        return Control(Kind.INFORMATION, final, octet >> 1 & 7, expected)
    if octet & 0x0F in (0x01, 0x05):
        return Control(Kind(octet & 0x0F), final, 0, expected)
    known = {kind.value for kind in Kind if kind is not Kind.UNKNOWN and kind not in NUMBERED}
    plain = octet & ~POLL_FINAL
    return Control(Kind(plain), final) if plain in known else Control(Kind.UNKNOWN, final, raw=octet)


_CONTROLS: Final = tuple(_control(octet) for octet in range(256))


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. ``segmented``: the message goes on in the next information frame."""

    destination: Address
    source: Address
    control: Control
    information: bytes = b""
    segmented: bool = False

    def to_bytes(self) -> bytes:
        """Return the frame with both flags.

        Raises:
            Malformed: the information field is too long for a frame.
        """
        return _flagged(self)


_FLAG_OCTET: Final = bytes((FLAG,))


def _flagged(frame: Frame) -> bytes:
    header = frame.destination.to_bytes() + frame.source.to_bytes() + bytes((frame.control.to_octet(),))
    length = FORMAT_SIZE + len(header) + CHECK_SIZE
    if frame.information:
        length += len(frame.information) + CHECK_SIZE
    if length > MAX_LENGTH:
        raise Malformed(f"a frame of {length} octets is longer than {MAX_LENGTH}")
    form = (FRAME_TYPE | (SEGMENTED if frame.segmented else 0)) << 8 | length
    body = form.to_bytes(2, "big") + header
    body += check_sequence(body)
    if frame.information:
        body += frame.information
        body += check_sequence(body)
    return _FLAG_OCTET + body + _FLAG_OCTET


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the information field. ``size``: octets from the format to the control octet included."""

    length: int
    segmented: bool
    destination: Address
    source: Address
    control: Control
    size: int

    @property
    def has_information(self) -> bool:
        """Tell whether an information field (and so a check sequence of the header) follows."""
        return self.length > self.size + CHECK_SIZE


def decode_length(octets: bytes | bytearray, at: int, base: int = 0) -> int:
    """Return the length in the format field at ``at``; offsets in errors are counted from ``base`` before octet 0.

    Raises:
        Truncated, Malformed, Unsupported: it is cut, too short, or of another format type.
    """
    if len(octets) - at < FORMAT_SIZE:
        raise Truncated("a frame ends inside its format field", offset=base + len(octets))
    if octets[at] & 0xF0 != FRAME_TYPE:
        raise Unsupported(f"frame format 0x{octets[at]:02x} is not type 3", offset=base + at)
    length = (octets[at] & 7) << 8 | octets[at + 1]
    if length < MIN_LENGTH:
        raise Malformed(f"a frame of {length} octets is too short", offset=base + at)
    return length


def decode_header(octets: bytes | bytearray, at: int, base: int = 0) -> Header:
    """Decode the header whose format field is at ``at`` and check its own check sequence, if it has one.

    Raises:
        Truncated: more octets are needed.
        Malformed, Unsupported: it is no header; ``offset`` is ``base`` plus the place.
    """
    length = decode_length(octets, at, base)
    limit = at + length - CHECK_SIZE
    destination, place = _address(octets, at + FORMAT_SIZE, limit, base)
    source, place = _address(octets, place, limit, base)
    if place >= limit:
        raise Malformed("a frame has no room for its control octet", offset=base + place)
    if place >= len(octets):
        raise Truncated("a frame ends before its control octet", offset=base + len(octets))
    control = _CONTROLS[octets[place]]
    header = Header(length, bool(octets[at] & SEGMENTED), destination, source, control, place + 1 - at)
    if header.has_information:
        _check(octets, at, header.size, "header", base)
        if length <= header.size + 2 * CHECK_SIZE:
            raise Malformed("a frame has a check sequence of its header but no information", offset=base + at)
    return header


def decode_body(octets: bytes | bytearray, at: int, header: Header, base: int = 0) -> Frame:
    """Decode the frame whose header was decoded at ``at``: everything but the closing flag.

    Raises:
        Truncated: more octets are needed.
        Malformed: the check sequence is wrong.
    """
    _check(octets, at, header.length - CHECK_SIZE, "frame", base)
    information = b""
    if header.has_information:
        information = bytes(octets[at + header.size + CHECK_SIZE : at + header.length - CHECK_SIZE])
    return Frame(header.destination, header.source, header.control, information, header.segmented)


def decode_frame(octets: bytes) -> Frame:
    """Decode one frame with both its flags and nothing else.

    Raises:
        Truncated, Malformed, Unsupported: with the offset.
    """
    if not octets:
        raise Truncated("no frame", offset=0)
    if octets[0] != FLAG:
        raise Malformed(f"0x{octets[0]:02x} is no flag", offset=0)
    header = decode_header(octets, 1)
    frame = decode_body(octets, 1, header)
    end = 1 + header.length
    if len(octets) <= end:
        raise Truncated("a frame has no closing flag", offset=end)
    if octets[end] != FLAG:
        raise Malformed(f"0x{octets[end]:02x} stands where a flag belongs", offset=end)
    if len(octets) > end + 1:
        raise Malformed("octets follow the closing flag", offset=end + 1)
    return frame


def _check(octets: bytes | bytearray, at: int, size: int, what: str, base: int) -> None:
    end = at + size
    if len(octets) < end + CHECK_SIZE:
        raise Truncated(f"a frame ends before the check sequence of its {what}", offset=base + len(octets))
    if check_sequence(bytes(octets[at:end])) != octets[end : end + CHECK_SIZE]:
        raise Malformed(f"the check sequence of the {what} is wrong", offset=base + end)


def _address(octets: bytes | bytearray, at: int, limit: int, base: int) -> tuple[Address, int]:
    parts: list[int] = []
    for place in range(at, at + 4):
        if place >= limit:
            raise Malformed("an address runs into the end of its frame", offset=base + place)
        if place >= len(octets):
            raise Truncated("a frame ends inside an address", offset=base + len(octets))
        parts.append(octets[place] >> 1)
        if octets[place] & 1:
            break
    else:
        raise Malformed("an address is longer than four octets", offset=base + at)
    size = len(parts)
    try:
        match parts:
            case [upper]:
                return Address(upper), at + 1
            case [upper, lower]:
                return Address(upper, lower, 2), at + 2
            case [high, low, high_lower, low_lower]:
                return Address(high << 7 | low, high_lower << 7 | low_lower, 4), at + 4
    except DlmsError as error:
        raise Malformed(error.message, offset=base + at) from error
    raise Malformed(f"an address of {size} octets", offset=base + at)
