"""Layouts of notification bodies: how a kind of body is built and what its places mean. They come from data files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from demeter.protocols.dlms.errors import DlmsError, Malformed
from demeter.protocols.dlms.obis import Obis

WORDS: Final = frozenset(
    {"obis", "value", "scaler_unit", "class", "attribute", "list", "meter_id", "push_obis", "clock", "rows"}
)
"""What a place may hold. ``list``: a text that names the list; ``meter_id``: the meter's number; ``push_obis``: the
logical name of the push setup; ``rows``: an array of rows, one row, or the rest of the body. A word with ``?`` may be
missing at the end."""

Scaler = tuple[int, int]


class Shape(StrEnum):
    """How a body is built."""

    ENTRIES = "entries"
    """Each element is a structure as ``cycle`` says."""
    FLAT = "flat"
    """Elements as ``header`` says, then ``cycle`` over and over."""
    POSITIONS = "positions"
    """Each element has its meaning by its place; ``lists`` holds one such list for each number of elements."""
    DESCRIBED = "described"
    """The first element is the push object list."""


@dataclass(frozen=True, slots=True)
class Column:
    """The meaning of one place; ``obis`` None: the name of the list."""

    obis: Obis | None
    attribute: int = 2
    class_id: int | None = None
    scaler: Scaler | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``class name attribute`` and, where the body does not tell them, scaler and unit; or ``list``.

        Raises:
            Malformed: it is neither.
        """
        if text == "list":
            return cls(None)
        try:
            class_id, name, attribute, *rest = text.split()
            scaler = None if not rest else parse_scaler(" ".join(rest))
            return cls(Obis.parse(name), int(attribute), int(class_id), scaler)
        except (ValueError, DlmsError):
            raise Malformed(f'a column is "class name attribute [scaler unit]" or "list", not {text!r}') from None

    def __str__(self) -> str:
        if self.obis is None:
            return "list"
        scaler = "" if self.scaler is None else f" {self.scaler[0]} {self.scaler[1]}"
        return f"{self.class_id} {self.obis} {self.attribute}{scaler}"


def parse_scaler(text: str) -> Scaler:
    """Read ``scaler unit``, two whole numbers.

    Raises:
        Malformed: it is none.
    """
    try:
        scaler, unit = map(int, text.split())
    except ValueError:
        raise Malformed(f"scaler and unit are two whole numbers, not {text!r}") from None
    return scaler, unit


Columns = tuple[Column, ...]
Objects = Mapping[Obis | None, Columns]
"""What is in pushes, as their push object lists say: by push setup, by profile generic (the columns of its rows), or
None: in whatever the meter pushes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a kind of body is built. ``starts``: a text the first element begins with. ``lists``: by their length.

    ``scalers``: scaler and unit by logical name, where the body does not tell. ``automatic`` false: only taken when
    asked for, because other bodies look the same.
    """

    name: str
    shape: Shape
    header: tuple[str, ...] = ()
    cycle: tuple[str, ...] = ()
    starts: str = ""
    lists: Mapping[int, Columns] = field(default_factory=dict)
    scalers: Mapping[Obis, Scaler] = field(default_factory=dict)
    automatic: bool = True

    @property
    def rank(self) -> int:
        """How surely a body is known by it, the surest first: a name, a push setup or object list, the form alone."""
        if self.starts:
            return 0
        return 1 if "push_obis" in self.header or self.shape is Shape.DESCRIBED else 2
