"""Registers and intervals of successive meters → what a service point used, slot by slot.

Everything is a pure function of the set of readings: order, duplicates and delays of their arrival do not matter.
Rules with worked numbers: docs/algorithms/consumption.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from demeter.kernel import Quality
from demeter.metering.agreement import Contradiction, contradictions
from demeter.metering.columns import (
    Bools,
    ChannelColumns,
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
ALONE = 2
"""So many intervals beyond the finer channels' readings make a coarser channel one that stands alone."""


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
    interval_s = grid_interval(here, (start_s, end_s))
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


def grid_interval(meters: Sequence[InstalledMeter], period: tuple[int, int]) -> int:
    """Return the slot length in seconds for a period: each meter's own, and of several meters the coarsest.

    A meter's own is that of its finest interval channel; a coarser one counts where it stands alone for a while, before
    or after the finer ones (the meter's period was changed). Meters with only daily registers or reads by hand get the
    usual quarter-hour, all of it bridged.
    """
    return max((own for meter in meters if (own := _own_interval(meter, period))), default=DEFAULT_INTERVAL_S)


def _own_interval(meter: InstalledMeter, period: tuple[int, int]) -> int:
    """Return one meter's slot length, 0 where no channel of it has a usable one."""
    intervals = meter.of_kind(ReadingKind.INTERVAL)
    periods = {c.reading_type.interval_s for c in intervals or meter.of_kind(ReadingKind.REGISTER)}
    usable = sorted(s for s in periods if s > 0 and COARSEST_INTERVAL_S % s == 0)
    if len(usable) < 2 or not intervals:
        return min(usable, default=0)
    spans = {s: _span([c for c in intervals if c.reading_type.interval_s == s], period) for s in usable}
    there = [(s, span) for s, span in spans.items() if span is not None]
    if not there:
        return min(usable)
    own, (first_s, last_s) = there[0]
    for step_s, (begin_s, end_s) in there[1:]:
        # more than what a read that is still under way leaves open
        if begin_s < first_s - ALONE * step_s or end_s > last_s + ALONE * step_s:
            own = math.lcm(own, step_s)
            first_s, last_s = min(first_s, begin_s), max(last_s, end_s)
    return own


def _span(channels: Sequence[ChannelColumns], period: tuple[int, int]) -> tuple[int, int] | None:
    """Return the beginning and end of what channels of one interval show inside a period."""
    step_s = channels[0].reading_type.interval_s
    ends = np.concatenate([c.at_s for c in channels])
    ends = ends[(ends - step_s >= period[0]) & (ends <= period[1])]
    return (int(ends.min()) - step_s, int(ends.max())) if len(ends) else None


@dataclass(slots=True)
class _Layer:
    """Amounts int64[n] and qualities uint8[n] (0 missing) on equal stretches; ``step``: the most rounding can hide."""

    amounts: Ints
    quality: Codes
    step: int

    def known(self) -> Bools:
        known: Bools = self.quality != Quality.MISSING
        return known


def _place_intervals(
    meter: InstalledMeter, window: tuple[int, int], scaler: int, grid: tuple[int, int], out: tuple[Ints, Codes]
) -> None:
    """Add one meter's interval readings to the grid in place; a slot needs all the readings that make it up.

    All channels that fit the grid count: a meter whose scaler or period is changed goes on in another channel.
    """
    start_s, interval_s = grid
    amounts, quality = out
    fitting = [c for c in meter.of_kind(ReadingKind.INTERVAL) if _divides(c.reading_type.interval_s, interval_s)]
    by_period: dict[int, list[ChannelColumns]] = {}
    for channel in sorted(
        fitting, key=lambda c: (c.reading_type.interval_s, c.reading_type.scaler, c.reading_type.obis)
    ):
        by_period.setdefault(channel.reading_type.interval_s, []).append(channel)
    found: _Layer | None = None
    for step_s, channels in by_period.items():
        parts = interval_s // step_s
        period = (start_s, step_s, len(amounts) * parts)
        layers = [_layer(meter, channel, window, scaler, period) for channel in channels]
        whole = _folded(reduce(_joined, layers), parts)
        found = whole if found is None else _joined(found, whole)
    if found is not None:
        known = found.known()
        amounts[known] += found.amounts[known]
        quality[known] = found.quality[known]


def _layer(
    meter: InstalledMeter,
    channel: ChannelColumns,
    window: tuple[int, int],
    scaler: int,
    period: tuple[int, int, int],
) -> _Layer:
    """Return one channel on stretches of its own interval: (start, interval, count) of ``period``."""
    start_s, step_s, count = period
    end, value, code = settle(channel.at_s, channel.values, channel.quality)
    begin = end - step_s
    # a reading off the grid, or cut by the period or an exchange, cannot be placed: registers account for it
    fits = (begin >= window[0]) & (end <= window[1]) & ((begin - start_s) % step_s == 0)
    at = (begin[fits] - start_s) // step_s
    step = factor(meter, channel.exponent, scaler)
    made = _Layer(np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.uint8), step)
    made.amounts[at], made.quality[at] = scaled(value[fits], step), code[fits]
    return made


def _joined(first: _Layer, second: _Layer) -> _Layer:
    """Join two channels of one meter: the more trusted reading stands, of two alike the first one's.

    Two that are trusted alike and differ by more than rounding can hide are in doubt: the smaller, suspect.
    """
    both = first.known() & second.known()
    edited = second.quality == Quality.EDITED
    better = more_trusted(second.quality, first.quality) | (edited & (first.quality == Quality.MEASURED))
    take = second.known() & (~both | better)
    apart = np.abs(first.amounts - second.amounts) > max(first.step, second.step)
    doubt = both & (first.quality == second.quality) & apart
    amounts = np.where(take, second.amounts, first.amounts)
    quality = np.where(take, second.quality, first.quality)
    return _Layer(
        np.where(doubt, np.minimum(first.amounts, second.amounts), amounts),
        np.where(doubt, np.uint8(Quality.SUSPECT), quality),
        max(first.step, second.step),
    )


def _folded(layer: _Layer, parts: int) -> _Layer:
    """Return a layer on stretches ``parts`` times as long; one is known if all its parts are."""
    if parts == 1:
        return layer
    slot = np.repeat(np.arange(len(layer.amounts) // parts), parts)
    whole: Bools = np.all(layer.known().reshape(-1, parts), axis=1)
    quality = np.where(whole, worst_at(slot, layer.quality, len(whole)), np.uint8(Quality.MISSING))
    amounts = np.where(whole, layer.amounts.reshape(-1, parts).sum(axis=1), 0)
    return _Layer(amounts, quality, layer.step * parts)


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
