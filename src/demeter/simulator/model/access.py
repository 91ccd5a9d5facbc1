"""Who may do what: the associations of a meter (class 15), its security setups (class 64) and their counters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.axdr import encode
from demeter.protocols.dlms.classes import AssociationLn1, SecuritySetup, SecuritySetup1
from demeter.protocols.dlms.classes.access import (
    AccessRights,
    AssociationStatus,
    AttributeMode,
    AttributeRight,
    ListedObject,
    MethodMode,
    MethodRight,
    Partners,
    XdlmsContext,
)
from demeter.protocols.dlms.data import BitString, Data, array, i8, null, octets
from demeter.protocols.dlms.errors import DataAccessResult
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.server import OFFERED, PUBLIC_SAP, READER_SAP, UTILITY_SAP
from demeter.simulator.fleet import MeterConfig
from demeter.simulator.model.objects import PROFILE, CosemObject, TypedObject, no_method, refused
from demeter.simulator.security import PUSH_SAP

INSTANCES: Final = {PUBLIC_SAP: 1, READER_SAP: 2, UTILITY_SAP: 3, PUSH_SAP: 4}
"""The association objects 0.0.40.0.n.255 by client address."""

CURRENT: Final = Obis(0, 0, 40, 0, 0, 255)
_SECURED: Final = (READER_SAP, UTILITY_SAP)
"""The associations whose security setup the server answers for."""
_LOGICAL_NAMES, _LOGICAL_NAMES_CIPHERED = 1, 3
_CONTEXT = bytes((0x60, 0x85, 0x74, 0x05, 0x08, 0x01))
_MECHANISM = bytes((0x60, 0x85, 0x74, 0x05, 0x08, 0x02))
_MAX_PDU: Final = 1024
_DLMS_VERSION: Final = 6
_SELECTORS = array(i8(1), i8(2))


@dataclass(frozen=True, slots=True)
class Partner:
    """A client as an association knows it."""

    client_sap: int
    mechanism: Mechanism
    ciphered: bool


def partners(config: MeterConfig) -> tuple[Partner, ...]:
    """Return the clients of a meter, in the order of their associations."""
    security = config.security
    return (
        Partner(PUBLIC_SAP, Mechanism.NONE, ciphered=False),
        Partner(READER_SAP, Mechanism.LLS, ciphered=False),
        Partner(UTILITY_SAP, security.utility_mechanism, ciphered=True),
        Partner(PUSH_SAP, Mechanism.NONE, ciphered=not config.push.plain),
    )


def association_name(client_sap: int) -> Obis:
    """Return the logical name of a client's association."""
    return Obis(0, 0, 40, 0, INSTANCES[client_sap], 255)


def association_object(
    obis: Obis, partner: Partner, server_sap: int, visible: Callable[[], Iterable[CosemObject]]
) -> TypedObject:
    """Return an association as its object; ``visible``: what the client may see of the meter."""
    kind = AssociationLn1
    context = _LOGICAL_NAMES_CIPHERED if partner.ciphered else _LOGICAL_NAMES
    instance = INSTANCES[partner.client_sap]
    conformance = BitString(24, int(OFFERED).to_bytes(3, "big"))
    information = XdlmsContext(conformance, _MAX_PDU, _MAX_PDU, _DLMS_VERSION, 0, b"")
    return TypedObject(
        kind,
        obis,
        {
            kind.object_list: lambda: tuple(_listed(found, partner) for found in visible()),
            kind.associated_partners_id: lambda: Partners(partner.client_sap, server_sap),
            kind.application_context_name: lambda: octets(_CONTEXT + bytes((context,))),
            kind.xdlms_context_info: lambda: information,
            kind.authentication_mechanism_name: lambda: octets(_MECHANISM + bytes((int(partner.mechanism),))),
            kind.association_status: lambda: AssociationStatus.ASSOCIATED,
            kind.security_setup_reference: lambda: Obis(0, 0, 43, 0, instance, 255),
        },
        methods={kind.reply_to_hls_authentication: _late} if partner.mechanism.high and obis == CURRENT else {},
    )


def _late(_answer: bytes) -> None:
    """Refuse: the server takes the answer to its challenge while the association is opened, and only then."""
    raise refused("the association is open already")


@dataclass(frozen=True, slots=True)
class Answered:
    """An object that the server itself answers for: here it stands for its place in the object list."""

    class_id: int
    version: int
    obis: Obis
    readable: tuple[int, ...]
    methods_served: tuple[int, ...] = ()
    writable: tuple[int, ...] = ()

    def get(self, _attribute: int, _selection: bytes | None) -> bytes:
        """Return nothing: the server has the value."""
        return encode(null())

    def set(self, attribute: int, value: Data) -> None:
        """Refuse: these objects change by methods."""
        raise refused(f"{self.obis} attribute {attribute} is {value.tag.name}", DataAccessResult.READ_WRITE_DENIED)

    def invoke(self, method: int, parameter: bytes | None) -> bytes | None:
        """Refuse: the server carries the methods out."""
        raise no_method(self.obis, method, parameter)


def answered_by_server(config: MeterConfig) -> list[CosemObject]:
    """Return the invocation counters and security setups, which hold the association's own state."""
    later = config.security.suite > 0
    setup: type[SecuritySetup] = SecuritySetup1 if later else SecuritySetup
    interface = setup.interface
    found: list[CosemObject] = [Answered(1, 0, Obis(0, 0, 43, 1, INSTANCES[sap], 255), (2,)) for sap in _SECURED]
    methods = (1, 2, 3) if later else (1, 2)
    found += [
        Answered(interface.class_id, interface.version, Obis(0, 0, 43, 0, instance, 255), (2, 3, 4, 5), methods)
        for instance in (INSTANCES[sap] for sap in _SECURED)
    ]
    return found


def _listed(found: CosemObject, partner: Partner) -> ListedObject:
    """Return one element of an object list, with the rights this client really has."""
    utility = partner.client_sap == UTILITY_SAP
    writable = found.writable if utility else ()
    methods = found.methods_served if utility else ()
    attributes = [AttributeRight(1, AttributeMode.READ_ONLY, null())]
    attributes += [
        AttributeRight(
            number,
            AttributeMode.READ_AND_WRITE if number in writable else AttributeMode.READ_ONLY,
            _SELECTORS if number == 2 and found.class_id == PROFILE else null(),
        )
        for number in found.readable
    ]
    rights = AccessRights(tuple(attributes), tuple(MethodRight(number, MethodMode.ACCESS) for number in methods))
    return ListedObject(found.class_id, found.version, found.obis, rights)
