"""APDUs over an HDLC link, whatever carries its octets."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import cast

from demeter.drivers.dlms.connection import MAX_QUEUED, MAX_UNASKED, is_notification
from demeter.drivers.dlms.failures import failure_of
from demeter.drivers.dlms.line_options import LineOptions
from demeter.protocols.dlms.client import Quiet
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.hdlc import (
    ClientLink,
    Connected,
    Disconnected,
    Event,
    Failed,
    LinkLost,
    Message,
    State,
)
from demeter.sdk import FailureKind, ReadFailure

BUSY_S = 0.1
"""A meter that lives but has no answer yet is asked again after this many seconds."""


class HdlcConnection(asyncio.Protocol):
    """A meter's line with an HDLC link.

    Each client address has a link of its own: when another one is to speak, the first link is taken down. After any
    failure the connection is of no more use. What is buffered is bounded: one message of 65,538 octets that is not yet
    whole, and :data:`MAX_QUEUED` messages.
    """

    def __init__(self, options: LineOptions) -> None:
        self._options = options
        self._transport: asyncio.Transport | None = None
        self._link: ClientLink | None = None
        self._events: deque[Event] = deque()
        self._heard = asyncio.Event()
        self._failure: ReadFailure | None = None
        self._bursting = False
        self._patience: asyncio.Timeout | None = None
        self._within_s = 0.0
        self.octets_in = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio)."""
        self._transport = cast("asyncio.Transport", transport)  # those of uvloop are no subclasses

    def data_received(self, data: bytes) -> None:
        """Hand octets to the link and send what it has to say (asyncio)."""
        self.octets_in += len(data)
        link = self._link
        if link is not None:
            moves = link.moves
            self._events.extend(link.receive(data))
            if len(self._events) > MAX_QUEUED:
                self._fail(ReadFailure(FailureKind.GARBLED, "the meter keeps sending messages nobody asked for"))
            self._flush()
            if self._patience is not None and link.moves != moves:
                self._patience.reschedule(asyncio.get_running_loop().time() + self._within_s)
        self._heard.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits that no answer will come (asyncio)."""
        why = f"the line was closed{f' ({exc})' if exc else ''}"
        pending = 0 if self._link is None else self._link.pending
        kind = FailureKind.TRUNCATED if pending else FailureKind.NO_ANSWER
        self._failure = self._failure or ReadFailure(kind, why, offset=pending or None)
        self._heard.set()

    async def ask(self, apdu: bytes, client_sap: int, server_sap: int, within_s: float) -> bytes:
        """Send ``apdu`` and return the APDU of the answer; a link is set up first where there is none.

        A long answer over a slow line takes minutes: ``within_s`` counts anew with every segment of it.

        Raises:
            ReadFailure: NO_ANSWER or TRUNCATED after ``within_s`` seconds without one, after the last repetition or
                when the line is cut; REFUSED, when the meter wants no link; GARBLED for noise and for what no link
                allows.
        """
        if self._failure is not None:
            raise self._failure
        try:
            async with asyncio.timeout(within_s) as self._patience:
                self._within_s = within_s
                link = await self._linked(client_sap, server_sap)
                return await self._exchange(link, apdu)
        except TimeoutError:
            raise self._fail(self._silence(f"nothing came for {within_s:g} s")) from None
        except DlmsError as error:
            raise self._fail(failure_of(error, "the HDLC link")) from error
        except ReadFailure as failure:
            raise self._fail(failure) from failure.__cause__
        finally:
            self._patience = None

    async def leave(self, within_s: float) -> None:
        """Take the link down, so that the meter is free for others at once; never raises."""
        link = self._link
        if self._failure is not None or link is None or link.state is not State.UP:
            return
        with contextlib.suppress(ReadFailure, TimeoutError):
            async with asyncio.timeout(within_s):
                await self._unlink(link)

    def abort(self) -> None:
        """Close at once, dropping what is unsent; may be called again."""
        self._link = None
        if self._transport is not None:
            self._transport.abort()

    async def _linked(self, client_sap: int, server_sap: int) -> ClientLink:
        server = self._options.server(server_sap)
        link = self._link
        if link is not None and link.state is State.UP:
            if (link.client.upper, link.server) == (client_sap, server):
                return link
            await self._unlink(link)
        self._link = link = ClientLink(server, client_sap, self._options.proposed, self._options.repeats)
        self._events.clear()
        link.connect()
        while not isinstance(await self._next(link), Connected):
            pass  # what a meter pushes meanwhile is nobody's answer
        return link

    async def _unlink(self, link: ClientLink) -> None:
        link.disconnect()
        while not isinstance(await self._next(link), Disconnected):
            pass

    async def _exchange(self, link: ClientLink, apdu: bytes) -> bytes:
        if apdu and not self._bursting:
            self._events = deque(event for event in self._events if isinstance(event, Failed))
        self._bursting = isinstance(apdu, Quiet)
        if apdu:
            link.send(apdu)
        if self._bursting:
            self._flush()
            return b""
        for _ in range(MAX_UNASKED + 1):
            if not (self._events or link.waiting):
                link.poll()  # nothing to say, or what came was no answer: the meter may have more
            event = await self._next(link)
            if isinstance(event, Message) and event.numbered and not is_notification(event.apdu):
                return event.apdu
        raise ReadFailure(FailureKind.GARBLED, "the meter keeps sending messages nobody asked for")

    async def _next(self, link: ClientLink) -> Event:
        """Wait for the link's next event, letting it repeat what stays unanswered."""
        while not self._events:
            self._flush()
            if self._failure is not None:
                raise self._failure
            self._heard.clear()
            try:
                async with asyncio.timeout(min(BUSY_S, self._options.frame_s) if link.busy else self._options.frame_s):
                    await self._heard.wait()
            except TimeoutError:
                self._events.extend(link.expired())
        event = self._events.popleft()
        if isinstance(event, Failed):
            if isinstance(event.error, LinkLost):
                raise self._silence(event.error.message)
            raise event.error
        return event

    def _flush(self) -> None:
        if self._link is None or self._transport is None:
            return
        octets = self._link.output()
        if octets and not self._transport.is_closing():
            self._transport.write(octets)

    def _silence(self, why: str) -> ReadFailure:
        """Return the failure for an answer that did not come: half of it, noise, or nothing at all."""
        if self._link is not None:
            if self._link.pending:
                return ReadFailure(
                    FailureKind.TRUNCATED, f"in the middle of an answer {why}", offset=self._link.pending
                )
            deframer = self._link.deframer
            if deframer.problems:
                latest = deframer.problems[-1]
                message = f"{why}; {deframer.discarded} octets of noise came: {latest.message}"
                return ReadFailure(FailureKind.GARBLED, message, offset=latest.offset)
        return ReadFailure(FailureKind.NO_ANSWER, why)

    def _fail(self, failure: ReadFailure) -> ReadFailure:
        self._failure = self._failure or failure
        self.abort()
        return self._failure
