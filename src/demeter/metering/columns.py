"""What the pure core is fed: channel columns of the meters that were installed at one service point.

No database here. Times are int64 UTC epoch seconds: the instant of a register reading, the **end** of an interval
reading. Values are raw integers of the channel's reading type; :func:`common_scaler` finds the one decimal step in
which all of them, the recorded opening and closing reads and the multipliers are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from demeter.kernel import Commodity, Invalid, Quality
from demeter.sdk import ReadingKind, ReadingType

Ints = NDArray[np.int64]
Codes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

UNIT_EXPONENT = {"Wh": 0, "kWh": 3, "MWh": 6, "L": 0, "l": 0, "m3": 3, "m³": 3, "kL": 3}
"""Power of ten from a channel's unit to the base unit (Wh, L)."""

TRUST = (
    Quality.SUSPECT,
    Quality.MISSING,
    Quality.ESTIMATED,
    Quality.SUBSTITUTED,
    Quality.SELF_READ,
    Quality.EDITED,
    Quality.MEASURED,
)
"""Least trusted first. What is made of two values carries the less trusted of their qualities."""

_RANK = np.zeros(256, dtype=np.uint8)
for _place, _quality in enumerate(TRUST):
    _RANK[_quality] = _place
_OF_RANK = np.array([int(q) for q in TRUST], dtype=np.uint8)

OBIS_PARTS = 6
_LARGEST = 2**62
_FINEST_STEPS = 9


@dataclass(frozen=True, slots=True)
class ChannelColumns:
    """One channel's readings in any order: ``at_s`` int64[n], ``values`` int64[n] raw, ``quality`` uint8[n]."""

    reading_type: ReadingType
    at_s: Ints
    values: Ints
    quality: Codes

    @property
    def exponent(self) -> int:
        """Return the power of ten of one raw step in base units (Wh, L).

        Raises:
            Invalid: the unit does not measure energy or volume.
        """
        unit = self.reading_type.unit
        if unit not in UNIT_EXPONENT:
            raise Invalid(f"{unit!r} is not a unit of consumption", code="unit")
        return self.reading_type.scaler + UNIT_EXPONENT[unit]


@dataclass(frozen=True, slots=True)
class InstalledMeter:
    """A meter at the service point during ``[start_s, end_s)`` (``end_s`` None: still there) and its channels.

    ``opening`` and ``closing`` are the recorded register reads in base units. ``dials`` counts the register's digits in
    its own steps (0: never rolls over). ``manual``: read by a person, so month bounds are taken from reads near them.
    """

    serial: str
    start_s: int
    end_s: int | None
    channels: tuple[ChannelColumns, ...]
    opening: Decimal | None = None
    closing: Decimal | None = None
    multiplier_num: int = 1
    multiplier_den: int = 1
    dials: int = 0
    manual: bool = False
    meter_id: int = field(default=0)

    def of_kind(self, kind: ReadingKind) -> list[ChannelColumns]:
        """Return the channels of ``kind`` that hold readings."""
        return [c for c in self.channels if c.reading_type.kind is kind and len(c.at_s)]


def is_consumption(commodity: Commodity, reading_type: ReadingType) -> bool:
    """Tell whether a channel measures what the service point consumed.

    Electricity: active energy import, OBIS ``1.b.1.8.0`` (register) or ``1.b.1.29.0`` (interval). Water: volume,
    ``8.b.1.0.0`` (register) or ``8.b.1.29.0`` (interval). IEC 62056-61, IS 15959.
    """
    parts = reading_type.obis.split(".")
    if len(parts) != OBIS_PARTS or not all(part.isdecimal() for part in parts):
        return False  # another protocol's name of a quantity
    a, _, c, d, e, _ = (int(part) for part in parts)
    if c != 1 or e != 0:
        return False
    register = (1, 8) if commodity is Commodity.ELECTRICITY else (8, 0)
    interval = (register[0], 29)
    return (a, d) == (register if reading_type.kind is ReadingKind.REGISTER else interval)


def common_scaler(meters: Sequence[InstalledMeter], default: int = 0) -> int:
    """Return the finest decimal step needed to keep every value of ``meters`` exact, multipliers included.

    Raises:
        Invalid: a multiplier such as 1/3 has no exact decimal.
    """
    steps = [default] if not meters else []
    for meter in meters:
        own = [channel.exponent for channel in meter.channels if len(channel.at_s)]
        own += [exponent(read) for read in (meter.opening, meter.closing) if read is not None]
        steps.append(min(own, default=default) - _multiplier_digits(meter))
    return min(steps)


