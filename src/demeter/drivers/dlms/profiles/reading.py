"""Reading a profile file: every mistake is told with the file and the field it is in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from demeter.drivers.dlms.profiles.model import (
    AssociationInfo,
    EventCode,
    EventGroup,
    EventKind,
    NamedObject,
    ProfileTable,
    Source,
)
from demeter.kernel import Invalid
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.protocols.dlms.push import WORDS, Column, Layout, Shape, parse_scaler

T = TypeVar("T")
W = TypeVar("W", bound=StrEnum)

_MECHANISMS: Final = ("none", "lls", "hls")


class ProfileError(Invalid):
    """A profile file that cannot be used; ``file`` and ``field`` say where (``events[3].pair``)."""

    code = "meter_profile"

    def __init__(self, file: str, field: str, message: str) -> None:
        where = f"{file}: {field}: " if field else f"{file}: "
        super().__init__(where + message, hint="see the README beside the profiles for what a file holds")
        self.file = file
        self.field = field


class Fields:
    """The fields of one JSON object, taken one by one; what is left over in the end is a mistake too."""

    def __init__(self, file: str, path: str, found: Any) -> None:
        self.file = file
        self.path = path
        if not isinstance(found, dict):
            raise ProfileError(file, path, f"an object in braces is due, not {_shown(found)}")
        self._left = dict(found)

    def at(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def wrong(self, name: str, message: str) -> ProfileError:
        """Return the error that a field is wrong."""
        return ProfileError(self.file, self.at(name), message)

    def take(self, name: str, kind: type[T], *, default: T | None = None) -> T:
        """Return a field of a type.

        Raises:
            ProfileError: it is missing (and there is no default), or of another type.
        """
        found = self._left.pop(name, default)
        if found is None:
            raise self.wrong(name, "is missing")
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            raise self.wrong(name, f"{_KINDS.get(kind, kind.__name__)} is due, not {_shown(found)}")
        return found

    def has(self, name: str) -> bool:
        """Return whether a field is there and not yet taken."""
        return name in self._left

    def number(self, name: str, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        found = self.take(name, int)
        if not low <= found <= high:
            raise self.wrong(name, f"{found} is outside {low} to {high}")
        return found

    def maybe_number(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number, or None where the field is not there."""
        return self.number(name, low, high) if self.has(name) else None

    def obis(self, name: str) -> Obis:
        """Return a logical name."""
        text = self.take(name, str)
        try:
            return Obis.parse(text)
        except DlmsError as error:
            raise self.wrong(name, error.message) from None

    def maybe_obis(self, name: str) -> Obis | None:
        """Return a logical name, or None where the field is not there."""
        return self.obis(name) if self.has(name) else None

    def word(self, name: str, kind: type[W]) -> W:
        """Return a word of an enumeration."""
        text = self.take(name, str)
        if text not in [str(member) for member in kind]:
            raise self.wrong(name, f"{text!r} is none of {', '.join(str(member) for member in kind)}")
        return kind(text)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts; an absent list is empty."""
        found = self.take(name, list, default=[])
        for place, text in enumerate(found):
            if not isinstance(text, str):
                raise self.wrong(f"{name}[{place}]", f"text is due, not {_shown(text)}")
        return tuple(found)

    def each(self, name: str, read: Callable[[Fields], T]) -> list[T]:
        """Return what ``read`` makes of every object of a list; an absent list is empty."""
        found: list[T] = []
        for place, item in enumerate(self.take(name, list, default=[])):
            inner = Fields(self.file, f"{self.at(name)}[{place}]", item)
            found.append(read(inner))
            inner.end()
        return found

    def inner(self, name: str) -> Fields:
        """Return the fields of an object inside."""
        return Fields(self.file, self.at(name), self.take(name, dict))

    def end(self) -> None:
        """Refuse what is left.

        Raises:
            ProfileError: a field nobody knows: a typing mistake would otherwise be silent.
        """
        if self._left:
            raise self.wrong(min(self._left), "no such field")


_KINDS: Final[Mapping[type, str]] = {str: "text", int: "a whole number", list: "a list", dict: "an object in braces"}


def parse(file: str, text: str) -> Any:
    """Return the JSON of a file.

    Raises:
        ProfileError: it is none; the message has line and column.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ProfileError(file, f"line {error.lineno}, column {error.colno}", f"not JSON: {error.msg}") from None


def source(fields: Fields) -> Source:
    """Read where the facts come from; every file must say so."""
    inner = fields.inner("source")
    found = Source(inner.texts("from"), inner.texts("unverified"))
    inner.end()
    if not found.origin:
        raise fields.wrong("source.from", "at least one origin is due")
    return found


