"""What a pushed notification says, once it is understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.obis import Obis

_CLOCK_CLASS: Final = 8

Value = int | bool | str | bytes | CosemDateTime | Data | None
"""A number, text, octets or date-time; what is none of these (structures, floating point) stays COSEM data."""


@dataclass(frozen=True, slots=True)
class PushValue:
    """One value: an integer × 10**``scaler`` ``unit`` (codes of IEC 62056-6-2; None: not told).

    ``obis`` is None where neither the body nor the layout names it; ``place`` counts the values of its row from 0.
    """

    place: int
    value: Value
    obis: Obis | None = None
    attribute: int = 2
    class_id: int | None = None
    scaler: int = 0
    unit: int | None = None

    @property
    def is_clock(self) -> bool:
        """Whether it is the time of its row: a clock, of any channel."""
        name = self.obis
        return self.class_id == _CLOCK_CLASS or (name is not None and (name.a, name.c, name.d, name.e) == (0, 1, 0, 0))


@dataclass(frozen=True, slots=True)
class PushRow:
    """Values of one moment; ``at`` is that of their clock column, else of the body's header, if there is one."""

    at: CosemDateTime | None
    values: tuple[PushValue, ...]

    def value(self, obis: Obis, attribute: int = 2) -> PushValue | None:
        """The value of an attribute, if it was pushed."""
        return next((value for value in self.values if (value.obis, value.attribute) == (obis, attribute)), None)


@dataclass(frozen=True, slots=True)
class PushReading:
    """A notification body.

    ``layout`` is the one it was read with; None when none fits, then ``rows`` is empty and ``reasons`` tells of each
    layout why not. With a layout, ``reasons`` tells what was passed over (an impossible clock, for instance).
    ``raw`` is always the whole body. ``names``: what the body says the meter is called: serial, device identifier, …;
    where there is none, the system title must do.
    """

    layout: str | None
    raw: Data
    rows: tuple[PushRow, ...] = ()
    names: tuple[str, ...] = ()
    push_obis: Obis | None = None
    at: CosemDateTime | None = None
    reasons: tuple[str, ...] = ()
