"""As whom a meter is spoken to, and how."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from demeter.protocols.dlms.acse import Conformance, Mechanism
from demeter.protocols.dlms.apdu import MAX_WINDOW
from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.security import suite_keys

T = TypeVar("T")
Exchange = Generator[bytes, bytes, T]
"""Yields an APDU to send, is sent the APDU that came back, returns its result; see the package."""

MAX_VALUE: Final = 4 * 1024 * 1024
"""Longest attribute value put together from blocks, in octets: a year of a wide 15-minute profile is far below."""

PROPOSED: Final = (
    Conformance.GENERAL_PROTECTION
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_SET
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.DATA_NOTIFICATION
    | Conformance.ACCESS
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
)
"""What is proposed to a meter, which agrees to a part of it."""


class CipherMode(StrEnum):
    """How the APDUs of an association are protected."""

    NONE = "none"
    GLO = "glo"
    GENERAL_GLO = "general-glo"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """As whom a meter is spoken to. Titles have 8 octets, keys 16; ``max_pdu`` is what this side receives, in octets.

    ``invocation_counter`` is the first counter this association uses: the driver reads the meter's counter object
    through the public association and adds one. ``server_counter`` is the highest counter seen from this meter under
    these keys (-1: none): an answer recorded earlier is then refused even in a new association.

    ``window`` is how many general blocks come or go without waiting for each other. With more than 1, requests travel
    in general blocks where the meter agreed to them, and the exchange yields what :class:`.Quiet` and an empty APDU
    stand for; whoever drives it must know them.

    Raises:
        Malformed: a title or key that the cipher mode or mechanism needs is missing or has another size.
    """

    client_sap: int = 16
    server_sap: int = 1
    mechanism: Mechanism = Mechanism.NONE
    password: bytes = field(default=b"", repr=False)
    system_title: bytes = b""
    encryption_key: bytes = field(default=b"", repr=False)
    authentication_key: bytes = field(default=b"", repr=False)
    invocation_counter: int = 1
    cipher: CipherMode = CipherMode.NONE
    max_pdu: int = 0xFFFF
    server_counter: int = -1
    conformance: Conformance = PROPOSED
    window: int = 1

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if not 1 <= self.window <= MAX_WINDOW:
            raise Malformed(f"a window has 1 to {MAX_WINDOW} blocks, not {self.window}")
        if self.mechanism is Mechanism.HLS_GMAC or self.cipher is not CipherMode.NONE:
            if len(self.system_title) != 8:
                raise Malformed(f"a system title has 8 octets, not {len(self.system_title)}")
            suite_keys(self.encryption_key, self.authentication_key)
