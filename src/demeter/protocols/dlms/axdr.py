"""A-XDR encoding of ``Data`` (IEC 62056-5-3 annex, IEC 61334-6): the walker for any shape.

Decoding is bounded on purpose: nesting by :data:`MAX_DEPTH`, and the number of values by the number of bytes given
(a compact array could otherwise unfold a few bytes into millions of values). Every failure is a
:class:`~demeter.protocols.dlms.errors.DlmsError` that carries the byte offset.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import repeat
from struct import Struct
from typing import Any, Final

from demeter.protocols.dlms.data import BitString, CompactArray, Data, Tag, TypeDescription
from demeter.protocols.dlms.errors import Malformed, Truncated, Unsupported

MAX_DEPTH: Final = 12
"""Nesting of arrays and structures; real objects need about five."""

VALUES_FREE: Final = 4096
VALUES_PER_BYTE: Final = 2
"""Null columns of compact arrays take no bytes: this bounds how many values may come out of so many bytes."""

NUMBERS: Final[dict[int, Struct]] = {
    Tag.INT8: Struct(">b"),
    Tag.DELTA_INT8: Struct(">b"),
    Tag.UINT8: Struct(">B"),
    Tag.DELTA_UINT8: Struct(">B"),
    Tag.ENUM: Struct(">B"),
    Tag.BCD: Struct(">B"),
    Tag.INT16: Struct(">h"),
    Tag.DELTA_INT16: Struct(">h"),
    Tag.UINT16: Struct(">H"),
    Tag.DELTA_UINT16: Struct(">H"),
    Tag.INT32: Struct(">i"),
    Tag.DELTA_INT32: Struct(">i"),
    Tag.UINT32: Struct(">I"),
    Tag.DELTA_UINT32: Struct(">I"),
    Tag.INT64: Struct(">q"),
    Tag.UINT64: Struct(">Q"),
    Tag.FLOAT32: Struct(">f"),
    Tag.FLOAT64: Struct(">d"),
}
"""Fixed-width numbers and their byte layout."""

MOMENTS: Final[dict[int, int]] = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}
"""Fixed-width date and time types and their number of octets."""

TAGS: Final[dict[int, Tag]] = {int(tag): tag for tag in Tag}


def encode_length(length: int) -> bytes:
    """Encode a length or count: one byte below 128, else the number of bytes that follow with the high bit set."""
    if length < 0:
        raise Malformed(f"a length is not negative: {length}")
    if length < 0x80:
        return bytes((length,))
    size = (length.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")


def decode_length(buffer: bytes | memoryview, offset: int = 0) -> tuple[int, int]:
    """Decode a length or count at ``offset``; returns it and the offset behind it.

    Raises:
        Truncated: the buffer ends inside the length.
        Malformed: the indefinite form, or a length of more than four bytes.
    """
    if offset >= len(buffer):
        raise Truncated("a length is missing", offset=offset)
    first = buffer[offset]
    if first < 0x80:
        return first, offset + 1
    size = first & 0x7F
    if not 1 <= size <= 4:
        raise Malformed(f"a length of {size} bytes", offset=offset)
    end = offset + 1 + size
    if end > len(buffer):
        raise Truncated("the buffer ends inside a length", offset=offset)
    return int.from_bytes(buffer[offset + 1 : end], "big"), end


def decode(buffer: bytes | memoryview, offset: int = 0) -> tuple[Data, int]:
    """Decode the value that starts at ``offset``; returns it and the offset behind it.

    Raises:
        Truncated: the buffer ends inside the value.
        Malformed: the bytes contradict the encoding rules or the bounds of this module.
        Unsupported: a type tag the standard does not define.
    """
    octets = buffer if isinstance(buffer, bytes) else bytes(buffer)
    return _Walker(octets, len(octets) - offset).tagged(offset, 0)


def decode_all(buffer: bytes | memoryview) -> Data:
    """Decode a buffer that holds exactly one value.

    Raises:
        Malformed: bytes follow the value; otherwise as :func:`decode`.
    """
    data, end = decode(buffer)
    if end != len(buffer):
        raise Malformed(f"{len(buffer) - end} bytes follow the value", offset=end)
    return data


def decode_description(buffer: bytes, offset: int = 0) -> tuple[TypeDescription, int]:
    """Decode the contents description of a compact array; returns it and the offset behind it.

    Raises:
        Truncated, Malformed, Unsupported: as :func:`decode`.
    """
    return _Walker(buffer, len(buffer) - offset).description(offset, 1)


class _Walker:
    """One decoding run over ``buffer``; ``budget`` bounds how many values may come out of it."""

    __slots__ = ("budget", "buffer")

    def __init__(self, buffer: bytes, available: int) -> None:
        self.buffer = buffer
        self.budget = VALUES_FREE + VALUES_PER_BYTE * max(available, 0)

    def tagged(self, offset: int, depth: int) -> tuple[Data, int]:
        """A value with its tag in front."""
        return self.content(self.tag(offset), offset + 1, depth)

    def tag(self, offset: int) -> Tag:
        if offset >= len(self.buffer):
            raise Truncated("a value is missing", offset=offset)
        tag = TAGS.get(self.buffer[offset])
        if tag is None:
            raise Unsupported(f"type tag {self.buffer[offset]} is not defined", offset=offset)
        return tag

    def content(self, tag: Tag, offset: int, depth: int) -> tuple[Data, int]:
        """A value whose ``tag`` is known and whose content starts at ``offset``."""
        self.spend(1, offset)
        number = NUMBERS.get(tag)
        if number is not None:
            end = self.end_of(number.size, offset)
            return Data(tag, number.unpack_from(self.buffer, offset)[0]), end
        if tag is Tag.NULL or tag is Tag.DONT_CARE:
            return Data(tag), offset
        if tag is Tag.OCTET_STRING:
            raw, end = self.string(offset)
            return Data(tag, raw), end
        if tag is Tag.ARRAY or tag is Tag.STRUCTURE:
            return self.sequence(tag, offset, depth)
        return _OTHERS[tag](self, tag, offset, depth)

    def spend(self, values: int, offset: int) -> None:
        self.budget -= values
        if self.budget < 0:
            raise Malformed("more values than the bytes can carry", offset=offset)

    def end_of(self, size: int, offset: int) -> int:
        end = offset + size
        if end > len(self.buffer):
            raise Truncated(f"{size} bytes are needed, {len(self.buffer) - offset} are left", offset=offset)
        return end

    def string(self, offset: int) -> tuple[bytes, int]:
        size, start = decode_length(self.buffer, offset)
        end = self.end_of(size, start)
        return self.buffer[start:end], end

    def nest(self, offset: int, depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise Malformed(f"nested deeper than {MAX_DEPTH}", offset=offset)
        return depth + 1

    def sequence(self, tag: Tag, offset: int, depth: int) -> tuple[Data, int]:
        count, position = decode_length(self.buffer, offset)
        inner = self.nest(offset, depth)
        if count > len(self.buffer) - position:  # every tagged value takes at least its tag
            raise Truncated(f"{count} elements cannot follow", offset=position)
        items = []
        for _ in range(count):
            item, position = self.tagged(position, inner)
            items.append(item)
        return Data(tag, tuple(items)), position

    def boolean(self, tag: Tag, offset: int, _depth: int) -> tuple[Data, int]:
        end = self.end_of(1, offset)
        return Data(tag, self.buffer[offset] != 0), end

    def bit_string(self, tag: Tag, offset: int, _depth: int) -> tuple[Data, int]:
        length, start = decode_length(self.buffer, offset)
        end = self.end_of((length + 7) // 8, start)
        return Data(tag, BitString(length, self.buffer[start:end])), end

    def visible(self, tag: Tag, offset: int, _depth: int) -> tuple[Data, int]:
        raw, end = self.string(offset)
        return Data(tag, raw.decode("latin-1")), end

    def utf8(self, tag: Tag, offset: int, _depth: int) -> tuple[Data, int]:
        raw, end = self.string(offset)
        try:
            return Data(tag, raw.decode()), end
        except UnicodeDecodeError as error:
            raise Malformed("not UTF-8", offset=end - len(raw) + error.start) from None

    def moment(self, tag: Tag, offset: int, _depth: int) -> tuple[Data, int]:
        end = self.end_of(MOMENTS[tag], offset)
        return Data(tag, self.buffer[offset:end]), end

    def compact(self, tag: Tag, offset: int, depth: int) -> tuple[Data, int]:
        """Contents description, then the elements without tags in an octet string (Compact-Array)."""
        element, position = self.description(offset, self.nest(offset, depth))
        size, position = decode_length(self.buffer, position)
        end = self.end_of(size, position)
        items: list[Data] = []
        while position < end:
            item, behind = self.untagged(element, position, depth + 1)
            if behind == position:
                raise Malformed("elements of a compact array without any bytes", offset=position)
            items.append(item)
            position = behind
        if position != end:
            raise Malformed("the elements of a compact array do not end with its contents", offset=end)
        return Data(tag, CompactArray(element, tuple(items))), end

    def description(self, offset: int, depth: int) -> tuple[TypeDescription, int]:
        self.spend(1, offset)
        tag = self.tag(offset)
        position = offset + 1
        if tag is Tag.ARRAY:
            end = self.end_of(2, position)
            part, behind = self.description(end, self.nest(offset, depth))
            return TypeDescription(tag, (part,), int.from_bytes(self.buffer[position:end], "big")), behind
        if tag is Tag.STRUCTURE:
            count, position = decode_length(self.buffer, position)
            if count > len(self.buffer) - position:
                raise Truncated(f"{count} type descriptions cannot follow", offset=position)
            inner = self.nest(offset, depth)
            parts = []
            for _ in range(count):
                part, position = self.description(position, inner)
                parts.append(part)
            return TypeDescription(tag, tuple(parts)), position
        if tag is Tag.COMPACT_ARRAY:
            raise Malformed("a compact array inside a compact array", offset=offset)
        return TypeDescription(tag), position

    def untagged(self, shape: TypeDescription, offset: int, depth: int) -> tuple[Data, int]:
        if shape.tag not in (Tag.ARRAY, Tag.STRUCTURE):
            return self.content(shape.tag, offset, depth)
        self.spend(1, offset)
        parts = repeat(shape.parts[0], shape.count) if shape.tag is Tag.ARRAY else shape.parts
        items = []
        for part in parts:
            item, offset = self.untagged(part, offset, depth + 1)
            items.append(item)
        return Data(shape.tag, tuple(items)), offset


_OTHERS: Final[dict[Tag, Callable[[_Walker, Tag, int, int], tuple[Data, int]]]] = {
    Tag.BOOLEAN: _Walker.boolean,
    Tag.BIT_STRING: _Walker.bit_string,
    Tag.VISIBLE_STRING: _Walker.visible,
    Tag.UTF8_STRING: _Walker.utf8,
    Tag.DATE_TIME: _Walker.moment,
    Tag.DATE: _Walker.moment,
    Tag.TIME: _Walker.moment,
    Tag.COMPACT_ARRAY: _Walker.compact,
}


def encode(data: Data) -> bytes:
    """Encode one value with its tag.

    Raises:
        Malformed: the value does not fit its tag.
    """
    out = bytearray()
    _append(data, out)
    return bytes(out)


def _append(data: Data, out: bytearray) -> None:
    out.append(data.tag)
    if data.tag is Tag.ARRAY or data.tag is Tag.STRUCTURE:
        out += encode_length(len(data.value))
        for item in data.value:
            _append(item, out)
    elif data.tag is Tag.COMPACT_ARRAY:
        _append_compact(data.value, out)
    else:
        out += _content(data.tag, data.value)


def _content(tag: Tag, value: Any) -> bytes:
    """The bytes behind the tag of a value that has no parts."""
    try:
        number = NUMBERS.get(tag)
        if number is not None:
            return number.pack(value)
        if tag in MOMENTS:
            if len(value) != MOMENTS[tag]:
                raise Malformed(f"{tag.name} has {MOMENTS[tag]} octets, not {len(value)}")
            return bytes(value)
        return _VARIABLE[tag](value)
    except (struct.error, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise Malformed(f"{value!r:.60} is no {tag.name}: {error}") from None


def _prefixed(octets: bytes) -> bytes:
    return encode_length(len(octets)) + octets


def _bit_content(value: BitString) -> bytes:
    if len(value.octets) != (value.length + 7) // 8:
        raise Malformed(f"{value.length} bits do not fill {len(value.octets)} octets")
    return encode_length(value.length) + value.octets


_VARIABLE: Final[dict[Tag, Callable[[Any], bytes]]] = {
    Tag.NULL: lambda _: b"",
    Tag.DONT_CARE: lambda _: b"",
    Tag.BOOLEAN: lambda value: b"\x01" if value else b"\x00",
    Tag.OCTET_STRING: lambda value: _prefixed(bytes(value)),
    Tag.VISIBLE_STRING: lambda value: _prefixed(value.encode("latin-1")),
    Tag.UTF8_STRING: lambda value: _prefixed(value.encode()),
    Tag.BIT_STRING: _bit_content,
}


def _append_compact(value: CompactArray, out: bytearray) -> None:
    _append_description(value.element, out)
    contents = bytearray()
    for item in value.items:
        _append_untagged(value.element, item, contents)
    out += encode_length(len(contents))
    out += contents


def _append_description(shape: TypeDescription, out: bytearray) -> None:
    out.append(shape.tag)
    if shape.tag is Tag.ARRAY:
        out += shape.count.to_bytes(2, "big")
    elif shape.tag is Tag.STRUCTURE:
        out += encode_length(len(shape.parts))
    for part in shape.parts:
        _append_description(part, out)


def _append_untagged(shape: TypeDescription, data: Data, out: bytearray) -> None:
    if data.tag is not shape.tag:
        raise Malformed(f"{data.tag.name} in a compact array of {shape.tag.name}")
    if data.tag not in (Tag.ARRAY, Tag.STRUCTURE):
        out += _content(data.tag, data.value)
        return
    parts = shape.parts * shape.count if shape.tag is Tag.ARRAY else shape.parts
    if len(parts) != len(data.value):
        raise Malformed(f"{len(data.value)} elements where the compact array has {len(parts)}")
    for part, item in zip(parts, data.value, strict=True):
        _append_untagged(part, item, out)
