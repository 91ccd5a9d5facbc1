"""General-Block-Transfer [224]: a piece of any APDU (IEC 62056-5-3, Green Book 9.3.13)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.apdu.fields import finish, need, prefixed, read_octets
from demeter.protocols.dlms.errors import Malformed

GENERAL_BLOCK_TRANSFER: Final = 0xE0

GENERAL_BLOCK_OVERHEAD: Final = 1 + 1 + 2 + 2 + 3
"""Octets of a general block besides its data, at most."""

MAX_WINDOW: Final = 63
MAX_BLOCKS: Final = 0xFFFF

_HEAD = struct.Struct(">BBHH")


@dataclass(frozen=True, slots=True)
class GeneralBlock:
    """Block ``number`` (from 1) of an APDU; without data it only acknowledges.

    ``streaming`` says that another block follows without being asked for. ``window`` is how many blocks the sender
    takes in one go, ``ack`` the last block it has received without a gap before it.
    """

    last: bool
    streaming: bool
    window: int
    number: int
    ack: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Encode the APDU.

        Raises:
            Malformed: a number outside its field.
        """
        if not 0 <= self.window <= MAX_WINDOW:
            raise Malformed(f"a window of {self.window} blocks")
        control = (self.last << 7) | (self.streaming << 6) | self.window
        try:
            return _HEAD.pack(GENERAL_BLOCK_TRANSFER, control, self.number, self.ack) + prefixed(self.data)
        except struct.error:
            raise Malformed(f"block {self.number} or {self.ack} does not fit 16 bits") from None


def read_general_block(apdu: bytes) -> GeneralBlock:
    """Read General-Block-Transfer."""
    need(apdu, 0, _HEAD.size)
    _, control, number, ack = _HEAD.unpack_from(apdu)
    octets, end = read_octets(apdu, _HEAD.size)
    finish(apdu, end)
    return GeneralBlock(control & 0x80 != 0, control & 0x40 != 0, control & 0x3F, number, ack, octets)
