"""Exact quantities: an integer, a decimal scaler and a unit. Never a float."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from demeter.kernel.errors import Invalid


class Commodity(StrEnum):
    """What a service point delivers."""

    ELECTRICITY = "electricity"
    WATER = "water"

    @property
    def base_unit(self) -> str:
        """Return the unit in which consumption of this commodity is kept: Wh or L."""
        return "Wh" if self is Commodity.ELECTRICITY else "L"

    @property
    def display_unit(self) -> str:
        """Return the unit people read: kWh or kL (1 kL = 1 m³); always 1,000 base units."""
        return "kWh" if self is Commodity.ELECTRICITY else "kL"


@dataclass(frozen=True, slots=True)
class Quantity:
    """``value`` x 10^``scaler`` ``unit``, exact."""

    value: int
    scaler: int
    unit: str

    def decimal(self) -> Decimal:
        """Return the exact value in ``unit``."""
        return Decimal(self.value).scaleb(self.scaler)

    def rescaled(self, scaler: int) -> Quantity:
        """Return the same quantity at another scaler.

        Raises:
            Invalid: the quantity is finer than the asked scaler can hold.
        """
        return Quantity(rescale(self.value, self.scaler, scaler), scaler, self.unit)


def rescale(value: int, scaler: int, to: int) -> int:
    """Return ``value`` x 10^``scaler`` as an integer count of 10^``to``.

    Raises:
        Invalid: digits would be lost.
    """
    factor: int = 10 ** abs(scaler - to)
    if scaler >= to:
        return int(value) * factor
    whole, rest = divmod(int(value), factor)
    if rest:
        message = f"{value}e{scaler} cannot be kept exactly at scaler {to}"
        raise Invalid(message, code="inexact")
    return whole


def display(value: int, scaler: int) -> Decimal:
    """Return an amount of base units (Wh, L) as exact kWh or kL."""
    return Decimal(value).scaleb(scaler - 3)
