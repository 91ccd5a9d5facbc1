"""Meters behind a gateway or concentrator (Green Book 9.4.5): a prefix before each APDU names the meter.

::

    E6 (request) or E7 (response) | network id | length | physical device address | APDU

The prefix stands inside the transport (wrapper or HDLC) and outside any ciphering. What the address consists of is the
gateway's own affair: often the meter's serial number as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.errors import Malformed, Truncated

REQUEST: Final = 0xE6
RESPONSE: Final = 0xE7
_FIXED: Final = 3


@dataclass(frozen=True, slots=True)
class GatewayFrame:
    """An APDU and the meter behind the gateway. ``response``: it comes from the meter.

    Raises:
        Malformed: the network is no octet, the address longer than 255 octets, or the APDU empty.
    """

    network: int
    address: bytes
    apdu: bytes
    response: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be encoded."""
        if not 0 <= self.network <= 0xFF or len(self.address) > 0xFF or not self.apdu:
            raise Malformed("a gateway prefix has a network of one octet, an address of up to 255 and an APDU")

    def to_bytes(self) -> bytes:
        """Return prefix and APDU."""
        tag = RESPONSE if self.response else REQUEST
        return bytes((tag, self.network, len(self.address))) + self.address + self.apdu


def is_prefixed(octets: bytes) -> bool:
    """Tell whether octets begin with a gateway prefix; no APDU has these tags."""
    return octets[:1] in (b"\xe6", b"\xe7")


def decode_gateway(octets: bytes) -> GatewayFrame:
    """Decode prefix and APDU.

    Raises:
        Truncated, Malformed: with the offset.
    """
    if len(octets) < _FIXED:
        raise Truncated("a gateway prefix is cut", offset=len(octets))
    if not is_prefixed(octets):
        raise Malformed(f"0x{octets[0]:02x} begins no gateway prefix", offset=0)
    end = _FIXED + octets[2]
    if len(octets) <= end:
        raise Truncated("a gateway prefix is cut or no APDU follows it", offset=len(octets))
    return GatewayFrame(octets[1], octets[_FIXED:end], octets[end:], response=octets[0] == RESPONSE)
