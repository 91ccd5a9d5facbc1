"""Numbered information frames in both directions: segments out, segments in, windows (ISO/IEC 13239, modulo 8).

A station that may speak sends a burst of at most a window; the last frame of it hands the turn to the other side, whose
next frame says what arrived. So whatever is still unacknowledged when the turn comes back has to be sent again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.hdlc.frame import Frame
from demeter.protocols.dlms.hdlc.parameters import LinkParameters

MODULUS: Final = 8
LLC_REQUEST: Final = b"\xe6\xe6\x00"
LLC_RESPONSE: Final = b"\xe6\xe7\x00"
MAX_MESSAGE: Final = 0xFFFF + len(LLC_REQUEST)
"""Longest message put together from segments: the longest APDU a wrapper frame holds, and its LLC octets."""


class Place(Enum):
    """Where the number of a frame lies."""

    NEXT = auto()
    AHEAD = auto()
    BEHIND = auto()


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a message. ``more``: others follow."""

    octets: bytes
    more: bool


class Numbering:
    """What one station has sent and received since the link was set up. ``header``: LLC octets of what it receives."""

    __slots__ = ("_header", "_longest", "_oldest", "_parts", "_size", "_unacknowledged", "_waiting", "expected", "held")

    def __init__(self, agreed: LinkParameters, header: bytes, longest: int = MAX_MESSAGE) -> None:
        self.held = agreed
        self.expected = 0
        self._header = header
        self._longest = longest
        self._oldest = 0
        self._unacknowledged: deque[Segment] = deque()
        self._waiting: deque[Segment] = deque()
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def outstanding(self) -> bool:
        """Tell whether anything is unsent or unacknowledged."""
        return bool(self._unacknowledged or self._waiting)

    @property
    def assembling(self) -> int:
        """Octets of a message whose segments have not all come."""
        return self._size

    def put(self, message: bytes) -> None:
        """Cut a message into segments that wait to be sent."""
        size = self.held.transmit_size
        for at in range(0, len(message), size):
            self._waiting.append(Segment(message[at : at + size], at + size < len(message)))

    def burst(self) -> list[tuple[int, Segment]]:
        """Return the numbered segments to send now, those not acknowledged first: at most a window."""
        while self._waiting and len(self._unacknowledged) < self.held.transmit_window:
            self._unacknowledged.append(self._waiting.popleft())
        return [((self._oldest + place) % MODULUS, segment) for place, segment in enumerate(self._unacknowledged)]

    def acknowledge(self, expected: int) -> int:
        """Take N(R) of the peer; return how many segments it acknowledges.

        Raises:
            Malformed: it acknowledges what was never sent.
        """
        count = (expected - self._oldest) % MODULUS
        if count > len(self._unacknowledged):
            raise Malformed(f"frame {expected} is expected, which does not follow {self._oldest}")
        for _ in range(count):
            self._unacknowledged.popleft()
        self._oldest = expected
        return count

    def take(self, frame: Frame) -> tuple[Place, bytes | None]:
        """Take an information frame; return where its number lies and the message it completes, without LLC octets.

        A message that does not begin with the LLC octets of its direction is dropped.

        Raises:
            Malformed: the information field is longer than agreed, or the message than allowed.
        """
        if len(frame.information) > self.held.receive_size:
            raise Malformed(f"an information field of {len(frame.information)} octets is longer than agreed")
        ahead = (frame.control.sent - self.expected) % MODULUS
        if ahead:
            return (Place.AHEAD if ahead < self.held.receive_window else Place.BEHIND), None
        self.expected = (self.expected + 1) % MODULUS
        self._size += len(frame.information)
        if self._size > self._longest:
            raise Malformed(f"a message is longer than {self._longest} octets")
        self._parts.append(frame.information)
        if frame.segmented:
            return Place.NEXT, None
        message = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        size = len(self._header)
        return Place.NEXT, message[size:] if message[:size] == self._header and len(message) > size else None


class Assembler:
    """Messages out of frames that nobody acknowledges: what a meter pushes over HDLC, numbered or not.

    A message whose segments do not follow each other is dropped. What is kept is bounded by ``longest`` octets.
    """

    __slots__ = ("_longest", "_parts", "_size", "_source")

    def __init__(self, longest: int = MAX_MESSAGE) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0
        self._source: object = None

    def take(self, frame: Frame) -> bytes | None:
        """Take a frame; return the APDU it completes, without the LLC octets of either direction.

        Raises:
            Malformed: the message grows longer than allowed; it is dropped.
        """
        if frame.source != self._source:
            self._drop()
        self._source = frame.source
        self._size += len(frame.information)
        if self._size > self._longest:
            self._drop()
            raise Malformed(f"a message is longer than {self._longest} octets")
        self._parts.append(frame.information)
        if frame.segmented:
            return None
        message = b"".join(self._parts)
        self._drop()
        known = message[:3] in (LLC_REQUEST, LLC_RESPONSE)
        return (message[3:] if known else message) or None

    def _drop(self) -> None:
        self._parts.clear()
        self._size = 0
