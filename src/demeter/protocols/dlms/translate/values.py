"""The COSEM ``Data`` type as nodes: every value with its place, and back to the very same octets."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Final

from demeter.protocols.dlms.axdr import MAX_DEPTH, MOMENTS, NUMBERS, TAGS, VALUES_FREE, VALUES_PER_BYTE
from demeter.protocols.dlms.classes.civil import moment_words
from demeter.protocols.dlms.classes.data_json import TYPE_NAMES
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Tag
from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated, Unsupported
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.translate.context import Context
from demeter.protocols.dlms.translate.engine import Flag, Out, Walk, as_octets, only_part
from demeter.protocols.dlms.translate.node import Node

NAMES: Final = {tag: "".join(part.capitalize() for part in name.split("-")) for tag, name in TYPE_NAMES.items()}
"""How the types are called: DoubleLongUnsigned, OctetString, …"""
_TAGS: Final = {name: tag for tag, name in NAMES.items()}
_FLOATS: Final = {Tag.FLOAT32: struct.Struct(">f"), Tag.FLOAT64: struct.Struct(">d")}
_FLAG: Final = Flag()
_SEQUENCES: Final = (Tag.ARRAY, Tag.STRUCTURE)
_DESCRIPTION: Final = "ContentsDescription"
_CONTENTS: Final = "ArrayContents"


def text_words(octets: bytes) -> str:
    """Return octets as text in quotation marks where they are printable ASCII, else nothing."""
    text = octets.decode("latin-1")
    return f'"{text}"' if text and text.isascii() and text.isprintable() else ""


def moment_meaning(octets: bytes) -> str:
    """Return twelve octets as a date and time, where they are one."""
    if len(octets) != MOMENTS[Tag.DATE_TIME]:
        return ""
    try:
        return moment_words(CosemDateTime.from_bytes(octets))
    except DlmsError:
        return ""


def octets_meaning(octets: bytes, context: Context) -> str:
    """Return what an octet-string most likely is: text, a moment, a logical name."""
    words = text_words(octets) or moment_meaning(octets)
    if words or len(octets) != 6 or octets[5] != 0xFF:
        return words
    obis = Obis.from_bytes(octets)
    return " ".join(filter(None, (str(obis), context.name_of(obis))))


class DataKind:
    """One ``Data``: the node has one part, called as its type."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read tag and value."""
        node.items = []
        return _Reader(walk).tagged(node, at, 0)

    def write(self, out: Out, node: Node) -> None:
        """Write tag and value."""
        _write_tagged(out, only_part(node), 0)


DATA: Final = DataKind()


