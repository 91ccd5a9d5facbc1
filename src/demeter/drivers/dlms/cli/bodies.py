"""What a notification says: from JSON, XML or hexadecimal text, or from a layout and values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from demeter.drivers.dlms.cli.objects import Wanted, wanted
from demeter.drivers.dlms.cli.values import typed
from demeter.drivers.dlms.profiles import builtin
from demeter.kernel import Invalid, NotFound
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.apdu import DATA_NOTIFICATION, EVENT_NOTIFICATION
from demeter.protocols.dlms.classes import data_from_json
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.protocols.dlms.push import Layout
from demeter.protocols.dlms.push.layout import Shape
from demeter.protocols.dlms.security import is_ciphered
from demeter.protocols.dlms.translate import Node, from_json, from_xml, is_hexadecimal, octets_from_text, octets_of
from demeter.protocols.dlms.translate.frames import DATA_FRAME, WRAPPER
from demeter.protocols.dlms.wrapper import unwrap_all

_SCALER: Final = re.compile(r"(.*)@(-?\d{1,3}),(\d{1,3})")
_HINT: Final = "Write OBIS=VALUE, such as 1.0.1.8.0.255=double-long-unsigned:42 (with scaler and unit: …:42@-1,30)."
PUSH_SETUP: Final = Obis(0, 0, 25, 9, 0, 255)


@dataclass(frozen=True, slots=True)
class Given:
    """A value that is to be pushed; ``scale``: its scaler and unit code."""

    place: Wanted
    value: Data
    scale: tuple[int, int] | None = None

    @property
    def class_id(self) -> int:
        """Its class; a register where none is named."""
        return self.place.class_id or (8 if self.place.obis == Obis(0, 0, 1, 0, 0) else 3)

    @property
    def attribute(self) -> int:
        """Its attribute."""
        return 2 if self.place.member is None else self.place.member


@dataclass(frozen=True, slots=True)
class Header:
    """What some layouts begin with."""

    meter_id: str
    push_obis: Obis
    clock: bytes


def given_value(text: str) -> Given:
    """Read ``OBIS=VALUE``.

    Raises:
        Invalid, NotFound: it is none.
    """
    name, equals, words = text.partition("=")
    if not equals:
        raise Invalid(f"{text!r} is no value", hint=_HINT)
    scaled = _SCALER.fullmatch(words)
    scale = None
    if scaled is not None:
        words, scale = scaled[1], (int(scaled[2]), int(scaled[3]))
    return Given(wanted(name.strip()), _value(words), scale)


def _value(words: str) -> Data:
    """A typed value; a bare whole number is a double-long (unsigned unless below zero), anything else text."""
    found = typed(words)
    if found is not None:
        return found
    if re.fullmatch(r"-?\d{1,10}", words):
        number = int(words)
        if -(2**31) <= number < 2**32:
            return data.i32(number) if number < 0 else data.u32(number)
    return data.text(words) if words.isascii() else data.utf8(words)


def layout_named(name: str) -> Layout:
    """Return a push layout by its name, or by the end of it.

    Raises:
        NotFound: there is none, or several; the hint lists them.
    """
    known = builtin().push_layouts
    found = [each for each in known if name in (each.name, each.name.partition("/")[2])]
    found = [each for each in found if each.name == name] or found
    if len(found) != 1:
        raise NotFound(f"no push layout is called {name!r}", hint=f"Known: {', '.join(each.name for each in known)}.")
    return found[0]


def body_of(layout: Layout, values: Sequence[Given], header: Header) -> bytes:
    """Return a notification body built as a layout says, as A-XDR.

    Raises:
        Invalid: the values are not those the layout has places for.
    """
    if layout.shape == Shape.ENTRIES:
        return axdr.encode(
            data.array(*(data.structure(*_words(layout.cycle, each, header, layout)) for each in values))
        )
    if layout.shape == Shape.POSITIONS:
        return axdr.encode(data.structure(*_positions(layout, values)))
    if layout.shape == Shape.DESCRIBED:
        captures = [CaptureObject(each.class_id, each.place.obis, each.attribute).to_data() for each in values]
        return axdr.encode(data.structure(data.array(*captures), *(each.value for each in values)))
    parts = [part for word in layout.header if word != "rows" for part in _words((word,), None, header, layout)]
    if "rows" in layout.header:
        parts += [each.value for each in values]
    else:
        parts += [part for each in values for part in _words(layout.cycle, each, header, layout)]
    return axdr.encode(data.structure(*parts))


def _words(words: Sequence[str], each: Given | None, header: Header, layout: Layout) -> list[Data]:
    """What stands in the places of a layout, for one value."""
    parts: dict[str, Data | None] = {
        "meter_id": data.octets(header.meter_id.encode()),
        "push_obis": data.octets(header.push_obis.to_bytes()),
        "clock": data.octets(header.clock),
        "list": data.text(layout.starts or layout.name),
    }
    if each is not None:
        scale = None if each.scale is None else data.structure(data.i8(each.scale[0]), data.enum(each.scale[1]))
        parts |= {
            "obis": data.octets(each.place.obis.to_bytes()),
            "value": each.value,
            "class": data.u16(each.class_id),
            "attribute": data.i8(each.attribute),
            "scaler_unit": scale,
        }
    found = []
    for word in words:
        part = parts.get(word.removesuffix("?"))
        if part is None and not word.endswith("?"):
            raise Invalid(f"the layout {layout.name} wants {word.replace('_', ' and ')} with every value", hint=_HINT)
        if part is not None:
            found.append(part)
    return found


def _positions(layout: Layout, values: Sequence[Given]) -> list[Data]:
    known: Mapping[Obis, Data] = {each.place.obis: each.value for each in values}
    for columns in sorted(layout.lists.values(), key=len):
        named = [column.obis for column in columns if column.obis is not None]
        if set(named) == set(known):
            first = data.text(layout.starts or layout.name)
            return [first if column.obis is None else known[column.obis] for column in columns]
    shapes = "; ".join(
        ", ".join(str(column.obis) for column in columns if column.obis is not None)
        for columns in layout.lists.values()
    )
    raise Invalid(f"the layout {layout.name} has no list of exactly these values", hint=f"Its lists: {shapes}")


@dataclass(frozen=True, slots=True)
class Message:
    """What was given to be sent: a body (A-XDR), or a whole APDU, which may be protected already."""

    body: bytes = b""
    apdu: bytes = b""


def message_of(text: bytes) -> Message:
    """Read a body or APDU from JSON, XML, hexadecimal text or octets.

    Raises:
        Invalid, DlmsError: it is none of them, or no notification.
    """
    start = text.lstrip()[:1]
    if start == b"{" and (found := _typed_json(text)) is not None:
        return Message(body=axdr.encode(data_from_json(found)))
    if start in (b"{", b"[", b"<"):
        trees = from_xml(text.decode()) if start == b"<" else from_json(text.decode())
        return _from_trees(trees)
    octets = octets_from_text(text.decode()) if is_hexadecimal(text) else text
    return _from_octets(octets)


def _typed_json(text: bytes) -> object | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "type" in found else None


def _from_trees(trees: list[Node]) -> Message:
    if len(trees) != 1:
        raise Invalid(f"{len(trees)} frames", hint="One notification is sent at a time.")
    octets = octets_of(trees)
    if trees[0].name == DATA_FRAME:
        return Message(body=octets)
    return _from_octets(unwrap_all(octets)[0].apdu if trees[0].name == WRAPPER else octets)


def _from_octets(octets: bytes) -> Message:
    if octets[:1] in (bytes((DATA_NOTIFICATION,)), bytes((EVENT_NOTIFICATION,))) or is_ciphered(octets):
        return Message(apdu=octets)
    axdr.decode_all(octets)
    return Message(body=octets)
