"""A notification body → typed rows: by the push object list where it is known, else by the layout that fits.

Nothing is guessed: a layout fits when every element is what the layout says, and where two that are equally sure read
a body differently, neither is taken. What is not read is handed back whole, with the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from demeter.protocols.dlms.axdr import decode_all
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import DlmsError, Malformed
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile.captures import CaptureObject
from demeter.protocols.dlms.push.layout import Column, Layout, Objects, Scaler, Shape
from demeter.protocols.dlms.push.model import PushReading, PushRow, PushValue, Value

BY_OBJECTS: Final = "push objects"
"""The name readings bear that were read by the meter's own push object list."""

MOST_OBJECTS: Final = 256
"""Objects a push object list may hold."""

_CLOCK_CLASS: Final = 8
_PROFILE_CLASS: Final = 7
_VALUE: Final = 2
_SEQUENCES: Final = (Tag.ARRAY, Tag.STRUCTURE)
_TEXTS: Final = (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)
_NUMBERS: Final = frozenset(
    {
        Tag.INT8,
        Tag.INT16,
        Tag.INT32,
        Tag.INT64,
        Tag.UINT8,
        Tag.UINT16,
        Tag.UINT32,
        Tag.UINT64,
        Tag.ENUM,
        Tag.BCD,
        Tag.BOOLEAN,
    }
)
_METER_NAMES: Final = frozenset(
    map(
        Obis.parse,
        ("0.0.96.1.0.255", "0.0.96.1.1.255", "0.0.96.1.2.255", "1.0.0.0.0.255", "1.1.0.0.5.255", "0.0.42.0.0.255"),
    )
)
"""Whose value is a number or name of the meter: serial, equipment and device identifier, GS1 number, logical device."""
_NOTHING: Final[Objects] = MappingProxyType({})


class _Unfit(Exception):
    """This layout is not the one; the message tells why."""