def exponent(value: Decimal) -> int:
    """Return the power of ten of the last digit of ``value``, trailing zeros aside; never above 0."""
    if value == 0:
        return 0
    power = value.normalize().as_tuple().exponent
    assert isinstance(power, int)
    return min(0, power)


def _multiplier_digits(meter: InstalledMeter) -> int:
    for digits in range(_FINEST_STEPS + 1):
        if meter.multiplier_num * 10**digits % meter.multiplier_den == 0:
            return digits
    raise Invalid(
        f"the multiplier {meter.multiplier_num}/{meter.multiplier_den} of meter {meter.serial} has no exact decimal",
        code="inexact",
        hint="Enter the multiplier as a fraction whose denominator divides a power of ten.",
    )


def factor(meter: InstalledMeter, step: int, scaler: int) -> int:
    """Return the integer that turns raw steps of 10**``step`` base units into consumption at ``scaler``.

    Raises:
        Invalid: it is not a whole number.
    """
    numerator = meter.multiplier_num * int(10 ** max(step - scaler, 0))
    whole, rest = divmod(numerator, meter.multiplier_den * int(10 ** max(scaler - step, 0)))
    if rest:
        raise Invalid(f"steps of 1e{step} x multiplier cannot be kept exactly at scaler {scaler}", code="inexact")
    return whole


def scaled(values: Ints, by: int) -> Ints:
    """Return ``values`` x ``by``.

    Raises:
        Invalid: a product would not fit 64 bits.
    """
    if len(values) and int(np.abs(values).max()) * by >= _LARGEST:
        raise Invalid("a register value is too large to be kept exactly", code="too_large")
    return values * np.int64(by)


def worst(first: Codes, second: Codes) -> Codes:
    """Return, element by element, the less trusted of two qualities."""
    return _OF_RANK[np.minimum(_RANK[first], _RANK[second])]


def worst_at(slot: Ints, quality: Codes, count: int) -> Codes:
    """Return uint8[count]: the least trusted of the qualities that fall into each slot (MEASURED where none does)."""
    lowest = np.full(count, len(TRUST) - 1, dtype=np.uint8)
    np.minimum.at(lowest, slot, _RANK[quality])
    return _OF_RANK[lowest]


def more_trusted(first: Codes, second: Codes) -> Bools:
    """Tell, element by element, whether ``first`` is trusted more than ``second``; edited counts as measured."""
    top = np.uint8(TRUST.index(Quality.EDITED))
    return np.minimum(_RANK[first], top) > np.minimum(_RANK[second], top)


def settle(at_s: Ints, values: Ints, quality: Codes) -> tuple[Ints, Ints, Codes]:
    """Join readings of equal instant into one, whatever their order and number; return them sorted by instant.

    The higher quality outranks the lower; equal readings are one; of different measured values the smaller is kept and
    is suspect. Rows of quality MISSING are dropped.
    """
    present = quality != Quality.MISSING
    at_s, values, quality = at_s[present], values[present], quality[present]
    if len(at_s) < 2 or bool((np.diff(at_s) > 0).all()):
        return at_s, values, quality
    # measured and suspect are one class here: otherwise three different values would depend on their order
    group = np.where(quality == Quality.SUSPECT, np.uint8(Quality.MEASURED), quality)
    order = np.lexsort((values, -group.astype(np.int16), at_s))
    at_s, values, quality, group = at_s[order], values[order], quality[order], group[order]
    first = np.concatenate(([True], at_s[1:] != at_s[:-1]))
    slot = np.cumsum(first) - 1
    start = np.flatnonzero(first)
    in_top = group == group[start][slot]
    doubtful = in_top & ((quality == Quality.SUSPECT) | (values != values[start][slot]))
    suspect = np.zeros(len(start), dtype=np.bool_)
    suspect[slot[doubtful]] = True
    suspect &= group[start] == Quality.MEASURED
    return at_s[start], values[start], np.where(suspect, np.uint8(Quality.SUSPECT), group[start])


def columns(reading_type: ReadingType, rows: Iterable[tuple[int, int, int]]) -> ChannelColumns:
    """Return channel columns from rows of (at_s, value, quality): for tests and single reads."""
    listed = list(rows)
    return ChannelColumns(
        reading_type,
        np.array([row[0] for row in listed], dtype=np.int64),
        np.array([row[1] for row in listed], dtype=np.int64),
        np.array([row[2] for row in listed], dtype=np.uint8),
    )
