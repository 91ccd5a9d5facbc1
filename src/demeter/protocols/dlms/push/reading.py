"""A notification body → typed rows: by the push object list where it is known, else by the first layout that fits.

Nothing is guessed: a layout fits when every element is what the layout says. What fits none is handed back whole, with
the reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from demeter.protocols.dlms.axdr import decode_all
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import DlmsError, Malformed
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile.captures import CaptureObject, decode_capture_objects
from demeter.protocols.dlms.push.layout import Column, Layout, Scaler, builtin_layouts
from demeter.protocols.dlms.push.model import PushReading, PushRow, PushValue, Value

_CLOCK_CLASS: Final = 8
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


class _Unfit(Exception):
    """This layout is not the one; the message tells why."""


@dataclass(slots=True)
class _Found:
    """What is gathered while a body is read."""

    layout: Layout
    meter_id: str | None = None
    push_obis: Obis | None = None
    at: CosemDateTime | None = None
    rows: list[PushRow] = field(default_factory=list)
    values: list[PushValue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_push(body: bytes | Data, layouts: Sequence[Layout] | None = None, *, name: str | None = None) -> PushReading:
    """Read a body with the layout called ``name``, or with the first of ``layouts`` (built-in ones) that fits.

    Raises:
        DlmsError: the octets are no A-XDR value.
        Malformed: there is no layout of that name.
    """
    data = body if isinstance(body, Data) else decode_all(body)
    known = builtin_layouts() if layouts is None else layouts
    chosen = [layout for layout in known if (layout.automatic if name is None else layout.name == name)]
    if name is not None and not chosen:
        raise Malformed(f"there is no push layout {name!r}")
    reasons = []
    for layout in chosen:
        try:
            return _read(data, layout)
        except _Unfit as reason:
            reasons.append(f"{layout.name}: {reason}")
    return PushReading(None, data, reasons=tuple(reasons))


def read_push_objects(
    body: bytes | Data,
    captures: Sequence[CaptureObject],
    scalers: Mapping[tuple[Obis, int], Scaler] | None = None,
) -> PushReading:
    """Read a body whose push object list is known: one value for each capture, or an array of such rows.

    ``scalers`` are those of :func:`~demeter.protocols.dlms.profile.decode_scaler_profile`. A body of another number of
    values is handed back whole, with the reason.

    Raises:
        DlmsError: the octets are no A-XDR value.
    """
    data = body if isinstance(body, Data) else decode_all(body)
    known = scalers or {}
    columns = tuple(
        Column(item.obis, item.attribute, item.class_id, known.get((item.obis, item.attribute))) for item in captures
    )
    found = _Found(Layout("objects", "positions"))
    try:
        for row in _rows_of(data, len(columns)):
            _by_columns(found, row, columns)
            _end_row(found)
    except _Unfit as reason:
        return PushReading(None, data, reasons=(f"objects: {reason}",))
    return _reading(found, data)


def _read(data: Data, layout: Layout) -> PushReading:
    if data.tag not in layout.bodies:
        raise _Unfit(f"the body is {data.tag.name}")
    if not data.value:
        raise _Unfit("the body is empty")
    if layout.starts and not (_text(data.value[0]) or "").startswith(layout.starts):
        raise _Unfit(f"it does not begin with {layout.starts!r}")
    found = _Found(layout)
    shape = {"entries": _entries, "flat": _flat, "positions": _positions, "described": _described}[layout.shape]
    shape(found, data.value)
    _end_row(found)
    if not found.rows:
        raise _Unfit("there are no values")
    return _reading(found, data)


def _reading(found: _Found, data: Data) -> PushReading:
    at = found.at or (found.rows[0].at if found.rows else None)
    return PushReading(
        found.layout.name, data, tuple(found.rows), found.meter_id, found.push_obis, at, tuple(found.notes)
    )


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
        _rest(found, rest)
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
        captures = decode_capture_objects(_as_array(items[0]))
    except DlmsError as error:
        raise _Unfit(f"the first element is no object list: {error}") from None
    values = items[1:]
    if len(captures) == len(items):
        captures = captures[1:]
    if not captures or len(values) != len(captures):
        raise _Unfit(f"{len(values)} values for {len(captures)} objects")
    _by_columns(found, values, [Column(item.obis, item.attribute, item.class_id) for item in captures])


def _rest(found: _Found, rest: Sequence[Data]) -> None:
    """The values behind a header: rows in an array, one row in a structure, or the rest of the body itself."""
    columns = found.layout.objects.get(found.push_obis) if found.push_obis else None
    whole: Data = rest[0] if len(rest) == 1 else Data(Tag.STRUCTURE, tuple(rest))
    if whole.tag not in _SEQUENCES:
        whole = Data(Tag.STRUCTURE, (whole,))
    rows = whole.value if _is_table(whole) else (whole,)
    for row in rows:
        if columns is not None and len(columns) == len(row.value):
            _by_columns(found, row.value, columns)
        else:
            if columns is not None:
                found.notes.append(f"{len(row.value)} values where {found.push_obis} has {len(columns)}")
            for place, item in enumerate(row.value):
                _add(found, PushValue(place, None), item)
        _end_row(found)


def _rows_of(data: Data, count: int) -> Sequence[Sequence[Data]]:
    if data.tag not in _SEQUENCES:
        raise _Unfit(f"the body is {data.tag.name}")
    if len(data.value) == count and not (count == 1 and _is_table(data)):
        return [data.value]
    if data.value and all(item.tag is Tag.STRUCTURE and len(item.value) == count for item in data.value):
        return [item.value for item in data.value]
    raise _Unfit(f"{len(data.value)} elements where {count} were captured")


def _is_table(data: Data) -> bool:
    return data.tag is Tag.ARRAY and bool(data.value) and all(item.tag is Tag.STRUCTURE for item in data.value)


def _as_array(data: Data) -> Data:
    return Data(Tag.ARRAY, data.value) if data.tag is Tag.STRUCTURE else data


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
        scaler = scaler or (found.layout.scalers.get(obis) if obis else None)
        named = PushValue(len(found.values), None, obis, attribute, class_id, *(scaler or (0, None)))
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
                found.meter_id = text


def _by_columns(found: _Found, items: Sequence[Data], columns: Sequence[Column]) -> None:
    for place, (item, column) in enumerate(zip(items, columns, strict=True)):
        if column.obis is None:
            _head(found, "list", item, place)
            continue
        scaler = column.scaler or found.layout.scalers.get(column.obis) or (0, None)
        named = PushValue(place, None, column.obis, column.attribute, column.class_id, *scaler)
        _add(found, named, item)


def _add(found: _Found, named: PushValue, item: Data) -> None:
    value = _value(found, named, item)
    if named.obis in found.layout.meter_id and found.meter_id is None:
        found.meter_id = _text(item)
    found.values.append(
        PushValue(named.place, value, named.obis, named.attribute, named.class_id, named.scaler, named.unit)
    )


def _end_row(found: _Found) -> None:
    if found.values:
        at = next((item.value for item in found.values if isinstance(item.value, CosemDateTime)), None)
        found.rows.append(PushRow(at, tuple(found.values)))
        found.values = []


def _value(found: _Found, named: PushValue, item: Data) -> Value:
    content = item.value
    if item.tag is Tag.NULL or item.tag in _NUMBERS:
        return None if item.tag is Tag.NULL else content if isinstance(content, bool) else int(content)
    if item.tag in (Tag.VISIBLE_STRING, Tag.UTF8_STRING):
        return str(content)
    if item.tag in (Tag.OCTET_STRING, Tag.DATE_TIME):
        clock = item.tag is Tag.DATE_TIME or _is_clock(named)
        moment = _moment(found, content) if clock and len(content) == 12 else None
        return bytes(content) if moment is None else moment
    return item


def _is_clock(named: PushValue) -> bool:
    """Whether twelve octets are a time: a clock of any channel, or a value nobody named."""
    obis = named.obis
    return named.class_id == _CLOCK_CLASS or obis is None or (obis.a, obis.c, obis.d, obis.e) == (0, 1, 0, 0)


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