class _Reader:
    """Reads values; ``budget`` bounds how many come out of so many octets, as a compact array could unfold millions."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.budget = VALUES_FREE + VALUES_PER_BYTE * walk.end

    def tagged(self, parent: Node, at: int, depth: int) -> int:
        tag = self.tag(at)
        return self._part(parent, NAMES[tag], at, at + 1, tag, depth)

    def tag(self, at: int) -> Tag:
        number = self.walk.number(at)
        tag = TAGS.get(number)
        if tag is None:
            raise self.walk.fail(Unsupported, f"type tag {number} is not defined", at)
        return tag

    def _part(self, parent: Node, name: str, start: int, at: int, tag: Tag, depth: int) -> int:
        """Read the content at ``at`` of a value that begins (with its tag, if it has one) at ``start``."""
        walk = self.walk
        self.budget -= 1
        if self.budget < 0:
            raise walk.fail(Malformed, "more values than the octets can carry", at)
        node = parent.add(Node(name, walk.base + start))
        try:
            end = self._content(node, at, tag, depth)
        except DlmsError as error:
            node.broken = True
            reached = walk.base + at if error.offset is None else error.offset
            node.length = max(0, min(reached, walk.base + walk.end) - node.offset)
            raise
        node.length = end - start
        return end

    def _content(self, node: Node, at: int, tag: Tag, depth: int) -> int:
        if tag in _SEQUENCES:
            return self._sequence(node, at, depth)
        if tag is Tag.COMPACT_ARRAY:
            return self._compact(node, at, depth)
        if tag in NUMBERS and tag not in _FLOATS:
            number = NUMBERS[tag]
            node.value = number.unpack(self.walk.take(at, number.size))[0]
            return at + number.size
        return _READERS.get(tag, _Reader.string)(self, node, at, tag)

    def nothing(self, _node: Node, at: int, _tag: Tag) -> int:
        return at

    def boolean(self, node: Node, at: int, _tag: Tag) -> int:
        return _FLAG.read(self.walk, at, node)

    def moment(self, node: Node, at: int, tag: Tag) -> int:
        octets = self.walk.take(at, MOMENTS[tag])
        node.value, node.meaning = octets, moment_meaning(octets)
        return at + len(octets)

    def string(self, node: Node, at: int, tag: Tag) -> int:
        walk = self.walk
        size, start = walk.length(at, node)
        octets = walk.take(start, size)
        if tag is Tag.OCTET_STRING:
            node.value = octets
            node.meaning = octets_meaning(octets, walk.context)
        elif tag is Tag.VISIBLE_STRING:
            node.value = octets.decode("latin-1")
        else:
            try:
                node.value = octets.decode()
            except UnicodeDecodeError as error:
                raise walk.fail(Malformed, "not UTF-8", start + error.start) from None
        return start + size

    def bits(self, node: Node, at: int, _tag: Tag) -> int:
        length, start = self.walk.length(at, node)
        octets = self.walk.take(start, (length + 7) // 8)
        bits = "".join(f"{octet:08b}" for octet in octets)
        spare = bits[length:]
        node.value = bits[:length] + (f"/{spare}" if "1" in spare else "")
        return start + len(octets)

    def float(self, node: Node, at: int, tag: Tag) -> int:
        """A floating point number as text; one that text cannot hold (a NaN with a payload) as its octets."""
        form = _FLOATS[tag]
        octets = self.walk.take(at, form.size)
        text = repr(form.unpack(octets)[0])
        node.value = text if form.pack(float(text)) == octets else f"0x{octets.hex()}"
        return at + form.size

    def _nest(self, at: int, depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise self.walk.fail(Malformed, f"nested deeper than {MAX_DEPTH}", at)
        return depth + 1

    def _sequence(self, node: Node, at: int, depth: int) -> int:
        node.items = []
        count, start = self.walk.length(at, node)
        inner = self._nest(at, depth)
        if count > self.walk.end - start:
            raise self.walk.fail(Truncated, f"{count} elements cannot follow", start)
        for _ in range(count):
            start = self.tagged(node, start, inner)
        return start

    def _compact(self, node: Node, at: int, depth: int) -> int:
        node.items = []
        walk = self.walk
        description = node.add(Node(_DESCRIPTION, walk.base + at, items=[]))
        start = self._description(description, at, self._nest(at, depth))
        description.length = start - at
        contents = node.add(Node(_CONTENTS, walk.base + start, items=[]))
        size, place = walk.length(start, contents)
        walk.take(place, size)
        end = place + size
        contents.length = end - start
        inner = _Reader(walk.until(end))
        inner.budget = self.budget
        element = only_part(description)
        while place < end:
            behind = inner.untagged(contents, element, place, depth + 1)
            if behind == place:
                raise walk.fail(Malformed, "elements of a compact array without any octets", place)
            place = behind
        self.budget = inner.budget
        return end

    def _description(self, parent: Node, at: int, depth: int) -> int:
        self.budget -= 1
        if self.budget < 0:
            raise self.walk.fail(Malformed, "more values than the octets can carry", at)
        tag = self.tag(at)
        node = parent.add(Node(NAMES[tag], self.walk.base + at))
        end = at + 1
        if tag is Tag.ARRAY:
            node.items = []
            node.hints["count"] = self.walk.number(end, 2)
            end = self._description(node, end + 2, self._nest(at, depth))
        elif tag is Tag.STRUCTURE:
            node.items = []
            count, end = self.walk.length(end, node)
            inner = self._nest(at, depth)
            for _ in range(count):
                end = self._description(node, end, inner)
        elif tag is Tag.COMPACT_ARRAY:
            raise self.walk.fail(Malformed, "a compact array inside a compact array", at)
        node.length = end - at
        return end

    def untagged(self, parent: Node, shape: Node, at: int, depth: int) -> int:
        tag = _TAGS[shape.name]
        if tag not in _SEQUENCES:
            return self._part(parent, shape.name, at, at, tag, depth)
        self.budget -= 1
        if self.budget < 0:
            raise self.walk.fail(Malformed, "more values than the octets can carry", at)
        node = parent.add(Node(shape.name, self.walk.base + at, items=[]))
        parts = shape.items or []
        for part in parts * shape.hints["count"] if tag is Tag.ARRAY else parts:
            at = self.untagged(node, part, at, depth + 1)
        node.length = self.walk.base + at - node.offset
        return at


_READERS: Final[dict[Tag, Callable[[_Reader, Node, int, Tag], int]]] = {
    Tag.NULL: _Reader.nothing,
    Tag.DONT_CARE: _Reader.nothing,
    Tag.BOOLEAN: _Reader.boolean,
    Tag.BIT_STRING: _Reader.bits,
    Tag.FLOAT32: _Reader.float,
    Tag.FLOAT64: _Reader.float,
    Tag.DATE_TIME: _Reader.moment,
    Tag.DATE: _Reader.moment,
    Tag.TIME: _Reader.moment,
}


def _write_tagged(out: Out, node: Node, depth: int) -> None:
    tag = _tag_of(node)
    out.octets.append(tag)
    _write_content(out, node, tag, depth)


def _tag_of(node: Node) -> Tag:
    tag = _TAGS.get(node.name)
    if tag is None:
        raise Malformed(f"{node.name} is no type of data")
    return tag


def _write_content(out: Out, node: Node, tag: Tag, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Malformed(f"{node.name}: nested deeper than {MAX_DEPTH}")
    if tag in _SEQUENCES:
        out.length(len(node.parts), node)
        for item in node.parts:
            _write_tagged(out, item, depth + 1)
    elif tag is Tag.COMPACT_ARRAY:
        _write_compact(out, node, depth)
    elif tag in _FLOATS:
        out.octets += _float_octets(node, tag)
    elif tag in NUMBERS:
        out.number(node, NUMBERS[tag].size, signed=NUMBERS[tag].format[1:].islower())
    else:
        _WRITERS.get(tag, _write_string)(out, node, tag)


def _write_nothing(_out: Out, _node: Node, _tag: Tag) -> None:
    """Null-data has a tag and nothing behind it."""


def _write_boolean(out: Out, node: Node, _tag: Tag) -> None:
    _FLAG.write(out, node)


def _write_moment(out: Out, node: Node, tag: Tag) -> None:
    octets = as_octets(node)
    if len(octets) != MOMENTS[tag]:
        raise Malformed(f"{node.name} has {MOMENTS[tag]} octets, not {len(octets)}")
    out.octets += octets


def _write_string(out: Out, node: Node, tag: Tag) -> None:
    octets = _string_octets(node, tag)
    out.length(len(octets), node)
    out.octets += octets


def _string_octets(node: Node, tag: Tag) -> bytes:
    if tag is Tag.OCTET_STRING or isinstance(node.value, bytes):
        return as_octets(node)
    if not isinstance(node.value, str):
        raise Malformed(f"{node.name}: {node.value!r:.40} is no text")
    try:
        return node.value.encode("latin-1" if tag is Tag.VISIBLE_STRING else "utf-8")
    except UnicodeEncodeError:
        raise Malformed(f"{node.name}: {node.value!r:.40} has letters its type does not have") from None


def _float_octets(node: Node, tag: Tag) -> bytes:
    form, value = _FLOATS[tag], node.value
    try:
        if isinstance(value, str) and value.startswith("0x"):
            octets = bytes.fromhex(value[2:])
            if len(octets) == form.size:
                return octets
        elif isinstance(value, str | int):
            number = float(value)
            octets = form.pack(number)
            if not math.isinf(form.unpack(octets)[0]) or math.isinf(number):
                return octets
    except (ValueError, OverflowError):
        pass
    raise Malformed(f"{node.name}: {value!r:.40} is no number of this type")


def _write_bits(out: Out, node: Node, _tag: Tag) -> None:
    if not isinstance(node.value, str):
        raise Malformed(f"{node.name}: bits are text such as 0110, not {node.value!r:.40}")
    bare, slash, spare = node.value.partition("/")
    bits = bare + spare
    if set(bits) - {"0", "1"} or (slash and (len(bits) % 8 or len(spare) > 7)):
        raise Malformed(f"{node.name}: {node.value!r:.40} are no bits")
    padded = bits.ljust((len(bits) + 7) // 8 * 8, "0")
    out.length(len(bare), node)
    out.octets += bytes(int(padded[place : place + 8], 2) for place in range(0, len(padded), 8))


_WRITERS: Final[dict[Tag, Callable[[Out, Node, Tag], None]]] = {
    Tag.NULL: _write_nothing,
    Tag.DONT_CARE: _write_nothing,
    Tag.BOOLEAN: _write_boolean,
    Tag.BIT_STRING: _write_bits,
    Tag.DATE_TIME: _write_moment,
    Tag.DATE: _write_moment,
    Tag.TIME: _write_moment,
}


def _write_compact(out: Out, node: Node, depth: int) -> None:
    description, contents = node.find(_DESCRIPTION), node.find(_CONTENTS)
    if description is None or contents is None or len(node.parts) != 2:
        raise Malformed(f"{node.name} has a {_DESCRIPTION} and {_CONTENTS}")
    element = only_part(description)
    _write_description(out, element, depth)
    octets = out.apart()
    for item in contents.parts:
        _write_untagged(octets, element, item, depth + 1)
    out.length(len(octets.octets), contents)
    out.octets += octets.octets


def _write_description(out: Out, node: Node, depth: int) -> None:
    tag = _tag_of(node)
    if depth > MAX_DEPTH:
        raise Malformed(f"{node.name}: nested deeper than {MAX_DEPTH}")
    out.octets.append(tag)
    if tag is Tag.ARRAY:
        count = node.hints.get("count", 0)
        if not 0 <= count <= 0xFFFF:
            raise Malformed(f"{node.name}: a count of {count}")
        out.octets += count.to_bytes(2, "big")
        _write_description(out, only_part(node), depth + 1)
    elif tag is Tag.STRUCTURE:
        out.length(len(node.parts), node)
        for part in node.parts:
            _write_description(out, part, depth + 1)


def _write_untagged(out: Out, shape: Node, node: Node, depth: int) -> None:
    if node.name != shape.name:
        raise Malformed(f"{node.name} in a compact array of {shape.name}")
    tag = _tag_of(shape)
    if tag not in _SEQUENCES:
        _write_content(out, node, tag, depth)
        return
    parts = shape.parts * shape.hints.get("count", 0) if tag is Tag.ARRAY else shape.parts
    if len(parts) != len(node.parts):
        raise Malformed(f"{len(node.parts)} elements where the compact array has {len(parts)}")
    for part, item in zip(parts, node.parts, strict=True):
        _write_untagged(out, part, item, depth + 1)
