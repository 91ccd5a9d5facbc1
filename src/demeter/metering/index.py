"""The register index of a service point: the chains of its successive meters, strung together by event time.

An exchange with a closing read of the old meter and an opening read of the new one at the same instant keeps the index
whole; without them it is broken there. Recorded reads stand against the meter's own at the same instant, because a
person attested both at the exchange.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import numpy as np

from demeter.kernel import Commodity, Quality, rescale
from demeter.metering.columns import Codes, InstalledMeter, Ints, scaled, settle
from demeter.metering.registers import Chain, StepFound, chain
from demeter.sdk import ReadingKind

DAY_S = 86_400
BOUNDARY_DAYS = 3


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be tuned.

    ``cap_per_hour``: base units (Wh, L) beyond which a register step is not believed. ``boundary_days``: how far from a
    month's bound a read by hand may lie and still be taken as the read at the bound.
    """

    cap_per_hour: int
    boundary_days: int = BOUNDARY_DAYS

    @classmethod
    def of(cls, commodity: Commodity) -> Rules:
        """Return the defaults: 10 MWh or 1,000 kL in an hour, three days."""
        return cls(10_000_000 if commodity is Commodity.ELECTRICITY else 1_000_000)


class Source(StrEnum):
    """Where a register read comes from: the meter (or who read it), or the record of its installation."""

    READING = "reading"
    INSTALLED = "recorded at installation"
    REMOVED = "recorded at removal"


@dataclass(frozen=True, slots=True)
class Read:
    """A register read as it stands on the meter: ``value`` at the scaler of the whole, before the multiplier."""

    at_s: int
    value: int
    quality: Quality
    source: Source = Source.READING


@dataclass(frozen=True, slots=True)
class MeterPart:
    """One meter's part of a period: when it was installed in it, its first and its last usable register read.

    They are two reads: of a single one, only the side it is nearer to is known.
    """

    serial: str
    start_s: int
    end_s: int
    opening: Read | None
    closing: Read | None
    multiplier_num: int
    multiplier_den: int
    meter_id: int


