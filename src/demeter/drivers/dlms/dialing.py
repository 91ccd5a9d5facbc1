"""From the options of a line to a connection that stands."""

from __future__ import annotations

import asyncio
import contextlib

from demeter.drivers.dlms.connection import MAX_UNASKED, Connection, WrapperConnection, is_notification
from demeter.drivers.dlms.datagrams import DatagramConnection
from demeter.drivers.dlms.failures import failure_of
from demeter.drivers.dlms.hdlc_line import HdlcConnection
from demeter.drivers.dlms.line_options import LineOptions, Transport
from demeter.drivers.dlms.serial_line import SerialTransport, enter_mode_e
from demeter.protocols.dlms.client import Quiet
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.gateway import GatewayFrame, decode_gateway
from demeter.protocols.dlms.security import is_ciphered
from demeter.protocols.iec62056_21 import ModeEReader
from demeter.sdk import FailureKind, ReadFailure


async def dial(line: LineOptions, within_s: float) -> Connection:
    """Connect; a serial line with mode E is opened, a data link not yet set up.

    Raises:
        ReadFailure: NO_ANSWER when nobody accepts within ``within_s`` seconds; for serial lines also what
            :func:`demeter.drivers.dlms.serial_line.enter_mode_e` raises.
    """
    connection = await _connect(line, within_s)
    if line.gateway_address is None:
        return connection
    return GatewayConnection(connection, line.gateway_network, line.gateway_address)


async def _connect(line: LineOptions, within_s: float) -> Connection:
    match line.transport:
        case Transport.WRAPPER:
            return await WrapperConnection.open(line.host, line.port, within_s)
        case Transport.WRAPPER_UDP:
            return await DatagramConnection.open(line.host, line.port, within_s)
        case Transport.HDLC:
            return await _hdlc_over_tcp(line, within_s)
    return await _hdlc_over_serial(line)


async def _hdlc_over_tcp(line: LineOptions, within_s: float) -> HdlcConnection:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(within_s):
            _, connection = await loop.create_connection(lambda: HdlcConnection(line), line.host, line.port)
    except TimeoutError:
        message = f"nobody accepted the connection to {line.host}:{line.port} within {within_s:g} s"
        raise ReadFailure(FailureKind.NO_ANSWER, message) from None
    except OSError as error:
        raise ReadFailure(FailureKind.NO_ANSWER, f"{line.host}:{line.port}: {error.strerror or error}") from None
    return connection


async def _hdlc_over_serial(line: LineOptions) -> HdlcConnection:
    transport = await SerialTransport.open(line.path, line.baud, line.wait_s)
    with contextlib.ExitStack() as undo:
        undo.callback(transport.abort)
        if line.mode_e:
            await enter_mode_e(transport, ModeEReader(line.mode_e_address, line.baud))
        connection = HdlcConnection(line)
        transport.set_protocol(connection)
        undo.pop_all()
    return connection


class GatewayConnection:
    """A connection to a gateway, for one meter behind it (Green Book 9.4.5)."""

    def __init__(self, gateway: Connection, network: int, address: bytes) -> None:
        self._gateway = gateway
        self._network = network
        self._address = address

    async def ask(self, apdu: bytes, client_sap: int, server_sap: int, within_s: float) -> bytes:
        """Send ``apdu`` to the meter behind the gateway and return its answer; what others send is passed over.

        Raises:
            ReadFailure: as the connection to the gateway; GARBLED, when nothing but others' frames came.
        """
        request = GatewayFrame(self._network, self._address, apdu).to_bytes() if apdu else b""
        if isinstance(apdu, Quiet):
            return await self._gateway.ask(Quiet(request), client_sap, server_sap, within_s)
        others: GatewayFrame | None = None
        ends, left_s = asyncio.get_running_loop().time() + within_s, within_s
        for _ in range(MAX_UNASKED + 1):
            try:
                octets = await self._gateway.ask(request, client_sap, server_sap, left_s)
            except ReadFailure as failure:
                if others is None or failure.kind is not FailureKind.NO_ANSWER:
                    raise
                break
            request, left_s = b"", max(ends - asyncio.get_running_loop().time(), 0)
            answer = self._opened(octets)
            if answer is None:
                continue
            if answer.response and (answer.network, answer.address) == (self._network, self._address):
                return answer.apdu
            others = answer
        self.abort()
        message = "the gateway hands over frames nobody asked for"
        if others is not None:
            message = f"the gateway hands over what meter {others.address!r} in network {others.network} sends"
        raise ReadFailure(FailureKind.GARBLED, message, offset=0)

    def _opened(self, octets: bytes) -> GatewayFrame | None:
        """Return a frame of a meter behind the gateway; None: the gateway's own notification."""
        if is_ciphered(octets) or is_notification(octets):
            return None
        try:
            return decode_gateway(octets)
        except DlmsError as error:
            self.abort()
            raise failure_of(error, "opening the answer of a gateway") from error

    async def leave(self, within_s: float) -> None:
        """Take leave of the gateway; never raises."""
        await self._gateway.leave(within_s)

    def abort(self) -> None:
        """Close at once; may be called again."""
        self._gateway.abort()
