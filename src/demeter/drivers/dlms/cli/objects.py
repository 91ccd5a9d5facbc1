"""What a person means by OBJECT: class, logical name, attribute; a logical name alone; a name out of the profiles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from demeter.drivers.dlms.profiles import MeterProfile, builtin, obis_name
from demeter.kernel import Commodity, Invalid, NotFound
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.obis import Obis

PROFILE_CLASS: Final = 7
ELECTRICITY_MEDIUM, WATER_MEDIUM = 1, 8
_SIMILAR: Final = 6


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object, or one attribute or method of it. ``class_id`` None: to be looked up."""

    text: str
    obis: Obis
    class_id: int | None = None
    member: int | None = None


def wanted(text: str, commodity: Commodity = Commodity.ELECTRICITY) -> Wanted:
    """Read OBJECT: ``class:obis:attribute``, ``class:obis``, ``obis:attribute``, ``obis``, or a name.

    Raises:
        NotFound: no such name; the hint has those that are like it.
        Invalid: numbers that are no object.
    """
    for class_id, name, member in _readings(text):
        try:
            obis = Obis.parse(name)
        except DlmsError:
            continue
        if class_id is not None and not 0 < class_id <= 0xFFFF:
            raise Invalid(f"{text}: {class_id} is no class")
        return Wanted(text, obis, class_id, member)
    if re.fullmatch(r"[\d.:*&-]+", text):
        raise Invalid(f"{text} is no object", hint="Write class:obis:attribute, for example 3:1.0.1.8.0.255:2.")
    return _named(text, commodity)


def _readings(text: str) -> Iterator[tuple[int | None, str, int | None]]:
    """The ways to read it: colons part class and attribute, and stand in ``1-0:1.8.0`` as well."""
    yield None, text, None
    head, _, rest = text.partition(":")
    front, _, tail = rest.rpartition(":")
    if head.isdecimal():
        if front and _is_member(tail):
            yield int(head), front, int(tail)
        yield int(head), rest, None
    name, _, last = text.rpartition(":")
    if name and _is_member(last):
        yield None, name, int(last)


def _is_member(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d{1,3}", text)) and -128 <= int(text) <= 127


def _named(text: str, commodity: Commodity) -> Wanted:
    key, member = _folded(text), None
    found = _names().get(key)
    if found is None and _is_member(text.rpartition(":")[2]):
        name, _, last = text.rpartition(":")
        key, member = _folded(name), int(last)
        found = _names().get(key)
    if found is None:
        like = [name for name in _names() if key in name or name in key][:_SIMILAR]
        tables = ", ".join(sorted(name for name, each in _names().items() if each.class_id == PROFILE_CLASS)[:12])
        hint = f"Like it: {', '.join(like)}." if like else f"Profiles: {tables}. Or write an OBIS code."
        raise NotFound(f"no object is called {text!r}", hint=hint)
    obis = found.obis
    if commodity is Commodity.WATER and found.class_id == PROFILE_CLASS and obis.a == ELECTRICITY_MEDIUM:
        obis = replace(obis, a=WATER_MEDIUM)
    return replace(found, text=text, obis=obis, member=member)


def _folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@lru_cache(maxsize=1)
def _profiles() -> tuple[MeterProfile, ...]:
    """All kinds of meters, those of IS 15959 for single phase first: the names are theirs where several have one."""
    library = builtin()
    ids = sorted(library.ids, key=lambda name: (not name.startswith("is15959-2-single"), name))
    return tuple(library.profile(name) for name in ids)


@lru_cache(maxsize=1)
def _names() -> dict[str, Wanted]:
    """Tables by key and name, objects by name."""
    found: dict[str, Wanted] = {}
    for profile in _profiles():
        for table in profile.tables.values():
            for name in (table.key, table.name):
                found.setdefault(_folded(name), Wanted(name, table.obis, PROFILE_CLASS))
        for each in profile.objects.values():
            found.setdefault(_folded(each.name), Wanted(each.name, each.obis, each.class_id))
    for key in ("block", "daily"):
        if key in found:
            found.setdefault(f"{key}-load", found[key])
    return found


def classes_of(obis: Obis) -> tuple[int, ...]:
    """Return the classes the profiles know a logical name under."""
    known = {each.class_id for profile in _profiles() for each in profile.objects.values() if each.obis == obis}
    tables = {PROFILE_CLASS for profile in _profiles() for table in profile.tables.values() if table.obis == obis}
    return tuple(sorted(known | tables))


def scaler_profiles(obis: Obis) -> tuple[Obis, ...]:
    """Return where kinds of meters keep the scalers of a profile's columns."""
    found = {
        table.scaler_obis
        for profile in _profiles()
        for table in profile.tables.values()
        if table.scaler_obis is not None and (table.obis == replace(obis, a=table.obis.a))
    }
    return tuple(sorted(replace(each, a=obis.a) for each in found))


def name_of(obis: Obis) -> str:
    """Return what a logical name stands for: as the profiles call it, else by the value groups."""
    return _known_names().get(obis) or obis_name(obis)


def event_words(obis: Obis, code: int) -> str:
    """Return what an event code means, where ``obis`` is an object that holds such codes; else nothing."""
    for profile in _profiles():
        if any(group.code == obis for group in profile.event_groups.values()):
            found = profile.events.get(code)
            return found.meaning if found else ""
    return ""


@lru_cache(maxsize=1)
def _known_names() -> dict[Obis, str]:
    found: dict[Obis, str] = {}
    for profile in _profiles():
        for table in profile.tables.values():
            found.setdefault(table.obis, table.name)
        for each in profile.objects.values():
            found.setdefault(each.obis, each.name)
    return found
