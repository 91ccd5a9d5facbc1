"""Loads: how much has flowed since a meter's origin, as an exact integer at any instant.

Everything a meter shows is a difference of :meth:`Load.total` at two instants, so an interval, a register, a bulk
meter (a sum of loads) and the truth the tests compare with can never disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from demeter.simulator.load_shapes import Shape
from demeter.simulator.noise import IntArray
from demeter.simulator.slots import SLOT_S, SLOTS_A_DAY, slots


class Load(Protocol):
    """A cumulative amount over time, in the meter's smallest unit (Wh, litre, or finer for a replayed series)."""

    def total(self, at_s: IntArray) -> IntArray:
        """Return int64[n]: what has flowed from the origin until each UTC epoch second; never decreasing in time."""
        ...

    def version(self) -> int:
        """Return a number that changes when totals already given out may have changed."""
        ...


def amounts(load: Load, bounds_s: IntArray) -> IntArray:
    """Return the n amounts between n + 1 ascending instants."""
    between: IntArray = np.diff(load.total(bounds_s))
    return between


def total_at(load: Load, at_s: int) -> int:
    """Return the total at one instant."""
    return int(load.total(np.array([at_s], dtype=np.int64))[0])


@dataclass(frozen=True, slots=True)
class Calibration:
    """Makes ``[since_s, until_s)`` come to exactly ``amount`` units."""

    since_s: int
    until_s: int
    amount: int


class ShapedLoad:
    """A load shape, accumulated from an origin on demand and brought to whole units.

    Rounding happens on the running total (floor), never per slot: nothing accumulates, idle slots stay exactly zero,
    and a calibrated span comes to its amount to the unit.
    """

    def __init__(self, shape: Shape, seed: int, origin_s: int, zone: str, calibration: Calibration | None) -> None:
        self._shape = shape
        self._seed = seed
        self._zone = zone
        self._first = origin_s // SLOT_S
        self._origin_s = self._first * SLOT_S
        self._sums: IntArray = np.zeros(1, dtype=np.int64)
        self._anchor, self._numerator, self._denominator = 0, 1, 1000
        if calibration is not None:
            self._calibrate(calibration)

    def _calibrate(self, wanted: Calibration) -> None:
        raw = self._raw(np.array([wanted.since_s, wanted.until_s], dtype=np.int64))
        within = int(raw[1] - raw[0])
        if within > 0:
            self._anchor, self._numerator, self._denominator = int(raw[0]), wanted.amount, within

    def total(self, at_s: IntArray) -> IntArray:
        """Return int64[n]: whole units since the origin; within a slot the flow is even."""
        at_origin = (-self._anchor * self._numerator) // self._denominator
        scaled: IntArray = ((self._raw(at_s) - self._anchor) * self._numerator) // self._denominator - at_origin
        return scaled

    def version(self) -> int:
        """Return 0: a shape never changes its past."""
        return 0

    def _raw(self, at_s: IntArray) -> IntArray:
        since = np.maximum(at_s - self._origin_s, 0)
        whole = since // SLOT_S
        self._grow(int(whole.max(initial=0)) + 1)
        below = self._sums[whole]
        raw: IntArray = below + (self._sums[whole + 1] - below) * (since % SLOT_S) // SLOT_S
        return raw

    def _grow(self, count: int) -> None:
        """Make sure ``count`` slots are summed; grows by whole UTC days so that meters share their slots' columns."""
        known = len(self._sums) - 1
        if count <= known:
            return
        until = -(-(self._first + count) // SLOTS_A_DAY) * SLOTS_A_DAY
        more = self._shape(self._seed, slots(self._zone, self._first + known, until - self._first - known))
        self._sums = np.concatenate([self._sums, self._sums[-1] + np.cumsum(more)])


class SteadyLoad:
    """A constant flow of whole units an hour from the origin on: totals a person can check in the head."""

    def __init__(self, per_hour: int, origin_s: int) -> None:
        self._per_hour = per_hour
        self._origin_s = origin_s

    def total(self, at_s: IntArray) -> IntArray:
        """Return int64[n]: whole units since the origin, rounded down."""
        flowed: IntArray = np.maximum(at_s - self._origin_s, 0) * self._per_hour // 3600
        return flowed

    def version(self) -> int:
        """Return 0: it never changes."""
        return 0


class BulkLoad:
    """The sum of parts plus a loss in permille of that sum: what a tower's bulk meter sees, exactly.

    Totals are kept on the quarter-hour grid, because a bulk meter is read as often as a flat's but stands for a
    hundred of them; they are summed again when a part's past changes.
    """

    def __init__(self, parts: Sequence[Load], loss_permille: int, origin_s: int) -> None:
        self._parts = tuple(parts)
        self._loss_permille = loss_permille
        self._origin_s = origin_s // SLOT_S * SLOT_S
        self._known = self.version()
        self._sums: IntArray = np.zeros(1, dtype=np.int64)

    def total(self, at_s: IntArray) -> IntArray:
        """Return int64[n]: all parts' totals and the loss; exact on quarter-hours, even flow between them."""
        since = np.maximum(at_s - self._origin_s, 0)
        whole = since // SLOT_S
        self._grow(int(whole.max(initial=0)) + 2)
        below = self._sums[whole]
        flowed: IntArray = below + (self._sums[whole + 1] - below) * (since % SLOT_S) // SLOT_S
        return flowed

    def version(self) -> int:
        """Return the sum of the parts' versions."""
        return sum(part.version() for part in self._parts)

    def _grow(self, count: int) -> None:
        version = self.version()
        if version != self._known:
            self._known, self._sums = version, self._sums[:1]
        known = len(self._sums)
        if count <= known:
            return
        until = -(-count // SLOTS_A_DAY) * SLOTS_A_DAY
        at_s = np.arange(known, until, dtype=np.int64) * SLOT_S + self._origin_s
        summed: IntArray = np.zeros(len(at_s), dtype=np.int64)
        for part in self._parts:
            summed += part.total(at_s)
        self._sums = np.concatenate([self._sums, summed + summed * self._loss_permille // 1000])


class DerivedLoad:
    """A fixed ratio of another load, rounded down on the running total: VAh from Wh at a power factor."""

    def __init__(self, load: Load, numerator: int, denominator: int) -> None:
        self._load = load
        self._numerator = numerator
        self._denominator = denominator

    def total(self, at_s: IntArray) -> IntArray:
        """Return int64[n]: the ratio of the other load's totals."""
        derived: IntArray = self._load.total(at_s) * self._numerator // self._denominator
        return derived

    def version(self) -> int:
        """Return the other load's version."""
        return self._load.version()
