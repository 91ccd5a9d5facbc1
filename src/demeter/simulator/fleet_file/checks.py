"""Checking the values of a fleet file: what does not fit is reported with file, line and field, all of it at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from demeter.kernel import Invalid
from demeter.simulator.fleet_file.documents import Document, Place

T = TypeVar("T")
_UNITS_S: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"([+-]?)(\d+)\s*(s|min|m|h|d|w)")
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not fit."""

    field: str
    line: int | None
    message: str


class FleetFileError(Invalid):
    """A fleet file that cannot be used; ``problems`` lists everything found."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        lines = [f"{name}{'' if p.line is None else f':{p.line}'}: {p.field}: {p.message}" for p in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            lines.append(f"… and {len(problems) - _SHOWN} more")
        super().__init__("\n".join(lines), hint="`demeter simulate --example` prints a file with every part explained")
        self.problems = tuple(problems)


@dataclass(slots=True)
class Findings:
    """Problems found so far in a document."""

    document: Document
    problems: list[Problem] = field(default_factory=list)

    def add(self, place: Place, message: str) -> None:
        """Report a problem at a place."""
        self.problems.append(Problem(place_words(place), self.document.line(place), message))

    def stop(self) -> None:
        """Raise what was found, in the order of lines.

        Raises:
            FleetFileError: anything was.
        """
        if self.problems:
            raise FleetFileError(self.document.name, sorted(self.problems, key=lambda found: found.line or 0))


def place_words(place: Place) -> str:
    """Return a place as a person writes it: ``groups[0].load.shape``."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return words.removeprefix(".") or "the file"


class Unfit(Exception):
    """A value that does not fit; the message tells why."""


Check = Callable[[Any], Any]
"""Returns the value as it is used, or raises :class:`Unfit`."""


class Fields:
    """The fields of one mapping. ``take`` each that is known, then ``finish``: what is left is unknown."""

    def __init__(self, value: object, place: Place, findings: Findings) -> None:
        self.place = place
        self.findings = findings
        self._left: dict[str, Any] = {}
        self._known: list[str] = []
        if isinstance(value, Mapping):
            self._left = {str(key): each for key, each in value.items()}
        elif value is not None:
            findings.add(place, f"{_shown(value)} where fields and their values are expected")

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, check: Check, default: Any = None) -> Any:
        """Return a field's value, checked; the default where it is missing or does not fit."""
        self._known.append(name)
        if name not in self._left:
            return default
        value = self._left.pop(name)
        try:
            return check(value)
        except Unfit as reason:
            self.findings.add((*self.place, name), str(reason))
            return default

    def need(self, name: str, check: Check, default: Any) -> Any:
        """Return a field that must be there."""
        if name not in self._left:
            self.findings.add(self.place, f"{name} is missing")
        return self.take(name, check, default)

    def names(self) -> tuple[str, ...]:
        """Return the names of the fields not taken yet."""
        return tuple(self._left)

    def peek(self, name: str) -> Any:
        """Return a field's value unchecked, and leave it."""
        return self._left.get(name)

    def within(self, name: str) -> Fields:
        """Return the fields of a mapping inside; none where it is missing."""
        self._known.append(name)
        return Fields(self._left.pop(name, None), (*self.place, name), self.findings)

    def each(self, name: str) -> list[tuple[Any, Place]]:
        """Return the elements of a list with their places; none where it is missing."""
        self._known.append(name)
        value = self._left.pop(name, None)
        place = (*self.place, name)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            self.findings.add(place, f"{_shown(value)} where a list is expected")
            return []
        return [(element, (*place, number)) for number, element in enumerate(value)]

    def finish(self) -> None:
        """Report the fields nobody knows."""
        for name in self._left:
            near = difflib.get_close_matches(name, self._known, 1)
            also = f": did you mean {near[0]}?" if near else f"; known: {', '.join(sorted(set(self._known)))}"
            self.findings.add((*self.place, name), f"unknown field{also}")


def whole(low: int, high: int) -> Check:
    """Return the check of a whole number."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit(f"{_shown(value)} is no whole number")
        if not low <= value <= high:
            raise Unfit(f"{value} is outside {low} to {high}")
        return value

    return check


def words(value: object) -> str:
    """Check a text. A number is refused: YAML has read it already, and 0012 would have become 10."""
    if not isinstance(value, str):
        raise Unfit(f"{_shown(value)} is no text: put it in quotes")
    return value


def flag(value: object) -> bool:
    """Check a truth value."""
    if not isinstance(value, bool):
        raise Unfit(f"{_shown(value)} is neither true nor false")
    return value


def one_of(options: Iterable[str]) -> Check:
    """Return the check of a word among some."""
    known = [str(option) for option in options]

    def check(value: object) -> str:
        if value not in known:
            near = difflib.get_close_matches(str(value), known, 1)
            raise Unfit(
                f"{_shown(value)} is none of {', '.join(known)}" + (f": did you mean {near[0]}?" if near else "")
            )
        return str(value)

    return check


def hexadecimal(*sizes: int) -> Check:
    """Return the check of octets as hexadecimal digits, of one of some sizes."""

    def check(value: object) -> str:
        text = words(value)
        try:
            octets = bytes.fromhex(text)
        except ValueError:
            raise Unfit(f"{_shown(value)} is not made of hexadecimal digits") from None
        if len(octets) not in sizes:
            due = " or ".join(str(2 * size) for size in sizes)
            raise Unfit(f"{len(text)} hexadecimal digits where {due} belong")
        return text.lower()

    return check


def duration(low: int, high: int) -> Check:
    """Return the check of a duration: seconds, or text such as ``15m``, ``2h``, ``3d``."""

    def check(value: object) -> int:
        seconds = value if isinstance(value, int) and not isinstance(value, bool) else _seconds(value)
        if not low <= seconds <= high:
            raise Unfit(f"{value} is outside {low} to {high} seconds")
        return seconds

    return check


def _seconds(value: object) -> int:
    found = _DURATION.fullmatch(str(value).strip())
    if found is None or isinstance(value, bool):
        raise Unfit(f"{_shown(value)} is no duration: write seconds, or 90s, 15m, 2h, 3d")
    sign, number, unit = found.groups()
    return (-1 if sign == "-" else 1) * int(number) * _UNITS_S[unit]


def moment(now_s: int, zone: str) -> Check:
    """Return the check of an instant: ISO 8601 (no offset: in ``zone``), epoch seconds, or ``-2h``, ``+10m``."""

    def check(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        text = value.isoformat() if isinstance(value, datetime) else str(value).strip()
        if text[:1] in ("+", "-"):
            return now_s + _seconds(text)
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise Unfit(
                f"{_shown(value)} is no instant: write 2026-10-01T06:00, or -2h or +10m from the start"
            ) from None
        return int((at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).timestamp())

    return check


def zone_name(value: object) -> str:
    """Check the name of an IANA time zone."""
    try:
        ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise Unfit(f"{_shown(value)} is no IANA time zone, such as Asia/Kolkata") from None
    return str(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
