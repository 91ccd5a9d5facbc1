"""What the service APDUs are made of: references, results, data blocks, and how each is read and written.

Reading functions take the whole APDU and an offset and return what they read and the offset behind it. They raise
``Truncated``, ``Malformed`` or ``Unsupported``, always with the offset.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol, TypeVar

from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.axdr import decode_length, encode_length
from demeter.protocols.dlms.errors import DataAccessResult, Malformed, Truncated
from demeter.protocols.dlms.obis import Obis

T = TypeVar("T")

DESCRIPTOR: Final = struct.Struct(">H6sb")
"""Class, logical name, attribute or method."""

MAX_REFERENCES: Final = 1024
"""Attributes or methods in one with-list request; real requests carry a few dozen."""

NULL: Final = b"\x00"
"""A-XDR null-data."""

Outcome = bytes | DataAccessResult
"""Get-Data-Result: the A-XDR octets of a value, or why there is none."""


class Selecting(Protocol):
    """A selection that knows its octets, such as ``RangeSelection`` and ``EntrySelection``."""

    def to_bytes(self) -> bytes:
        """The access selector octet and its A-XDR parameters."""
        ...


Selection = bytes | Selecting | None
"""A part of an attribute: the octets of an access selection, an object that writes them, or None for all of it."""


def selection_octets(selection: Selection) -> bytes | None:
    """The octets of an access selection, or None for the whole attribute."""
    return selection if selection is None or isinstance(selection, bytes) else selection.to_bytes()


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


@dataclass(frozen=True, slots=True)
class AttributeRef:
    """One attribute, or with ``selection`` (access selector octet and its A-XDR parameters) a part of it."""

    class_id: int
    obis: Obis
    attribute: int
    selection: bytes | None = None

    @classmethod
    def of(cls, class_id: int, obis: Obis, attribute: int, selection: Selection = None) -> AttributeRef:
        """Refer to an attribute, with a selection in any form."""
        return cls(class_id, obis, attribute, selection_octets(selection))

    def descriptor(self) -> bytes:
        """Cosem-attribute-descriptor: 9 octets."""
        return _descriptor(self.class_id, self.obis, self.attribute)

    def encode(self) -> bytes:
        """Cosem-attribute-descriptor and access-selection."""
        head = self.descriptor()
        return head + b"\x00" if self.selection is None else head + b"\x01" + self.selection

    def __str__(self) -> str:
        return f"class {self.class_id} {self.obis} attribute {self.attribute}"


@dataclass(frozen=True, slots=True)
class MethodRef:
    """One method of one object."""

    class_id: int
    obis: Obis
    method: int

    def encode(self) -> bytes:
        """Cosem-method-descriptor."""
        return _descriptor(self.class_id, self.obis, self.method)

    def __str__(self) -> str:
        return f"class {self.class_id} {self.obis} method {self.method}"


@dataclass(frozen=True, slots=True)
class DataBlock:
    """DataBlock-SA: the ``number``-th piece (from 1) of what a SET or ACTION carries."""

    last: bool
    number: int
    data: bytes

    def encode(self) -> bytes:
        """Encode as A-XDR."""
        return bytes((self.last,)) + u32(self.number) + encode_length(len(self.data)) + self.data


BLOCK_OVERHEAD: Final = 1 + 4 + 4
"""Octets of a data block besides its data, at most."""


def _descriptor(class_id: int, obis: Obis, member: int) -> bytes:
    try:
        return DESCRIPTOR.pack(class_id, obis.to_bytes(), member)
    except struct.error:
        raise Malformed(f"class {class_id} or member {member} does not fit a descriptor") from None


def u32(value: int) -> bytes:
    """Four octets.

    Raises:
        Malformed: the number does not fit.
    """
    try:
        return value.to_bytes(4, "big")
    except OverflowError:
        raise Malformed(f"{value} does not fit 32 bits") from None


def outcome(result: Outcome) -> bytes:
    """Encode a Get-Data-Result."""
    return bytes((1, result)) if isinstance(result, DataAccessResult) else b"\x00" + result


def prefixed(octets: bytes) -> bytes:
    """Encode an octet-string of a service APDU: its length and its octets."""
    return encode_length(len(octets)) + octets


def encode_list(items: Sequence[bytes]) -> bytes:
    """Encode a sequence whose elements are encoded: their number, then they."""
    return encode_length(len(items)) + b"".join(items)


def encode_results(results: Sequence[Outcome]) -> bytes:
    """Encode a list of Get-Data-Result, as a with-list response or its blocks carry it."""
    return encode_list([outcome(result) for result in results])


def need(apdu: bytes, offset: int, size: int) -> None:
    """Refuse an APDU that has not ``size`` octets at ``offset``."""
    if offset + size > len(apdu):
        raise Truncated(f"{size} octets are needed, {max(len(apdu) - offset, 0)} are left", offset=offset)


def finish(apdu: bytes, end: int) -> None:
    """Refuse an APDU that does not end at ``end``."""
    if end != len(apdu):
        kind = Malformed if end < len(apdu) else Truncated
        raise kind("octets follow the APDU" if end < len(apdu) else "the APDU ends early", offset=min(end, len(apdu)))


def present(apdu: bytes, offset: int) -> bool:
    """Read the presence flag of an optional field."""
    need(apdu, offset, 1)
    if apdu[offset] > 1:
        raise Malformed(f"presence flag {apdu[offset]}", offset=offset)
    return apdu[offset] == 1


def number32(apdu: bytes, offset: int) -> int:
    """Read four octets as a number."""
    need(apdu, offset, 4)
    return int.from_bytes(apdu[offset : offset + 4], "big")


def read_octets(apdu: bytes, offset: int) -> tuple[bytes, int]:
    """Read an octet-string of a service APDU."""
    size, start = decode_length(apdu, offset)
    need(apdu, start, size)
    return apdu[start : start + size], start + size


def read_descriptor(apdu: bytes, offset: int) -> tuple[int, Obis, int]:
    """Read class, logical name and member."""
    need(apdu, offset, 9)
    class_id, name, member = DESCRIPTOR.unpack_from(apdu, offset)
    return class_id, Obis(*name), member


def read_method(apdu: bytes, offset: int) -> tuple[MethodRef, int]:
    """Read a method descriptor."""
    return MethodRef(*read_descriptor(apdu, offset)), offset + 9


def read_attribute(apdu: bytes, offset: int) -> tuple[AttributeRef, int]:
    """Read an attribute descriptor and the optional access selection behind it."""
    at = offset + 9
    plain = AttributeRef(*read_descriptor(apdu, offset))
    return read_selected(apdu, offset) if present(apdu, at) else (plain, at + 1)


def read_selected(apdu: bytes, offset: int, gap: int = 1) -> tuple[AttributeRef, int]:
    """Read an attribute descriptor and, ``gap`` octets behind it, its access selection."""
    class_id, obis, attribute = read_descriptor(apdu, offset)
    at = offset + 9 + gap
    need(apdu, at, 2)
    end = end_of_value(apdu, at + 1)
    return AttributeRef(class_id, obis, attribute, apdu[at:end]), end


def end_of_value(apdu: bytes, offset: int) -> int:
    """Walk over one A-XDR value."""
    return axdr.decode(apdu, offset)[1]


def read_value(apdu: bytes, offset: int) -> tuple[bytes, int]:
    """Read the octets of one A-XDR value."""
    end = end_of_value(apdu, offset)
    return apdu[offset:end], end


def access_result(apdu: bytes, offset: int) -> DataAccessResult:
    """Read a data-access-result."""
    need(apdu, offset, 1)
    try:
        return DataAccessResult(apdu[offset])
    except ValueError:
        raise Malformed(f"data-access-result {apdu[offset]} is not defined", offset=offset) from None


def action_result(apdu: bytes, offset: int) -> ActionResult:
    """Read an action-result."""
    need(apdu, offset, 1)
    try:
        return ActionResult(apdu[offset])
    except ValueError:
        raise Malformed(f"action-result {apdu[offset]} is not defined", offset=offset) from None


def read_outcome(apdu: bytes, offset: int) -> tuple[Outcome, int]:
    """Read a Get-Data-Result, walking over its value."""
    need(apdu, offset, 2)
    if apdu[offset] == 0:
        return read_value(apdu, offset + 1)
    if apdu[offset] != 1:
        raise Malformed(f"result choice {apdu[offset]}", offset=offset)
    return access_result(apdu, offset + 1), offset + 2


def read_block(apdu: bytes, offset: int) -> DataBlock:
    """Read the data block an APDU ends with."""
    need(apdu, offset, 5)
    number = number32(apdu, offset + 1)
    octets, end = read_octets(apdu, offset + 5)
    finish(apdu, end)
    return DataBlock(apdu[offset] != 0, number, octets)


def read_list(
    apdu: bytes, offset: int, reader: Callable[[bytes, int], tuple[T, int]], *, least: int, most: int | None = None
) -> tuple[tuple[T, ...], int]:
    """Read a sequence whose elements take ``least`` octets or more; ``most`` bounds their number.

    Raises:
        Truncated: fewer octets follow than so many elements need.
        Malformed: more than ``most``.
    """
    count, at = decode_length(apdu, offset)
    if most is not None and count > most:
        raise Malformed(f"{count} elements in one request", offset=offset)
    if count * least > len(apdu) - at:
        raise Truncated(f"{count} elements cannot follow", offset=at)
    items: list[T] = []
    for _ in range(count):
        item, at = reader(apdu, at)
        items.append(item)
    return tuple(items), at


def decode_results(buffer: bytes, offset: int = 0) -> tuple[Outcome, ...]:
    """Decode a list of Get-Data-Result that ends with ``buffer``.

    Raises:
        Truncated, Malformed, Unsupported: with the offset.
    """
    results, end = read_list(buffer, offset, read_outcome, least=2)  # a choice and at least one octet each
    finish(buffer, end)
    return results


def decode_values(buffer: bytes, offset: int = 0) -> tuple[bytes, ...]:
    """Decode a list of A-XDR values that ends with ``buffer``; raises as :func:`decode_results`."""
    values, end = read_list(buffer, offset, read_value, least=1)
    finish(buffer, end)
    return values
