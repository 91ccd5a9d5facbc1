"""One request out, one answer in: in one piece, or in general blocks (Green Book 9.4.6.13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.apdu import GENERAL_BLOCK_OVERHEAD, GENERAL_BLOCK_TRANSFER, GeneralBlock
from demeter.protocols.dlms.apdu.general_block import read_general_block
from demeter.protocols.dlms.association import Exchange
from demeter.protocols.dlms.errors import Malformed, Truncated
from demeter.protocols.dlms.transfer import Incoming, Outgoing

MAX_VALUE: Final = 4 * 1024 * 1024
"""Longest attribute value put together from blocks, in octets: a year of a wide 15-minute profile is far below."""

MAX_IDLE: Final = 4
"""Turns of a block transfer without anything new after which it is given up."""

WAIT: Final = b""
"""Yielded: nothing is sent, the next APDU is awaited. Sent into an exchange: nothing came in time."""

_GENERAL: Final = bytes((GENERAL_BLOCK_TRANSFER,))


class Quiet(bytes):
    """An APDU to which no answer is due yet: send it and go on at once, with :data:`WAIT`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """``general``: general blocks are agreed on; ``pdu``: octets the meter receives; ``window``: ours."""

    general: bool
    pdu: int
    window: int


def carry(request: bytes, limits: Limits) -> Exchange[bytes]:
    """Send ``request`` and return the answer in one piece, each still protected where it is.

    Raises:
        Truncated: nothing came, repeatedly. Malformed: the blocks contradict each other or do not end.
        Unsupported: the request needs more blocks than can be numbered.
    """
    if limits.general and (limits.window > 1 or len(request) > limits.pdu):
        return (yield from _Conversation(limits, request).hold())
    answer = yield request
    if limits.general and answer[:1] == _GENERAL:
        return (yield from _Conversation(limits, None).hold(answer))
    return answer


class _Conversation:
    """One request and its answer in blocks."""

    __slots__ = ("incoming", "limits", "number", "outgoing", "window")

    def __init__(self, limits: Limits, request: bytes | None) -> None:
        self.limits = limits
        self.incoming = Incoming(MAX_VALUE, limits.window)
        self.outgoing = None if request is None else Outgoing(request, limits.pdu - GENERAL_BLOCK_OVERHEAD)
        self.number = 0 if self.outgoing is None else self.outgoing.count
        self.window = 1

    def hold(self, answer: bytes | None = None) -> Exchange[bytes]:
        """Take turns until the whole answer is here; ``answer`` is its first block where that has come already."""
        turn = self.burst()
        idle = 0
        while True:
            if answer is None:
                answer = yield from _send(turn)
            if answer[:1] not in (_GENERAL, WAIT):
                return answer
            news = False
            if answer:
                news, turn = self.take(read_general_block(answer))
                if self.incoming.done:
                    return self.incoming.whole()
            else:
                turn = self.burst() or [self.acknowledgement()]
            answer = None
            idle = 0 if news else idle + 1
            if idle > MAX_IDLE:
                raise Truncated("the block transfer does not go on", offset=0)

    def take(self, block: GeneralBlock) -> tuple[bool, list[GeneralBlock]]:
        """Take a block; return whether it told anything new, and what is to be sent next."""
        self.window = block.window
        if block.data:
            return self._piece(block)
        news = self.outgoing is not None and self.outgoing.acknowledge(block.ack)
        self.incoming.pass_over(block.number)
        return news, self.burst() or [self.acknowledgement()]

    def _piece(self, block: GeneralBlock) -> tuple[bool, list[GeneralBlock]]:
        self.outgoing = None  # who answers has the request
        news = self.incoming.take(block)
        if block.streaming and self.limits.window > 1:
            return news, []
        return news, [self.acknowledgement()]

    def burst(self) -> list[GeneralBlock]:
        """What of the request is to be sent now."""
        if self.outgoing is None or self.outgoing.done:
            return []
        most = min(self.window, self.limits.window)
        return self.outgoing.burst(most, self.incoming.ack, self.limits.window)

    def acknowledgement(self) -> GeneralBlock:
        """A block without data that tells what has come."""
        self.number += 1
        if self.number > 0xFFFF:
            raise Malformed("the block transfer does not end", offset=2)
        return GeneralBlock(True, False, self.incoming.room, self.number, self.incoming.ack)


def _send(turn: list[GeneralBlock]) -> Exchange[bytes]:
    """Send the blocks of one turn; return what came back, which may be early. No block: wait for the next."""
    for block in turn[:-1]:
        early = yield Quiet(block.encode())
        if early:
            return early
    return (yield turn[-1].encode() if turn else WAIT)
