"""Pushes: which layout a body has, and what its values are.

A body is recognised by its marker (the list's name, or the logical name of the push setup), its form and the kinds of
its values; where nothing fits, nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from demeter.drivers.dlms.profiles.model import ItemKind, PushForm, PushItem, PushLayout
from demeter.protocols.dlms.classes.shapes import INTEGERS
from demeter.protocols.dlms.data import CompactArray, Data, Tag
from demeter.protocols.dlms.errors import DlmsError, Unsupported
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.protocols.dlms.profile.captures import decode_scaler_unit

_TEXT_TAGS: Final = (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)
_NAME_OCTETS: Final = 6
_MOMENT_OCTETS: Final = 12
_LEAST_STRUCTURE: Final = 2


@dataclass(frozen=True, slots=True)
class PushedValue:
    """One value of a push; ``scaler`` and ``unit`` (code) where the layout or the body tells them."""

    obis: Obis
    data: Data
    attribute: int = 2
    scaler: int | None = None
    unit: int | None = None

    @property
    def quantity(self) -> Decimal | None:
        """The exact number, in ``unit``; None where it is none or has no scaler."""
        if self.scaler is None or self.data.tag not in INTEGERS:
            return None
        return Decimal(self.data.value).scaleb(self.scaler)


def detect(body: Data, layouts: Iterable[PushLayout]) -> PushLayout | None:
    """Return the layout of a push body: the first that fits, those with a marker before those without."""
    ordered = sorted(layouts, key=lambda layout: layout.marker is None)
    return next((layout for layout in ordered if _fits(body, layout)), None)


def read_push(body: Data, layout: PushLayout, listed: Sequence[CaptureObject] = ()) -> tuple[PushedValue, ...]:
    """Return the values of a body.

    ``listed``: the push setup's object list as read from the meter; it names the values of the form ``setup``, of which
    the layout itself knows only the first few. Values nobody names are left out.

    Raises:
        Unsupported: the body does not have this layout.
    """
    if not _fits(body, layout):
        raise Unsupported(f"the push is not laid out as {layout.name}")
    if layout.form is PushForm.SETUP and listed:
        named = zip(listed, _items(body), strict=False)
        return tuple(PushedValue(capture.obis, data, capture.attribute) for capture, data in named)
    return _READERS[layout.form](_items(body), layout)


def _items(body: Data) -> Sequence[Data]:
    if isinstance(body.value, CompactArray):
        return body.value.items
    return body.value if body.tag in (Tag.STRUCTURE, Tag.ARRAY) else ()


def _fits(body: Data, layout: PushLayout) -> bool:
    items = _items(body)
    marker = layout.marker
    if marker is not None and (len(items) <= marker.at or _octets(items[marker.at]) != marker.octets):
        return False
    return bool(items) and _FORMS[layout.form](items, layout)


def _positional(items: Sequence[Data], layout: PushLayout) -> bool:
    return len(items) == len(layout.items) and all(map(_is_kind, items, layout.items))


def _pairs(items: Sequence[Data], layout: PushLayout) -> bool:
    named = items[_after_marker(layout) :]
    return len(named) % 2 == 0 and bool(named) and all(_is_name(name) for name in named[::2])


def _structures(items: Sequence[Data], layout: PushLayout) -> bool:
    known = {item.obis.to_bytes() for item in layout.items}
    named = all(
        item.tag is Tag.STRUCTURE and len(item.value) >= _LEAST_STRUCTURE and _is_name(item.value[0]) for item in items
    )
    return named and any(item.value[0].value in known for item in items)


def _setup(items: Sequence[Data], layout: PushLayout) -> bool:
    return len(items) >= len(layout.items) and all(map(_is_kind, items, layout.items))


def _read_positional(items: Sequence[Data], layout: PushLayout) -> tuple[PushedValue, ...]:
    return tuple(
        PushedValue(item.obis, data, scaler=item.scaler, unit=item.unit)
        for item, data in zip(layout.items, items, strict=False)
    )


def _read_pairs(items: Sequence[Data], layout: PushLayout) -> tuple[PushedValue, ...]:
    scales: dict[Obis, PushItem] = {item.obis: item for item in layout.items}
    named = items[_after_marker(layout) :]
    found = []
    for name, data in zip(named[::2], named[1::2], strict=True):
        obis = Obis.from_bytes(name.value)
        item = scales.get(obis)
        scaler, unit = (item.scaler, item.unit) if item else (None, None)
        found.append(PushedValue(obis, data, scaler=scaler, unit=unit))
    return tuple(found)


def _read_structures(items: Sequence[Data], layout: PushLayout) -> tuple[PushedValue, ...]:
    scales = {item.obis: item for item in layout.items}
    found = []
    for item in items:
        name, data, *scale = item.value
        obis = Obis.from_bytes(name.value)
        known = scales.get(obis)
        scaler, unit = (known.scaler, known.unit) if known else (None, None)
        if scale:
            scaler, unit = _scale(scale[0], (scaler, unit))
        found.append(PushedValue(obis, data, scaler=scaler, unit=unit))
    return tuple(found)


def _scale(data: Data, otherwise: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
    try:
        return decode_scaler_unit(data)
    except DlmsError:
        return otherwise


def _after_marker(layout: PushLayout) -> int:
    return 0 if layout.marker is None else layout.marker.at + 1


def _is_name(data: Data) -> bool:
    return data.tag is Tag.OCTET_STRING and len(data.value) == _NAME_OCTETS


def _is_kind(data: Data, item: PushItem) -> bool:
    if item.kind is ItemKind.NUMBER:
        return data.tag in INTEGERS
    if item.kind is ItemKind.MOMENT:
        octets = data.tag in (Tag.OCTET_STRING, Tag.DATE_TIME) and len(data.value) == _MOMENT_OCTETS
        return octets or data.tag is Tag.NULL
    if item.kind is ItemKind.NAME:
        return _octets(data) == item.obis.to_bytes()
    return data.tag in _TEXT_TAGS


def _octets(data: Data) -> bytes | None:
    if data.tag is Tag.OCTET_STRING:
        return bytes(data.value)
    return data.value.encode() if data.tag in _TEXT_TAGS else None


_FORMS: Final[Mapping[PushForm, Callable[[Sequence[Data], PushLayout], bool]]] = {
    PushForm.POSITIONAL: _positional,
    PushForm.PAIRS: _pairs,
    PushForm.STRUCTURES: _structures,
    PushForm.SETUP: _setup,
}
_READERS: Final[Mapping[PushForm, Callable[[Sequence[Data], PushLayout], tuple[PushedValue, ...]]]] = {
    PushForm.POSITIONAL: _read_positional,
    PushForm.PAIRS: _read_pairs,
    PushForm.STRUCTURES: _read_structures,
    PushForm.SETUP: _read_positional,
}
