"""A running fleet: its meters, their ports, and the control socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class Address:
    """Where a meter is spoken to."""

    host: str
    port: int
    server_sap: int


class Simulation:
    """The meters of a fleet, serving while the context is entered.

    ``folder`` holds the recordings replayed meters name. ``clock`` tells the meters the time.
    """

    def __init__(self, fleet: FleetConfig, clock: Clock | None = None, folder: Path = Path()) -> None:
        self.fleet = fleet
        self.meters = build_meters(fleet, clock or SystemClock(), folder)
        self.hosts = {name: MeterHost(meter) for name, meter in self.meters.items() if meter.config.smart}
        self.addresses: dict[str, Address] = {}
        self.desk = ControlDesk(self.meters, self.hosts)
        self.office = PushOffice()
        self.watch = Watch()
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
        if self.fleet.shared_port is not None:
            await self._listen_shared(self.fleet.shared_port)
            return
        for name, host in self.hosts.items():
            config = host.meter.config
            port = await self._serve({None: host}, config.port, config.transport)
            self.addresses[name] = Address(self.fleet.host, port, config.server_sap)

    async def _listen_shared(self, port: int) -> None:
        by_address: dict[int | None, MeterHost] = {host.meter.config.server_sap: host for host in self.hosts.values()}
        if len(by_address) != len(self.hosts):
            raise Invalid("meters behind one port need server addresses of their own")
        transports = {host.meter.config.transport for host in self.hosts.values()}
        if len(transports) > 1:
            raise Invalid("meters behind one port need one transport")
        bound = await self._serve(by_address, port, transports.pop() if transports else Transport.WRAPPER)
        for name, host in self.hosts.items():
            self.addresses[name] = Address(self.fleet.host, bound, host.meter.config.server_sap)

    async def _serve(self, hosts: Mapping[int | None, MeterHost], port: int, transport: Transport) -> int:
        """Listen for the meters behind one port and return the port."""
        try:
            return await self._bind(hosts, port, transport)
        except OSError as taken:
            raise Unavailable(
                f"cannot listen on {self.fleet.host}:{port}: {taken.strerror}", hint="choose another base port"
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
