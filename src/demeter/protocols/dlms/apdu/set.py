"""SET with logical names (IEC 62056-5-3, Green Book 9.4, 9.5): all forms of request and response.

What the blocks of a transfer carry together: for one attribute its A-XDR value, for a list the sequence of values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.apdu.fields import (
    MAX_REFERENCES,
    AttributeRef,
    DataBlock,
    access_result,
    decode_values,
    encode_list,
    end_of_value,
    finish,
    number32,
    read_attribute,
    read_block,
    read_list,
    u32,
)
from demeter.protocols.dlms.errors import DataAccessResult, Malformed

SET_REQUEST: Final = 0xC1
SET_RESPONSE: Final = 0xC5


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
class SetFirstBlock:
    """Set-Request-With-First-Datablock."""

    invoke: int
    attribute: AttributeRef
    block: DataBlock

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((SET_REQUEST, 2, self.invoke)) + self.attribute.encode() + self.block.encode()


@dataclass(frozen=True, slots=True)
class SetBlock:
    """Set-Request-With-Datablock: the second and further blocks, of one attribute or of a list."""

    invoke: int
    block: DataBlock

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((SET_REQUEST, 3, self.invoke)) + self.block.encode()


@dataclass(frozen=True, slots=True)
class SetListRequest:
    """Set-Request-With-List; one A-XDR value for each attribute."""

    invoke: int
    attributes: tuple[AttributeRef, ...]
    values: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((SET_REQUEST, 4, self.invoke))
        return head + encode_list([item.encode() for item in self.attributes]) + encode_list(self.values)


@dataclass(frozen=True, slots=True)
class SetListFirstBlock:
    """Set-Request-With-List-And-First-Datablock."""

    invoke: int
    attributes: tuple[AttributeRef, ...]
    block: DataBlock

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((SET_REQUEST, 5, self.invoke))
        return head + encode_list([item.encode() for item in self.attributes]) + self.block.encode()


@dataclass(frozen=True, slots=True)
class SetResponse:
    """Set-Response-Normal."""

    invoke: int
    result: DataAccessResult

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((SET_RESPONSE, 1, self.invoke, self.result))


@dataclass(frozen=True, slots=True)
class SetBlockResponse:
    """Set-Response-Datablock: block ``number`` has come, the next is due."""

    invoke: int
    number: int

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((SET_RESPONSE, 2, self.invoke)) + u32(self.number)


@dataclass(frozen=True, slots=True)
class SetLastResponse:
    """Set-Response-Last-Datablock: what became of the whole transfer, which ended with block ``number``."""

    invoke: int
    result: DataAccessResult
    number: int

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((SET_RESPONSE, 3, self.invoke, self.result)) + u32(self.number)


@dataclass(frozen=True, slots=True)
class SetListLastResponse:
    """Set-Response-Last-Datablock-With-List."""

    invoke: int
    results: tuple[DataAccessResult, ...]
    number: int

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((SET_RESPONSE, 4, self.invoke))
        return head + encode_list([bytes((result,)) for result in self.results]) + u32(self.number)


@dataclass(frozen=True, slots=True)
class SetListResponse:
    """Set-Response-With-List."""

    invoke: int
    results: tuple[DataAccessResult, ...]

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((SET_RESPONSE, 5, self.invoke))
        return head + encode_list([bytes((result,)) for result in self.results])


def read_request(apdu: bytes) -> SetRequest:
    """Read Set-Request-Normal."""
    attribute, at = read_attribute(apdu, 3)
    finish(apdu, end_of_value(apdu, at))
    return SetRequest(apdu[2], attribute, apdu[at:])


def read_first_block(apdu: bytes) -> SetFirstBlock:
    """Read Set-Request-With-First-Datablock."""
    attribute, at = read_attribute(apdu, 3)
    return SetFirstBlock(apdu[2], attribute, read_block(apdu, at))


def read_next_block(apdu: bytes) -> SetBlock:
    """Read Set-Request-With-Datablock."""
    return SetBlock(apdu[2], read_block(apdu, 3))


def read_list_request(apdu: bytes) -> SetListRequest:
    """Read Set-Request-With-List.

    Raises:
        Malformed: there are more or fewer values than attributes.
    """
    attributes, at = read_list(apdu, 3, read_attribute, least=10, most=MAX_REFERENCES)
    values = decode_values(apdu, at)
    if len(values) != len(attributes):
        raise Malformed(f"{len(values)} values for {len(attributes)} attributes", offset=at)
    return SetListRequest(apdu[2], attributes, values)


def read_list_first_block(apdu: bytes) -> SetListFirstBlock:
    """Read Set-Request-With-List-And-First-Datablock."""
    attributes, at = read_list(apdu, 3, read_attribute, least=10, most=MAX_REFERENCES)
    return SetListFirstBlock(apdu[2], attributes, read_block(apdu, at))


def read_response(apdu: bytes) -> SetResponse:
    """Read Set-Response-Normal."""
    result = access_result(apdu, 3)
    finish(apdu, 4)
    return SetResponse(apdu[2], result)


def read_block_response(apdu: bytes) -> SetBlockResponse:
    """Read Set-Response-Datablock."""
    number = number32(apdu, 3)
    finish(apdu, 7)
    return SetBlockResponse(apdu[2], number)


def read_last_response(apdu: bytes) -> SetLastResponse:
    """Read Set-Response-Last-Datablock."""
    result = access_result(apdu, 3)
    number = number32(apdu, 4)
    finish(apdu, 8)
    return SetLastResponse(apdu[2], result, number)


def read_list_last_response(apdu: bytes) -> SetListLastResponse:
    """Read Set-Response-Last-Datablock-With-List."""
    results, at = read_list(apdu, 3, _read_result, least=1)
    number = number32(apdu, at)
    finish(apdu, at + 4)
    return SetListLastResponse(apdu[2], results, number)


def read_list_response(apdu: bytes) -> SetListResponse:
    """Read Set-Response-With-List."""
    results, at = read_list(apdu, 3, _read_result, least=1)
    finish(apdu, at)
    return SetListResponse(apdu[2], results)


def _read_result(apdu: bytes, offset: int) -> tuple[DataAccessResult, int]:
    return access_result(apdu, offset), offset + 1
