"""Opening and releasing associations: ACSE (BER) and the xDLMS initiate services inside it (Green Book 9.3, 9.4.2).

AARQ, AARE, RLRQ and RLRE are BER; the initiate-request and -response they carry as user-information are A-XDR and, in
a ciphered application context, protected as glo-initiate. Nothing here ciphers: ``user_information`` is kept as octets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

from demeter.protocols.dlms.axdr import decode_length, encode_length
from demeter.protocols.dlms.ber import Element, element, only_element, read_element, read_elements
from demeter.protocols.dlms.errors import Malformed, ServiceError, Truncated, Unsupported

AARQ: Final = 0x60
AARE: Final = 0x61
RLRQ: Final = 0x62
RLRE: Final = 0x63
INITIATE_REQUEST: Final = 0x01
INITIATE_RESPONSE: Final = 0x08
CONFIRMED_SERVICE_ERROR: Final = 0x0E
DLMS_VERSION: Final = 6

_CONTEXT = bytes.fromhex("608574050801")
"""2.16.756.5.8.1.x: application contexts."""
_MECHANISM = bytes.fromhex("608574050802")
"""2.16.756.5.8.2.x: authentication mechanisms."""
_AUTHENTICATION_UNIT = b"\x07\x80"
"""ACSE requirements bit string: the authentication functional unit."""
_VAA_LOGICAL_NAME: Final = 0x0007


class Context(IntEnum):
    """Application contexts with logical names; ``CIPHERED`` protects every APDU of the association."""

    PLAIN = 1
    CIPHERED = 3


class Mechanism(IntEnum):
    """Authentication mechanisms: none, low level (a password), high level (a challenge each way)."""

    NONE = 0
    LLS = 1
    HLS_MAKER = 2
    HLS_MD5 = 3
    HLS_SHA1 = 4
    HLS_GMAC = 5
    HLS_SHA256 = 6
    HLS_ECDSA = 7

    @property
    def high(self) -> bool:
        """Whether it is proved by answering a challenge."""
        return self >= Mechanism.HLS_MAKER

    @property
    def titled(self) -> bool:
        """Whether the proof is bound to both system titles."""
        return self >= Mechanism.HLS_GMAC

    @property
    def secret(self) -> bool:
        """Whether it is proved by a shared secret of its own (the password of LLS among them)."""
        return self in (1, 2, 3, 4, 6)

    @property
    def challenge_size(self) -> int:
        """Octets of the challenges made here (8 to 64 are allowed; 32 to 64 for ECDSA)."""
        return 32 if self is Mechanism.HLS_ECDSA else 16


class Result(IntEnum):
    """Association-result of the AARE."""

    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class Diagnostic(IntEnum):
    """ACSE-service-user diagnostics of the AARE."""

    NULL = 0
    NO_REASON_GIVEN = 1
    APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = 2
    CALLING_AP_TITLE_NOT_RECOGNIZED = 3
    AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED = 11
    AUTHENTICATION_MECHANISM_NAME_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


class Conformance(IntFlag):
    """Services offered and agreed on; bit 0 of the standard is the highest of 24 (IEC 62056-5-3, Conformance)."""

    GENERAL_PROTECTION = 1 << 22
    GENERAL_BLOCK_TRANSFER = 1 << 21
    READ = 1 << 20
    WRITE = 1 << 19
    UNCONFIRMED_WRITE = 1 << 18
    ATTRIBUTE_0_WITH_SET = 1 << 15
    PRIORITY_MANAGEMENT = 1 << 14
    ATTRIBUTE_0_WITH_GET = 1 << 13
    BLOCK_TRANSFER_WITH_GET = 1 << 12
    BLOCK_TRANSFER_WITH_SET = 1 << 11
    BLOCK_TRANSFER_WITH_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    INFORMATION_REPORT = 1 << 8
    DATA_NOTIFICATION = 1 << 7
    ACCESS = 1 << 6
    PARAMETERIZED_ACCESS = 1 << 5
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1 << 0


@dataclass(frozen=True, slots=True)
class InitiateRequest:
    """What the client proposes; ``max_pdu`` is the longest APDU it receives, in octets (0: no limit)."""

    conformance: Conformance
    max_pdu: int
    dedicated_key: bytes | None = field(default=None, repr=False)
    response_allowed: bool = True
    quality_of_service: int | None = None
    version: int = DLMS_VERSION

    def encode(self) -> bytes:
        """Encode as A-XDR.

        Raises:
            Malformed: a number outside its field.
        """
        key = (
            b"\x00"
            if self.dedicated_key is None
            else _optional(encode_length(len(self.dedicated_key)) + self.dedicated_key)
        )
        allowed = b"\x00" if self.response_allowed else b"\x01\x00"
        quality = b"\x00" if self.quality_of_service is None else _optional(_number(self.quality_of_service, 1))
        return b"".join(
            (
                b"\x01",
                key,
                allowed,
                quality,
                _number(self.version, 1),
                _conformance(self.conformance),
                _number(self.max_pdu, 2),
            )
        )


@dataclass(frozen=True, slots=True)
class InitiateResponse:
    """What the server agrees to; ``max_pdu`` is the longest APDU it receives, in octets (0: no limit)."""

    conformance: Conformance
    max_pdu: int
    quality_of_service: int | None = None
    version: int = DLMS_VERSION
    vaa_name: int = _VAA_LOGICAL_NAME

    def encode(self) -> bytes:
        """Encode as A-XDR.

        Raises:
            Malformed: a number outside its field.
        """
        quality = b"\x00" if self.quality_of_service is None else _optional(_number(self.quality_of_service, 1))
        head = b"\x08" + quality + _number(self.version, 1) + _conformance(self.conformance)
        return head + _number(self.max_pdu, 2) + _number(self.vaa_name, 2)


def _optional(value: bytes) -> bytes:
    return b"\x01" + value


def _number(value: int, size: int) -> bytes:
    try:
        return value.to_bytes(size, "big")
    except OverflowError:
        raise Malformed(f"{value} does not fit {size} octets") from None


def _conformance(value: Conformance) -> bytes:
    return b"\x5f\x1f\x04\x00" + _number(int(value), 3)


class _Reader:
    """Fixed fields one after the other."""

    __slots__ = ("at", "buffer")

    def __init__(self, buffer: bytes) -> None:
        self.buffer = buffer
        self.at = 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.buffer):
            raise Truncated("an initiate APDU ends early", offset=self.at)
        value = self.buffer[self.at : end]
        self.at = end
        return value

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def present(self) -> bool:
        flag = self.number(1)
        if flag > 1:
            raise Malformed(f"presence flag {flag}", offset=self.at - 1)
        return flag == 1

    def conformance(self) -> Conformance:
        start = self.at
        if self.take(2) != b"\x5f\x1f":
            raise Malformed("a conformance block begins with 5F 1F", offset=start)
        if self.take(2) != b"\x04\x00":
            raise Malformed("a conformance block has 24 bits", offset=start + 2)
        return Conformance(self.number(3))

    def octet_string(self) -> bytes:
        size, self.at = decode_length(self.buffer, self.at)
        return self.take(size)

    def finish(self) -> None:
        if self.at != len(self.buffer):
            raise Malformed("octets follow the initiate APDU", offset=self.at)


def decode_initiate_request(apdu: bytes) -> InitiateRequest:
    """Decode a plain initiate-request.

    Raises:
        Truncated, Malformed: with the offset in ``apdu``.
        Unsupported: another APDU.
    """
    reader = _Reader(apdu)
    if reader.number(1) != INITIATE_REQUEST:
        raise Unsupported("not an initiate-request", offset=0)
    key = reader.octet_string() if reader.present() else None
    allowed = reader.number(1) != 0 if reader.present() else True
    quality = reader.number(1) if reader.present() else None
    version = reader.number(1)
    conformance = reader.conformance()
    request = InitiateRequest(conformance, reader.number(2), key, allowed, quality, version)
    reader.finish()
    return request


def decode_initiate_response(apdu: bytes) -> InitiateResponse:
    """Decode a plain initiate-response.

    Raises:
        Truncated, Malformed: with the offset in ``apdu``.
        ServiceError: a confirmed-service-error in its place.
        Unsupported: another APDU.
    """
    reader = _Reader(apdu)
    tag = reader.number(1)
    if tag == CONFIRMED_SERVICE_ERROR:
        kind, _, value = reader.number(1), reader.number(1), reader.number(1)
        raise ServiceError("the initiate service was refused", state=kind, service=value)
    if tag != INITIATE_RESPONSE:
        raise Unsupported("not an initiate-response", offset=0)
    quality = reader.number(1) if reader.present() else None
    version = reader.number(1)
    conformance = reader.conformance()
    response = InitiateResponse(conformance, reader.number(2), quality, version, reader.number(2))
    reader.finish()
    return response


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """AARQ. ``authentication`` is the password (LLS) or the client's challenge CtoS (HLS); titles have 8 octets."""

    context: Context
    user_information: bytes
    mechanism: Mechanism = Mechanism.NONE
    authentication: bytes | None = field(default=None, repr=False)
    system_title: bytes | None = None

    def encode(self) -> bytes:
        """Encode as BER."""
        parts = [_context_name(self.context), _title(0xA6, self.system_title)]
        if self.mechanism is not Mechanism.NONE:
            parts += [element(0x8A, _AUTHENTICATION_UNIT), element(0x8B, _MECHANISM, bytes((self.mechanism,)))]
            parts.append(element(0xAC, element(0x80, self.authentication or b"")))
        parts.append(element(0xBE, element(0x04, self.user_information)))
        return element(AARQ, *parts)


