"""Connections that carry APDUs to a meter: one request, one answer, each within its time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol, cast

from demeter.drivers.dlms.failures import failure_of
from demeter.protocols.dlms.client import Quiet
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.gateway import decode_gateway, is_prefixed
from demeter.protocols.dlms.wrapper import Unwrapper, WrapperFrame, wrap
from demeter.sdk import FailureKind, ReadFailure

MAX_UNASKED = 16
"""Frames nobody asked for (a meter's own notifications) that are passed over in one wait for an answer."""

MAX_QUEUED = 80
"""Frames kept for the exchange under way: a window of 63 general blocks, and some notifications."""

NOTIFICATIONS = frozenset({0x0F, 0xC2})
"""APDU tags of data- and event-notification: a meter may send them at any time; they are no answer."""


def is_notification(octets: bytes) -> bool:
    """Tell whether octets are a plain notification, behind a gateway's prefix or not; a ciphered one nobody knows."""
    if is_prefixed(octets):
        try:
            octets = decode_gateway(octets).apdu
        except DlmsError:
            return False
    return bool(octets) and octets[0] in NOTIFICATIONS


class Connection(Protocol):
    """What a session needs of a line."""

    async def ask(self, apdu: bytes, client_sap: int, server_sap: int, within_s: float) -> bytes:
        """Send ``apdu`` and return the APDU of the answer.

        Empty: nothing is sent, what comes next is returned, though it came together with the answer before. A
        ``Quiet`` APDU is sent and nothing awaited: the return is empty. What came unasked before any other APDU is
        forgotten then.

        Raises:
            ReadFailure: NO_ANSWER, TRUNCATED, GARBLED, REFUSED; the connection is then of no more use.
        """
        ...

    async def leave(self, within_s: float) -> None:
        """Take leave of the meter where the transport knows such a thing; never raises."""
        ...

    def abort(self) -> None:
        """Close at once, dropping what is unsent; may be called again."""
        ...


class WrapperConnection(asyncio.Protocol):
    """A meter's TCP connection carrying wrapper frames.

    After any failure it is of no more use: an answer that comes late would be taken for the next one. Frames between
    others (of another association, say) and plain notifications are passed over. What is buffered is bounded: one frame
    of 65,535 octets that is not yet whole, and :data:`MAX_QUEUED` frames.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | asyncio.DatagramTransport | None = None
        self._unwrapper = Unwrapper()
        self._waiting: asyncio.Future[bytes] | None = None
        self._queue: deque[bytes] = deque()
        self._parties: tuple[int, int] | None = None
        self._stray: WrapperFrame | None = None
        self._unasked = 0
        self._bursting = False
        self._failure: ReadFailure | None = None
        self.octets_in = 0

    @classmethod
    async def open(cls, host: str, port: int, within_s: float) -> WrapperConnection:
        """Connect.

        Raises:
            ReadFailure: NO_ANSWER, when nobody accepts within ``within_s`` seconds.
        """
        try:
            async with asyncio.timeout(within_s):
                _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        except TimeoutError:
            message = f"nobody accepted the connection to {host}:{port} within {within_s:g} s"
            raise ReadFailure(FailureKind.NO_ANSWER, message) from None
        except OSError as error:
            raise ReadFailure(FailureKind.NO_ANSWER, f"{host}:{port}: {error.strerror or error}") from None
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio)."""
        self._transport = cast("asyncio.Transport", transport)  # those of uvloop are no subclasses

    def data_received(self, data: bytes) -> None:
        """Cut what came into frames (asyncio)."""
        self.octets_in += len(data)
        if self._failure is not None:
            return
        try:
            frames = self._unwrapper.feed(data)
        except DlmsError as error:
            self._fail(failure_of(error, "cutting the stream into frames"))
            return
        for frame in frames:
            self._frame(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits that no answer will come (asyncio)."""
        why = f"the meter closed the connection{f' ({exc})' if exc else ''}"
        self._fail(self._cut_off(why))

    def _frame(self, frame: WrapperFrame) -> None:
        ours = (frame.source, frame.destination) == self._parties
        if not ours or is_notification(frame.apdu):
            self._unasked += 1
            self._stray = self._stray if ours else frame
        elif self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(frame.apdu)
        else:
            self._queue.append(frame.apdu)
        if self._unasked > MAX_UNASKED or len(self._queue) > MAX_QUEUED:
            self._fail(ReadFailure(FailureKind.GARBLED, "the meter keeps sending frames nobody asked for"))

    def _cut_off(self, why: str) -> ReadFailure:
        pending = self._unwrapper.pending
        if pending:
            return ReadFailure(FailureKind.TRUNCATED, f"in the middle of an answer {why}", offset=pending)
        if self._stray is not None and self._parties is not None:
            stray, (server, client) = self._stray, self._parties
            message = f"a frame from {stray.source} for {stray.destination}, none from {server} for {client}: {why}"
            return ReadFailure(FailureKind.GARBLED, message, offset=2)
        return ReadFailure(FailureKind.NO_ANSWER, why)

    def _fail(self, failure: ReadFailure) -> None:
        self._failure = self._failure or failure
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(self._failure)
        self.abort()

    async def ask(self, apdu: bytes, client_sap: int, server_sap: int, within_s: float) -> bytes:
        """Send ``apdu`` and return the APDU of the answer; see :class:`Connection`.

        Raises:
            ReadFailure: NO_ANSWER or TRUNCATED after ``within_s`` seconds or when the line is cut, GARBLED for what
                is no frame, when nothing but others' frames came, or when they do not end.
        """
        if self._failure is not None or self._transport is None:
            raise self._failure or ReadFailure(FailureKind.NO_ANSWER, "not connected")
        if apdu and not self._bursting:
            self._queue.clear()
        self._unasked, self._stray = 0, None
        self._parties = server_sap, client_sap
        self._bursting = isinstance(apdu, Quiet)
        if apdu:  # else there is nothing to say: the meter goes on speaking
            self._send(wrap(apdu, client_sap, server_sap))
        if self._bursting:
            return b""
        return self._queue.popleft() if self._queue else await self._next(within_s)

    async def _next(self, within_s: float) -> bytes:
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within_s):
                return await self._waiting
        except TimeoutError:
            self._fail(self._cut_off(f"nothing came for {within_s:g} s"))
            assert self._failure is not None
            raise self._failure from None
        finally:
            self._waiting = None

    async def leave(self, within_s: float) -> None:
        """Do nothing: the end of a TCP connection says it all."""

    def _send(self, octets: bytes) -> None:
        cast("asyncio.Transport", self._transport).write(octets)

    def abort(self) -> None:
        """Close at once, dropping what is unsent; may be called again."""
        if self._transport is not None:
            self._transport.abort()
