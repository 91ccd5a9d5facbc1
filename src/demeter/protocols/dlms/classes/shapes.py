"""Shapes: what type an attribute has on the wire, in Python, in JSON and in words.

A :class:`Shape` is written once in a class's table and used four ways: ``decode`` and ``encode`` between ``Data`` and a
Python value, ``to_json`` and ``from_json``, and ``words`` for people. Reading is lenient where real meters differ
without changing the meaning (an integer of another width, text as another string type); writing always uses the
standard's type. Structures become frozen dataclasses, see :func:`record`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final, Generic, TypeVar, cast

from demeter.protocols.dlms.axdr import NUMBERS
from demeter.protocols.dlms.classes.civil import CosemDate, CosemTime, moment_words
from demeter.protocols.dlms.classes.data_json import (
    TYPE_NAMES,
    Json,
    bits_from_text,
    data_from_json,
    data_to_json,
    octets_from_hex,
)
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import BitString, CompactArray, Data, Tag
from demeter.protocols.dlms.errors import DlmsError, Malformed
from demeter.protocols.dlms.obis import Obis

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)
M = TypeVar("M", CosemDateTime, CosemDate, CosemTime)

INTEGERS: Final = frozenset(tag for tag in NUMBERS if tag not in (Tag.FLOAT32, Tag.FLOAT64))
"""The types whose values are whole numbers."""
_STRINGS: Final = (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)
_SHOWN_ITEMS: Final = 64
"""How many elements of an array are put into words; the rest is counted."""


@dataclass(frozen=True)
class Shape(Generic[T]):
    """One type: ``label`` is its name in the standard; all functions raise ``Malformed`` for what does not fit.

    ``parts`` are the types a structure, array or choice is made of; ``python`` the enumeration or dataclass it becomes.
    """

    label: str
    decode: Callable[[Data], T]
    encode: Callable[[T], Data]
    to_json: Callable[[T], Json]
    from_json: Callable[[Json], T]
    words: Callable[[T], str]
    parts: tuple[Shape[Any], ...] = ()
    python: type | None = None

    def exact(self, data: Data) -> bool:
        """Whether ``data`` is read and written back without any change."""
        try:
            return self.encode(self.decode(data)) == data
        except DlmsError:
            return False


def _same(value: T) -> T:
    return value


def _tagged(data: Data, *tags: int) -> Any:
    """The value of data of one of these types."""
    if data.tag not in tags:
        due = " or ".join(TYPE_NAMES[Tag(tag)] for tag in tags[:3])
        raise Malformed(f"{TYPE_NAMES[data.tag]} where {due} is due")
    return data.value


def _int(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Malformed(f"{value!r:.60} is no integer")
    return value


def integer(tag: Tag) -> Shape[int]:
    """Return the shape of an integer of type ``tag``; other widths are read too, if the number is one."""

    def encode(value: int) -> Data:
        number = NUMBERS[tag]
        bits = 8 * number.size
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if number.format[1:].islower() else (0, (1 << bits) - 1)
        if not low <= value <= high:
            raise Malformed(f"{value} is outside {low} to {high} of {TYPE_NAMES[tag]}")
        return Data(tag, value)

    def decode(data: Data) -> int:
        return int(_tagged(data, tag, *INTEGERS))

    def from_json(found: Json) -> int:
        return _int(int(found) if isinstance(found, str) and found.removeprefix("-").isdecimal() else found)

    wide = NUMBERS[tag].size > 4
    return Shape(TYPE_NAMES[tag], decode, encode, str if wide else _same, from_json, str)


INT8 = integer(Tag.INT8)
INT16 = integer(Tag.INT16)
INT32 = integer(Tag.INT32)
UINT8 = integer(Tag.UINT8)
UINT16 = integer(Tag.UINT16)
UINT32 = integer(Tag.UINT32)
ZERO = INT8
"""The parameter of methods that need none: integer (0)."""


def enumeration(kind: type[E], tag: Tag = Tag.ENUM) -> Shape[E | int]:
    """Return the shape of an enumeration; numbers the standard reserves or leaves to makers stay plain integers."""
    known = {int(member): member for member in kind}
    named = {_word(member): member for member in kind}

    def member(number: int) -> E | int:
        return known.get(number, number)

    def from_json(found: Json) -> E | int:
        if isinstance(found, str):
            if found not in named:
                raise Malformed(f"{found!r:.40} is none of {', '.join(sorted(named))}")
            return named[found]
        return member(_int(found))

    plain = integer(tag)
    return Shape(
        TYPE_NAMES[tag],
        lambda data: member(plain.decode(data)),
        lambda value: plain.encode(int(value)),
        lambda value: _word(value) if value in known else int(value),
        from_json,
        lambda value: _word(known[value]) if value in known else f"{int(value)}, not in the standard",
        python=kind,
    )


def enum_bits(*names: str) -> Shape[int]:
    """Return the shape of an enumeration whose number is made of bits, lowest first; reserved bits have no name."""
    plain = integer(Tag.ENUM)

    def words(value: int) -> str:
        named = dict(enumerate(names))
        return " + ".join(named.get(place) or f"bit {place}" for place in range(8) if value >> place & 1) or "none"

    return Shape("enum, bits", plain.decode, plain.encode, _same, plain.from_json, words)


def _word(member: int) -> str:
    return member.name.lower().replace("_", " ") if isinstance(member, IntEnum) else str(int(member))


def _boolean(value: Json) -> bool:
    if not isinstance(value, bool):
        raise Malformed(f"{value!r:.60} is neither true nor false")
    return value


BOOLEAN: Final[Shape[bool]] = Shape(
    "boolean",
    lambda data: bool(_tagged(data, Tag.BOOLEAN)),
    lambda value: Data(Tag.BOOLEAN, value),
    _same,
    _boolean,
    lambda value: "yes" if value else "no",
)


def octets_words(octets: bytes) -> str:
    """Return octets as the text they hold, where it is printable ASCII, else as hexadecimal digits."""
    text = octets.decode("latin-1")
    return text if text.isascii() and text.isprintable() and text and not text.startswith("0x") else f"0x{octets.hex()}"


def _octets_from_words(found: Json) -> bytes:
    if not isinstance(found, str):
        raise Malformed(f"{found!r:.60} is no text")
    if found.startswith("0x"):
        return octets_from_hex(found[2:])
    try:
        return found.encode("ascii")
    except UnicodeEncodeError:
        raise Malformed(f"{found!r:.60} has characters outside ASCII: write 0x and hexadecimal digits") from None


def _octets(data: Data) -> bytes:
    value = _tagged(data, *_STRINGS)
    if isinstance(value, str):
        return value.encode("latin-1" if data.tag is Tag.VISIBLE_STRING else "utf-8")
    return bytes(value)


OCTETS: Final[Shape[bytes]] = Shape(
    "octet-string", _octets, lambda value: Data(Tag.OCTET_STRING, value), octets_words, _octets_from_words, octets_words
)


def _text(found: Json) -> str:
    if not isinstance(found, str):
        raise Malformed(f"{found!r:.60} is no text")
    return found


UTF8: Final[Shape[str]] = Shape(
    "utf8-string",
    lambda data: _octets(data).decode("utf-8", "replace"),
    lambda value: Data(Tag.UTF8_STRING, value),
    _same,
    _text,
    _same,
)

NAME: Final[Shape[Obis]] = Shape(
    "octet-string, logical name",
    lambda data: Obis.from_bytes(bytes(_tagged(data, Tag.OCTET_STRING))),
    lambda value: Data(Tag.OCTET_STRING, value.to_bytes()),
    str,
    lambda found: Obis.parse(_text(found)),
    str,
)

BITS: Final[Shape[BitString]] = Shape(
    "bit-string",
    lambda data: cast(BitString, _tagged(data, Tag.BIT_STRING)),
    lambda value: Data(Tag.BIT_STRING, value),
    str,
    lambda found: bits_from_text(_text(found)),
    str,
)


def flags(*names: str) -> Shape[BitString]:
    """Return the shape of a bit-string whose bits, first to last, have names."""

    def words(value: BitString) -> str:
        raised = [
            names[place] if place < len(names) else f"bit {place}" for place, bit in enumerate(str(value)) if bit == "1"
        ]
        return ", ".join(raised) or "none"

    return Shape("bit-string", BITS.decode, BITS.encode, BITS.to_json, BITS.from_json, words)


def _fields_to_json(value: Any) -> Json:
    return {one.name: getattr(value, one.name) for one in fields(value) if getattr(value, one.name) is not None}


def _fields_from_json(kind: type[T], found: Json) -> T:
    names = {one.name for one in fields(cast(Any, kind))}
    if not isinstance(found, dict) or set(found) - names:
        raise Malformed(f"{found!r:.60} is not made of {', '.join(sorted(names))}")
    return kind(**{name: _int(value) for name, value in found.items()})


def _moment(label: str, kind: type[M], tag: Tag, words: Callable[[M], str]) -> Shape[M]:
    """A date and time type, sent as an octet-string and read as its own type too."""
    return Shape(
        label,
        lambda data: kind.from_bytes(bytes(_tagged(data, Tag.OCTET_STRING, tag))),
        lambda value: Data(Tag.OCTET_STRING, value.to_bytes()),
        _fields_to_json,
        lambda found: _fields_from_json(kind, found),
        words,
    )


DATE_TIME: Final[Shape[CosemDateTime]] = _moment("octet-string, date-time", CosemDateTime, Tag.DATE_TIME, moment_words)
DATE: Final[Shape[CosemDate]] = _moment("octet-string, date", CosemDate, Tag.DATE, str)
TIME: Final[Shape[CosemTime]] = _moment("octet-string, time", CosemTime, Tag.TIME, str)


def data_words(data: Data) -> str:
    """Return any data in words."""
    if data.tag in (Tag.ARRAY, Tag.STRUCTURE):
        return _listing(data.value, data_words, "{}" if data.tag is Tag.STRUCTURE else "[]")
    if isinstance(data.value, CompactArray):
        return _listing(data.value.items, data_words, "[]")
    if isinstance(data.value, bytes):
        if len(data.value) == 12 and data.tag in (Tag.OCTET_STRING, Tag.DATE_TIME):
            try:
                return moment_words(CosemDateTime.from_bytes(data.value))
            except DlmsError:
                return octets_words(data.value)
        return octets_words(data.value)
    return "nothing" if data.value is None else str(data.value)


ANY: Final[Shape[Data]] = Shape("CHOICE", _same, _same, data_to_json, data_from_json, data_words)


def _listing(items: tuple[T, ...], words: Callable[[T], str], brackets: str) -> str:
    shown = [words(item) for item in items[:_SHOWN_ITEMS]]
    more = len(items) - len(shown)
    return brackets[0] + ", ".join([*shown, *([f"… {more} more"] if more else [])]) + brackets[1]


def array(of: Shape[T]) -> Shape[tuple[T, ...]]:
    """Return the shape of an array; compact arrays are read too."""

    def decode(data: Data) -> tuple[T, ...]:
        value = _tagged(data, Tag.ARRAY, Tag.COMPACT_ARRAY)
        return tuple(of.decode(item) for item in (value.items if isinstance(value, CompactArray) else value))

    def from_json(found: Json) -> tuple[T, ...]:
        if not isinstance(found, list):
            raise Malformed(f"{found!r:.60} is no list")
        return tuple(of.from_json(item) for item in found)

    return Shape(
        f"array of {of.label}",
        decode,
        lambda value: Data(Tag.ARRAY, tuple(of.encode(item) for item in value)),
        lambda value: [of.to_json(item) for item in value],
        from_json,
        lambda value: _listing(value, of.words, "[]"),
        (of,),
    )


def record(kind: type[T], *shapes: Shape[Any]) -> Shape[T]:
    """Return the shape of a structure that becomes the dataclass ``kind``; ``shapes`` in the order of its fields."""
    names = [one.name for one in fields(cast(Any, kind))]
    table: Mapping[str, Shape[Any]] = dict(zip(names, shapes, strict=True))

    def decode(data: Data) -> T:
        parts = _tagged(data, Tag.STRUCTURE)
        if len(parts) != len(table):
            raise Malformed(f"a {kind.__name__} has {len(table)} elements, not {len(parts)}")
        return kind(*(shape.decode(part) for shape, part in zip(table.values(), parts, strict=True)))

    def encode(value: T) -> Data:
        return Data(Tag.STRUCTURE, tuple(shape.encode(getattr(value, name)) for name, shape in table.items()))

    def from_json(found: Json) -> T:
        if not isinstance(found, dict) or set(found) != set(table):
            raise Malformed(f"a {kind.__name__} has {', '.join(table)}; found {found!r:.60}")
        return kind(*(shape.from_json(found[name]) for name, shape in table.items()))

    def words(value: T) -> str:
        return "{" + ", ".join(f"{name} {shape.words(getattr(value, name))}" for name, shape in table.items()) + "}"

    return Shape(
        f"structure {kind.__name__}",
        decode,
        encode,
        lambda value: {name: shape.to_json(getattr(value, name)) for name, shape in table.items()},
        from_json,
        words,
        shapes,
        kind,
    )
