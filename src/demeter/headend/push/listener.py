"""Listens on a port, TCP and UDP, for what meters send unasked.

Everything is bounded: connections, octets of incomplete messages, messages in work, messages per second of a source.
Where a connection is too fast it is not read on; a datagram too many is dropped. No octets end the listener.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from demeter.headend.model import Sink
from demeter.headend.push import metrics
from demeter.headend.push.directory import Directory
from demeter.headend.push.handling import Handler
from demeter.headend.push.model import PushLimits
from demeter.headend.push.quarantine import Quarantine
from demeter.headend.push.rates import Rates
from demeter.headend.push.windows import Windows
from demeter.kernel import Clock, SystemClock, Unavailable
from demeter.runtime import logging
from demeter.runtime.database import Database
from demeter.runtime.secrets import SecretBox
from demeter.sdk import PushFrame, PushReceiver, PushRefusal, PushStream

log = logging.get("push")
AT_ONCE = 65_536
RETRY_S = 5
LAST_FLUSH_S = 2
UDP_WORKERS = 64
RECEIVE_BUFFER = 4 * 1024 * 1024


@dataclass(slots=True)
class Connection:
    """A connection, and the messages of it that are in work."""

    stream: PushStream
    source: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    room: asyncio.Semaphore
    working: set[asyncio.Task[None]] = field(default_factory=set)


class PushListener:
    """Listens for the pushes of one protocol; hands their readings to ``sink``, which returns once they are committed.

    ``host`` empty: all addresses of the machine. ``port`` 0 takes any free one; ``address`` tells which, once
    ``ready`` is set.
    """

    def __init__(
        self,
        database: Database,
        receiver: PushReceiver,
        sink: Sink,
        secrets: SecretBox,
        *,
        host: str = "",
        port: int = 0,
        clock: Clock | None = None,
        limits: PushLimits | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._limits = limits or PushLimits()
        self._receiver = receiver
        self._host = host
        self._port = port
        bounds = self._limits
        self._directory = Directory(database, secrets, receiver, bounds.refresh_s, bounds.refresh_least_s)
        self._windows = Windows(database, bounds.window, bounds.flush_s)
        self._quarantine = Quarantine(database, bounds, clock)
        self._handler = Handler(receiver, self._directory, self._windows, self._quarantine, sink, clock, self._limits)
        self._rates = Rates(bounds.source_rate, bounds.source_burst)
        self._open: Counter[str] = Counter()
        self._serving: set[asyncio.Task[None]] = set()
        self._datagrams: asyncio.Queue[tuple[PushFrame, tuple[str, int], str]] = asyncio.Queue(bounds.queued)
        self.ready = asyncio.Event()
        self.address = ("", 0)

    async def run(self) -> None:
        """Listen until cancelled; a port somebody else has is tried again every few seconds."""
        while True:
            try:
                tcp, udp = bound(self._host, self._port)
            except OSError as error:
                log.error("pushes cannot be listened for, trying again", port=self._port, reason=str(error))  # noqa: TRY400
                await asyncio.sleep(RETRY_S)
                continue
            await self._listen(tcp, udp)

    async def _listen(self, tcp: socket.socket, udp: socket.socket) -> None:
        self.address = tcp.getsockname()[:2]
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accepted, sock=tcp, limit=AT_ONCE)
        transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(self._heard), sock=udp)
        try:
            async with asyncio.TaskGroup() as group:
                for keeping in (self._directory.run, self._windows.run, self._quarantine.run):
                    group.create_task(keeping())
                for _ in range(UDP_WORKERS):
                    group.create_task(self._answer_datagrams(transport))
                log.info("listening for pushes", host=self.address[0], port=self.address[1])
                self.ready.set()
        finally:
            self.ready.clear()
            transport.close()
            server.close()
            await self._end_connections()
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(LAST_FLUSH_S):
                    await self._windows.flush()
                    await self._quarantine.flush()

    async def _end_connections(self) -> None:
        """Read no further; messages in work get a moment to be stored and answered."""
        for wait_s in (LAST_FLUSH_S, None):
            serving = tuple(self._serving)
            for task in serving:
                task.cancel()
            if serving:
                await asyncio.wait(serving, timeout=wait_s)

    # Datagrams

    def _heard(self, octets: bytes, address: tuple[str, int]) -> None:
        source = plain_address(address[0])
        try:
            frames = self._receiver.datagram(octets)
        except PushRefusal as refusal:
            metrics.GARBAGE.inc()
            log.debug("a datagram is no push", source=source, reason=str(refusal))
            return
        for frame in frames:
            if self._rates.take(source) > 0:
                metrics.TURNED_AWAY.labels("rate").inc()
                continue
            try:
                self._datagrams.put_nowait((frame, address, source))
            except asyncio.QueueFull:
                metrics.TURNED_AWAY.labels("queue").inc()

    async def _answer_datagrams(self, transport: asyncio.DatagramTransport) -> None:
        while True:
            frame, address, source = await self._datagrams.get()
            answer = await self._handled(frame, source)
            if answer:
                transport.sendto(answer, address)

    # Connections

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)

        def ended(_: asyncio.Task[None]) -> None:  # also one that was cancelled before it began
            self._serving.discard(task)
            writer.close()

        task.add_done_callback(ended)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = plain_address((writer.get_extra_info("peername") or ("",))[0])
        full = self._open.total() >= self._limits.connections
        if full or self._open[source] >= self._limits.source_connections:
            metrics.TURNED_AWAY.labels("connections").inc()
            return
        self._open[source] += 1
        metrics.CONNECTIONS.inc()
        connection = Connection(
            self._receiver.stream(), source, reader, writer, asyncio.Semaphore(self._limits.outstanding)
        )
        try:
            await self._read(connection)
        except PushRefusal as refusal:
            metrics.GARBAGE.inc()
            log.debug("a push connection is not understood", source=source, reason=str(refusal))
        except OSError as error:
            log.debug("a push connection ended", source=source, reason=str(error))
        finally:
            try:
                # What came whole is taken, however the connection ended.
                await asyncio.gather(*connection.working)
            finally:
                metrics.CONNECTIONS.dec()
                self._open[source] -= 1
                if not self._open[source]:
                    del self._open[source]

    async def _read(self, connection: Connection) -> None:
        """Read messages until the other side has finished.

        Raises:
            PushRefusal: what comes are no messages.
            OSError: the connection broke, or was silent for too long.
        """
        loop = asyncio.get_running_loop()
        whole_by: float | None = None
        while True:
            patience_s = self._limits.idle_s if whole_by is None else max(whole_by - loop.time(), 0)
            async with asyncio.timeout(patience_s):
                octets = await connection.reader.read(AT_ONCE)
            if not octets:
                return
            frames = connection.stream.feed(octets)
            if frames or whole_by is None:
                whole_by = loop.time() + self._limits.message_s
            if not connection.stream.pending:
                whole_by = None
            if replies := connection.stream.replies():
                connection.writer.write(replies)
            for frame in frames:
                await asyncio.sleep(self._rates.take(connection.source, wait=True))
                await connection.room.acquire()
                task = loop.create_task(self._answer(frame, connection))
                connection.working.add(task)
                task.add_done_callback(connection.working.discard)

    async def _answer(self, frame: PushFrame, connection: Connection) -> None:
        try:
            answer = await self._handled(frame, connection.source)
            if answer and not connection.writer.is_closing():
                with suppress(OSError):
                    connection.writer.write(answer)
                    async with asyncio.timeout(self._limits.message_s):
                        await connection.writer.drain()
        finally:
            connection.room.release()

    async def _handled(self, frame: PushFrame, source: str) -> bytes:
        try:
            return await self._handler.handle(frame, source)
        except Exception:  # a defect met by one message must not stop the others
            metrics.MESSAGES.labels("internal error").inc()
            log.exception("a push met an error of ours", source=source)
            return b""


class Datagrams(asyncio.DatagramProtocol):
    """Hands datagrams on."""

    def __init__(self, heard: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Take a datagram."""
        self._heard(data, addr)


def bound(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return sockets for TCP and UDP at one port (0: any that is free for both); ``host`` empty: all addresses.

    Raises:
        OSError: the address or the port cannot be had.
    """
    everywhere = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if everywhere or ":" in host else socket.AF_INET
    tcp = socket.create_server((host, port), family=family, backlog=1024, dualstack_ipv6=everywhere)
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if everywhere:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        with suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        udp.bind((host, tcp.getsockname()[1]))
    except OSError:
        tcp.close()
        udp.close()
        raise
    for each in (tcp, udp):
        each.setblocking(False)
    return tcp, udp


def plain_address(address: str) -> str:
    """Return an IP address as records have it: IPv4 as IPv4, without a zone."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)
