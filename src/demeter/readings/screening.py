"""Which readings can be taken over at all: asked when they come in, and again when a frame is decoded again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from demeter.kernel import Quality
from demeter.readings.lattice import NO_VALUE
from demeter.sdk import Series

EARLIEST_S = 946_944_000  # 2000-01-04: a clock that was never set
AHEAD_S = 86_400  # how far a meter's clock may run ahead of ours and still be believed
FROM_METERS = np.zeros(256, np.bool_)
FROM_METERS[[int(q) for q in Quality if q not in {Quality.MISSING, Quality.EDITED}]] = True


@dataclass(frozen=True, slots=True)
class Screened:
    """What is left of a series, and why readings were left out: (reason, count)."""

    series: Series
    refused: tuple[tuple[str, int], ...]


def screen(series: Series, received_at: datetime) -> Screened:
    """Leave out what cannot be a reading; nothing is corrected or guessed.

    Left out: instants before 2000 or more than a day after the frame was received, qualities only an edit gives (or
    none), and the one value the store cannot hold (-2**63). Rows marked missing are dropped without a word.
    """
    latest_s = int(received_at.timestamp()) + AHEAD_S
    known = FROM_METERS[series.quality]
    if not len(series.at_s) or (
        bool(known.all())
        and series.at_s.min() >= EARLIEST_S
        and series.at_s.max() <= latest_s
        and series.values.min() != NO_VALUE
    ):
        return Screened(series, ())
    missing = series.quality == Quality.MISSING
    future, past = series.at_s > latest_s, series.at_s < EARLIEST_S
    odd = series.values == NO_VALUE
    reasons = {
        "in the future": future & ~missing,
        "before 2000": past & ~missing,
        "quality not from a meter": ~known & ~missing,
        "value out of range": odd & ~missing,
    }
    kept = known & ~(future | past | odd)
    left = Series(series.reading_type, series.at_s[kept], series.values[kept], series.quality[kept])
    return Screened(left, tuple((reason, int(mask.sum())) for reason, mask in reasons.items() if mask.any()))
