"""Wrapper frames over UDP: every datagram is a request, every sender a client with associations of its own."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.wrapper import unwrap_datagram, wrap
from demeter.simulator.line import MeterHost, Switchboard

MAX_CLIENTS = 256
"""Clients remembered; the one silent for longest is forgotten first."""

Sender = tuple[str | Any, int]


class DatagramClient:
    """What one sender has with the meters behind a port."""

    def __init__(self, hosts: Mapping[int | None, MeterHost]) -> None:
        self.switch = Switchboard(hosts, self)

    def lose(self, host: MeterHost) -> None:
        """End the associations with a meter."""
        self.switch.lose(host)

    def abort(self) -> None:
        """Do nothing: there is no connection to end."""


class DatagramLine(asyncio.DatagramProtocol):
    """A UDP port of meters."""

    def __init__(self, hosts: Mapping[int | None, MeterHost]) -> None:
        self._hosts = hosts
        self._clients: OrderedDict[Sender, DatagramClient] = OrderedDict()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the port."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the port and its clients."""
        self._transport = None
        for client in self._clients.values():
            client.switch.close()

    def datagram_received(self, data: bytes, addr: Sender) -> None:
        """Answer a request; what is no wrapper frame is not answered."""
        try:
            frame = unwrap_datagram(data)
        except DlmsError:
            return
        answer = self._client(addr).switch.answer(frame.source, frame.destination, frame.apdu)
        if answer is None:
            return
        for apdu in answer.apdus:
            spoiled, _ = answer.host.spoil(wrap(apdu, frame.destination, frame.source))
            asyncio.get_running_loop().call_later(answer.host.delay_s(), self._send, spoiled, addr)

    def _client(self, sender: Sender) -> DatagramClient:
        client = self._clients.get(sender)
        if client is None:
            client = self._clients[sender] = DatagramClient(self._hosts)
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)[1].switch.close()
        self._clients.move_to_end(sender)
        return client

    def _send(self, answer: bytes, sender: Sender) -> None:
        if self._transport is not None:
            self._transport.sendto(answer, sender)