@dataclass(frozen=True, slots=True)
class RegisterIndex:
    """Columns of length m, sorted by ``at_s``: the cumulative ``index``; reads of equal ``run`` are linked."""

    at_s: Ints
    index: Ints
    run: Ints
    quality: Codes
    parts: tuple[MeterPart, ...]
    found: tuple[StepFound, ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Neighbouring register reads on the grid between which the amount is known; slots ``[first, last)``."""

    first: Ints
    last: Ints
    amount: Ints
    quality: Codes


def register_index(
    meters: Sequence[InstalledMeter], start_s: int, end_s: int, scaler: int, rules: Rules
) -> RegisterIndex:
    """Return the index of ``[start_s, end_s]``, both ends included, in base units x 10**``scaler``.

    Raises:
        Invalid: a value cannot be kept exactly.
    """
    at_s: list[Ints] = []
    delta: list[Ints] = []
    broken: list[Ints] = []
    quality: list[Codes] = []
    parts: list[MeterPart] = []
    found: list[StepFound] = []
    for meter in meters:
        links, moved = _meter_chain(meter, (start_s, end_s), scaler, rules)
        breaks = (~links.linked).astype(np.int64)
        if len(breaks) and at_s and len(at_s[-1]) and int(at_s[-1][-1]) == int(links.at_s[0]):
            breaks[0] = 0
        at_s.append(links.at_s)
        delta.append(_times_multiplier(links.delta, meter))
        broken.append(breaks)
        quality.append(links.quality)
        parts.append(_part(meter, links, moved, (start_s, end_s)))
        found += links.found
    nothing = [np.zeros(0, dtype=np.int64)]
    return RegisterIndex(
        np.concatenate(at_s or nothing),
        np.cumsum(np.concatenate(delta or nothing)),
        np.cumsum(np.concatenate(broken or nothing)),
        np.concatenate(quality or [np.zeros(0, dtype=np.uint8)]),
        tuple(parts),
        tuple(found),
    )


def _times_multiplier(delta: Ints, meter: InstalledMeter) -> Ints:
    # the common scaler left room for the denominator, so nothing is lost here
    return scaled(delta, meter.multiplier_num) // meter.multiplier_den


def _meter_chain(
    meter: InstalledMeter, period: tuple[int, int], scaler: int, rules: Rules
) -> tuple[Chain, Mapping[int, int]]:
    """Return a meter's chain inside the period, and for reads moved to a bound: bound → the instant they were taken."""
    end_s = meter.end_s if meter.end_s is not None else _FAR
    at_s, values, quality = _all_reads(meter, scaler)
    lifetime = (at_s >= meter.start_s) & (at_s <= end_s)
    at_s, values, quality = settle(at_s[lifetime], values[lifetime], quality[lifetime])
    placed_s, moved = _move_to_bounds(at_s, quality, meter, period, rules.boundary_days * DAY_S)
    inside = (placed_s >= max(meter.start_s, period[0])) & (placed_s <= min(end_s, period[1]))
    modulus = 10 ** (meter.dials + _dial_step(meter) - scaler) if meter.dials else 0
    # the cap holds for consumption; the chain compares registers, which the multiplier has not touched yet
    cap = rescale(rules.cap_per_hour, 0, min(scaler, 0)) * meter.multiplier_den // meter.multiplier_num
    cap = -(-cap // int(10 ** max(scaler, 0)))
    return chain(placed_s[inside], values[inside], quality[inside], modulus, cap), moved


_FAR = 2**61
WHOLE_UNIT = 3  # kWh, kL


def _dial_step(meter: InstalledMeter) -> int:
    """Return the power of ten, in base units, of the last of the meter's dials: its own register's step.

    What people read is no measure of it; a meter only they read counts whole kWh or kL.
    """
    own = [c for c in meter.of_kind(ReadingKind.REGISTER) if (c.quality != Quality.SELF_READ).any()]
    return WHOLE_UNIT if meter.manual else min((c.exponent for c in own), default=WHOLE_UNIT)


def _all_reads(meter: InstalledMeter, scaler: int) -> tuple[Ints, Ints, Codes]:
    """Return every register read of a meter at ``scaler``, unsorted, with the recorded reads in their places."""
    registers = meter.of_kind(ReadingKind.REGISTER)
    recorded = [
        (at, read) for at, read in ((meter.start_s, meter.opening), (meter.end_s, meter.closing)) if read is not None
    ]
    at_recorded = np.array([at for at, _ in recorded if at is not None], dtype=np.int64)
    at_s, values, quality = [at_recorded], [_recorded_values(recorded, scaler)], []
    own = Quality.SELF_READ if meter.manual else Quality.MEASURED
    quality.append(np.full(len(at_recorded), own, dtype=np.uint8))
    for channel in registers:
        other = ~np.isin(channel.at_s, at_recorded)
        at_s.append(channel.at_s[other])
        values.append(scaled(channel.values[other], 10 ** (channel.exponent - scaler)))
        quality.append(channel.quality[other])
    return np.concatenate(at_s), np.concatenate(values), np.concatenate(quality)


def _recorded_values(recorded: Sequence[tuple[int | None, Decimal]], scaler: int) -> Ints:
    digits = -min(scaler, 0)
    values = [rescale(int(read.scaleb(digits)), -digits, scaler) for at, read in recorded if at is not None]
    return np.array(values, dtype=np.int64)


def _move_to_bounds(
    at_s: Ints, quality: Codes, meter: InstalledMeter, period: tuple[int, int], within_s: int
) -> tuple[Ints, dict[int, int]]:
    """Take the read by hand that is nearest to a bound of the period, and near enough, as the read at the bound."""
    placed_s, moved = at_s.copy(), dict[int, int]()
    for bound in period:
        there = meter.start_s <= bound and (meter.end_s is None or bound <= meter.end_s)
        if not there or len(at_s) == 0:
            continue
        nearest = int(np.argmin(np.abs(at_s - bound)))
        by_hand = meter.manual or quality[nearest] == Quality.SELF_READ
        if by_hand and 0 < abs(int(at_s[nearest]) - bound) <= within_s:
            placed_s[nearest] = bound
            moved[bound] = int(at_s[nearest])
    return placed_s, moved


def _part(meter: InstalledMeter, links: Chain, moved: Mapping[int, int], period: tuple[int, int]) -> MeterPart:
    def read(at: int) -> Read:
        placed_s = int(links.at_s[at])
        at_s = moved.get(placed_s, placed_s)
        return Read(at_s, int(links.values[at]), Quality(int(links.quality[at])), _source(meter, at_s))

    start_s, end_s = max(meter.start_s, period[0]), min(meter.end_s or period[1], period[1])
    opening = closing = None
    if len(links.at_s) > 1:
        opening, closing = read(0), read(-1)
    elif len(links.at_s):
        only_s = int(links.at_s[0])
        opening, closing = (read(0), None) if only_s - start_s <= end_s - only_s else (None, read(0))
    return MeterPart(
        meter.serial, start_s, end_s, opening, closing, meter.multiplier_num, meter.multiplier_den, meter.meter_id
    )


def _source(meter: InstalledMeter, at_s: int) -> Source:
    if meter.opening is not None and at_s == meter.start_s:
        return Source.INSTALLED
    return Source.REMOVED if meter.closing is not None and at_s == meter.end_s else Source.READING
