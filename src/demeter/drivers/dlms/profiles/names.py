"""Logical names in words a person understands: by the meter's profile, else by the value groups of the standard."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from demeter.drivers.dlms.profiles import reading
from demeter.drivers.dlms.profiles.library import NAMING_FILE, naming_text
from demeter.drivers.dlms.profiles.model import MeterProfile
from demeter.drivers.dlms.profiles.reading import Fields
from demeter.protocols.dlms.obis import Obis

_CURRENT: Final = 255
_ELECTRICITY: Final = 1
_TARIFFED: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 29, 30})
"""Kinds of processing (group D) whose group E is the tariff; 0 is the total."""
_TOTALLED: Final = frozenset({8, 9})


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A logical name whose groups may be free (None)."""

    groups: tuple[int | None, ...]
    name: str

    def fits(self, obis: Obis) -> bool:
        found = (obis.a, obis.b, obis.c, obis.d, obis.e, _CURRENT)
        return all(wanted is None or wanted == group for wanted, group in zip(self.groups, found, strict=True))


@dataclass(frozen=True)
class _Naming:
    media: dict[int, str]
    quantities: dict[int, tuple[str, str]]
    processing: dict[int, tuple[str, str]]
    patterns: tuple[_Pattern, ...]


def obis_name(obis: Obis | str, profile: MeterProfile | None = None) -> str:
    """Return what a logical name stands for, in words; never raises for a valid name.

    Raises:
        Malformed: the text is no OBIS code.
    """
    code = Obis.parse(obis) if isinstance(obis, str) else obis
    current = Obis(code.a, code.b, code.c, code.d, code.e)
    known = profile.objects.get(code) or profile.objects.get(current) if profile else None
    words = known.name if known else _general(current)
    return words if code.f == _CURRENT or (known and known.obis == code) else f"{words}, billing period {code.f}"


def _general(code: Obis) -> str:
    naming = _naming()
    fitting = [pattern for pattern in naming.patterns if pattern.fits(code)]
    if fitting:
        best = max(fitting, key=lambda pattern: sum(group is not None for group in pattern.groups))
        return best.name.format(b=code.b, e=code.e)
    if code.a == _ELECTRICITY and code.c in naming.quantities and code.d in naming.processing:
        return _quantity(naming, code)
    return f"{naming.media.get(code.a, f'Medium {code.a}')} object {code}"


def _quantity(naming: _Naming, code: Obis) -> str:
    of, processing = naming.processing[code.d]
    power, energy = naming.quantities[code.c]
    words = [energy if of == "energy" else power]
    if code.d in _TARIFFED and code.e:
        words.append(f"tariff {code.e}")
    elif code.d in _TOTALLED:
        words.append("total")
    elif code.e:
        words.append(f"harmonic or part {code.e}")
    words += [processing] if processing else []
    words += [f"channel {code.b}"] if code.b else []
    return ", ".join(words)


@lru_cache(maxsize=1)
def _naming() -> _Naming:
    fields = Fields(NAMING_FILE, "", reading.parse(NAMING_FILE, naming_text()))
    reading.source(fields)
    media = fields.take("media", dict)
    quantities = fields.each("quantities", lambda each: (each.number("c", 0, 255), _two(each, "power", "energy")))
    processing = fields.each("processing", lambda each: (each.number("d", 0, 255), _two(each, "of", "words")))
    patterns = fields.each("objects", _pattern)
    fields.end()
    return _Naming(
        {int(number): str(word) for number, word in media.items()}, dict(quantities), dict(processing), tuple(patterns)
    )


def _two(fields: Fields, one: str, other: str) -> tuple[str, str]:
    return fields.take(one, str), fields.take(other, str)


def _pattern(fields: Fields) -> _Pattern:
    text = fields.take("obis", str)
    groups = tuple(int(group) if group.isdigit() else None for group in text.split("."))
    if len(groups) != 6:
        raise fields.wrong("obis", f"six groups are due, not {text!r}")
    return _Pattern(groups, fields.take("name", str))
