"""The quarter-hours load shapes are made of, with their local time of day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from demeter.simulator.noise import IntArray

SLOT_S = 900
"""Length of a shape's slot in seconds; slot k is the half-open span [k, k + 1) x 900 s since 1970 UTC."""

SLOTS_A_DAY = 96


@dataclass(frozen=True, slots=True)
class Slots:
    """Columns of equal length n about consecutive slots.

    ``index``: slot number since 1970 UTC; ``quarter``: local quarter-hour of the day, 0 to 95; ``day``: local days
    since 1970-01-01; ``month``: local calendar month, 1 to 12.
    """

    index: IntArray
    quarter: IntArray
    day: IntArray
    month: IntArray

    @property
    def weekend(self) -> IntArray:
        """Return 1 for slots of a local Saturday or Sunday, else 0 (1970-01-01 was a Thursday)."""
        weekend: IntArray = ((self.day + 3) % 7 >= 5).astype(np.int64)
        return weekend


@lru_cache(maxsize=64)
def slots(zone: str, first: int, count: int) -> Slots:
    """Return ``count`` slots from number ``first`` as the clocks of IANA ``zone`` show them."""
    index = np.arange(first, first + count, dtype=np.int64)
    local_s = index * SLOT_S + _offsets_s(zone, index)
    day = local_s // 86_400
    month = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    found = Slots(index, local_s % 86_400 // SLOT_S, day, month)
    for column in (found.index, found.quarter, found.day, found.month):
        column.flags.writeable = False
    return found


def _offsets_s(zone: str, index: IntArray) -> IntArray:
    """Return each slot's offset of local time from UTC in seconds; asked once per hour, no zone changes within."""
    hours, place = np.unique(index * SLOT_S // 3600, return_inverse=True)
    here = ZoneInfo(zone)
    offsets = [_offset_s(int(hour) * 3600, here) for hour in hours]
    spread: IntArray = np.array(offsets, dtype=np.int64)[place]
    return spread


def _offset_s(at_s: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(at_s, UTC).astimezone(zone).utcoffset()
    assert offset is not None, "a ZoneInfo always knows its offset"
    return int(offset.total_seconds())