@dataclass(frozen=True, slots=True)
class AssociationResponse:
    """AARE. ``authentication`` is the server's challenge StoC (HLS); ``diagnostic`` is that of the service user.

    ``by_provider`` says that the diagnostic is the service provider's (0 none, 1 no reason, 2 no common ACSE version).
    """

    context: Context
    result: int
    diagnostic: int
    user_information: bytes | None = None
    mechanism: Mechanism = Mechanism.NONE
    authentication: bytes | None = None
    system_title: bytes | None = None
    by_provider: bool = False

    def encode(self) -> bytes:
        """Encode as BER."""
        source = element(0xA2 if self.by_provider else 0xA1, element(0x02, bytes((self.diagnostic,))))
        result = element(0xA2, element(0x02, bytes((self.result,))))
        parts = [_context_name(self.context), result, element(0xA3, source), _title(0xA4, self.system_title)]
        if self.mechanism is not Mechanism.NONE:
            parts += [element(0x88, _AUTHENTICATION_UNIT), element(0x89, _MECHANISM, bytes((self.mechanism,)))]
        if self.authentication is not None:
            parts.append(element(0xAA, element(0x80, self.authentication)))
        if self.user_information is not None:
            parts.append(element(0xBE, element(0x04, self.user_information)))
        return element(AARE, *parts)


