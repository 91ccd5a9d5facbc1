"""Wrapper frames over UDP: a datagram each way."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from demeter.drivers.dlms.connection import WrapperConnection
from demeter.drivers.dlms.failures import failure_of
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.gateway import decode_gateway, is_prefixed
from demeter.protocols.dlms.wrapper import unwrap_datagram
from demeter.sdk import FailureKind, ReadFailure

REFUSALS = frozenset({0xD8, 0x0E})
"""APDU tags of exception-response and confirmed-service-error."""


class DatagramConnection(WrapperConnection, asyncio.DatagramProtocol):
    """A meter spoken to over UDP.

    Nothing is repeated: a request under authentication may not be (the meter would call it a replay), and whether the
    request or its answer was lost is not known here. Second copies of a datagram are passed over, and so is what is no
    wrapper frame: anybody can send a datagram. Refusals carry no number, so the next request may well be answered by
    the same octets: they are second copies only until it is sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self._latest = b""
        self._noise: ReadFailure | None = None

    @classmethod
    async def open(cls, host: str, port: int, within_s: float) -> DatagramConnection:
        """Look the host up and take a socket; nothing is sent yet.

        Raises:
            ReadFailure: NO_ANSWER, when the host is not known or not reachable.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within_s):
                _, connection = await loop.create_datagram_endpoint(cls, remote_addr=(host, port))
        except TimeoutError:
            raise ReadFailure(FailureKind.NO_ANSWER, f"{host} was not found within {within_s:g} s") from None
        except OSError as error:
            raise ReadFailure(FailureKind.NO_ANSWER, f"{host}:{port}: {error.strerror or error}") from None
        return connection

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:  # noqa: ARG002 - asyncio's signature
        """Take a datagram (asyncio); its sender is the meter, because the socket is connected."""
        self.octets_in += len(data)
        if self._failure is not None or data == self._latest:
            return
        self._latest = data
        try:
            frame = unwrap_datagram(data)
        except DlmsError as error:
            self._noise = failure_of(error, "opening a datagram")
            return
        self._frame(frame)

    def error_received(self, exc: Exception) -> None:
        """Tell whoever waits that the datagram did not get there (asyncio)."""
        self._fail(ReadFailure(FailureKind.NO_ANSWER, str(exc)))

    def _send(self, octets: bytes) -> None:
        self._noise = None
        if _is_refusal(self._latest):
            self._latest = b""
        cast("asyncio.DatagramTransport", self._transport).sendto(octets)

    def _cut_off(self, why: str) -> ReadFailure:
        return self._noise or super()._cut_off(why)


def _is_refusal(datagram: bytes) -> bool:
    """Tell whether a datagram is an exception-response or a confirmed-service-error."""
    try:
        apdu = unwrap_datagram(datagram).apdu
        apdu = decode_gateway(apdu).apdu if is_prefixed(apdu) else apdu
    except DlmsError:
        return False
    return apdu[0] in REFUSALS
