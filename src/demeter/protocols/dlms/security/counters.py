"""Invocation counters: never sent twice, never accepted twice under one key (Green Book 9.2.3.3.7.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from demeter.protocols.dlms.errors import Malformed, Replayed

MAX_COUNTER: Final = 0xFFFF_FFFF


def counter_octets(counter: int) -> bytes:
    """The four octets of an invocation counter.

    Raises:
        Malformed: it does not fit 32 bits; the keys are used up and must be changed.
    """
    if not 0 <= counter <= MAX_COUNTER:
        raise Malformed(f"the invocation counter {counter} is used up: the keys must be changed")
    return counter.to_bytes(4, "big")


@dataclass(slots=True)
class Counters:
    """The invocation counters of one encryption key at one side, one for each direction.

    ``sent`` is the last one used for sending, ``received`` the highest accepted from the peer (-1: none yet). Keep the
    object (or its two numbers) as long as the keys: a counter used twice under one key gives the key away.

    ``window``: how many counters up to ``received`` may still come late, each once (datagrams overtake each other). 1:
    strictly increasing, as over a connection. What was accepted before this object was made is not accepted again.
    """

    sent: int = 0
    received: int = -1
    window: int = 1
    _seen: int = field(default=-1, repr=False)

    def draw(self) -> int:
        """Return the next counter for sending, which is then used up."""
        self.sent += 1
        return self.sent

    def check(self, counter: int) -> None:
        """Compare a received counter without taking it.

        Raises:
            Replayed: it was accepted already, or is older than the window.
        """
        age = self.received - counter
        if age >= 0 and (age >= self.window or self._seen >> age & 1):
            raise Replayed(
                f"invocation counter {counter} is not above {self.received}, the last one accepted",
                received=counter,
                last=self.received,
            )

    def accept(self, counter: int) -> None:
        """Take a received counter whose tag has been checked; as :meth:`check`."""
        self.check(counter)
        step = counter - self.received
        if step <= 0:
            self._seen |= 1 << -step
            return
        mask = (1 << self.window) - 1
        # Before the first one there is nothing that could have been accepted.
        before = 0 if self.received < 0 else self._seen
        self._seen = (before << step | 1) & mask if step < self.window else 1
        self.received = counter

    def resynchronise(self, told: int) -> None:
        """Go on above ``told``, the counter the receiver says it has reached; never back.

        Raises:
            Replayed: nothing is gained: what was sent is already above it.
        """
        if told < self.sent:
            message = f"the receiver is at {told}, and {self.sent} was sent already"
            raise Replayed(message, received=self.sent, last=told)
        self.sent = told
