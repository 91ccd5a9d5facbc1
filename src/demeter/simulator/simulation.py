"""A running fleet: its meters, their ports, and the control socket."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from demeter.kernel import Clock, Invalid, SystemClock, Unavailable
from demeter.simulator.control import ControlDesk
from demeter.simulator.fleet import FleetConfig, Transport
from demeter.simulator.line import Connection, MeterHost
from demeter.simulator.line_hdlc import HdlcLine
from demeter.simulator.line_udp import DatagramLine
from demeter.simulator.meter import build_meters
from demeter.simulator.sending import PushOffice
from demeter.simulator.watch import Watch

PROGRESS_EVERY = 1000
_HINTS = {
    errno.EMFILE: "raise the limit of open files (ulimit -n), or put meters behind one port: one_port or shared_port",
    errno.EACCES: "ports below 1024 need rights of the system: choose a higher base_port",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose another host",
}


def _why(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a meter is spoken to."""

    host: str
    port: int
    server_sap: int


class Simulation:
    """The meters of a fleet, serving while the context is entered.

    ``folder`` holds the recordings replayed meters name. ``clock`` tells the meters the time. ``progress`` is told how
    many meters listen, of how many, after each thousand.
    """

    def __init__(
        self,
        fleet: FleetConfig,
        clock: Clock | None = None,
        folder: Path = Path(),
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> None:
        self.fleet = fleet
        self.meters = build_meters(fleet, clock or SystemClock(), folder)
        self.hosts = {name: MeterHost(meter) for name, meter in self.meters.items() if meter.config.smart}
        self.addresses: dict[str, Address] = {}
        self.desk = ControlDesk(self.meters, self.hosts)
        self.office = PushOffice()
        self.watch = Watch()
        self._progress = progress
        self._listening = 0
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[asyncio.DatagramTransport] = []

    async def __aenter__(self) -> Self:
        try:
            await self._listen()
            await self.desk.listen(self.fleet.host, self.fleet.control_port)
            self._begin()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def tick(self) -> None:
        """Let the meters do now what they do by themselves: it happens once a second anyway."""
        self.watch.tick()

    def _begin(self) -> None:
        for host in self.hosts.values():
            self.office.serve(host)
            host.changed = self.watch.review
            self.watch.review(host)
        self.watch.begin()

    async def stop(self) -> None:
        """Close every port and connection."""
        await self.watch.end()
        await self.office.close()
        for server in self._servers:
            server.close()
        for datagrams in self._datagrams:
            datagrams.close()
        for host in self.hosts.values():
            for connection in list(host.connections):
                connection.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        self._datagrams.clear()
        await self.desk.close()

    async def _listen(self) -> None:
        """Open every port; meters that name the same one listen behind it together."""
        behind: defaultdict[int, list[str]] = defaultdict(list)
        for name, host in self.hosts.items():
            port = host.meter.config.port if self.fleet.shared_port is None else self.fleet.shared_port
            if port or self.fleet.shared_port is not None:
                behind[port].append(name)
            else:
                await self._listen_alone(name, 0)
        for port, names in behind.items():
            if len(names) == 1 and self.fleet.shared_port is None:
                await self._listen_alone(names[0], port)
            else:
                await self._listen_together(names, port)

    async def _listen_alone(self, name: str, port: int) -> None:
        host = self.hosts[name]
        bound = await self._serve({None: host}, port, host.meter.config.transport, name)
        self.addresses[name] = Address(self.fleet.host, bound, host.meter.config.server_sap)
        self._told(1)

    async def _listen_together(self, names: Sequence[str], port: int) -> None:
        hosts = [self.hosts[name] for name in names]
        by_address: dict[int | None, MeterHost] = {host.meter.config.server_sap: host for host in hosts}
        if len(by_address) != len(hosts):
            raise Invalid(f"meters behind port {port} need server addresses of their own")
        transports = {host.meter.config.transport for host in hosts}
        if len(transports) > 1:
            raise Invalid(f"meters behind port {port} need one transport")
        bound = await self._serve(by_address, port, transports.pop(), names[0])
        for name, host in zip(names, hosts, strict=True):
            self.addresses[name] = Address(self.fleet.host, bound, host.meter.config.server_sap)
        self._told(len(names))

    def _told(self, count: int) -> None:
        self._listening += count
        if self._listening // PROGRESS_EVERY != (self._listening - count) // PROGRESS_EVERY:
            self._progress(self._listening, len(self.hosts))

    async def _serve(self, hosts: Mapping[int | None, MeterHost], port: int, transport: Transport, name: str) -> int:
        """Listen for the meters behind one port and return the port."""
        try:
            return await self._bind(hosts, port, transport)
        except OSError as taken:
            raise Unavailable(
                f"cannot listen on {self.fleet.host}:{port} for meter {name!r}: {_why(taken)}",
                hint=_HINTS.get(taken.errno or 0, "choose another base_port, or 0 for any free port"),
            ) from taken

    async def _bind(self, hosts: Mapping[int | None, MeterHost], port: int, transport: Transport) -> int:
        loop = asyncio.get_running_loop()
        bound: int
        if transport is Transport.WRAPPER_UDP:
            datagrams, _ = await loop.create_datagram_endpoint(
                lambda: DatagramLine(hosts), local_addr=(self.fleet.host, port)
            )
            self._datagrams.append(datagrams)
            bound = datagrams.get_extra_info("sockname")[1]
            return bound
        line = HdlcLine if transport is Transport.HDLC else Connection
        server = await loop.create_server(lambda: line(hosts), self.fleet.host, port)
        self._servers.append(server)
        bound = server.sockets[0].getsockname()[1]
        return bound
