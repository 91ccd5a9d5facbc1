"""Block transfer of the services themselves: pieces that come, pieces that go (Green Book 9.4.6)."""

from __future__ import annotations

from collections.abc import Callable

from demeter.protocols.dlms import apdu
from demeter.protocols.dlms.apdu import BLOCK_OVERHEAD, DataBlock
from demeter.protocols.dlms.association import Exchange
from demeter.protocols.dlms.client.carrier import MAX_VALUE
from demeter.protocols.dlms.client.line import Line
from demeter.protocols.dlms.errors import Malformed, Unsupported


class Pieces:
    """Blocks that have come, in order; bounded."""

    __slots__ = ("_parts", "_size", "number")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.number = 0

    def take(self, number: int, piece: bytes, *, last: bool) -> None:
        """Add the next block.

        Raises:
            Malformed: it is another than the next one, or they do not end.
        """
        if number != self.number + 1:
            raise Malformed(f"block {number} came where block {self.number + 1} was due")
        self._parts.append(piece)
        self._size += len(piece)
        self.number = number
        if self._size > MAX_VALUE or not (piece or last):
            raise Malformed(f"the blocks do not end within {MAX_VALUE} octets")

    def whole(self) -> bytes:
        """All of them, joined."""
        return b"".join(self._parts)


def send_in_blocks(
    line: Line,
    invoke: int,
    payload: bytes,
    first: Callable[[DataBlock], bytes],
    further: Callable[[DataBlock], bytes],
) -> Exchange[apdu.Response]:
    """Send ``payload`` block by block; return the first answer that does not ask for the next one.

    Raises:
        Unsupported: the meter's APDU size leaves no room for a block.
        Malformed: the meter asks for another block than the next.
    """
    encode, at, number = first, 0, 1
    while True:
        room = line.room - (len(encode(DataBlock(False, number, b""))) - 6) - BLOCK_OVERHEAD
        if room < 1:
            raise Unsupported("the meter's APDU size leaves no room for a block")
        piece = payload[at : at + room]
        at += len(piece)
        answer = yield from line.call(encode(DataBlock(at >= len(payload), number, piece)), invoke)
        if not isinstance(answer, apdu.SetBlockResponse | apdu.ActionBlockResponse):
            return answer
        if answer.number != number or at >= len(payload):
            raise Malformed(f"the meter acknowledged block {answer.number}, block {number} was sent", offset=3)
        encode, number = further, number + 1
