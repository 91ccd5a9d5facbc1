"""The COSEM ``Data`` type: one tagged value, possibly a tree (IEC 62056-6-2, common data types)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Tag(IntEnum):
    """The type tags of A-XDR encoded ``Data``."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    INT32 = 5
    UINT32 = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INT8 = 15
    INT16 = 16
    UINT8 = 17
    UINT16 = 18
    COMPACT_ARRAY = 19
    INT64 = 20
    UINT64 = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DELTA_INT8 = 28
    DELTA_INT16 = 29
    DELTA_INT32 = 30
    DELTA_UINT8 = 31
    DELTA_UINT16 = 32
    DELTA_UINT32 = 33
    DONT_CARE = 255


@dataclass(frozen=True, slots=True)
class Data:
    """One value and its type tag.

    ``value`` is None (null, don't-care), a tuple of :class:`Data` (array, structure), :class:`CompactArray`, bool,
    :class:`BitString`, int (integers, enum, bcd), bytes (octet-string and the date and time types), str (visible and
    UTF-8 strings) or float (floating point types only).
    """

    tag: Tag
    value: Any = None


@dataclass(frozen=True, slots=True)
class BitString:
    """``length`` bits, first bit first, in the high bits of ``octets``."""

    length: int
    octets: bytes

    def __str__(self) -> str:
        return "".join(f"{octet:08b}" for octet in self.octets)[: self.length]


@dataclass(frozen=True, slots=True)
class TypeDescription:
    """The shape of a compact array's elements: ``parts`` has one entry for an array (repeated ``count`` times)."""

    tag: Tag
    parts: tuple[TypeDescription, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class CompactArray:
    """Elements of one shape whose tags are sent once; ``items`` carry their tags like those of a plain array."""

    element: TypeDescription
    items: tuple[Data, ...]


def null() -> Data:
    """Nothing; in a profile row: as in the row before."""
    return Data(Tag.NULL)


def boolean(value: bool) -> Data:
    """A truth value."""
    return Data(Tag.BOOLEAN, value)


def u8(value: int) -> Data:
    """Unsigned, 8 bits."""
    return Data(Tag.UINT8, value)


def u16(value: int) -> Data:
    """Long-unsigned, 16 bits."""
    return Data(Tag.UINT16, value)


def u32(value: int) -> Data:
    """Double-long-unsigned, 32 bits."""
    return Data(Tag.UINT32, value)


def u64(value: int) -> Data:
    """Long64-unsigned, 64 bits."""
    return Data(Tag.UINT64, value)


def i8(value: int) -> Data:
    """Integer, 8 bits."""
    return Data(Tag.INT8, value)


def i16(value: int) -> Data:
    """Long, 16 bits."""
    return Data(Tag.INT16, value)


def i32(value: int) -> Data:
    """Double-long, 32 bits."""
    return Data(Tag.INT32, value)


def i64(value: int) -> Data:
    """Long64, 64 bits."""
    return Data(Tag.INT64, value)


def enum(value: int) -> Data:
    """An enumeration, 8 bits."""
    return Data(Tag.ENUM, value)


def octets(value: bytes) -> Data:
    """An octet-string."""
    return Data(Tag.OCTET_STRING, value)


def text(value: str) -> Data:
    """A visible-string (ISO 8859-1 on the wire, where the standard asks for printable ASCII)."""
    return Data(Tag.VISIBLE_STRING, value)


def utf8(value: str) -> Data:
    """A UTF-8 string."""
    return Data(Tag.UTF8_STRING, value)


def bits(value: str) -> Data:
    """A bit-string from text such as ``"10110"``, first bit first."""
    padded = value.ljust(-len(value) % 8 + len(value), "0")
    return Data(Tag.BIT_STRING, BitString(len(value), int(padded or "0", 2).to_bytes(len(padded) // 8, "big")))


def structure(*items: Data) -> Data:
    """A structure of the given elements."""
    return Data(Tag.STRUCTURE, items)


def array(*items: Data) -> Data:
    """An array of the given elements."""
    return Data(Tag.ARRAY, items)