@dataclass(slots=True)
class _Found:
    """What is gathered while a body is read."""

    layout: Layout
    objects: Objects
    names: list[str] = field(default_factory=list)
    push_obis: Obis | None = None
    at: CosemDateTime | None = None
    rows: list[PushRow] = field(default_factory=list)
    values: list[PushValue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def scaler(self, obis: Obis | None, attribute: int) -> tuple[int, int | None]:
        """Return scaler and unit of what does not tell them itself: as the layout or any of the meter's lists says."""
        if obis is None or attribute != _VALUE:
            return 0, None
        told = self.layout.scalers.get(obis)
        if told is None:
            columns = (column for columns in self.objects.values() for column in columns)
            told = next((each.scaler for each in columns if (each.obis, each.attribute) == (obis, _VALUE)), None)
        return told or (0, None)


def read_push(body: bytes | Data, layouts: Iterable[Layout], objects: Objects = _NOTHING) -> PushReading:
    """Read a body by what ``objects`` say the meter pushes, else with the one of ``layouts`` that fits.

    Raises:
        DlmsError: the octets are no A-XDR value.
    """
    data = body if isinstance(body, Data) else decode_all(body)
    reasons: list[str] = []
    if None in objects:
        whole = Layout(BY_OBJECTS, Shape.POSITIONS, lists={len(objects[None]): objects[None]})
        fitting = _fitting(data, (whole,), objects, reasons)
        if fitting:
            return fitting[0]
    for _, equals in groupby(sorted(layouts, key=attrgetter("rank")), key=attrgetter("rank")):
        fitting = _fitting(data, equals, objects, reasons)
        if fitting and all(replace(other, layout=fitting[0].layout) == fitting[0] for other in fitting[1:]):
            return fitting[0]
        if fitting:
            reasons.append(f"it may be {' or '.join(str(each.layout) for each in fitting)}")
            break
    return PushReading(None, data, reasons=tuple(reasons))


def _fitting(data: Data, layouts: Iterable[Layout], objects: Objects, reasons: list[str]) -> list[PushReading]:
    found = []
    for layout in layouts:
        try:
            found.append(_read(data, layout, objects))
        except _Unfit as reason:
            reasons.append(f"{layout.name}: {reason}")
    return found


def _read(data: Data, layout: Layout, objects: Objects) -> PushReading:
    if data.tag not in _SEQUENCES:
        raise _Unfit(f"the body is {data.tag.name}")
    if not data.value:
        raise _Unfit("the body is empty")
    if layout.starts and not _first_text(data.value[0]).startswith(layout.starts):
        raise _Unfit(f"it does not begin with {layout.starts!r}")
    found = _Found(layout, objects)
    _SHAPES[layout.shape](found, data.value)
    _end_row(found)
    if not found.rows:
        raise _Unfit("there are no values")
    at = found.at or found.rows[0].at
    return PushReading(
        layout.name, data, tuple(found.rows), tuple(found.names), found.push_obis, at, tuple(found.notes)
    )


def _first_text(first: Data) -> str:
    """The text a body begins with, be it in a structure of its own behind its logical name."""
    if first.tag is Tag.STRUCTURE:
        return next((text for text in map(_text, first.value[1:2]) if text), "")
    return _text(first) or ""


# Shapes


def _entries(found: _Found, items: Sequence[Data]) -> None:
    cycle = found.layout.cycle
    least = sum(not word.endswith("?") for word in cycle)
    for place, item in enumerate(items):
        if item.tag is not Tag.STRUCTURE or not least <= len(item.value) <= len(cycle):
            raise _Unfit(f"element {place} is no structure of {', '.join(cycle)}")
        _take(found, cycle, item.value, place)


def _flat(found: _Found, items: Sequence[Data]) -> None:
    header, cycle = found.layout.header, found.layout.cycle
    open_end = header[-1:] == ("rows",)
    fixed = header[:-1] if open_end else header
    if len(items) < len(fixed) + 1:
        raise _Unfit(f"{len(items)} elements")
    _take(found, fixed, items[: len(fixed)], 0)
    rest = items[len(fixed) :]
    if open_end:
        _rest(found, items[: len(fixed)], rest)
        return
    if not cycle or len(rest) % len(cycle):
        raise _Unfit(f"{len(rest)} elements are no sequence of {', '.join(cycle)}")
    for at in range(0, len(rest), len(cycle)):
        _take(found, cycle, rest[at : at + len(cycle)], len(fixed) + at)


def _positions(found: _Found, items: Sequence[Data]) -> None:
    columns = found.layout.lists.get(len(items))
    if columns is None:
        raise _Unfit(f"no list of {len(items)} elements")
    _by_columns(found, items, columns)


def _described(found: _Found, items: Sequence[Data]) -> None:
    """The push object list first, then its values (the list may name itself)."""
    try:
        captures = object_list(items[0])
    except DlmsError as error:
        raise _Unfit(f"the first element is no object list: {error}") from None
    values = items[1:]
    if len(captures) == len(items):
        captures = captures[1:]
    if not captures or len(values) != len(captures):
        raise _Unfit(f"{len(values)} values for {len(captures)} objects")
    _by_columns(found, values, [Column(item.obis, item.attribute, item.class_id) for item in captures])


_SHAPES: Final = {
    Shape.ENTRIES: _entries,
    Shape.FLAT: _flat,
    Shape.POSITIONS: _positions,
    Shape.DESCRIBED: _described,
}


def _rest(found: _Found, header: Sequence[Data], rest: Sequence[Data]) -> None:
    """What is behind a header: rows in an array, one row in a structure, or the rest of the body itself.

    A push object list names the whole body, header included; one of another length than the body tells nothing.
    """
    columns = found.objects.get(found.push_obis, ()) if found.push_obis else ()
    if len(columns) == len(header) + len(rest):
        _by_columns(found, rest, columns[len(header) :])
        return
    if columns:
        found.notes.append(f"{len(header) + len(rest)} values where {found.push_obis} has {len(columns)}")
    whole: Data = rest[0] if len(rest) == 1 else Data(Tag.STRUCTURE, tuple(rest))
    if whole.tag not in _SEQUENCES:
        whole = Data(Tag.STRUCTURE, (whole,))
    for row in whole.value if _is_table(whole) else (whole,):
        for place, item in enumerate(row.value):
            _add(found, PushValue(place, None), item)
        _end_row(found)


def _is_table(data: Data) -> bool:
    return data.tag is Tag.ARRAY and bool(data.value) and all(item.tag is Tag.STRUCTURE for item in data.value)


def object_list(data: Data) -> tuple[CaptureObject, ...]:
    """Return the attributes of a push object list; what later versions of the class add to each is left out.

    Raises:
        Malformed: it is no object list.
    """
    if data.tag not in _SEQUENCES or len(data.value) > MOST_OBJECTS:
        raise Malformed("a push object list is an array of objects", offset=0)
    return tuple(
        CaptureObject.from_data(Data(Tag.STRUCTURE, tuple(item.value[:4])) if item.tag is Tag.STRUCTURE else item)
        for item in data.value
    )


# Elements


def _take(found: _Found, words: Sequence[str], items: Sequence[Data], place: int) -> None:
    """Read elements as the words say; a ``value`` is added with what the others tell of it."""
    obis, class_id, attribute, scaler, value = None, None, 2, None, None
    for word, item in zip(words, items, strict=False):
        match word.removesuffix("?"):
            case "obis":
                obis = _obis(item, place)
            case "class":
                class_id = _number(item, place)
            case "attribute":
                attribute = _number(item, place)
            case "scaler_unit":
                scaler = _scaler(item, place)
            case "value":
                value = item
            case other:
                _head(found, other, item, place)
    if value is not None:
        named = PushValue(
            len(found.values), None, obis, attribute, class_id, *(scaler or found.scaler(obis, attribute))
        )
        _add(found, named, value)


def _head(found: _Found, word: str, item: Data, place: int) -> None:
    match word:
        case "push_obis":
            found.push_obis = _obis(item, place)
            if (found.push_obis.c, found.push_obis.d) != (25, 9):
                raise _Unfit(f"{found.push_obis} is no push setup")
        case "clock":
            if item.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME) or len(item.value) != 12:
                raise _Unfit(f"element {place} is no date-time")
            found.at = _moment(found, item.value)
        case _:
            text = _text(item)
            if text is None:
                raise _Unfit(f"element {place} is no text")
            if word == "meter_id":
                found.names.append(text)


