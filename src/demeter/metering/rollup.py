"""Slots and registers → totals of site-local days and months, each with quality, coverage and what was bridged.

A total is the register difference wherever registers are known at, or nearest inside, both ends of the period, and the
sum of the known slots elsewhere. Rules with worked numbers: docs/algorithms/consumption.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from demeter.kernel import Quality, day_start, month_days, next_month
from demeter.metering.columns import Bools, Ints, worst
from demeter.metering.consumption import Placed, grid_pairs
from demeter.metering.index import Pairs

CODES = len(Quality)
QUALITY_STEP = 10  # quality codes are 0, 10, 20, …: code // 10 is a column


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a total is of one quality."""

    amount: int
    slots: int


@dataclass(frozen=True, slots=True)
class Total:
    """What was used in one period, and how well it is known.

    ``amount`` (base units x 10**``scaler``) is None when nothing is known. ``bridged``: the part registers prove but no
    slot shows; the known slots plus ``bridged`` are ``amount``. ``bridged_slots``: slots without a value of their own
    inside proved stretches. ``qualities``: amounts add up to ``amount``; slots, with MISSING, add up to ``due``, the
    number of slots since a meter was first installed; ``known`` of them are accounted for.
    """

    amount: int | None
    scaler: int
    bridged: int
    bridged_slots: int
    due: int
    known: int
    qualities: Mapping[Quality, Share] = field(default_factory=dict)

    @property
    def coverage_ppm(self) -> int:
        """Return the share of the due slots that is accounted for, in parts per million, rounded down."""
        return self.known * 1_000_000 // self.due if self.due else 0

    @property
    def complete(self) -> bool:
        """Tell whether every due slot is accounted for."""
        return 0 < self.due == self.known


@dataclass(slots=True)
class _Sums:
    """Running sums per period p and quality q while a total is put together."""

    amounts: Ints  # [p, q]
    slots: Ints  # [p, q]
    bridged: Ints  # [p]
    bridged_slots: Ints  # [p]
    touched: Bools  # [p] anything known at all


def day_bounds(zone: str, year: int, month: int) -> Ints:
    """Return the UTC epoch seconds of every local midnight of a month and of its end: int64[days + 1]."""
    days = [*month_days(year, month), next_month(date(year, month, 1))]
    return np.array([int(day_start(zone, day).timestamp()) for day in days], dtype=np.int64)


