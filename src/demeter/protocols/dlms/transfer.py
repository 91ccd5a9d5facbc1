"""General block transfer: one APDU in numbered pieces, in windows, with recovery of lost blocks (Green Book 9.4.6.13).

Both ends keep an :class:`Outgoing` for what they send and an :class:`Incoming` for what they receive. Up to a window of
blocks is sent without waiting (all but the last are *streaming*); the receiver then acknowledges the last block before
any gap, and asks with its window for as many as are missing. Blocks behind a gap are kept. Each direction numbers its
blocks from 1; blocks without data count too.
"""

from __future__ import annotations

from demeter.protocols.dlms.apdu import MAX_BLOCKS, MAX_WINDOW, GeneralBlock
from demeter.protocols.dlms.errors import Malformed, Unsupported


class Outgoing:
    """An APDU on its way in blocks of ``size`` octets, the first of them numbered ``first``.

    Raises:
        Unsupported: it needs more blocks than can be numbered.
    """

    __slots__ = ("_apdu", "_first", "_size", "acked", "count")

    def __init__(self, apdu: bytes, size: int, first: int = 1) -> None:
        if size < 1:
            raise Unsupported("the peer's APDU size leaves no room for a block")
        self._apdu = apdu
        self._size = size
        self._first = first
        self.acked = 0
        self.count = max(-(-len(apdu) // size), 1)
        if first + self.count - 1 > MAX_BLOCKS:
            raise Unsupported(f"an APDU of {len(apdu)} octets in blocks of {size}")

    @property
    def done(self) -> bool:
        """Whether the peer has all of it."""
        return self.acked == self.count

    def acknowledge(self, number: int) -> bool:
        """Take the peer's acknowledgement; return whether it tells anything new. Impossible numbers tell nothing."""
        index = number - self._first + 1
        if not self.acked < index <= self.count:
            return False
        self.acked = index
        return True

    def burst(self, most: int, ack: int, window: int) -> list[GeneralBlock]:
        """The next blocks after the last acknowledged one, at most ``most``; ``ack`` and ``window`` are our own."""
        end = min(self.acked + max(most, 1), self.count)
        return [
            GeneralBlock(
                index == self.count - 1,
                index < end - 1,
                window,
                self._first + index,
                ack,
                self._apdu[index * self._size : (index + 1) * self._size],
            )
            for index in range(self.acked, end)
        ]


class Incoming:
    """An APDU that comes in blocks; never longer than ``limit`` octets, never more than a window kept behind a gap."""

    __slots__ = ("_end", "_first", "_held", "_limit", "_next", "_parts", "_size", "_window")

    def __init__(self, limit: int, window: int = 1) -> None:
        self._limit = limit
        self._window = window
        self._first = 1
        self._next = 1
        self._end = 0
        self._size = 0
        self._parts: list[bytes] = []
        self._held: dict[int, bytes] = {}

    @property
    def done(self) -> bool:
        """Whether all of it has come."""
        return bool(self._end) and self._next > self._end

    @property
    def ack(self) -> int:
        """The number of the last block before any gap."""
        return self._next - 1

    @property
    def started(self) -> bool:
        """Whether any piece has come."""
        return bool(self._parts or self._held)

    @property
    def room(self) -> int:
        """The window to ask with: as many blocks as are missing before those kept."""
        return min(self._held) - self._next if self._held else self._window

    def whole(self) -> bytes:
        """The APDU, once :attr:`done`."""
        return b"".join(self._parts)

    def pass_over(self, number: int) -> None:
        """Count a block without data that came before the first piece."""
        if not self.started and number < MAX_BLOCKS:
            self._first = self._next = number + 1

    def take(self, block: GeneralBlock) -> bool:
        """Take a piece; return whether it is new. Repeated blocks and those beyond the window are passed over.

        Raises:
            Malformed: it contradicts an earlier one (another end), or all of it is longer than the limit.
        """
        number = block.number
        if not self.started and number == self._first - 1 > 0:
            self._first = self._next = number  # a peer that does not count its blocks without data
        if not self._next <= number < self._next + MAX_WINDOW or number in self._held:
            return False
        if self._end and (number > self._end or (block.last and number != self._end)):
            raise Malformed(f"block {number} after block {self._end}, the last one", offset=2)
        if block.last:
            if self._held and max(self._held) > number:
                raise Malformed(f"block {number} is the last one, but later ones have come", offset=2)
            self._end = number
        self._size += len(block.data)
        if self._size > self._limit:
            raise Malformed(f"the blocks do not end within {self._limit} octets", offset=6)
        self._held[number] = block.data
        while self._next in self._held:
            self._parts.append(self._held.pop(self._next))
            self._next += 1
        return True