@dataclass(frozen=True, slots=True)
class Release:
    """RLRQ, or RLRE when ``response``; the reason is 0 (normal), 1 (urgent or not finished) or 30 (user defined)."""

    response: bool = False
    reason: int | None = 0
    user_information: bytes | None = None

    def encode(self) -> bytes:
        """Encode as BER."""
        reason = b"" if self.reason is None else element(0x80, bytes((self.reason,)))
        info = b"" if self.user_information is None else element(0xBE, element(0x04, self.user_information))
        return element(RLRE if self.response else RLRQ, reason, info)


def _context_name(context: Context) -> bytes:
    return element(0xA1, element(0x06, _CONTEXT, bytes((context,))))


def _title(tag: int, title: bytes | None) -> bytes:
    return b"" if title is None else element(tag, element(0x04, title))


Acse = AssociationRequest | AssociationResponse | Release


def decode_acse(apdu: bytes) -> Acse:
    """Decode an AARQ, AARE, RLRQ or RLRE.

    Raises:
        Truncated, Malformed: with the offset in ``apdu``.
        Unsupported: another APDU, or a context or mechanism this implementation does not speak.
    """
    whole, end = read_element(apdu)
    if end != len(apdu):
        raise Malformed("octets follow the ACSE APDU", offset=end)
    reader = _READERS.get(whole.tag)
    if reader is None:
        raise Unsupported(f"APDU tag 0x{whole.tag:02x} is not ACSE", offset=0)
    fields: dict[int, Element] = {}
    for item in read_elements(whole.value, whole.offset):
        if item.tag in fields:
            raise Malformed(f"element 0x{item.tag:02x} twice", offset=item.offset)
        fields[item.tag] = item
    return reader(whole, fields)


