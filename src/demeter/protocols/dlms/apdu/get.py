"""GET with logical names (IEC 62056-5-3, Green Book 9.4, 9.5): requests, responses and how they are read.

The data of a normal response and of blocks is not walked here (that would cost more than deciphering it).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.apdu.fields import (
    MAX_REFERENCES,
    AttributeRef,
    Outcome,
    access_result,
    decode_results,
    encode_list,
    encode_results,
    finish,
    need,
    number32,
    outcome,
    read_attribute,
    read_list,
    u32,
)
from demeter.protocols.dlms.axdr import decode_length, encode_length
from demeter.protocols.dlms.errors import DataAccessResult, Malformed

GET_REQUEST: Final = 0xC0
GET_RESPONSE: Final = 0xC4

_BLOCK = struct.Struct(">BI")


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
        return bytes((GET_REQUEST, 2, self.invoke)) + u32(self.block)


@dataclass(frozen=True, slots=True)
class GetListRequest:
    """Get-Request-With-List."""

    invoke: int
    attributes: tuple[AttributeRef, ...]

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((GET_REQUEST, 3, self.invoke)) + encode_list([item.encode() for item in self.attributes])


@dataclass(frozen=True, slots=True)
class GetResponse:
    """Get-Response-Normal."""

    invoke: int
    result: Outcome

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((GET_RESPONSE, 1, self.invoke)) + outcome(self.result)


@dataclass(frozen=True, slots=True)
class GetBlock:
    """Get-Response-With-Datablock: ``result`` is a piece of the value's octets, or why the transfer stops."""

    invoke: int
    last: bool
    number: int
    result: Outcome

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((GET_RESPONSE, 2, self.invoke, self.last)) + u32(self.number)
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


def read_request(apdu: bytes) -> GetRequest:
    """Read Get-Request-Normal."""
    attribute, at = read_attribute(apdu, 3)
    finish(apdu, at)
    return GetRequest(apdu[2], attribute)


def read_next(apdu: bytes) -> GetNext:
    """Read Get-Request-Next."""
    number = number32(apdu, 3)
    finish(apdu, 7)
    return GetNext(apdu[2], number)


def read_list_request(apdu: bytes) -> GetListRequest:
    """Read Get-Request-With-List."""
    attributes, at = read_list(apdu, 3, read_attribute, least=10, most=MAX_REFERENCES)
    finish(apdu, at)
    return GetListRequest(apdu[2], attributes)


def read_response(apdu: bytes) -> GetResponse:
    """Read Get-Response-Normal."""
    need(apdu, 3, 2)
    choice = apdu[3]
    if choice == 0:
        return GetResponse(apdu[2], apdu[4:])
    if choice != 1:
        raise Malformed(f"result choice {choice}", offset=3)
    finish(apdu, 5)
    return GetResponse(apdu[2], access_result(apdu, 4))


def read_block_response(apdu: bytes) -> GetBlock:
    """Read Get-Response-With-Datablock."""
    need(apdu, 3, 7)
    last, number = _BLOCK.unpack_from(apdu, 3)
    choice = apdu[8]
    if choice == 0:
        size, start = decode_length(apdu, 9)
        need(apdu, start, size)
        finish(apdu, start + size)
        return GetBlock(apdu[2], last != 0, number, apdu[start:])
    if choice != 1:
        raise Malformed(f"result choice {choice}", offset=8)
    finish(apdu, 10)
    return GetBlock(apdu[2], last != 0, number, access_result(apdu, 9))


def read_list_response(apdu: bytes) -> GetListResponse:
    """Read Get-Response-With-List."""
    return GetListResponse(apdu[2], decode_results(apdu, 3))
