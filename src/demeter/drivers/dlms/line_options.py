"""What a meter's record may say about how bytes travel to it (``Endpoint.address`` and ``Endpoint.options``).

================== ========== =================================================================================
option             default    meaning
================== ========== =================================================================================
transport          wrapper    ``wrapper`` (TCP), ``wrapper-udp``, ``hdlc`` (over TCP) or ``hdlc-serial``
physical_address   none       HDLC: physical device on a shared line
address_size       shortest   HDLC: octets of the server address: 1, 2 or 4
frame_size         512        HDLC: longest information field proposed, octets (32 to 2,030)
window             7          HDLC: frames without acknowledgement proposed (1 to 7)
frame_s            3          HDLC: seconds of silence until a frame is repeated
repeats            3          HDLC: how often it is repeated
baud               9600       serial: speed in bit/s; with mode E the highest that is agreed to
mode_e             false      serial: open the line at 300 baud first (IEC 62056-21 mode E)
mode_e_address     (any)      serial: device address in the opening message
line_wait_s        60         serial: seconds to wait for a line that another session uses
gateway_address    none       physical address of a meter behind a gateway: text, or ``0x`` and hexadecimal digits
gateway_network    0          network behind the gateway
================== ========== =================================================================================

The address is ``host:port``; with ``hdlc-serial`` it is the path of a serial device. Serial lines run with eight bits
and no parity; the seven bits and even parity of mode E are made in software, which is the same on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from demeter.drivers.dlms.checks import choice, flag, number, wrong
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.hdlc import MAX_INFORMATION, MAX_WINDOW, Address, LinkParameters, server_address
from demeter.protocols.iec62056_21 import opening
from demeter.sdk import Endpoint

MAX_GATEWAY_ADDRESS = 255
BAUDS = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)


class Transport(StrEnum):
    """What carries APDUs to a meter."""

    WRAPPER = "wrapper"
    WRAPPER_UDP = "wrapper-udp"
    HDLC = "hdlc"
    HDLC_SERIAL = "hdlc-serial"

    @property
    def is_hdlc(self) -> bool:
        """Tell whether there is a data link to set up."""
        return self in (Transport.HDLC, Transport.HDLC_SERIAL)


@dataclass(frozen=True, slots=True)
class LineOptions:
    """The options above, checked. ``host`` and ``port`` are empty for a serial line, ``path`` for all others."""

    transport: Transport
    host: str
    port: int
    path: str
    physical: int | None
    address_size: int
    proposed: LinkParameters
    frame_s: float
    repeats: int
    baud: int
    mode_e: bool
    mode_e_address: str
    wait_s: float
    gateway_address: bytes | None
    gateway_network: int

    @property
    def place(self) -> str:
        """Return what tells this meter's line from those of others."""
        where = self.path or f"{self.host}:{self.port}"
        behind = "" if self.gateway_address is None else f"/{self.gateway_network}/{self.gateway_address.hex()}"
        return where + ("" if self.physical is None else f"/{self.physical}") + behind

    @property
    def ends_associations(self) -> bool:
        """Tell whether the meter hears when the link is taken down, which ends its associations (a gateway would)."""
        return self.transport.is_hdlc and self.gateway_address is None

    def server(self, sap: int) -> Address:
        """Return the HDLC address of a logical device of this meter.

        Raises:
            ReadFailure: NOT_CONFIGURED, when the numbers do not fit ``address_size``.
        """
        try:
            return server_address(sap, self.physical, self.address_size)
        except DlmsError as error:
            raise wrong(f"the options address_size and physical_address: {error.message}") from error


def parse_line(endpoint: Endpoint) -> LineOptions:
    """Check an endpoint's address and the options of its line.

    Raises:
        ReadFailure: NOT_CONFIGURED, with the option that is wrong.
    """
    given = endpoint.options
    transport = choice(given, "transport", {known.value: known for known in Transport}, Transport.WRAPPER)
    serial = transport is Transport.HDLC_SERIAL
    host, port = ("", 0) if serial else _address(endpoint.address)
    physical = given.get("physical_address")
    size = int(number(given, "frame_size", 512, 32, MAX_INFORMATION))
    window = int(number(given, "window", MAX_WINDOW, 1, MAX_WINDOW))
    return LineOptions(
        transport=transport,
        host=host,
        port=port,
        path=_path(endpoint.address) if serial else "",
        physical=None if physical is None else int(number(given, "physical_address", 0, 0, 0x3FFF)),
        address_size=choice(given, "address_size", {"shortest": 0, "1": 1, "2": 2, "4": 4}, "shortest"),
        proposed=LinkParameters(size, size, window, window),
        frame_s=number(given, "frame_s", 3, 0.01, 60),
        repeats=int(number(given, "repeats", 3, 0, 20)),
        baud=choice(given, "baud", {str(baud): baud for baud in BAUDS}, "9600"),
        mode_e=flag(given, "mode_e"),
        mode_e_address=_opening(str(given.get("mode_e_address", ""))),
        wait_s=number(given, "line_wait_s", 60, 0, 3600),
        gateway_address=_gateway(given),
        gateway_network=int(number(given, "gateway_network", 0, 0, 0xFF)),
    )


def _address(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) <= 0xFFFF:
        raise wrong(f"the address {address!r} is not host:port")
    return host.strip("[]"), int(port)


def _path(address: str) -> str:
    if not address.startswith("/"):
        raise wrong(f"the address {address!r} is not the path of a serial device, such as /dev/ttyUSB0")
    return address


def _opening(address: str) -> str:
    try:
        opening(address)
    except DlmsError as error:
        raise wrong(f"the option mode_e_address: {error.message}") from error
    return address


def _gateway(given: Mapping[str, object]) -> bytes | None:
    value = given.get("gateway_address")
    if value is None:
        return None
    text = str(value)
    try:
        octets = bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode("ascii")
    except ValueError:
        octets = b""
    if not 0 < len(octets) <= MAX_GATEWAY_ADDRESS:
        raise wrong(f"the option gateway_address is {text!r}, not up to 255 characters, or 0x and hexadecimal digits")
    return octets
