"""Frames out of a byte stream, whatever else is in it."""

from __future__ import annotations

from collections import deque

from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated
from demeter.protocols.dlms.hdlc.frame import CHECK_SIZE, FLAG, MAX_LENGTH, Frame, Header, decode_body, decode_header

PROBLEMS_KEPT = 16


class Deframer:
    """Cuts a byte stream into frames and falls into step again after garbage.

    What is no frame is passed over: octets up to the next flag from which a frame follows. ``discarded`` counts such
    octets; ``problems`` keeps the latest reasons, ``offset`` counted from the start of the stream. At most one frame
    (2,047 octets) is kept.
    """

    __slots__ = ("_buffer", "_consumed", "_header", "discarded", "problems")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._consumed = 0
        self._header: Header | None = None  # of the frame at the start of the buffer, once it is whole and right
        self.discarded = 0
        self.problems: deque[DlmsError] = deque(maxlen=PROBLEMS_KEPT)

    @property
    def pending(self) -> int:
        """Octets of a frame that is not yet whole."""
        return max(0, len(self._buffer) - 1)

    def feed(self, data: bytes) -> list[Frame]:
        """Take what was received and return the frames it completes. Never raises."""
        frames: list[Frame] = []
        for start in range(0, len(data), MAX_LENGTH):
            self._buffer += data[start : start + MAX_LENGTH]
            self._drain(frames)
        return frames

    def expire(self) -> list[Frame]:
        """Say that the line has gone quiet: give up the frame under way, and return those hidden behind its start.

        Without this a damaged length would keep swallowing what follows until that many octets have come.
        """
        frames: list[Frame] = []
        while len(self._buffer) > 1:
            end = self._consumed + len(self._buffer)
            self._reject(Truncated("the line went quiet inside a frame", offset=end))
            self._drain(frames)
        return frames

    def _drain(self, frames: list[Frame]) -> None:
        while self._seek():
            try:
                frame = self._next()
            except Truncated:
                return
            except DlmsError as error:
                self._reject(error)
                continue
            frames.append(frame)

    def _next(self) -> Frame:
        """Decode the frame at the start of the buffer; its closing flag stays: it may open the next frame."""
        buffer, base = self._buffer, self._consumed
        if self._header is None:
            self._header = decode_header(buffer, 1, base)
        end = 1 + self._header.length
        if len(buffer) <= end:
            raise Truncated("a frame is not yet whole", offset=base + len(buffer))
        frame = decode_body(buffer, 1, self._header, base)
        if buffer[end] != FLAG:
            raise Malformed("no flag closes the frame", offset=base + end)
        self._skip(end)
        return frame

    def _seek(self) -> bool:
        """Bring the last flag of the next run to the start of the buffer; False: nothing follows it yet."""
        buffer = self._buffer
        at = buffer.find(FLAG)
        if at < 0:
            at = len(buffer)
        self.discarded += at
        while at + 1 < len(buffer) and buffer[at + 1] == FLAG:
            at += 1
        if at:
            self._skip(at)
        return len(buffer) > 1

    def _skip(self, octets: int) -> None:
        del self._buffer[:octets]
        self._consumed += octets
        self._header = None

    def _reject(self, error: DlmsError) -> None:
        self.problems.append(error)
        self.discarded += 1
        self._skip(1)


MAX_KEPT = 1 + MAX_LENGTH + CHECK_SIZE
"""Most octets a deframer keeps between two calls."""
