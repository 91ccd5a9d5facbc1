"""The xDLMS services with logical names: GET, SET, ACTION and the two error APDUs (IEC 62056-5-3, Green Book 9.4, 9.5).

Each APDU is a frozen dataclass with ``encode()``. Attribute values stay A-XDR octets: what a profile holds is decoded
once, by columns, elsewhere. ``invoke`` is the whole invoke-id-and-priority octet.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from demeter.protocols.dlms.axdr import encode_length
from demeter.protocols.dlms.errors import DataAccessResult, Malformed
from demeter.protocols.dlms.obis import Obis

GET_REQUEST: Final = 0xC0
SET_REQUEST: Final = 0xC1
ACTION_REQUEST: Final = 0xC3
GET_RESPONSE: Final = 0xC4
SET_RESPONSE: Final = 0xC5
ACTION_RESPONSE: Final = 0xC7
EXCEPTION_RESPONSE: Final = 0xD8
CONFIRMED_SERVICE_ERROR: Final = 0x0E

DESCRIPTOR: Final = struct.Struct(">H6sb")
"""Class, logical name, attribute or method."""

Outcome = bytes | DataAccessResult
"""Get-Data-Result: the A-XDR octets of a value, or why there is none."""


class ActionResult(IntEnum):
    """Why a method was not carried out (Action-Result)."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_ACTION_ABORTED = 15
    NO_LONG_ACTION_IN_PROGRESS = 16
    OTHER_REASON = 250


class StateError(IntEnum):
    """First code of an exception-response."""

    SERVICE_NOT_ALLOWED = 1
    SERVICE_UNKNOWN = 2


class ServiceFault(IntEnum):
    """Second code of an exception-response; the invocation-counter error carries the last counter accepted."""

    OPERATION_NOT_POSSIBLE = 1
    SERVICE_NOT_SUPPORTED = 2
    OTHER_REASON = 3
    PDU_TOO_LONG = 4
    DECIPHERING_ERROR = 5
    INVOCATION_COUNTER_ERROR = 6


@dataclass(frozen=True, slots=True)
class AttributeRef:
    """One attribute, or with ``selection`` (access selector octet and its A-XDR parameters) a part of it."""

    class_id: int
    obis: Obis
    attribute: int
    selection: bytes | None = None

    def encode(self) -> bytes:
        """Cosem-attribute-descriptor and access-selection."""
        head = _descriptor(self.class_id, self.obis, self.attribute)
        return head + b"\x00" if self.selection is None else head + b"\x01" + self.selection


@dataclass(frozen=True, slots=True)
class MethodRef:
    """One method of one object."""

    class_id: int
    obis: Obis
    method: int

    def encode(self) -> bytes:
        """Cosem-method-descriptor."""
        return _descriptor(self.class_id, self.obis, self.method)


@dataclass(frozen=True, slots=True)
class GetRequest:
    """Get-Request-Normal."""

    invoke: int
    attribute: AttributeRef

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((GET_REQUEST, 1, self.invoke)) + self.attribute.encode()


@dataclass(frozen=True, slots=True)
class GetNext:
    """Get-Request-Next: asks for the block after ``block``."""

    invoke: int
    block: int

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((GET_REQUEST, 2, self.invoke)) + _u32(self.block)


@dataclass(frozen=True, slots=True)
class GetListRequest:
    """Get-Request-With-List."""

    invoke: int
    attributes: tuple[AttributeRef, ...]

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((GET_REQUEST, 3, self.invoke)) + encode_length(len(self.attributes))
        return head + b"".join([attribute.encode() for attribute in self.attributes])


@dataclass(frozen=True, slots=True)
class GetResponse:
    """Get-Response-Normal."""

    invoke: int
    result: Outcome

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((GET_RESPONSE, 1, self.invoke)) + _outcome(self.result)


@dataclass(frozen=True, slots=True)
class GetBlock:
    """Get-Response-With-Datablock: ``result`` is a piece of the value's octets, or why the transfer stops."""

    invoke: int
    last: bool
    number: int
    result: Outcome

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((GET_RESPONSE, 2, self.invoke, self.last)) + _u32(self.number)
        if isinstance(self.result, DataAccessResult):
            return head + bytes((1, self.result))
        return head + b"\x00" + encode_length(len(self.result)) + self.result


@dataclass(frozen=True, slots=True)
class GetListResponse:
    """Get-Response-With-List."""

    invoke: int
    results: tuple[Outcome, ...]

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((GET_RESPONSE, 3, self.invoke)) + encode_results(self.results)


@dataclass(frozen=True, slots=True)
class SetRequest:
    """Set-Request-Normal; ``value`` is A-XDR."""

    invoke: int
    attribute: AttributeRef
    value: bytes

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((SET_REQUEST, 1, self.invoke)) + self.attribute.encode() + self.value


@dataclass(frozen=True, slots=True)
class SetResponse:
    """Set-Response-Normal."""

    invoke: int
    result: DataAccessResult

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((SET_RESPONSE, 1, self.invoke, self.result))


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """Action-Request-Normal; ``parameter`` is A-XDR."""

    invoke: int
    method: MethodRef
    parameter: bytes | None = None

    def encode(self) -> bytes:
        """Encode the APDU."""
        tail = b"\x00" if self.parameter is None else b"\x01" + self.parameter
        return bytes((ACTION_REQUEST, 1, self.invoke)) + self.method.encode() + tail


@dataclass(frozen=True, slots=True)
class ActionResponse:
    """Action-Response-Normal; ``value`` is what the method returned, if it returns anything."""

    invoke: int
    result: ActionResult
    value: Outcome | None = None

    def encode(self) -> bytes:
        """Encode the APDU."""
        tail = b"\x00" if self.value is None else b"\x01" + _outcome(self.value)
        return bytes((ACTION_RESPONSE, 1, self.invoke, self.result)) + tail


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """The service was not even tried; ``counter`` comes with an invocation-counter error only."""

    state: StateError
    service: ServiceFault
    counter: int | None = None

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((EXCEPTION_RESPONSE, self.state, self.service))
        return head if self.counter is None else head + _u32(self.counter)


@dataclass(frozen=True, slots=True)
class ConfirmedServiceError:
    """ConfirmedServiceError: which service (1 initiate, 5 read, …), which group of errors, which error."""

    service: int
    group: int
    value: int

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((CONFIRMED_SERVICE_ERROR, self.service, self.group, self.value))


Service = (
    GetRequest
    | GetNext
    | GetListRequest
    | GetResponse
    | GetBlock
    | GetListResponse
    | SetRequest
    | SetResponse
    | ActionRequest
    | ActionResponse
)
"""APDUs that carry an invoke id."""

Apdu = Service | ExceptionResponse | ConfirmedServiceError


def _descriptor(class_id: int, obis: Obis, member: int) -> bytes:
    try:
        return DESCRIPTOR.pack(class_id, obis.to_bytes(), member)
    except struct.error:
        raise Malformed(f"class {class_id} or member {member} does not fit a descriptor") from None


def _u32(value: int) -> bytes:
    try:
        return value.to_bytes(4, "big")
    except OverflowError:
        raise Malformed(f"{value} does not fit 32 bits") from None


def _outcome(result: Outcome) -> bytes:
    return bytes((1, result)) if isinstance(result, DataAccessResult) else b"\x00" + result


def encode_results(results: Sequence[Outcome]) -> bytes:
    """Encode a list of Get-Data-Result, as a with-list response or its blocks carry it."""
    return encode_length(len(results)) + b"".join([_outcome(result) for result in results])
