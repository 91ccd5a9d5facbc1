"""Connections that carry APDUs to a meter: one request, one answer, each within its time."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from demeter.drivers.dlms.failures import failure_of
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.wrapper import Unwrapper, WrapperFrame, wrap
from demeter.sdk import FailureKind, ReadFailure

MAX_UNASKED = 16
"""Frames nobody asked for (a meter's own notifications) that are passed over in one wait for an answer."""

NOTIFICATIONS = frozenset({0x0F, 0xC2})
"""APDU tags of data- and event-notification: a meter may send them at any time; they are no answer."""


class Connection(Protocol):
    """What a session needs of a line."""

    async def ask(self, apdu: bytes, client_sap: int, server_sap: int, within_s: float) -> bytes:
        """Send ``apdu`` and return the APDU of the answer.

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

    After any failure it is of no more use: an answer that comes late would be taken for the next one. What is buffered
    is bounded by one frame of 65,535 octets.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | asyncio.DatagramTransport | None = None
        self._unwrapper = Unwrapper()
        self._waiting: asyncio.Future[WrapperFrame] | None = None
        self._unasked = 0
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
        unasked = frame.apdu[0] in NOTIFICATIONS or self._waiting is None or self._waiting.done()
        if not unasked and self._waiting is not None:
            self._waiting.set_result(frame)
            return
        self._unasked += 1
        if self._unasked > MAX_UNASKED:
            self._fail(ReadFailure(FailureKind.GARBLED, "the meter keeps sending frames nobody asked for"))

    def _cut_off(self, why: str) -> ReadFailure:
        pending = self._unwrapper.pending
        if pending:
            return ReadFailure(FailureKind.TRUNCATED, f"in the middle of an answer {why}", offset=pending)
        return ReadFailure(FailureKind.NO_ANSWER, why)

    def _fail(self, failure: ReadFailure) -> None:
        self._failure = self._failure or failure
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(self._failure)
        self.abort()

    async def ask(self, apdu: bytes, client_sap: int, server_sap: int, within_s: float) -> bytes:
        """Send ``apdu`` (empty: nothing, the next answer is awaited) and return the APDU of the answer.

        Raises:
            ReadFailure: NO_ANSWER or TRUNCATED after ``within_s`` seconds or when the line is cut, GARBLED for what
                is no frame or comes from or for somebody else.
        """
        if self._failure is not None or self._transport is None:
            raise self._failure or ReadFailure(FailureKind.NO_ANSWER, "not connected")
        self._unasked = 0
        self._waiting = asyncio.get_running_loop().create_future()
        if apdu:
            self._send(wrap(apdu, client_sap, server_sap))
        try:
            async with asyncio.timeout(within_s):
                frame = await self._waiting
        except TimeoutError:
            self._fail(self._cut_off(f"nothing came for {within_s:g} s"))
            assert self._failure is not None
            raise self._failure from None
        finally:
            self._waiting = None
        if (frame.source, frame.destination) != (server_sap, client_sap):
            message = f"a frame from {frame.source} for {frame.destination}, not from {server_sap} for {client_sap}"
            self._fail(ReadFailure(FailureKind.GARBLED, message, offset=2))
            assert self._failure is not None
            raise self._failure
        return frame.apdu

    async def leave(self, within_s: float) -> None:
        """Do nothing: the end of a TCP connection says it all."""

    def _send(self, octets: bytes) -> None:
        cast("asyncio.Transport", self._transport).write(octets)

    def abort(self) -> None:
        """Close at once, dropping what is unsent; may be called again."""
        if self._transport is not None:
            self._transport.abort()
