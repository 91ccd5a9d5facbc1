"""Registers and intervals of successive meters → what a service point used, slot by slot.

Everything is a pure function of the set of readings: order, duplicates and delays of their arrival do not matter.
Rules with worked numbers: docs/algorithms/consumption.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from demeter.kernel import Quality
from demeter.metering.agreement import Contradiction, contradictions
from demeter.metering.columns import (
    Bools,
    Codes,
    InstalledMeter,
    Ints,
    common_scaler,
    factor,
    more_trusted,
    scaled,
    settle,
    worst,
    worst_at,
)
from demeter.metering.index import Pairs, RegisterIndex, Rules, register_index
from demeter.sdk import ReadingKind

DEFAULT_INTERVAL_S = 900
COARSEST_INTERVAL_S = 3600


@dataclass(frozen=True, slots=True)
class Placed:
    """A service point's consumption on its grid of slots, and the register index that proves totals.

    ``amounts`` int64[n] and ``quality`` uint8[n] (0 missing): slot k is ``[start_s + k*interval_s, …)``; amounts are
    base units (Wh, L) x 10**``scaler``. ``due_from_s``: when the first meter was installed, or the start.
    ``resolution``: the smallest step the meters can show, in the unit of ``amounts``. ``contradictions``: stretches in
    which registers and intervals do not agree; everything in them is suspect.
    """

    start_s: int
    end_s: int
    interval_s: int
    scaler: int
    amounts: Ints
    quality: Codes
    registers: RegisterIndex
    due_from_s: int
    resolution: int
    contradictions: tuple[Contradiction, ...] = ()

    @property
    def slots(self) -> int:
        """Return the number of slots; the last may be cut by the end of the period."""
        return len(self.amounts)

    def slot_starts(self) -> Ints:
        """Return the starts of all slots, int64[n] UTC epoch seconds."""
        return self.start_s + np.arange(self.slots, dtype=np.int64) * self.interval_s

    def known(self) -> Bools:
        """Tell for every slot whether it has a value of its own."""
        known: Bools = self.quality != Quality.MISSING
        return known


def place(meters: Sequence[InstalledMeter], start_s: int, end_s: int, rules: Rules) -> Placed:
    """Place the readings of a service point's meters on the grid of ``[start_s, end_s)``.

    Raises:
        Invalid: amounts cannot be kept exactly, or a channel's unit is none of consumption.
    """
    ordered = sorted(meters, key=lambda m: (m.start_s, m.serial))
    here = [m for m in ordered if m.start_s < end_s and (m.end_s is None or m.end_s > start_s)]
    scaler = common_scaler(here)
    interval_s = grid_interval(here)
    count = -(-(end_s - start_s) // interval_s)
    amounts, quality = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.uint8)
    for meter in here:
        window = (max(meter.start_s, start_s), min(meter.end_s or end_s, end_s))
        _place_intervals(meter, window, scaler, (start_s, interval_s), (amounts, quality))
    placed = Placed(
        start_s,
        end_s,
        interval_s,
        scaler,
        amounts,
        quality,
        register_index(here, start_s, end_s, scaler, rules),
        due_from_s=min(max(start_s, min((m.start_s for m in meters), default=end_s)), end_s),
        resolution=max((_resolution(m, scaler) for m in here), default=1),
    )
    # before registers fill slots: only what intervals themselves say can contradict
    steps = (placed.resolution, max((_register_step(m, scaler) for m in here), default=1))
    found = contradictions(grid_pairs(placed), amounts, quality, steps, interval_s)
    _fill_from_registers(placed)
    for stretch in found:
        inside = quality[stretch.first : stretch.last]
        inside[inside != Quality.MISSING] = Quality.SUSPECT
    return replace(placed, contradictions=found)


def grid_interval(meters: Sequence[InstalledMeter]) -> int:
    """Return the slot length in seconds: each meter's finest interval, and of several meters the coarsest.

    Meters with only daily registers or reads by hand get the usual quarter-hour, all of it bridged.
    """
    finest: list[int] = []
    for meter in meters:
        own = [c.reading_type.interval_s for c in meter.of_kind(ReadingKind.INTERVAL)]
        own = own or [c.reading_type.interval_s for c in meter.of_kind(ReadingKind.REGISTER)]
        usable = [s for s in own if 0 < s <= COARSEST_INTERVAL_S and COARSEST_INTERVAL_S % s == 0]
        finest += [min(usable)] if usable else []
    return max(finest, default=DEFAULT_INTERVAL_S)


def _place_intervals(
    meter: InstalledMeter, window: tuple[int, int], scaler: int, grid: tuple[int, int], out: tuple[Ints, Codes]
) -> None:
    """Add one meter's interval readings to the grid in place; a slot needs all the readings that make it up."""
    start_s, interval_s = grid
    amounts, quality = out
    fitting = [c for c in meter.of_kind(ReadingKind.INTERVAL) if _divides(c.reading_type.interval_s, interval_s)]
    if not fitting:
        return
    channel = min(fitting, key=lambda c: (c.reading_type.interval_s, c.reading_type.scaler, c.reading_type.obis))
    step_s = channel.reading_type.interval_s
    end, value, code = settle(channel.at_s, channel.values, channel.quality)
    begin = end - step_s
    # a reading off the grid, or cut by the period or an exchange, cannot be placed: registers account for it
    fits = (begin >= window[0]) & (end <= window[1]) & ((begin - start_s) % step_s == 0)
    slot = (begin[fits] - start_s) // interval_s
    whole = np.bincount(slot, minlength=len(amounts)) == interval_s // step_s
    use = whole[slot]
    np.add.at(amounts, slot[use], scaled(value[fits][use], factor(meter, channel.exponent, scaler)))
    quality[whole] = worst_at(slot[use], code[fits][use], len(amounts))[whole]