def _by_columns(found: _Found, items: Sequence[Data], columns: Sequence[Column]) -> None:
    for place, (item, column) in enumerate(zip(items, columns, strict=True)):
        if column.obis is None:
            _head(found, "list", item, place)
        elif column.class_id == _PROFILE_CLASS and column.obis in found.objects:
            _table(found, item, found.objects[column.obis])
        else:
            _check(column, item, place)
            scaler = column.scaler or found.scaler(column.obis, column.attribute)
            named = PushValue(place, None, column.obis, column.attribute, column.class_id, *scaler)
            _add(found, named, item)


def _check(column: Column, item: Data, place: int) -> None:
    """A number where one is told, a time where a clock is: otherwise this is another list of the same length."""
    if column.scaler is not None and item.tag not in _NUMBERS and item.tag is not Tag.NULL:
        raise _Unfit(f"element {place} holds no number")
    if column.class_id == _CLOCK_CLASS and column.attribute == 2:
        octets = item.tag in (Tag.OCTET_STRING, Tag.DATE_TIME) and len(item.value) == 12
        if not octets and item.tag is not Tag.NULL:
            raise _Unfit(f"element {place} is no date-time")


def _table(found: _Found, table: Data, columns: Sequence[Column]) -> None:
    """Rows of a profile inside a body: each is a row of its own, whatever the body's other values are."""
    rows = table.value if table.tag is Tag.ARRAY else (table,)
    if not all(row.tag is Tag.STRUCTURE and len(row.value) == len(columns) for row in rows):
        raise _Unfit(f"the rows of a profile have not {len(columns)} columns")
    beside, found.values = found.values, []
    for row in rows:
        _by_columns(found, row.value, columns)
        _end_row(found)
    found.values = beside


def _add(found: _Found, named: PushValue, item: Data) -> None:
    if named.obis in _METER_NAMES and named.attribute == 2:
        name = _text(item)
        if name and name not in found.names:
            found.names.append(name)
    found.values.append(replace(named, value=_value(found, named, item)))


def _end_row(found: _Found) -> None:
    """Close a row. Its own clock column decides when it was, else the clock of the header."""
    if not found.values:
        return
    clocks = [item.value for item in found.values if item.is_clock]
    moments = [item.value for item in found.values if isinstance(item.value, CosemDateTime)]
    own = clocks or moments
    at = own[0] if own else found.at
    found.rows.append(PushRow(at if isinstance(at, CosemDateTime) else None, tuple(found.values)))
    found.values = []


def _value(found: _Found, named: PushValue, item: Data) -> Value:
    content = item.value
    if item.tag is Tag.NULL or item.tag in _NUMBERS:
        return None if item.tag is Tag.NULL else content if isinstance(content, bool) else int(content)
    if item.tag in (Tag.VISIBLE_STRING, Tag.UTF8_STRING):
        return str(content)
    if item.tag in (Tag.OCTET_STRING, Tag.DATE_TIME):
        clock = item.tag is Tag.DATE_TIME or named.obis is None or named.is_clock
        moment = _moment(found, content) if clock and len(content) == 12 else None
        return bytes(content) if moment is None else moment
    return item


def _moment(found: _Found, octets: bytes) -> CosemDateTime | None:
    """A date-time; an impossible one is noted and kept as octets: it must not lose the rest."""
    try:
        return CosemDateTime.from_bytes(octets)
    except DlmsError as error:
        found.notes.append(f"the time {octets.hex()} is impossible: {error.message}")
        return None


def _obis(item: Data, place: int) -> Obis:
    if item.tag is not Tag.OCTET_STRING or len(item.value) != 6:
        raise _Unfit(f"element {place} holds no logical name")
    return Obis.from_bytes(item.value)


def _number(item: Data, place: int) -> int:
    if item.tag not in _NUMBERS:
        raise _Unfit(f"element {place} holds no number")
    return int(item.value)


def _scaler(item: Data, place: int) -> Scaler:
    if item.tag is not Tag.STRUCTURE or [part.tag for part in item.value] != [Tag.INT8, Tag.ENUM]:
        raise _Unfit(f"element {place} holds no scaler and unit")
    return item.value[0].value, item.value[1].value


def _text(item: Data) -> str | None:
    """The text of a string; octets that are no printable ASCII in hexadecimal."""
    if item.tag not in _TEXTS:
        return None
    if isinstance(item.value, str):
        return item.value
    octets = bytes(item.value)
    return octets.decode("ascii") if octets.isascii() and octets.decode("ascii").isprintable() else octets.hex()
