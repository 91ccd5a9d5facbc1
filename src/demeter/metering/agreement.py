"""Do registers and intervals say the same? The sum check; worked numbers: docs/algorithms/consumption.md. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demeter.kernel import Quality
from demeter.metering.columns import Bools, Codes, Ints
from demeter.metering.index import Pairs

DAY_S = 86_400
SUM_PPM = 5_000
"""Half a percent: what may be between a register difference and the sum of its intervals."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Slots ``[first, last)`` in which registers and intervals differ by more than ``allowed``; amounts as placed."""

    first: int
    last: int
    registers: int
    intervals: int
    allowed: int


def contradictions(
    pairs: Pairs, amounts: Ints, quality: Codes, steps: tuple[int, int], interval_s: int
) -> tuple[Contradiction, ...]:
    """Return the days, else the whole period, in which register differences disagree with fully known intervals.

    Args:
        pairs: neighbouring register reads on the grid.
        amounts: int64[n], what the interval readings alone say.
        quality: uint8[n], of the same.
        steps: the smallest step of the intervals and of the registers, in the unit of ``amounts``.
        interval_s: the slot length.

    Pairs are taken together by the 24 hours of the period they begin in, so that a register read a moment late, which
    the next read makes good, is no contradiction. A steady difference too small for a day shows in the whole period.
    """
    compared = _compared(pairs, quality)
    if not compared.any():
        return ()
    shown = np.concatenate([[0], np.cumsum(amounts)])
    first, last = pairs.first[compared], pairs.last[compared]
    columns = (first, last, pairs.amount[compared], shown[last] - shown[first])
    days = np.unique(first * interval_s // DAY_S, return_index=True)[1]
    return _failing(columns, days, steps) or _failing(columns, days[:1], steps)


def _trusted(quality: Codes) -> Bools:
    trusted: Bools = (quality == Quality.MEASURED) | (quality == Quality.EDITED)
    return trusted


def _compared(pairs: Pairs, quality: Codes) -> Bools:
    """Tell which pairs have trusted reads at both ends and nothing but trusted intervals between them."""
    doubtful = np.concatenate([[0], np.cumsum(~_trusted(quality))])
    compared: Bools = _trusted(pairs.quality) & (doubtful[pairs.last] == doubtful[pairs.first])
    return compared


def _failing(
    compared: tuple[Ints, Ints, Ints, Ints], begins: NDArray[np.intp], steps: tuple[int, int]
) -> tuple[Contradiction, ...]:
    """Judge the groups of compared pairs that begin at the indices ``begins``."""
    first, last, registers, intervals = compared
    proved, told = np.add.reduceat(registers, begins), np.add.reduceat(intervals, begins)
    # rounding every interval down can lose a step of each
    rounding = np.maximum(2 * max(steps), np.add.reduceat(last - first, begins) * steps[0])
    allowed = np.maximum(rounding, np.abs(proved) // (1_000_000 // SUM_PPM))
    stops = [*begins[1:].tolist(), len(first)]
    return tuple(
        Contradiction(int(first[begins[i]]), int(last[stops[i] - 1]), int(proved[i]), int(told[i]), int(allowed[i]))
        for i in np.flatnonzero(np.abs(proved - told) > allowed).tolist()
    )
