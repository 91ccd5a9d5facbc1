"""What a server is told: the meter's identity and keys, its objects, and who asks for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from demeter.protocols.dlms.acse import Conformance, Mechanism
from demeter.protocols.dlms.obis import Obis

PUBLIC_SAP: Final = 16
READER_SAP: Final = 32
UTILITY_SAP: Final = 48

CLOCK: Final = Obis(0, 0, 1, 0, 0, 255)
SERIAL: Final = Obis(0, 0, 96, 1, 0, 255)
INVOCATION_COUNTERS: Final = frozenset(Obis(0, 0, 43, 1, e, 255) for e in (2, 3))
"""Where the highest invocation counter accepted is read (reader, utility): one counter, as both use one key."""

PUBLIC_OBJECTS: Final = frozenset({CLOCK, SERIAL, *INVOCATION_COUNTERS})
CURRENT_ASSOCIATION: Final = Obis(0, 0, 40, 0, 0, 255)
CHALLENGE_SIZE: Final = 16
SMALLEST_PDU: Final = 64
"""The smallest APDU size of a client that is served, in octets; every block must carry data."""

OFFERED: Final = (
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


@dataclass(frozen=True, slots=True)
class Association:
    """As whom a request comes: what the object model may base its own decisions on."""

    client_sap: int
    mechanism: Mechanism
    ciphered: bool


class ObjectModel(Protocol):
    """The meter's objects. Values, parameters and selections are A-XDR octets; to refuse, raise :class:`Refused`.

    Other errors of the DLMS tree (from decoding a selection or value) become a data-access-result too.
    """

    def get(
        self, association: Association, class_id: int, obis: Obis, attribute: int, selection: bytes | None
    ) -> bytes:
        """Return an attribute's value; ``selection`` is the access selector octet and its parameters."""
        ...

    def set(self, association: Association, class_id: int, obis: Obis, attribute: int, value: bytes) -> None:
        """Write an attribute."""
        ...

    def action(
        self, association: Association, class_id: int, obis: Obis, method: int, parameter: bytes | None
    ) -> bytes | None:
        """Invoke a method; return what it returns."""
        ...


@runtime_checkable
class SelectiveWriting(Protocol):
    """An object model some of whose attributes can be written in part; without it such a SET is refused."""

    def set_part(
        self, association: Association, class_id: int, obis: Obis, attribute: int, selection: bytes, value: bytes
    ) -> None:
        """Write the part of an attribute that ``selection`` (access selector octet and parameters) names."""
        ...


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """A meter's title (8 octets), keys (16 octets each) and password; ``max_pdu`` is what it receives, in octets.

    ``window`` is how many general blocks it receives in one go; more than 1 only where the line asks for
    :meth:`.ServerSession.answers`. ``max_transfer`` bounds what is put together from blocks, in octets.
    """

    system_title: bytes
    encryption_key: bytes = field(repr=False)
    authentication_key: bytes = field(repr=False)
    password: bytes = field(repr=False)
    max_pdu: int = 1024
    public_objects: frozenset[Obis] = PUBLIC_OBJECTS
    conformance: Conformance = OFFERED
    window: int = 1
    max_transfer: int = 1 << 20
