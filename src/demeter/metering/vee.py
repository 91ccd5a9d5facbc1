"""Validation: what looks wrong about a period's consumption. It finds and names; it never changes a value.

Checks and defaults follow the common lists of meter data management (docs/algorithms/consumption.md names them).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from demeter.metering.columns import Bools
from demeter.metering.consumption import Placed
from demeter.metering.index import Rules

DAY_S = 86_400
HOUR_S = 3600


class Check(StrEnum):
    """The checks, by the word people see."""

    NEGATIVE = "negative amount"
    SPIKE = "spike"
    CAP = "above what the connection can carry"
    ZERO_RUN = "zero for a day"
    FROZEN = "same value again and again"
    SUM = "intervals and register differ"
    REGISTER = "register step"


@dataclass(frozen=True, slots=True)
class VeeRules:
    """Defaults: spike 180 % over the third highest of 24 h; 96 zeros; 8 equal values."""

    spike_percent: int = 180
    zero_run: int = 96
    frozen_run: int = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """One check that failed on ``[start_s, end_s)``; ``detail`` is a sentence with its numbers."""

    check: Check
    start_s: int
    end_s: int
    detail: str


def validate(placed: Placed, limits: Rules, rules: VeeRules | None = None) -> list[Finding]:
    """Return what looks wrong, in order of time."""
    rules = rules or VeeRules()
    found = [
        *_single_slots(placed, limits),
        *_spikes(placed, rules),
        *_runs(placed, rules),
        *_sums(placed),
        *(
            Finding(Check.REGISTER, f.at_s, f.at_s, f"{f.step.value}: from {f.before} to {f.after}")
            for f in placed.registers.found
        ),
    ]
    return sorted(found, key=lambda finding: (finding.start_s, finding.check))


def _at(placed: Placed, slot: int) -> int:
    return placed.start_s + slot * placed.interval_s


def _single_slots(placed: Placed, limits: Rules) -> list[Finding]:
    known = placed.known()
    cap = (
        limits.cap_per_hour * placed.interval_s // HOUR_S * 10 ** max(-placed.scaler, 0) // 10 ** max(placed.scaler, 0)
    )
    checks = ((Check.NEGATIVE, known & (placed.amounts < 0)), (Check.CAP, known & (placed.amounts > cap)))
    return [
        Finding(check, _at(placed, k), _at(placed, k + 1), f"{int(placed.amounts[k])}e{placed.scaler} in one slot")
        for check, bad in checks
        for k in np.flatnonzero(bad).tolist()
    ]


def _spikes(placed: Placed, rules: VeeRules) -> list[Finding]:
    width = DAY_S // placed.interval_s
    found = []
    for first in range(0, placed.slots - width + 1, width):
        day = np.where(placed.known()[first : first + width], placed.amounts[first : first + width], 0)
        highest, third = int(day.max()), int(np.partition(day, -3)[-3])
        # a third highest within a few steps of the meter says nothing about shape
        if third > 10 * placed.resolution and (highest - third) * 100 > rules.spike_percent * third:
            slot = first + int(day.argmax())
            text = f"{highest} is {(highest - third) * 100 // third} % above the third highest, {third}"
            found.append(Finding(Check.SPIKE, _at(placed, slot), _at(placed, slot + 1), text))
    return found


def _runs(placed: Placed, rules: VeeRules) -> list[Finding]:
    known, amounts = placed.known(), placed.amounts
    found = []
    for check, alike, least in (
        (Check.ZERO_RUN, known & (amounts == 0), rules.zero_run),
        (Check.FROZEN, known & (amounts > placed.resolution), rules.frozen_run),
    ):
        for first, stop in _stretches(alike, amounts):
            if stop - first >= least:
                text = f"{stop - first} slots of {int(amounts[first])}e{placed.scaler}"
                found.append(Finding(check, _at(placed, first), _at(placed, stop), text))
    return found


def _stretches(alike: Bools, amounts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> list[tuple[int, int]]:
    """Return ``[first, stop)`` of every run of equal amounts inside ``alike``."""
    if not alike.any():
        return []
    breaks = np.flatnonzero((np.diff(amounts) != 0) | (alike[1:] != alike[:-1])) + 1
    edges = [0, *breaks.tolist(), len(alike)]
    return [(a, b) for a, b in itertools.pairwise(edges) if alike[a]]


def _sums(placed: Placed) -> list[Finding]:
    """Name where registers disagree with the slots between them."""
    return [
        Finding(
            Check.SUM,
            _at(placed, one.first),
            _at(placed, one.last),
            f"register {one.registers}, intervals {one.intervals} (allowed to differ by {one.allowed})",
        )
        for one in placed.contradictions
    ]
