"""Classes of associations and security: who may read what, and with which keys (Blue Book 4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from demeter.protocols.dlms.classes.objects import Access, Attribute, CosemObject, Method
from demeter.protocols.dlms.classes.shapes import (
    ANY,
    BITS,
    BOOLEAN,
    INT8,
    NAME,
    OCTETS,
    UINT8,
    UINT16,
    Shape,
    array,
    enum_bits,
    enumeration,
    record,
)
from demeter.protocols.dlms.data import BitString, Data, Tag
from demeter.protocols.dlms.obis import Obis

READ = Access.READ


@dataclass(frozen=True, slots=True)
class AttributeRight:
    """What an association may do with an attribute; ``selectors``: null, or the access selectors as an array."""

    attribute: int
    mode: int
    selectors: Data


@dataclass(frozen=True, slots=True)
class MethodRight:
    """Whether an association may invoke a method; version 0 says it by a boolean."""

    method: int
    mode: int


@dataclass(frozen=True, slots=True)
class AccessRights:
    """The rights to the attributes and methods of one object."""

    attributes: tuple[AttributeRight, ...]
    methods: tuple[MethodRight, ...]


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object an association can see (``object_list_element``)."""

    class_id: int
    version: int
    logical_name: Obis
    rights: AccessRights


class AttributeMode(IntEnum):
    """Access to an attribute in association versions 0 to 2; from version 3 on the mode is made of bits."""

    NO_ACCESS = 0
    READ_ONLY = 1
    WRITE_ONLY = 2
    READ_AND_WRITE = 3
    AUTHENTICATED_READ_ONLY = 4
    AUTHENTICATED_WRITE_ONLY = 5
    AUTHENTICATED_READ_AND_WRITE = 6


class MethodMode(IntEnum):
    """Access to a method in association versions 1 and 2."""

    NO_ACCESS = 0
    ACCESS = 1
    AUTHENTICATED_ACCESS = 2


_METHOD_MODE = enumeration(MethodMode)


def _yes_or_mode(data: Data) -> int:
    return int(data.value) if data.tag is Tag.BOOLEAN else _METHOD_MODE.decode(data)


_YES_NO_MODE: Shape[int] = Shape(
    "boolean",
    _yes_or_mode,
    lambda value: Data(Tag.BOOLEAN, bool(value)),
    bool,
    lambda found: int(BOOLEAN.from_json(found)),
    lambda value: "access" if value else "no access",
)
_PROTECTIONS = (
    "authenticated request",
    "encrypted request",
    "signed request",
    "authenticated response",
    "encrypted response",
    "signed response",
)
_MODE_BITS = enum_bits("read", "write", *_PROTECTIONS)
_METHOD_BITS = enum_bits("access", "", *_PROTECTIONS)


def _object_list(attribute_mode: Shape[Any], method_mode: Shape[Any]) -> Shape[ListedObject]:
    rights = record(
        AccessRights,
        array(record(AttributeRight, INT8, attribute_mode, ANY)),
        array(record(MethodRight, INT8, method_mode)),
    )
    return record(ListedObject, UINT16, UINT8, NAME, rights)


LISTED_0 = _object_list(enumeration(AttributeMode), _YES_NO_MODE)
LISTED_1 = _object_list(enumeration(AttributeMode), _METHOD_MODE)
LISTED_3 = _object_list(_MODE_BITS, _METHOD_BITS)


@dataclass(frozen=True, slots=True)
class Partners:
    """Client and server of an association."""

    client_sap: int
    server_sap: int


@dataclass(frozen=True, slots=True)
class XdlmsContext:
    """What an association negotiated."""

    conformance: BitString
    max_receive_pdu_size: int
    max_send_pdu_size: int
    dlms_version: int
    quality_of_service: int
    cyphering_info: bytes


class AssociationStatus(IntEnum):
    """Whether the association is in use."""

    NON_ASSOCIATED = 0
    ASSOCIATION_PENDING = 1
    ASSOCIATED = 2


@dataclass(frozen=True, slots=True)
class User:
    """A user of an association (version 2)."""

    identifier: int
    name: bytes


_USER = record(User, UINT8, OCTETS)


class AssociationLn(CosemObject, class_id=15, title="Association LN"):
    """An association with logical name referencing: its partners, mechanism and the objects it can see.

    Names of the application context and of the mechanism are an object identifier, as octets or as a structure.
    """

    object_list = Attribute(2, array(LISTED_0), READ)
    associated_partners_id = Attribute(3, record(Partners, INT8, UINT16), READ)
    application_context_name = Attribute(4, ANY, READ)
    xdlms_context_info = Attribute(5, record(XdlmsContext, BITS, UINT16, UINT16, UINT8, INT8, OCTETS), READ)
    authentication_mechanism_name = Attribute(6, ANY, READ)
    secret = Attribute(7, OCTETS)
    association_status = Attribute(8, enumeration(AssociationStatus), READ)
    reply_to_hls_authentication = Method(1, OCTETS)
    change_hls_secret = Method(2, OCTETS)
    add_object = Method(3, LISTED_0)
    remove_object = Method(4, LISTED_0)


