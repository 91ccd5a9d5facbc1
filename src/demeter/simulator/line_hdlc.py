"""HDLC over TCP, as behind a serial server: one meter, or several on one bus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from demeter.protocols.dlms.hdlc import Address, LinkParameters, Request, ServerStation
from demeter.simulator.line import MeterHost, TcpLine

QUIET_S = 0.5
"""A frame that stops for so long is given up."""


class HdlcLine(TcpLine):
    """A TCP connection with HDLC frames. A meter out of reach does not even answer SNRM."""

    def __init__(self, hosts: Mapping[int | None, MeterHost]) -> None:
        # Over HDLC one general block follows the other: the link has a window of its own.
        super().__init__(hosts, window=1)
        self._station = ServerStation(self._accepts, _offered(hosts.values()))
        self._speaking = self._switch.only
        self._quiet: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Answer commands and requests."""
        self._serve(self._station.receive(data))
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None
        if self._station.deframer.pending:
            self._quiet = asyncio.get_running_loop().call_later(QUIET_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, its links and associations."""
        if self._quiet is not None:
            self._quiet.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        self._serve(self._station.expired())

    def _serve(self, requests: list[Request]) -> None:
        for request in requests:
            answer = self._switch.answer(request.client, request.server.upper, request.apdu)
            for apdu in answer.apdus if answer is not None else ():
                self._station.answer(request, apdu)
        octets = self._station.output()
        if octets and self._speaking is not None:
            self._say(self._speaking, octets)

    def _accepts(self, address: Address) -> bool:
        """Tell whether a meter here has that address and lives; it is the one whose faults what follows suffers."""
        host = self._switch.at(address.upper)
        if host is None:
            return False
        physical = host.meter.config.physical_address
        if physical and address.size > 1 and address.lower != physical:
            return False
        if host.unreachable():
            if host.unreachable() == "closed" and self._switch.only is not None:
                self.abort()
            return False
        self._speaking = host
        return True


def _offered(hosts: Iterable[MeterHost]) -> LinkParameters:
    """Return what a line can do: what the weakest meter on it can."""
    configs = [host.meter.config for host in hosts]
    size, window = min(config.hdlc_frame for config in configs), min(config.hdlc_window for config in configs)
    return LinkParameters(size, size, window, window)
