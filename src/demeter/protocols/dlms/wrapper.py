"""The wrapper of the TCP/UDP profile (IEC 62056-47, Green Book 7.3.3): eight octets before each APDU.

``version (0001) | source wPort | destination wPort | length``, each an unsigned 16-bit big-endian number. A wPort is
the address of a client (``SAP``: 16 public, 32 reader, 48 utility) or of a logical device of the meter (1 management).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated

HEADER_SIZE = 8
VERSION = 1
MAX_APDU = 0xFFFF

_HEADER = struct.Struct(">HHHH")


@dataclass(frozen=True, slots=True)
class WrapperFrame:
    """One APDU and between whom it travels."""

    source: int
    destination: int
    apdu: bytes


def wrap(apdu: bytes, source: int, destination: int) -> bytes:
    """Return ``apdu`` as one wrapper frame.

    Raises:
        Malformed: the APDU is empty or longer than 65,535 octets.
    """
    size = len(apdu)
    if not 0 < size <= MAX_APDU:
        raise Malformed(f"an APDU of {size} octets does not fit a wrapper frame", offset=None)
    return _HEADER.pack(VERSION, source, destination, size) + apdu


class Unwrapper:
    """Cuts a byte stream into wrapper frames; what is kept is bounded by one frame.

    ``max_apdu`` is the longest APDU accepted, in octets. A stream that is out of step cannot be brought back into it
    (the wrapper has no start flag): after the first :class:`Malformed` every further call raises it again, and the
    connection should be closed.
    """

    __slots__ = ("_buffer", "_consumed", "_failure", "_max_apdu")

    def __init__(self, max_apdu: int = MAX_APDU) -> None:
        self._buffer = bytearray()
        self._consumed = 0
        self._failure: DlmsError | None = None
        self._max_apdu = max_apdu

    @property
    def pending(self) -> int:
        """Octets received that are not yet a whole frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[WrapperFrame]:
        """Take what was received and return the frames it completes (none, one or several).

        Frames completed before a malformed one in the same ``data`` are returned; the error is raised by the next call.

        Raises:
            Malformed: the version or length of a header is wrong; ``offset`` counts from the start of the stream.
        """
        if self._failure is not None:
            raise self._failure
        buffer = self._buffer
        buffer += data
        frames: list[WrapperFrame] = []
        at, size = 0, len(buffer)
        while size - at >= HEADER_SIZE:
            version, source, destination, length = _HEADER.unpack_from(buffer, at)
            if version != VERSION or not 0 < length <= self._max_apdu:
                self._fail(version, length, at)
                break
            end = at + HEADER_SIZE + length
            if end > size:
                break
            frames.append(WrapperFrame(source, destination, bytes(buffer[at + HEADER_SIZE : end])))
            at = end
        self._consumed += at
        del buffer[:at]
        if self._failure is not None and not frames:
            raise self._failure
        return frames

    def finish(self) -> None:
        """Say that the stream has ended.

        Raises:
            Truncated: in the middle of a frame; ``offset`` is where the stream stopped.
            Malformed: an earlier header was wrong.
        """
        if self._failure is not None:
            raise self._failure
        if self._buffer:
            raise Truncated("the stream ended inside a wrapper frame", offset=self._consumed + len(self._buffer))

    def _fail(self, version: int, length: int, at: int) -> None:
        start = self._consumed + at
        if version != VERSION:
            self._failure = Malformed(f"wrapper version {version} is not 1", offset=start)
        else:
            self._failure = Malformed(
                f"a wrapper frame of {length} octets is outside 1..{self._max_apdu}", offset=start + 6
            )


def unwrap_datagram(datagram: bytes) -> WrapperFrame:
    """Return the one frame of a UDP datagram (Green Book 7.3.3: a datagram holds one wrapper PDU, never a part).

    Raises:
        Truncated: the datagram ends inside the frame; ``offset`` is where.
        Malformed: the header is wrong, or octets follow the frame.
    """
    size = len(datagram)
    if size < HEADER_SIZE:
        raise Truncated("a datagram ends inside a wrapper header", offset=size)
    version, source, destination, length = _HEADER.unpack_from(datagram)
    if version != VERSION:
        raise Malformed(f"wrapper version {version} is not 1", offset=0)
    if not length:
        raise Malformed("a wrapper frame without an APDU", offset=6)
    end = HEADER_SIZE + length
    if size < end:
        raise Truncated(f"a datagram holds {size - HEADER_SIZE} of {length} octets", offset=size)
    if size > end:
        raise Malformed("octets follow the wrapper frame of a datagram", offset=end)
    return WrapperFrame(source, destination, datagram[HEADER_SIZE:])


def unwrap_all(stream: bytes) -> list[WrapperFrame]:
    """Return all frames of a complete recorded stream.

    Raises:
        Truncated: the stream ends inside a frame.
        Malformed: a header is wrong.
    """
    unwrapper = Unwrapper()
    frames = unwrapper.feed(stream)
    unwrapper.finish()
    return frames