class AssociationLn1(AssociationLn, class_id=15, version=1):
    """Version 1 names the security setup; method rights are enumerations."""

    object_list = Attribute(2, array(LISTED_1), READ)
    security_setup_reference = Attribute(9, NAME, READ)
    add_object = Method(3, LISTED_1)
    remove_object = Method(4, LISTED_1)


class AssociationLn2(AssociationLn1, class_id=15, version=2):
    """Version 2 knows users."""

    user_list = Attribute(10, array(_USER))
    current_user = Attribute(11, _USER, READ)
    add_user = Method(5, _USER)
    remove_user = Method(6, _USER)


class AssociationLn3(AssociationLn2, class_id=15, version=3):
    """Version 3 says by bits which protection each access needs."""

    object_list = Attribute(2, array(LISTED_3), READ)
    add_object = Method(3, LISTED_3)
    remove_object = Method(4, LISTED_3)


@dataclass(frozen=True, slots=True)
class LogicalDevice:
    """A logical device and its address."""

    sap: int
    name: bytes


_DEVICE = record(LogicalDevice, UINT16, OCTETS)


class SapAssignment(CosemObject, class_id=17, title="SAP assignment"):
    """The logical devices of a physical one."""

    sap_assignment_list = Attribute(2, array(_DEVICE))
    connect_logical_device = Method(1, _DEVICE)


class SecurityPolicy0(IntEnum):
    """What every message must be, in version 0."""

    NOTHING = 0
    AUTHENTICATED = 1
    ENCRYPTED = 2
    AUTHENTICATED_AND_ENCRYPTED = 3


class SecuritySuite(IntEnum):
    """The algorithms in use."""

    AES_GCM_128 = 0
    ECDH_ECDSA_AES_GCM_128_SHA_256 = 1
    ECDH_ECDSA_AES_GCM_256_SHA_384 = 2


class KeyId(IntEnum):
    """Which key is transferred."""

    GLOBAL_UNICAST_ENCRYPTION = 0
    GLOBAL_BROADCAST_ENCRYPTION = 1
    AUTHENTICATION = 2
    MASTER = 3


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key wrapped with the master key (AES key wrap, RFC 3394)."""

    key_id: KeyId | int
    wrapped: bytes


_KEYS = array(record(WrappedKey, enumeration(KeyId), OCTETS))


class SecuritySetup(CosemObject, class_id=64, title="Security setup"):
    """Suite, policy, titles and key transfer of an association."""

    security_policy = Attribute(2, enumeration(SecurityPolicy0), READ)
    security_suite = Attribute(3, enumeration(SecuritySuite), READ)
    client_system_title = Attribute(4, OCTETS)
    server_system_title = Attribute(5, OCTETS, READ)
    security_activate = Method(1, enumeration(SecurityPolicy0))
    key_transfer = Method(2, _KEYS)


class CertificateEntity(IntEnum):
    """Whose certificate it is."""

    SERVER = 0
    CLIENT = 1
    CERTIFICATION_AUTHORITY = 2
    OTHER = 3


class CertificateKind(IntEnum):
    """What a certificate is for."""

    DIGITAL_SIGNATURE = 0
    KEY_AGREEMENT = 1
    TLS = 2
    OTHER = 3


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """A certificate stored in the meter."""

    entity: CertificateEntity | int
    kind: CertificateKind | int
    serial_number: bytes
    issuer: bytes
    subject: bytes
    subject_alternative_name: bytes


POLICY_1 = enum_bits("", "", *_PROTECTIONS)
_INFO = record(
    CertificateInfo, enumeration(CertificateEntity), enumeration(CertificateKind), OCTETS, OCTETS, OCTETS, OCTETS
)


class SecuritySetup1(SecuritySetup, class_id=64, version=1):
    """Version 1 adds public keys; the policy says by bits what requests and responses must be."""

    security_policy = Attribute(2, POLICY_1, READ)
    certificates = Attribute(6, array(_INFO), READ)
    security_activate = Method(1, POLICY_1)
    key_agreement = Method(3, _KEYS)
    generate_key_pair = Method(4, enumeration(CertificateKind))
    generate_certificate_request = Method(5, enumeration(CertificateKind))
    import_certificate = Method(6, OCTETS)
    export_certificate = Method(7, ANY)
    remove_certificate = Method(8, ANY)
