"""What two stations agree on when a link is set up (Green Book 8.4.5.3, the information field of SNRM and UA).

::

    81 80 length | 05 n transmit size | 06 n receive size | 07 n transmit window | 08 n receive window
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.errors import Malformed, Truncated
from demeter.protocols.dlms.hdlc.frame import MAX_INFORMATION

DEFAULT_INFORMATION: Final = 128
DEFAULT_WINDOW: Final = 1
MAX_WINDOW: Final = 7

_FORMAT, _GROUP = 0x81, 0x80
_SIZES, _WINDOWS = (5, 6), (7, 8)


@dataclass(frozen=True, slots=True)
class LinkParameters:
    """Longest information fields in octets, and frames that may go unacknowledged, seen from the station that says so.

    Raises:
        Malformed: a window is outside 1..7, or a size outside 1..2030.
    """

    transmit_size: int = DEFAULT_INFORMATION
    receive_size: int = DEFAULT_INFORMATION
    transmit_window: int = DEFAULT_WINDOW
    receive_window: int = DEFAULT_WINDOW

    def __post_init__(self) -> None:
        """Refuse what the standard does not allow."""
        for size in (self.transmit_size, self.receive_size):
            if not 1 <= size <= MAX_INFORMATION:
                raise Malformed(f"an information field of {size} octets is outside 1..{MAX_INFORMATION}")
        for window in (self.transmit_window, self.receive_window):
            if not 1 <= window <= MAX_WINDOW:
                raise Malformed(f"a window of {window} frames is outside 1..{MAX_WINDOW}")

    def agreed(self, peer: LinkParameters) -> LinkParameters:
        """Return what holds for this station, given what the other one said of itself: the smaller of each pair."""
        return LinkParameters(
            min(self.transmit_size, peer.receive_size),
            min(self.receive_size, peer.transmit_size),
            min(self.transmit_window, peer.receive_window),
            min(self.receive_window, peer.transmit_window),
        )

    def to_bytes(self) -> bytes:
        """Return the information field of SNRM or UA."""
        content = b""
        for identifier, value in zip(_SIZES, (self.transmit_size, self.receive_size), strict=True):
            octets = value.to_bytes(1 if value <= 0xFF else 2, "big")
            content += bytes((identifier, len(octets))) + octets
        for identifier, value in zip(_WINDOWS, (self.transmit_window, self.receive_window), strict=True):
            content += bytes((identifier, 4)) + value.to_bytes(4, "big")
        return bytes((_FORMAT, _GROUP, len(content))) + content


def decode_parameters(octets: bytes) -> LinkParameters:
    """Decode the information field of SNRM or UA; what is not named has its default, unknown names are passed over.

    Sizes above 2,030 octets are taken as 2,030 and windows above 7 as 7: a station may always use less.

    Raises:
        Truncated, Malformed: with the offset.
    """
    values = {5: DEFAULT_INFORMATION, 6: DEFAULT_INFORMATION, 7: DEFAULT_WINDOW, 8: DEFAULT_WINDOW}
    if not octets:
        return LinkParameters()
    if octets[:2] != bytes((_FORMAT, _GROUP)):
        raise Malformed("the parameters of a link begin with 81 80", offset=0)
    if len(octets) < 3:
        raise Truncated("the parameters of a link have no length", offset=len(octets))
    end = 3 + octets[2]
    if len(octets) < end:
        raise Truncated("the parameters of a link are cut", offset=len(octets))
    if len(octets) > end:
        raise Malformed("octets follow the parameters of a link", offset=end)
    at = 3
    while at < end:
        if at + 2 > end or at + 2 + octets[at + 1] > end:
            raise Malformed("a parameter of a link does not fit its group", offset=at)
        identifier, value = octets[at], octets[at + 2 : at + 2 + octets[at + 1]]
        if identifier in values:
            number = int.from_bytes(value, "big")
            if not number or len(value) > 4:
                raise Malformed(f"parameter {identifier} of a link is no number from 1", offset=at)
            values[identifier] = min(number, MAX_INFORMATION if identifier in _SIZES else MAX_WINDOW)
        at += 2 + len(value)
    return LinkParameters(values[5], values[6], values[7], values[8])
