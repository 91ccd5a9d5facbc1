"""Any ``Data`` as JSON and back, without loss: ``{"type": "double-long-unsigned", "value": 42}``.

Types carry their names of IEC 62056-6-2 (common data types). Integers of 64 bits and floating point numbers are decimal
strings, because a JSON number is a binary double to most readers; octets are hexadecimal; bits are text: ``"0110"``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from demeter.protocols.dlms.axdr import MAX_DEPTH, NUMBERS, encode
from demeter.protocols.dlms.data import BitString, CompactArray, Data, Tag, TypeDescription, bits
from demeter.protocols.dlms.errors import Malformed

Json = Any
"""What ``json.loads`` returns."""

TYPE_NAMES: Final[Mapping[Tag, str]] = {
    Tag.NULL: "null-data",
    Tag.ARRAY: "array",
    Tag.STRUCTURE: "structure",
    Tag.BOOLEAN: "boolean",
    Tag.BIT_STRING: "bit-string",
    Tag.INT32: "double-long",
    Tag.UINT32: "double-long-unsigned",
    Tag.OCTET_STRING: "octet-string",
    Tag.VISIBLE_STRING: "visible-string",
    Tag.UTF8_STRING: "utf8-string",
    Tag.BCD: "bcd",
    Tag.INT8: "integer",
    Tag.INT16: "long",
    Tag.UINT8: "unsigned",
    Tag.UINT16: "long-unsigned",
    Tag.COMPACT_ARRAY: "compact-array",
    Tag.INT64: "long64",
    Tag.UINT64: "long64-unsigned",
    Tag.ENUM: "enum",
    Tag.FLOAT32: "float32",
    Tag.FLOAT64: "float64",
    Tag.DATE_TIME: "date-time",
    Tag.DATE: "date",
    Tag.TIME: "time",
    Tag.DELTA_INT8: "delta-integer",
    Tag.DELTA_INT16: "delta-long",
    Tag.DELTA_INT32: "delta-double-long",
    Tag.DELTA_UINT8: "delta-unsigned",
    Tag.DELTA_UINT16: "delta-long-unsigned",
    Tag.DELTA_UINT32: "delta-double-long-unsigned",
    Tag.DONT_CARE: "dont-care",
}
TAGS_BY_NAME: Final[Mapping[str, Tag]] = {name: tag for tag, name in TYPE_NAMES.items()}

_MOST_REPEATED: Final = 0xFFFF
_COLLECTIONS: Final = (Tag.ARRAY, Tag.STRUCTURE)
_OCTETS: Final = (Tag.OCTET_STRING, Tag.DATE_TIME, Tag.DATE, Tag.TIME)
_TEXTS: Final = (Tag.VISIBLE_STRING, Tag.UTF8_STRING)
_AS_TEXT: Final = (Tag.INT64, Tag.UINT64)
_FLOATS: Final = (Tag.FLOAT32, Tag.FLOAT64)


def data_to_json(data: Data) -> Json:
    """Return ``data`` as JSON: a dict of ``type`` and, unless there is none, ``value``."""
    shown: dict[str, Json] = {"type": TYPE_NAMES[data.tag]}
    if data.tag is Tag.COMPACT_ARRAY:
        shown["element"] = _shape_to_json(data.value.element)
        shown["value"] = [data_to_json(item) for item in data.value.items]
    elif data.value is not None:
        shown["value"] = _value_to_json(data)
    return shown


def data_from_json(found: Json) -> Data:
    """Return the ``Data`` that :func:`data_to_json` shows as ``found``.

    Raises:
        Malformed: anything else, or a value its type cannot hold; the message names what was found.
    """
    data = _data(found, 0)
    encode(data)
    return data


def _value_to_json(data: Data) -> Json:
    value = data.value
    if data.tag in _COLLECTIONS:
        return [data_to_json(item) for item in value]
    if data.tag in _OCTETS:
        return bytes(value).hex()
    if data.tag is Tag.BIT_STRING:
        return _bits_text(value)
    if data.tag in _AS_TEXT:
        return str(value)
    if data.tag in _FLOATS:
        return repr(float(value))
    return value


def _bits_text(value: BitString) -> str:
    text = str(value)
    spare = "".join(f"{octet:08b}" for octet in value.octets)[value.length :]
    # Spare bits are zero in every encoder that keeps the rules; where they are not, they are shown, to lose nothing.
    return f"{text}/{spare}" if "1" in spare else text


def _data(found: Json, depth: int) -> Data:
    if depth > MAX_DEPTH:
        raise Malformed(f"values nested more than {MAX_DEPTH} deep")
    tag = _tag(found)
    if tag is None:
        raise Malformed(f'not a typed value such as {{"type": "unsigned", "value": 1}}: {found!r:.60}')
    if tag in (Tag.NULL, Tag.DONT_CARE):
        return Data(tag)
    if "value" not in found:
        raise Malformed(f'{found["type"]} without "value"')
    if tag is Tag.COMPACT_ARRAY:
        items = tuple(_data(item, depth + 1) for item in _list(found["value"]))
        return Data(tag, CompactArray(_shape(found.get("element"), 1), items))
    if tag in _COLLECTIONS:
        return Data(tag, tuple(_data(item, depth + 1) for item in _list(found["value"])))
    return Data(tag, _plain(tag, found["value"]))


def _tag(found: Json) -> Tag | None:
    name = found.get("type") if isinstance(found, dict) else None
    return TAGS_BY_NAME.get(name) if isinstance(name, str) else None


def _plain(tag: Tag, value: Json) -> Any:
    """The value of a type without parts."""
    if tag in _FLOATS:
        return _float(value)
    if tag in NUMBERS:
        return _integer(value)
    if tag is Tag.BOOLEAN and isinstance(value, bool):
        return value
    if isinstance(value, str):
        if tag in _OCTETS:
            return octets_from_hex(value)
        if tag is Tag.BIT_STRING:
            return bits_from_text(value)
        if tag in _TEXTS:
            return value
    raise Malformed(f"{value!r:.60} is no {TYPE_NAMES[tag]}")


def octets_from_hex(text: str) -> bytes:
    """Return octets from hexadecimal digits.

    Raises:
        Malformed: other characters, or half an octet.
    """
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Malformed(f"not hexadecimal: {text!r:.60}") from None


def bits_from_text(text: str) -> BitString:
    """Return bits from text such as ``"0110"``, first bit first; behind a slash the spare bits of the last octet.

    Raises:
        Malformed: other characters.
    """
    bare, _, spare = text.partition("/")
    if set(bare + spare) - {"0", "1"} or (spare and (len(bare) + len(spare)) % 8):
        raise Malformed(f"not bits: {text!r:.60}")
    found: BitString = bits(bare + spare).value
    return BitString(len(bare), found.octets)


def _integer(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Malformed(f"{value!r:.60} is no integer")
    try:
        return int(value)
    except ValueError:
        raise Malformed(f"{value!r:.60} is no integer") from None


def _float(value: Json) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise Malformed(f"{value!r:.60} is no number") from None
    return found if not math.isnan(found) else math.nan


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise Malformed(f"{value!r:.60} is no list")
    return value


def _shape_to_json(shape: TypeDescription) -> Json:
    shown: dict[str, Json] = {"type": TYPE_NAMES[shape.tag]}
    if shape.tag is Tag.ARRAY:
        shown["count"] = shape.count
    if shape.parts:
        shown["parts"] = [_shape_to_json(part) for part in shape.parts]
    return shown


def _shape(found: Json, depth: int) -> TypeDescription:
    tag = _tag(found)
    if depth > MAX_DEPTH or tag is None:
        raise Malformed(f"not the element type of a compact array: {found!r:.60}")
    parts = tuple(_shape(part, depth + 1) for part in _list(found.get("parts", [])))
    count = _integer(found.get("count", 0))
    if not 0 <= count <= _MOST_REPEATED:
        raise Malformed(f"an array in a compact array has 0 to {_MOST_REPEATED} elements, not {count}")
    return TypeDescription(tag, parts, count)