def _aarq(whole: Element, fields: dict[int, Element]) -> AssociationRequest:
    info = _octets(fields, 0xBE, 0x04)
    if info is None:
        raise Malformed("an AARQ without user-information", offset=whole.offset)
    return AssociationRequest(
        _read_context(whole, fields),
        info,
        _read_mechanism(fields.get(0x8B)),
        _octets(fields, 0xAC, 0x80),
        _read_title(fields, 0xA6),
    )


def _aare(whole: Element, fields: dict[int, Element]) -> AssociationResponse:
    source = fields.get(0xA3)
    if source is None:
        raise Malformed("an AARE without result-source-diagnostic", offset=whole.offset)
    choice, _ = read_element(source.value, 0, source.offset)
    if choice.tag not in (0xA1, 0xA2):
        raise Malformed(f"diagnostic source 0x{choice.tag:02x}", offset=source.offset)
    return AssociationResponse(
        _read_context(whole, fields),
        _small(_required(whole, fields, 0xA2), 0x02),
        _small(choice, 0x02),
        _octets(fields, 0xBE, 0x04),
        _read_mechanism(fields.get(0x89)),
        _octets(fields, 0xAA, 0x80),
        _read_title(fields, 0xA4),
        choice.tag == 0xA2,
    )


def _release(whole: Element, fields: dict[int, Element]) -> Release:
    reason = fields.get(0x80)
    if reason is not None and len(reason.value) != 1:
        raise Malformed("a release reason has one octet", offset=reason.offset)
    return Release(whole.tag == RLRE, None if reason is None else reason.value[0], _octets(fields, 0xBE, 0x04))


_READERS: Final[dict[int, Callable[[Element, dict[int, Element]], Acse]]] = {
    AARQ: _aarq,
    AARE: _aare,
    RLRQ: _release,
    RLRE: _release,
}


def _required(whole: Element, fields: dict[int, Element], tag: int) -> Element:
    item = fields.get(tag)
    if item is None:
        raise Malformed(f"element 0x{tag:02x} is missing", offset=whole.offset)
    return item


def _octets(fields: dict[int, Element], tag: int, inner: int) -> bytes | None:
    item = fields.get(tag)
    return None if item is None else only_element(item, inner).value


def _small(parent: Element, tag: int) -> int:
    item = only_element(parent, tag)
    if len(item.value) != 1:
        raise Malformed("a code of ACSE has one octet", offset=item.offset)
    return item.value[0]


def _read_context(whole: Element, fields: dict[int, Element]) -> Context:
    name = only_element(_required(whole, fields, 0xA1), 0x06)
    return Context(_known(name, _CONTEXT, (1, 3), "application context"))


def _read_mechanism(name: Element | None) -> Mechanism:
    return (
        Mechanism.NONE
        if name is None
        else Mechanism(_known(name, _MECHANISM, tuple(Mechanism), "authentication mechanism"))
    )


def _known(name: Element, prefix: bytes, known: tuple[int, ...], what: str) -> int:
    if len(name.value) != len(prefix) + 1 or name.value[:-1] != prefix or name.value[-1] not in known:
        raise Unsupported(f"{what} {name.value.hex()}", offset=name.offset)
    return name.value[-1]


def _read_title(fields: dict[int, Element], tag: int) -> bytes | None:
    title = _octets(fields, tag, 0x04)
    if title is not None and len(title) != 8:
        raise Malformed(f"a system title has 8 octets, not {len(title)}", offset=fields[tag].offset)
    return title