def named_object(fields: Fields) -> NamedObject:
    """Read ``{"obis", "class_id", "name"}``."""
    return NamedObject(fields.obis("obis"), fields.number("class_id", 1, 0xFFFF), _words(fields, "name"))


def capture(fields: Fields, place: int, text: str) -> CaptureObject:
    """Read a capture object: ``class name attribute`` and, rarely, an index: ``"3 1.0.1.29.0.255 2"``."""
    try:
        class_id, name, attribute, *index = text.split()
        (place_in_attribute,) = map(int, index or "0")
        return CaptureObject(int(class_id), Obis.parse(name), int(attribute), place_in_attribute)
    except (ValueError, DlmsError):
        message = f'a capture is "class name attribute", not {text!r}'
        raise fields.wrong(f"captures[{place}]", message) from None


def table(fields: Fields) -> ProfileTable:
    """Read a profile generic."""
    captures = fields.texts("captures")
    return ProfileTable(
        _words(fields, "key"),
        fields.obis("obis"),
        _words(fields, "name"),
        tuple(capture(fields, place, text) for place, text in enumerate(captures)),
        fields.maybe_obis("scaler_obis"),
        fields.maybe_obis("period_obis"),
        fields.maybe_number("entries", 0, 0xFFFFFFFF),
    )


def event_group(fields: Fields) -> EventGroup:
    """Read an event log."""
    return EventGroup(
        _words(fields, "key"),
        _words(fields, "name"),
        fields.obis("log"),
        fields.obis("code"),
        fields.maybe_obis("sequence"),
        fields.maybe_number("entries", 0, 0xFFFFFFFF),
        fields.maybe_number("first", 1, 0xFFFF),
        fields.maybe_number("last", 1, 0xFFFF),
    )


def event(fields: Fields, vendor: str = "") -> EventCode:
    """Read an event code."""
    return EventCode(
        fields.number("code", 0, 0xFFFFFFFF),
        _words(fields, "group"),
        fields.word("kind", EventKind),
        _words(fields, "meaning"),
        fields.maybe_number("pair", 0, 0xFFFFFFFF),
        vendor,
    )


def association(fields: Fields) -> AssociationInfo:
    """Read how a client associates."""
    mechanism = fields.take("mechanism", str)
    if mechanism not in _MECHANISMS:
        raise fields.wrong("mechanism", f"{mechanism!r} is none of {', '.join(_MECHANISMS)}")
    return AssociationInfo(
        _words(fields, "name"),
        fields.obis("obis"),
        fields.number("client_sap", 1, 0xFFFF),
        mechanism,
        fields.maybe_obis("counter"),
        fields.maybe_obis("security"),
    )


def push(fields: Fields, of: str) -> Layout:
    """Read a push layout of the file whose id is ``of``; its ``name`` is for people and stays in the file."""
    _words(fields, "name")
    shape = fields.word("shape", Shape)
    return Layout(
        f"{of}/{_words(fields, 'key')}",
        shape,
        _push_words(fields, "header"),
        _push_words(fields, "entry" if shape is Shape.ENTRIES else "cycle"),
        fields.take("starts", str, default=""),
        _push_lists(fields),
        _push_scalers(fields),
        fields.take("automatic", bool, default=True),
    )


def _push_words(fields: Fields, name: str) -> tuple[str, ...]:
    found = fields.texts(name)
    for place, word in enumerate(found):
        if word.removesuffix("?") not in WORDS:
            raise fields.wrong(f"{name}[{place}]", f"{word!r} is none of {', '.join(sorted(WORDS))}")
    return found


def _push_lists(fields: Fields) -> dict[int, tuple[Column, ...]]:
    found: dict[int, tuple[Column, ...]] = {}
    for place, columns in enumerate(fields.take("lists", list, default=[])):
        try:
            found[len(columns)] = tuple(map(Column.parse, columns))
        except (AttributeError, TypeError, DlmsError) as error:
            raise fields.wrong(f"lists[{place}]", str(error)) from None
        if len(found) <= place:
            raise fields.wrong(f"lists[{place}]", f"there is another list of {len(columns)} elements")
    return found


def _push_scalers(fields: Fields) -> dict[Obis, tuple[int, int]]:
    try:
        return {Obis.parse(name): parse_scaler(text) for name, text in fields.take("scalers", dict, default={}).items()}
    except (AttributeError, TypeError, DlmsError) as error:
        raise fields.wrong("scalers", str(error)) from None


def _words(fields: Fields, name: str) -> str:
    text = fields.take(name, str)
    if not text.strip():
        raise fields.wrong(name, "is empty")
    return text


def _shown(found: Any) -> str:
    return f"{found!r:.40}"
