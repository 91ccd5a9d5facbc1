"""Layouts of notification bodies: data files, read and checked once.

A layout is a JSON object:

``name``, ``source``
    What it is called, and where the facts come from.
``shape``
    How the body is built: ``entries`` (each element a structure as ``entry`` says), ``flat`` (elements as ``header``
    says, then ``cycle`` over and over), ``positions`` (each element has its meaning by its place; ``lists`` holds one
    such list for each length) or ``described`` (the first element holds the push object list).
``header``, ``cycle``, ``entry``
    Words: ``obis``, ``value``, ``scaler_unit``, ``class``, ``attribute``, ``list`` (a text that names the list),
    ``meter_id``, ``push_obis``, ``clock``, ``rows`` (an array of rows or one row, the rest of the body; of a flat
    layout). A word with ``?`` may be missing at the end.
``body``
    ``array``, ``structure`` or both: what the body may be. ``starts``: a text the first element must begin with.
``meter_id``
    The logical names whose value is the meter's number.
``scalers``
    Logical name → [scaler, unit], where the body does not tell.
``objects``
    Push setup's logical name → logical names of the values, for ``rows``.
``automatic``
    false: only taken when asked for by name, because other bodies look the same. ``order``: lower is tried first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

from demeter.protocols.dlms.data import Tag
from demeter.protocols.dlms.errors import DlmsError, Malformed
from demeter.protocols.dlms.obis import Obis

WORDS: Final = frozenset(
    {"obis", "value", "scaler_unit", "class", "attribute", "list", "meter_id", "push_obis", "clock", "rows"}
)
SHAPES: Final = frozenset({"entries", "flat", "positions", "described"})

Scaler = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Column:
    """The meaning of one place; ``obis`` None: the name of the list."""

    obis: Obis | None
    attribute: int = 2
    class_id: int | None = None
    scaler: Scaler | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """A checked layout; see the module for what its fields mean."""

    name: str
    shape: str
    bodies: tuple[Tag, ...] = (Tag.STRUCTURE, Tag.ARRAY)
    header: tuple[str, ...] = ()
    cycle: tuple[str, ...] = ()
    starts: str = ""
    lists: Mapping[int, tuple[Column, ...]] = field(default_factory=dict)
    meter_id: frozenset[Obis] = frozenset()
    scalers: Mapping[Obis, Scaler] = field(default_factory=dict)
    objects: Mapping[Obis, tuple[Column, ...]] = field(default_factory=dict)
    automatic: bool = True
    order: int = 50

    @classmethod
    def from_json(cls, text: str) -> Layout:
        """Read a layout.

        Raises:
            Malformed: it is no layout; the message tells why.
        """
        try:
            return _layout(json.loads(text))
        except (KeyError, TypeError, ValueError, AttributeError, DlmsError) as error:
            raise Malformed(f"not a push layout: {type(error).__name__}: {error}") from None


@cache
def builtin_layouts() -> tuple[Layout, ...]:
    """The layouts that come along, in the order in which they are tried."""
    folder = files("demeter.protocols.dlms.push") / "layouts"
    texts = [entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".json")]
    return tuple(sorted(map(Layout.from_json, texts), key=lambda layout: (layout.order, layout.name)))


def _layout(told: dict[str, Any]) -> Layout:
    shape = told["shape"]
    if shape not in SHAPES:
        raise ValueError(f"shape {shape!r}")
    bodies = told.get("body", ["structure", "array"])
    return Layout(
        name=str(told["name"]),
        shape=shape,
        bodies=tuple(Tag[body.upper()] for body in ([bodies] if isinstance(bodies, str) else bodies)),
        header=_words(told.get("header", [])),
        cycle=_words(told.get("entry" if shape == "entries" else "cycle", [])),
        starts=str(told.get("starts", "")),
        lists={len(columns): tuple(map(_column, columns)) for columns in told.get("lists", [])},
        meter_id=frozenset(Obis.parse(name) for name in told.get("meter_id", [])),
        scalers={Obis.parse(name): _scaler(pair) for name, pair in told.get("scalers", {}).items()},
        objects={Obis.parse(name): tuple(map(_column, columns)) for name, columns in told.get("objects", {}).items()},
        automatic=bool(told.get("automatic", True)),
        order=int(told.get("order", 50)),
    )


def _words(told: list[str]) -> tuple[str, ...]:
    for word in told:
        if word.removesuffix("?") not in WORDS:
            raise ValueError(f"word {word!r}")
    return tuple(told)


def _column(told: str | dict[str, Any]) -> Column:
    """``"1.0.1.7.0.255"``, ``"list"``, or an object with obis, attribute, class and scaler."""
    if isinstance(told, str):
        return Column(None if told == "list" else Obis.parse(told))
    scaler = told.get("scaler")
    return Column(
        Obis.parse(told["obis"]),
        int(told.get("attribute", 2)),
        told.get("class"),
        None if scaler is None else _scaler(scaler),
    )


def _scaler(pair: list[int]) -> Scaler:
    scaler, unit = pair
    return int(scaler), int(unit)