def _divides(part_s: int, whole_s: int) -> bool:
    return part_s > 0 and whole_s % part_s == 0


def _resolution(meter: InstalledMeter, scaler: int) -> int:
    channels = meter.of_kind(ReadingKind.INTERVAL) or meter.of_kind(ReadingKind.REGISTER)
    return max((factor(meter, c.exponent, scaler) for c in channels), default=1)


def _register_step(meter: InstalledMeter, scaler: int) -> int:
    return max((factor(meter, c.exponent, scaler) for c in meter.of_kind(ReadingKind.REGISTER)), default=1)


def grid_pairs(placed: Placed) -> Pairs:
    """Return the known steps between neighbouring register reads that stand on the grid.

    Those inside a contradiction are suspect.

    Of two reads at one instant (an exchange) the later meter's is kept: both have the same index.
    """
    registers = placed.registers
    offset = registers.at_s - placed.start_s
    on_grid = (offset % placed.interval_s == 0) | (registers.at_s == placed.end_s)
    at = np.flatnonzero(on_grid)
    left, right = at[:-1], at[1:]
    good = (registers.run[left] == registers.run[right]) & (registers.at_s[left] < registers.at_s[right])
    left, right = left[good], right[good]
    first, last = offset[left] // placed.interval_s, -(-offset[right] // placed.interval_s)
    quality = worst(registers.quality[left], registers.quality[right])
    for stretch in placed.contradictions:
        quality[(first >= stretch.first) & (last <= stretch.last)] = Quality.SUSPECT
    return Pairs(first, last, registers.index[right] - registers.index[left], quality)


def _fill_from_registers(placed: Placed) -> None:
    """Give slots whose two ends are register reads that difference, unless a reading as trusted stands there."""
    pairs = grid_pairs(placed)
    single = pairs.last - pairs.first == 1
    slot, quality = pairs.first[single], pairs.quality[single]
    better = more_trusted(quality, placed.quality[slot]) | (placed.quality[slot] == Quality.MISSING)
    placed.amounts[slot[better]] = pairs.amount[single][better]
    placed.quality[slot[better]] = quality[better]
