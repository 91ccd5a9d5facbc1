"""Pushes on their way: data-notifications in wrapper frames over TCP or UDP, tried again, confirmed or not.

Meters push by themselves and all at once, so the number of connections at a time is bounded; what waits is sent as
soon as one is free, with the values of when it was due.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Coroutine
from typing import Any, Final

from demeter.protocols.dlms import apdu
from demeter.protocols.dlms.apdu import DataNotification
from demeter.protocols.dlms.classes.communication import PushService
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.wrapper import Unwrapper, unwrap_datagram, wrap
from demeter.simulator.line import CONFIRMED, MeterHost
from demeter.simulator.noise import draw
from demeter.simulator.pushing import PushPoint
from demeter.simulator.security import PUSH_SAP

MOST_AT_ONCE: Final = 256
CONNECT_S: Final = 5.0
MOST_WAITING: Final = 100_000


class PushOffice:
    """Sends the pushes of all meters of a simulation."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(MOST_AT_ONCE)
        self._datagrams: dict[int, asyncio.DatagramTransport] = {}
        self._opening = asyncio.Lock()
        self._waiting: dict[tuple[str, int], tuple[MeterHost, asyncio.Future[None]]] = {}
        self.confirm_s = 10.0
        """How long a confirmation is waited for, in seconds."""

    def serve(self, host: MeterHost) -> None:
        """Take the pushes of a meter."""
        host.pushes.send = lambda point: self._take(host, point)

    async def close(self) -> None:
        """Forget what is under way."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for datagrams in self._datagrams.values():
            datagrams.close()

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.gather(*list(self._tasks), return_exceptions=True)

    def _take(self, host: MeterHost, point: PushPoint) -> None:
        if host.speechless():
            return
        if len(self._tasks) >= MOST_WAITING:
            host.count.failed += 1
            return
        notification = host.notification(point, confirmed=host.meter.config.push.confirmed)
        self._spawn(self._deliver(host, point, notification))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, host: MeterHost, point: PushPoint, notification: DataNotification) -> None:
        if point.random_s:
            most_ms, seed = point.random_s * 1000, host.meter.config.load.seed
            await asyncio.sleep(draw(seed, 400, notification.invoke, 0, most_ms) / 1000)
        for turn in range(point.retries + 1):
            if turn:
                await asyncio.sleep(point.retry_s)
            async with self._gate:
                try:
                    await self._send(host, point, notification)
                except (OSError, TimeoutError, ValueError, DlmsError):
                    continue  # ValueError: a destination that is no name at all
            host.count.sent += 1
            host.count.confirmed += bool(notification.invoke & CONFIRMED)
            return
        host.count.failed += 1

    async def _send(self, host: MeterHost, point: PushPoint, notification: DataNotification) -> None:
        """Send once; each time under a new counter.

        Raises:
            OSError, TimeoutError: it did not arrive, or was not confirmed.
        """
        place = point.destination
        if place is None:
            return
        octets = wrap(host.seal_push(notification.encode()), host.meter.config.server_sap, PUSH_SAP)
        confirmed = bool(notification.invoke & CONFIRMED)
        if point.target.service == PushService.UDP:
            await self._by_datagram(host, place, octets, notification.invoke if confirmed else None)
        else:
            await self._by_connection(host, place, octets, notification.invoke if confirmed else None)

    async def _by_datagram(self, host: MeterHost, place: tuple[str, int], octets: bytes, invoke: int | None) -> None:
        datagrams, address = await self._socket(place)
        if invoke is None:
            datagrams.sendto(octets, address)
            return
        key = host.meter.config.name, invoke
        found: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[key] = host, found
        try:
            datagrams.sendto(octets, address)
            await asyncio.wait_for(found, self.confirm_s)
        finally:
            self._waiting.pop(key, None)

    async def _socket(self, place: tuple[str, int]) -> tuple[asyncio.DatagramTransport, Any]:
        """Return the socket pushes to a place go out by, one for each family of addresses, and its address."""
        loop = asyncio.get_running_loop()
        family, *_, address = (await loop.getaddrinfo(*place, type=socket.SOCK_DGRAM))[0]
        async with self._opening:
            if family not in self._datagrams:
                opened = await loop.create_datagram_endpoint(lambda: _Confirmations(self), family=family)
                self._datagrams[family] = opened[0]
        return self._datagrams[family], address

    async def _by_connection(self, host: MeterHost, place: tuple[str, int], octets: bytes, invoke: int | None) -> None:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(*place), CONNECT_S)
        try:
            writer.write(octets)
            await writer.drain()
            if invoke is not None:
                await asyncio.wait_for(_confirmed(host, reader, invoke), self.confirm_s)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def confirmation(self, datagram: bytes) -> None:
        """Take an answer that came by datagram: whose it is only the keys tell."""
        with contextlib.suppress(DlmsError):
            frame = unwrap_datagram(datagram)
            for (_, invoke), (host, waiting) in list(self._waiting.items()):
                if not waiting.done() and _confirms(host, frame.apdu, invoke):
                    waiting.set_result(None)
                    return


async def _confirmed(host: MeterHost, reader: asyncio.StreamReader, invoke: int) -> None:
    """Wait for the confirmation of a push.

    Raises:
        ConnectionResetError: the connection ended before.
    """
    unwrapper = Unwrapper()
    while data := await reader.read(4096):
        for frame in unwrapper.feed(data):
            if _confirms(host, frame.apdu, invoke):
                return
    raise ConnectionResetError


def _confirms(host: MeterHost, octets: bytes, invoke: int) -> bool:
    try:
        found = apdu.decode(host.open_push_answer(octets))
    except DlmsError:
        return False
    return isinstance(found, apdu.DataNotificationConfirm) and found.invoke & 0xFF_FFFF == invoke & 0xFF_FFFF


class _Confirmations(asyncio.DatagramProtocol):
    """The socket pushes go out by, and confirmations come back."""

    def __init__(self, office: PushOffice) -> None:
        self._office = office

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Take an answer."""
        self._office.confirmation(data)
