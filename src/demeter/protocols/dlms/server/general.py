"""General block transfer at the server's side: requests are put together, responses sent in windows."""

from __future__ import annotations

from demeter.protocols.dlms.apdu import GENERAL_BLOCK_OVERHEAD, GeneralBlock
from demeter.protocols.dlms.errors import DlmsError, Malformed
from demeter.protocols.dlms.security import is_ciphered
from demeter.protocols.dlms.transfer import Incoming, Outgoing


class GeneralTransfer:
    """One request that comes in blocks and the response that goes in blocks; ``pdu`` is what the client receives."""

    __slots__ = ("_acks", "_burst", "_first", "_limit", "_pdu", "_window", "incoming", "outgoing", "theirs")

    def __init__(self, pdu: int, window: int, limit: int) -> None:
        self._pdu = pdu
        self._window = window
        self._limit = limit
        self._acks = 0
        self._burst: list[GeneralBlock] = []
        self._first = b""
        self.theirs = 1
        self.incoming = Incoming(limit, window)
        self.outgoing: Outgoing | None = None

    def clear(self) -> None:
        """Forget what was under way."""
        if self.outgoing is None and not self.incoming.started and not self._acks:
            return
        self._acks, self._burst, self._first = 0, [], b""
        self.incoming = Incoming(self._limit, self._window)
        self.outgoing = None

    def take(self, block: GeneralBlock, most: int) -> list[GeneralBlock] | bytes:
        """Take a block; return what is to be sent back, or the request now that all of it is here.

        Raises:
            Malformed: the blocks contradict each other or are too many; all is forgotten.
        """
        self.theirs = min(block.window or 1, most)
        if not block.data:
            return self._acknowledged(block)
        if block.number == 1 and self.incoming.started:
            # The first block again, or of another request? Only protected ones are never twice the same.
            if not is_ciphered(block.data) or block.data != self._first:
                self.clear()
            elif block.last:
                return self._burst  # our response got lost
        if block.number == 1:
            self._first = block.data
        if self.incoming.done:
            return self._burst
        try:
            self.incoming.take(block)
        except DlmsError:
            self.clear()
            raise
        if self.incoming.done:
            return self.incoming.whole()
        if block.streaming:
            return []
        self._acks += 1
        return [GeneralBlock(False, False, self.incoming.room, self._acks, self.incoming.ack)]

    def send(self, answer: bytes) -> list[GeneralBlock]:
        """Begin to send a response."""
        self.outgoing = Outgoing(answer, self._pdu - GENERAL_BLOCK_OVERHEAD, self._acks + 1)
        return self._next()

    def begin(self, answer: bytes) -> list[GeneralBlock]:
        """Begin to send the response to a request that came in one piece."""
        self.clear()
        self.theirs = 1
        return self.send(answer)

    def _acknowledged(self, block: GeneralBlock) -> list[GeneralBlock]:
        if self.outgoing is None:
            if not self.incoming.started:
                raise Malformed("an acknowledgement of nothing", offset=4)
            self._acks += 1
            return [GeneralBlock(False, False, self.incoming.room, self._acks, self.incoming.ack)]
        self.outgoing.acknowledge(block.ack)
        return self._next()

    def _next(self) -> list[GeneralBlock]:
        assert self.outgoing is not None
        self._burst = [] if self.outgoing.done else self.outgoing.burst(self.theirs, self.incoming.ack, self._window)
        return self._burst
