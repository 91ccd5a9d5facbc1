"""Reading plain xDLMS APDUs.

The data of a normal GET response and of blocks is not walked here (that would cost more than deciphering it); all other
values are checked to be exactly one A-XDR value.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.apdu.messages import (
    CONFIRMED_SERVICE_ERROR,
    DESCRIPTOR,
    EXCEPTION_RESPONSE,
    ActionRequest,
    ActionResponse,
    ActionResult,
    Apdu,
    AttributeRef,
    ConfirmedServiceError,
    ExceptionResponse,
    GetBlock,
    GetListRequest,
    GetListResponse,
    GetNext,
    GetRequest,
    GetResponse,
    MethodRef,
    Outcome,
    ServiceFault,
    SetRequest,
    SetResponse,
    StateError,
)
from demeter.protocols.dlms.axdr import decode_length
from demeter.protocols.dlms.errors import DataAccessResult, Malformed, Truncated, Unsupported
from demeter.protocols.dlms.obis import Obis

MAX_REFERENCES: Final = 1024
"""Attributes in one with-list request; real requests carry a few dozen."""

_BLOCK = struct.Struct(">BI")


def decode_results(buffer: bytes, offset: int = 0) -> tuple[Outcome, ...]:
    """Decode a list of Get-Data-Result that ends with ``buffer``.

    Raises:
        Truncated, Malformed, Unsupported: with the offset.
    """
    count, at = decode_length(buffer, offset)
    if count > (len(buffer) - at) // 2:  # a choice and at least one octet each
        raise Truncated(f"{count} results cannot follow", offset=at)
    results: list[Outcome] = []
    for _ in range(count):
        result, at = _read_outcome(buffer, at)
        results.append(result)
    _finish(buffer, at)
    return tuple(results)


def decode(apdu: bytes) -> Apdu:
    """Decode a plain xDLMS APDU.

    Raises:
        Truncated: it ends early.
        Malformed: it contradicts the encoding, or octets follow it.
        Unsupported: a service or choice that is not spoken here (SET and ACTION with blocks or lists, ACCESS, …).
    """
    if not apdu:
        raise Truncated("an APDU is missing", offset=0)
    tag = apdu[0]
    if tag == EXCEPTION_RESPONSE:
        return _exception(apdu)
    if tag == CONFIRMED_SERVICE_ERROR:
        return _service_error(apdu)
    if len(apdu) < 3:
        if tag in _SERVICES:
            raise Truncated("an APDU ends before its invoke id", offset=len(apdu))
        raise Unsupported(f"APDU tag 0x{tag:02x}", offset=0)
    reader = _READERS.get((tag << 8) | apdu[1])
    if reader is None:
        raise Unsupported(f"APDU tag 0x{tag:02x} with choice {apdu[1]}", offset=0 if tag not in _SERVICES else 1)
    return reader(apdu)


def _get_request(apdu: bytes) -> Apdu:
    attribute, at = _read_attribute(apdu, 3)
    _finish(apdu, at)
    return GetRequest(apdu[2], attribute)


def _get_next(apdu: bytes) -> Apdu:
    _need(apdu, 3, 4)
    _finish(apdu, 7)
    return GetNext(apdu[2], int.from_bytes(apdu[3:7], "big"))


def _get_list_request(apdu: bytes) -> Apdu:
    count, at = decode_length(apdu, 3)
    if count > MAX_REFERENCES:
        raise Malformed(f"{count} attributes in one request", offset=3)
    attributes = []
    for _ in range(count):
        attribute, at = _read_attribute(apdu, at)
        attributes.append(attribute)
    _finish(apdu, at)
    return GetListRequest(apdu[2], tuple(attributes))


def _get_response(apdu: bytes) -> Apdu:
    _need(apdu, 3, 2)
    choice = apdu[3]
    if choice == 0:
        return GetResponse(apdu[2], apdu[4:])
    if choice != 1:
        raise Malformed(f"result choice {choice}", offset=3)
    _finish(apdu, 5)
    return GetResponse(apdu[2], _access_result(apdu, 4))


def _get_block(apdu: bytes) -> Apdu:
    _need(apdu, 3, 7)
    last, number = _BLOCK.unpack_from(apdu, 3)
    choice = apdu[8]
    if choice == 0:
        size, start = decode_length(apdu, 9)
        _need(apdu, start, size)
        _finish(apdu, start + size)
        return GetBlock(apdu[2], last != 0, number, apdu[start:])
    if choice != 1:
        raise Malformed(f"result choice {choice}", offset=8)
    _finish(apdu, 10)
    return GetBlock(apdu[2], last != 0, number, _access_result(apdu, 9))


def _get_list_response(apdu: bytes) -> Apdu:
    return GetListResponse(apdu[2], decode_results(apdu, 3))


def _set_request(apdu: bytes) -> Apdu:
    attribute, at = _read_attribute(apdu, 3)
    _finish(apdu, _end_of_value(apdu, at))
    return SetRequest(apdu[2], attribute, apdu[at:])


def _set_response(apdu: bytes) -> Apdu:
    result = _access_result(apdu, 3)
    _finish(apdu, 4)
    return SetResponse(apdu[2], result)


def _action_request(apdu: bytes) -> Apdu:
    class_id, obis, method = _read_descriptor(apdu, 3)
    target = MethodRef(class_id, obis, method)
    if not _present(apdu, 12):
        _finish(apdu, 13)
        return ActionRequest(apdu[2], target)
    _finish(apdu, _end_of_value(apdu, 13))
    return ActionRequest(apdu[2], target, apdu[13:])


def _action_response(apdu: bytes) -> Apdu:
    _need(apdu, 3, 2)
    try:
        result = ActionResult(apdu[3])
    except ValueError:
        raise Malformed(f"action-result {apdu[3]} is not defined", offset=3) from None
    if not _present(apdu, 4):
        _finish(apdu, 5)
        return ActionResponse(apdu[2], result)
    value, at = _read_outcome(apdu, 5)
    _finish(apdu, at)
    return ActionResponse(apdu[2], result, value)


def _exception(apdu: bytes) -> Apdu:
    _need(apdu, 1, 2)
    try:
        state, service = StateError(apdu[1]), ServiceFault(apdu[2])
    except ValueError:
        raise Malformed(f"exception-response {apdu[1]}, {apdu[2]} is not defined", offset=1) from None
    if service is not ServiceFault.INVOCATION_COUNTER_ERROR:
        _finish(apdu, 3)
        return ExceptionResponse(state, service)
    _need(apdu, 3, 4)
    _finish(apdu, 7)
    return ExceptionResponse(state, service, int.from_bytes(apdu[3:7], "big"))


def _service_error(apdu: bytes) -> Apdu:
    _need(apdu, 1, 3)
    _finish(apdu, 4)
    return ConfirmedServiceError(apdu[1], apdu[2], apdu[3])


_READERS: Final[dict[int, Callable[[bytes], Apdu]]] = {
    0xC001: _get_request,
    0xC002: _get_next,
    0xC003: _get_list_request,
    0xC101: _set_request,
    0xC301: _action_request,
    0xC401: _get_response,
    0xC402: _get_block,
    0xC403: _get_list_response,
    0xC501: _set_response,
    0xC701: _action_response,
}
_SERVICES: Final = frozenset(key >> 8 for key in _READERS)


def _need(apdu: bytes, offset: int, size: int) -> None:
    if offset + size > len(apdu):
        raise Truncated(f"{size} octets are needed, {max(len(apdu) - offset, 0)} are left", offset=offset)


def _finish(apdu: bytes, end: int) -> None:
    if end != len(apdu):
        kind = Malformed if end < len(apdu) else Truncated
        raise kind("octets follow the APDU" if end < len(apdu) else "the APDU ends early", offset=min(end, len(apdu)))


def _present(apdu: bytes, offset: int) -> bool:
    _need(apdu, offset, 1)
    if apdu[offset] > 1:
        raise Malformed(f"presence flag {apdu[offset]}", offset=offset)
    return apdu[offset] == 1


def _read_descriptor(apdu: bytes, offset: int) -> tuple[int, Obis, int]:
    _need(apdu, offset, 9)
    class_id, name, member = DESCRIPTOR.unpack_from(apdu, offset)
    return class_id, Obis(*name), member


def _read_attribute(apdu: bytes, offset: int) -> tuple[AttributeRef, int]:
    class_id, obis, attribute = _read_descriptor(apdu, offset)
    at = offset + 9
    if not _present(apdu, at):
        return AttributeRef(class_id, obis, attribute), at + 1
    _need(apdu, at + 1, 2)
    end = _end_of_value(apdu, at + 2)
    return AttributeRef(class_id, obis, attribute, apdu[at + 1 : end]), end


def _end_of_value(apdu: bytes, offset: int) -> int:
    return axdr.decode(apdu, offset)[1]


def _access_result(apdu: bytes, offset: int) -> DataAccessResult:
    _need(apdu, offset, 1)
    try:
        return DataAccessResult(apdu[offset])
    except ValueError:
        raise Malformed(f"data-access-result {apdu[offset]} is not defined", offset=offset) from None


def _read_outcome(apdu: bytes, offset: int) -> tuple[Outcome, int]:
    _need(apdu, offset, 2)
    if apdu[offset] == 0:
        end = _end_of_value(apdu, offset + 1)
        return apdu[offset + 1 : end], end
    if apdu[offset] != 1:
        raise Malformed(f"result choice {apdu[offset]}", offset=offset)
    return _access_result(apdu, offset + 1), offset + 2
