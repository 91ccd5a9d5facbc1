r"""Messages of IEC 62056-21 that open a line: ``/?!``, ``/XXX5\2ident``, ``ACK 2 5 2``.

Characters are seven bits with even parity. Parity is made and checked here, so a line may be run with eight bits and
no parity all the time: on the wire that is the same, and pseudo-terminals and serial servers know nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.errors import Malformed, Truncated

BAUDS: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
"""Baud rate identification of modes C and E (clause 6.3.14, 13c)."""
BAUD_CHARACTERS: Final = {baud: character for character, baud in BAUDS.items()}

OPENING_BAUD: Final = 300
ACK: Final = b"\x06"
END: Final = b"\r\n"
HDLC_CAPABLE: Final = "\\2"
MAX_ADDRESS: Final = 32
MAX_IDENTIFICATION: Final = 16
MAX_LINE: Final = 64

_EVEN: Final = bytes(value | (value.bit_count() & 1) << 7 for value in range(128)) + bytes(range(128, 256))


def with_parity(text: bytes) -> bytes:
    """Return seven-bit characters with their even parity in the highest bit."""
    return text.translate(_EVEN)


def without_parity(octets: bytes, base: int = 0) -> bytes:
    """Check even parity and return the seven-bit characters; ``base`` is the offset of the first octet.

    Raises:
        Malformed: the parity of a character is wrong; ``offset`` is its place.
    """
    for place, octet in enumerate(octets):
        if octet.bit_count() & 1:
            raise Malformed(f"the parity of 0x{octet:02x} is wrong", offset=base + place)
    return bytes(octet & 0x7F for octet in octets)


@dataclass(frozen=True, slots=True)
class Identification:
    r"""Who answers an opening message. ``maker``: three letters; ``baud``: the highest it can do, bit/s.

    ``text`` is the rest, escape sequences included; ``speaks_hdlc``: it contains ``\2``, so mode E may be entered.
    """

    maker: str
    baud: int
    text: str

    @property
    def speaks_hdlc(self) -> bool:
        """Tell whether the meter offers HDLC (enhanced identification character 2, clause 6.3.14, 24)."""
        return HDLC_CAPABLE in self.text

    def to_bytes(self) -> bytes:
        """Return the message."""
        return f"/{self.maker}{BAUD_CHARACTERS[self.baud]}{self.text}".encode("ascii") + END


def opening(address: str = "") -> bytes:
    """Return the opening message; ``address`` is the device address of a meter on a shared line, empty for any.

    Raises:
        Malformed: the address is longer than 32 characters or holds others than letters, digits and spaces.
    """
    if len(address) > MAX_ADDRESS or not all(c.isascii() and (c.isalnum() or c == " ") for c in address):
        raise Malformed(f"{address!r} is no device address")
    return f"/?{address}!".encode("ascii") + END


def acknowledgement(baud: int) -> bytes:
    """Return the message that chooses HDLC (binary mode, ``2``) at a baud rate; a meter confirms it with the same."""
    return ACK + f"2{BAUD_CHARACTERS[baud]}2".encode("ascii") + END


def decode_identification(line: bytes) -> Identification:
    """Decode an identification message: seven-bit characters, from ``/`` to CR LF.

    Raises:
        Truncated, Malformed: with the offset.
    """
    if len(line) < 5 + len(END):
        raise Truncated("an identification message is cut", offset=len(line))
    if line[:1] != b"/" or not line[1:4].isalpha():
        raise Malformed("an identification begins with / and three letters", offset=0)
    if line[-2:] != END:
        raise Malformed("an identification ends with CR LF", offset=len(line) - 2)
    text = line[5:-2].decode("ascii", "replace")
    if len(text) > MAX_IDENTIFICATION or not text.isprintable():
        raise Malformed("an identification has up to 16 printable characters", offset=5)
    baud = BAUDS.get(chr(line[4]))
    if baud is None:
        raise Malformed(f"{chr(line[4])!r} is no baud rate of mode E", offset=4)
    return Identification(line[1:4].decode("ascii"), baud, text)


def decode_acknowledgement(line: bytes) -> int:
    """Return the baud rate of an acknowledgement that chooses HDLC.

    Raises:
        Truncated, Malformed: with the offset.
    """
    if len(line) < 6:
        raise Truncated("an acknowledgement is cut", offset=len(line))
    wanted = (ACK, b"2", None, b"2", END[:1], END[1:])
    for place, octet in enumerate(wanted):
        if octet is not None and line[place : place + 1] != octet:
            raise Malformed(f"0x{line[place]:02x} is not what chooses HDLC", offset=place)
    baud = BAUDS.get(chr(line[2]))
    if baud is None:
        raise Malformed(f"{chr(line[2])!r} is no baud rate of mode E", offset=2)
    return baud
