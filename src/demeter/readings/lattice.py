"""What one slot holds after several readings met in it: a join that does not depend on order, repeats or delay.

A slot's state is ``(value, quality)``; quality 0 is the empty state. The join is commutative, associative and
idempotent (the state is a function of the *set* of readings):

* a higher quality outranks a lower one, but measured and suspect stand on one step: both come from the meter;
* on the meter's step the smaller value stays, and it is suspect if any was suspect or two measured values differ;
* on any other step the smaller value stays;
* edited outranks everything. Edits are ordered by their log entry, outside the join; of two the left one stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demeter.kernel import Quality

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Bytes = NDArray[np.uint8]

NO_VALUE = int(np.iinfo(np.int64).min)  # stands in value columns where an edit took a reading away
MEASURED, SUSPECT, EDITED = int(Quality.MEASURED), int(Quality.SUSPECT), int(Quality.EDITED)

STEP = np.arange(256, dtype=np.uint8)
STEP[SUSPECT] = MEASURED


@dataclass(frozen=True, slots=True)
class State:
    """Slots as two columns (or matrices) of equal shape."""

    values: Int64s
    quality: Bytes


def join(left: State, right: State) -> State:
    """Return the join, slot by slot."""
    takes_right = right.quality > left.quality
    values = np.where(takes_right, right.values, left.values)
    quality = np.maximum(left.quality, right.quality)
    same_step = (STEP[left.quality] == STEP[right.quality]) & (left.quality > 0) & (left.quality < EDITED)
    met = np.nonzero(same_step & ((left.values != right.values) | (left.quality != right.quality)))
    if met[0].size:
        differ = left.values[met] != right.values[met]
        values[met] = np.minimum(left.values[met], right.values[met])
        top = quality[met]
        quality[met] = np.where((top == MEASURED) & differ, SUSPECT, top)
    return State(values, quality)


def join_groups(slot: Int64s, state: State) -> tuple[Int64s, State]:
    """Join readings that fell into the same slots.

    Args:
        slot: int64[n], the slot of each reading, sorted.
        state: n readings with a quality above 0, at most one of a slot edited.

    Returns:
        The distinct slots, and their states.
    """
    starts = np.flatnonzero(np.concatenate(([True], slot[1:] != slot[:-1])))
    group = np.cumsum(np.concatenate(([0], (slot[1:] != slot[:-1]).astype(np.int64))))
    step = STEP[state.quality]
    top = np.maximum.reduceat(step, starts)
    counts = step == top[group]
    smallest = np.minimum.reduceat(np.where(counts, state.values, np.iinfo(np.int64).max), starts)
    largest = np.maximum.reduceat(np.where(counts, state.values, NO_VALUE), starts)
    quality = np.maximum.reduceat(np.where(counts, state.quality, 0).astype(np.uint8), starts)
    quality[(quality == MEASURED) & (smallest != largest)] = SUSPECT
    return slot[starts], State(smallest, quality)


def differs(left: State, right: State) -> NDArray[np.bool_]:
    """Tell slot by slot whether the states differ; values of empty slots do not count."""
    unequal: NDArray[np.bool_] = (left.quality != right.quality) | ((left.values != right.values) & (left.quality > 0))
    return unequal
