"""Cumulative registers as one index per service point, by event time.

A register only ever grows, except when it rolls over, is reset, or is read wrongly; each is told apart here and named,
and nothing is guessed: where the step between two reads cannot be known, the index is broken there (``run`` changes).
See docs/algorithms/consumption.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from demeter.kernel import Quality
from demeter.metering.columns import Bools, Codes, Ints

ROLLOVER_FROM_PERCENT = 90
EXCURSION_READS = 8


class Step(StrEnum):
    """What happened between two reads, where it was not plain growth."""

    ROLLOVER = "rollover"
    RESET = "reset"
    IMPLAUSIBLE = "implausible"
    WRONG_READ = "wrong read"


@dataclass(frozen=True, slots=True)
class StepFound:
    """A step that was not plain growth, at the later of its two reads; values are the register's, scaled."""

    step: Step
    at_s: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Chain:
    """A register's usable reads, sorted, with the amount each adds to the one before.

    ``linked[i]``: the amount from read i-1 to read i is known, and is ``delta[i]``; 0 where not linked, as at index 0.
    """

    at_s: Ints
    values: Ints
    quality: Codes
    delta: Ints
    linked: Bools
    found: tuple[StepFound, ...]


def chain(at_s: Ints, values: Ints, quality: Codes, modulus: int, cap_per_hour: int) -> Chain:
    """Link the settled reads of one register.

    ``modulus``: the register's full circle in the unit of ``values`` (0: it never rolls over). ``cap_per_hour``: the
    most that can flow, in the same unit (0: no limit). Suspect reads prove nothing and are left out.
    """
    usable = quality != Quality.SUSPECT
    at_s, values, quality = at_s[usable], values[usable], quality[usable]
    wrong, notes = _wrong_reads(at_s, values, modulus, cap_per_hour)
    if wrong.any():
        at_s, values, quality = at_s[~wrong], values[~wrong], quality[~wrong]
    step = np.diff(values, prepend=values[:1])
    linked = np.ones(len(at_s), dtype=np.bool_)
    linked[:1] = False
    odd = (step < 0) | (_too_fast(step, np.diff(at_s, prepend=at_s[:1]), cap_per_hour) & linked)
    for i in np.flatnonzero(odd):
        before, after, elapsed = int(values[i - 1]), int(values[i]), int(at_s[i] - at_s[i - 1])
        if step[i] < 0 and rolled_over(before, after, elapsed, modulus, cap_per_hour):
            step[i] += modulus
            notes.append(StepFound(Step.ROLLOVER, int(at_s[i]), before, after))
            continue
        notes.append(StepFound(Step.RESET if step[i] < 0 else Step.IMPLAUSIBLE, int(at_s[i]), before, after))
        step[i], linked[i] = 0, False
    return Chain(at_s, values, quality, step, linked, tuple(sorted(notes, key=lambda n: (n.at_s, n.step))))


def rolled_over(before: int, after: int, elapsed_s: int, modulus: int, cap_per_hour: int) -> bool:
    """Tell whether a fall is the register passing its last digit.

    It was in the last tenth of its circle, and what then flowed is possible in the time that passed.
    """
    if modulus <= 0 or not 0 <= after < before < modulus:
        return False
    if before * 100 < modulus * ROLLOVER_FROM_PERCENT:
        return False
    flowed = after + modulus - before
    return cap_per_hour <= 0 or flowed * 3600 <= cap_per_hour * elapsed_s


def _too_fast(step: Ints, elapsed: Ints, cap_per_hour: int) -> Bools:
    if cap_per_hour <= 0:
        return np.zeros(len(step), dtype=np.bool_)
    # per second and rounded up, so that a month at a fine scaler stays below 2**63
    return step > np.int64(cap_per_hour // 3600 + 1) * np.maximum(elapsed, 1)


def _wrong_reads(at_s: Ints, values: Ints, modulus: int, cap_per_hour: int) -> tuple[Bools, list[StepFound]]:
    """Find short excursions: reads between which the register falls and soon is back where it was."""
    wrong = np.zeros(len(at_s), dtype=np.bool_)
    notes: list[StepFound] = []
    for fall in np.flatnonzero(np.diff(values) < 0) + 1:
        i = int(fall)
        before, after = int(values[i - 1]), int(values[i])
        if wrong[i] or wrong[i - 1] or rolled_over(before, after, int(at_s[i] - at_s[i - 1]), modulus, cap_per_hour):
            continue
        low = _reads_until(values[i : i + EXCURSION_READS + 1] >= before)
        high = _reads_until(values[max(0, i - 1 - EXCURSION_READS) : i][::-1] <= after)
        if low is None and high is None:
            continue
        span = slice(i, i + low) if low is not None and (high is None or low <= high) else slice(i - (high or 0), i)
        wrong[span] = True
        notes += [
            StepFound(Step.WRONG_READ, int(at_s[k]), before, int(values[k])) for k in range(span.start, span.stop)
        ]
    return wrong, notes


def _reads_until(back: Bools) -> int | None:
    hits = np.flatnonzero(back)
    return int(hits[0]) if len(hits) else None