def totals(placed: Placed, bounds: Ints | Sequence[int]) -> list[Total]:
    """Return the totals of the periods between neighbouring ``bounds`` (int64[p+1], rising, inside ``placed``)."""
    edges = np.asarray(bounds, dtype=np.int64)
    first_slot = -(-(edges - placed.start_s) // placed.interval_s)
    periods = len(edges) - 1
    sums = _Sums(
        np.zeros((periods, CODES), dtype=np.int64),
        np.zeros((periods, CODES), dtype=np.int64),
        np.zeros(periods, dtype=np.int64),
        np.zeros(periods, dtype=np.int64),
        np.zeros(periods, dtype=np.bool_),
    )
    slot = np.arange(first_slot[0], first_slot[-1])
    period_of = np.searchsorted(first_slot, slot, side="right") - 1
    proved = _add_pairs(placed, first_slot, slot, period_of, sums)
    known = placed.known()[slot]
    quality = placed.quality[slot] // QUALITY_STEP
    loose = known & ~proved
    np.add.at(sums.amounts, (period_of[known], quality[known]), placed.amounts[slot][known])
    np.add.at(sums.slots, (period_of[known], quality[known]), 1)
    sums.touched[period_of[loose]] = True
    _add_reads_between(placed, edges, (slot, period_of, proved | known), sums)
    due = placed.slot_starts()[slot] >= placed.due_from_s
    return _finish(placed, sums, np.bincount(period_of[due], minlength=periods))


def _add_pairs(placed: Placed, first_slot: Ints, slot: Ints, period_of: Ints, sums: _Sums) -> Bools:
    """Add what register pairs prove; tell which slots they cover."""
    pairs = _inside_one_period(grid_pairs(placed), first_slot)
    if len(pairs.first) == 0:
        return np.zeros(len(slot), dtype=np.bool_)
    pair = np.searchsorted(pairs.first, slot, side="right") - 1
    proved: Bools = (pair >= 0) & (slot < pairs.last[pair])
    shown = proved & placed.known()[slot]
    placed_in = np.zeros(len(pairs.first), dtype=np.int64)
    np.add.at(placed_in, pair[shown], placed.amounts[slot][shown])
    rest = pairs.amount - placed_in
    owner = np.searchsorted(first_slot, pairs.first, side="right") - 1
    np.add.at(sums.amounts, (owner, pairs.quality // QUALITY_STEP), rest)
    np.add.at(sums.bridged, owner, rest)
    sums.touched[owner] = True
    hidden = proved & ~shown
    np.add.at(sums.slots, (period_of[hidden], pairs.quality[pair[hidden]] // QUALITY_STEP), 1)
    np.add.at(sums.bridged_slots, period_of[hidden], 1)
    return proved


def _inside_one_period(pairs: Pairs, first_slot: Ints) -> Pairs:
    begin = np.searchsorted(first_slot, pairs.first, side="right") - 1
    end = np.searchsorted(first_slot, pairs.last - 1, side="right") - 1
    keep = (begin == end) & (begin >= 0) & (end < len(first_slot) - 1)
    return Pairs(pairs.first[keep], pairs.last[keep], pairs.amount[keep], pairs.quality[keep])


def _add_reads_between(placed: Placed, edges: Ints, slots: tuple[Ints, Ints, Bools], sums: _Sums) -> None:
    """Add what reads off the grid (by hand, on demand) prove inside stretches nothing else accounts for."""
    at_s = placed.registers.at_s
    if not ((at_s - placed.start_s) % placed.interval_s).any():
        return
    slot, period_of, covered = slots
    for p in range(len(edges) - 1):
        mine = slot[(period_of == p) & ~covered]
        for run in np.split(mine, np.flatnonzero(np.diff(mine) > 1) + 1) if len(mine) else ():
            begin = placed.start_s + int(run[0]) * placed.interval_s
            end = min(placed.start_s + (int(run[-1]) + 1) * placed.interval_s, int(edges[p + 1]))
            low, high = np.searchsorted(at_s, begin, side="left"), np.searchsorted(at_s, end, side="right")
            _add_stretches(placed, int(low), int(high), p, sums)


def _add_stretches(placed: Placed, low: int, high: int, period: int, sums: _Sums) -> None:
    registers = placed.registers
    runs = registers.run[low:high]
    edges = [0, *(np.flatnonzero(np.diff(runs)) + 1).tolist(), len(runs)]
    for start, stop in itertools.pairwise(edges):
        first, last = low + start, low + stop - 1
        if first >= last or registers.at_s[first] == registers.at_s[last]:
            continue
        code = int(worst(registers.quality[first : first + 1], registers.quality[last : last + 1])[0]) // QUALITY_STEP
        amount = int(registers.index[last] - registers.index[first])
        from_slot = -(-(int(registers.at_s[first]) - placed.start_s) // placed.interval_s)
        whole = max((int(registers.at_s[last]) - placed.start_s) // placed.interval_s - from_slot, 0)
        sums.amounts[period, code] += amount
        sums.slots[period, code] += whole
        sums.bridged[period] += amount
        sums.bridged_slots[period] += whole
        sums.touched[period] = True


def _finish(placed: Placed, sums: _Sums, due: Ints) -> list[Total]:
    result = []
    for p in range(len(sums.bridged)):
        slots = sums.slots[p]
        known = int(slots.sum())
        shares = {
            quality: Share(int(sums.amounts[p, code]), int(slots[code]))
            for code, quality in enumerate(Quality)
            if slots[code] or sums.amounts[p, code]
        }
        # slots before the first installation are not due, but a reading may still stand there
        owed = max(int(due[p]), known)
        if owed > known:
            shares[Quality.MISSING] = Share(0, owed - known)
        amount = int(sums.amounts[p].sum()) if sums.touched[p] else None
        result.append(
            Total(amount, placed.scaler, int(sums.bridged[p]), int(sums.bridged_slots[p]), owed, known, shares)
        )
    return result
