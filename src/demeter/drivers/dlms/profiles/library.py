"""The library of meter profiles: the files that come with Demeter, and folders of one's own.

A file is one of three kinds: a ``profile`` is a kind of meter; a ``part`` is what several have in common (named by
``extends``); an ``overlay`` is what a maker adds to or changes in a profile or part, laid over it when asked for. Later
entries replace earlier ones with the same name, code or key. A new meter type is a file, not code.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self, TypeVar

from demeter.drivers.dlms.profiles import reading
from demeter.drivers.dlms.profiles.model import (
    AssociationInfo,
    EventCode,
    EventGroup,
    EventKind,
    MeterProfile,
    NamedObject,
    ProfileTable,
    Source,
)
from demeter.drivers.dlms.profiles.reading import Fields, ProfileError
from demeter.kernel import Commodity, NotFound
from demeter.protocols.dlms.push import Layout

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

KINDS: Final = ("profile", "part", "overlay")
NAMING_FILE: Final = "obis.json"
"""How logical names in general are put into words: not a meter profile."""


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """One file as read."""

    file: str
    id: str
    kind: str
    title: str
    source: Source
    standard: str
    extends: tuple[str, ...]
    overlays: str
    commodity: str
    phases: int | None
    objects: tuple[NamedObject, ...]
    tables: tuple[ProfileTable, ...]
    event_groups: tuple[EventGroup, ...]
    events: tuple[EventCode, ...]
    pushes: tuple[Layout, ...]
    associations: tuple[AssociationInfo, ...]


def read_file(file: str, text: str) -> ProfileFile:
    """Read one file.

    Raises:
        ProfileError: it is no profile; the message names the file and the field.
    """
    fields = Fields(file, "", reading.parse(file, text))
    kind = fields.take("kind", str)
    if kind not in KINDS:
        raise fields.wrong("kind", f"{kind!r} is none of {', '.join(KINDS)}")
    vendor = fields.take("vendor", str) if kind == "overlay" else ""
    name = fields.take("id", str)
    found = ProfileFile(
        file,
        name,
        kind,
        fields.take("title", str),
        reading.source(fields),
        fields.take("standard", str, default=""),
        fields.texts("extends"),
        fields.take("overlays", str) if kind == "overlay" else "",
        _commodity(fields),
        fields.maybe_number("phases", 1, 3),
        tuple(_unique(fields, "objects", reading.named_object, lambda each: each.obis)),
        tuple(_unique(fields, "tables", reading.table, lambda each: each.key)),
        tuple(_unique(fields, "event_groups", reading.event_group, lambda each: each.key)),
        tuple(_unique(fields, "events", partial(reading.event, vendor=vendor), lambda each: each.code)),
        tuple(_unique(fields, "pushes", partial(reading.push, of=name), lambda each: each.name)),
        tuple(_unique(fields, "associations", reading.association, lambda each: each.name)),
    )
    fields.end()
    return found


def _commodity(fields: Fields) -> str:
    text = fields.take("commodity", str, default=Commodity.ELECTRICITY.value)
    if text not in [commodity.value for commodity in Commodity]:
        raise fields.wrong("commodity", f"{text!r} is none of {', '.join(each.value for each in Commodity)}")
    return text


def _unique(fields: Fields, name: str, read: Callable[[Fields], T], key: Callable[[T], Hashable]) -> list[T]:
    found = fields.each(name, read)
    first: dict[Hashable, int] = {}
    for place, each in enumerate(found):
        before = first.setdefault(key(each), place)
        if before != place:
            raise fields.wrong(f"{name}[{place}]", f"{key(each)} stands in {name}[{before}] already")
    return found


class ProfileLibrary:
    """All profile files, by id."""

    def __init__(self, found: Iterable[ProfileFile]) -> None:
        self._files: dict[str, ProfileFile] = {}
        for each in found:
            before = self._files.setdefault(each.id, each)
            if before is not each:
                raise ProfileError(each.file, "id", f"{each.id} is taken by {before.file}")

    @classmethod
    def of(cls, *folders: Path) -> Self:
        """Return the files that come with Demeter and those (``*.json``) of some folders.

        Raises:
            ProfileError: a file is no profile, or an id occurs twice.
        """
        own = [
            read_file(path.name, path.read_text("utf-8"))
            for folder in folders
            for path in sorted(folder.glob("*.json"))
        ]
        return cls([*_shipped(), *own])

    @property
    def ids(self) -> tuple[str, ...]:
        """The kinds of meters, by id."""
        return tuple(sorted(each.id for each in self._files.values() if each.kind == "profile"))

    @property
    def push_layouts(self) -> tuple[Layout, ...]:
        """Every push layout, of all profiles, parts and overlays: a body tells itself which it has."""
        return tuple(layout for each in self._files.values() for layout in each.pushes)

    def overlays(self, profile_id: str) -> tuple[str, ...]:
        """Return the overlays that fit a profile.

        Raises:
            NotFound: there is no such profile.
        """
        parts = {each.id for each in self._line(profile_id)}
        return tuple(sorted(each.id for each in self._files.values() if each.overlays in parts))

    def profile(self, profile_id: str, overlays: Iterable[str] = ()) -> MeterProfile:
        """Return a kind of meter, with the overlays asked for.

        Raises:
            NotFound: there is no such profile or overlay, or the overlay is for another profile.
            ProfileError: the files contradict one another.
        """
        line = self._line(profile_id)
        fitting = self.overlays(profile_id)
        for name in overlays:
            if name not in fitting:
                hint = f"fitting: {', '.join(fitting) or 'none'}"
                raise NotFound(f"there is no overlay {name} for {profile_id}", code="meter_profile", hint=hint)
            line.append(self._files[name])
        merged = _merge(self._files[profile_id], line)
        _check(merged, line)
        return merged

    def _line(self, profile_id: str) -> list[ProfileFile]:
        """The files a profile is made of, the most general first."""
        if profile_id not in self._files or self._files[profile_id].kind == "overlay":
            hint = f"known: {', '.join(self.ids)}"
            raise NotFound(f"there is no meter profile {profile_id}", code="meter_profile", hint=hint)
        line: list[ProfileFile] = []
        self._visit(self._files[profile_id], line, ())
        return line

    def _visit(self, each: ProfileFile, line: list[ProfileFile], above: tuple[str, ...]) -> None:
        if each.id in above:
            raise ProfileError(each.file, "extends", f"in a circle: {' → '.join((*above, each.id))}")
        for place, name in enumerate(each.extends):
            if name not in self._files or self._files[name].kind == "overlay":
                raise ProfileError(each.file, f"extends[{place}]", f"there is no profile or part {name}")
            self._visit(self._files[name], line, (*above, each.id))
        if each not in line:
            line.append(each)


def _merge(last: ProfileFile, line: Iterable[ProfileFile]) -> MeterProfile:
    found = list(line)
    return MeterProfile(
        last.id,
        last.title,
        last.standard,
        MappingProxyType({each.id: each.source for each in found}),
        last.commodity,
        last.phases,
        _by(found, lambda each: each.objects, lambda entry: entry.obis),
        _by(found, lambda each: each.tables, lambda entry: entry.key),
        _by(found, lambda each: each.event_groups, lambda entry: entry.key),
        _by(found, lambda each: each.events, lambda entry: entry.code),
        _by(found, lambda each: each.pushes, lambda entry: entry.name),
        _by(found, lambda each: each.associations, lambda entry: entry.name),
    )


def _by(
    line: Iterable[ProfileFile], entries: Callable[[ProfileFile], Iterable[T]], key: Callable[[T], K]
) -> Mapping[K, T]:
    return MappingProxyType({key(entry): entry for each in line for entry in entries(each)})


def _check(profile: MeterProfile, line: Sequence[ProfileFile]) -> None:
    """Refuse files that contradict one another, with the file and field that does: the most special ones first."""
    for each in reversed(line):
        for place, event in enumerate(each.events):
            if profile.events[event.code] is event:
                wrong = _event_problem(profile, event)
                if wrong:
                    raise ProfileError(each.file, f"events[{place}].{wrong[0]}", wrong[1])
        for place, table in enumerate(each.tables):
            nameless = [capture.obis for capture in table.captures if capture.obis not in profile.objects]
            if nameless:
                raise ProfileError(each.file, f"tables[{place}].captures", f"{nameless[0]} is not among the objects")


def _event_problem(profile: MeterProfile, event: EventCode) -> tuple[str, str] | None:
    """The field of an event that is wrong, and why."""
    group = profile.event_groups.get(event.group)
    if group is None:
        return "group", f"there is no event group {event.group}"
    if not event.vendor and group.first and group.last and not group.first <= event.code <= group.last:
        return "code", f"{event.code} is outside {group.first} to {group.last} of the group {group.key}"
    wrong = _pair_problem(profile, event)
    return ("pair", wrong) if wrong else None


def _pair_problem(profile: MeterProfile, event: EventCode) -> str:
    """Why an event's pair is wrong; empty when it is right."""
    claimed = [other.code for other in profile.events.values() if other.pair == event.code != other.code]
    if claimed and event.pair not in claimed:
        return f"event {claimed[0]} says that {event.code} is its pair"
    if event.pair is None:
        return ""
    other = profile.events.get(event.pair)
    if other is None:
        return f"there is no event {event.pair}"
    if {event.kind, other.kind} != {EventKind.OCCURRENCE, EventKind.RESTORATION} or other.pair != event.code:
        return f"{event.code} and {event.pair} are not occurrence and restoration of each other"
    return ""


@lru_cache(maxsize=1)
def _shipped() -> tuple[ProfileFile, ...]:
    folder = files("demeter.drivers.dlms.profiles").joinpath("data")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".json") and each.name != NAMING_FILE)
    return tuple(read_file(name, folder.joinpath(name).read_text("utf-8")) for name in names)


@lru_cache(maxsize=1)
def builtin() -> ProfileLibrary:
    """Return the profiles that come with Demeter."""
    return ProfileLibrary(_shipped())


def naming_text() -> str:
    """Return the text of the file that puts logical names into words."""
    return files("demeter.drivers.dlms.profiles").joinpath("data").joinpath(NAMING_FILE).read_text("utf-8")
