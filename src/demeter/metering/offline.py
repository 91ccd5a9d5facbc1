"""Read failures: a meter whose newest reading is too old. Worked numbers: docs/algorithms/offline.md."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from demeter.metering.columns import Ints

DEFAULT_THRESHOLD = timedelta(hours=24)
CURRENT_OTHERS_PERCENT = 95
"""So many of a site's other meters are read up to date before one that was never read is called a failure."""


class FailureReason(StrEnum):
    """Why the newest reading is old."""

    SILENT = "no answer"
    NEVER_READ = "never read"
    OLD_DATA = "answers, but its newest reading is old"


@dataclass(frozen=True, slots=True)
class ReadFailureSignal:
    """A meter without readings since ``since`` (UTC), and how long that is."""

    reason: FailureReason
    since: datetime
    silent_for: timedelta
    last_measured_at: datetime | None
    last_received_at: datetime | None


def read_failure(
    now: datetime,
    last_measured_at: datetime | None,
    last_received_at: datetime | None,
    commissioned_at: datetime,
    threshold: timedelta = DEFAULT_THRESHOLD,
) -> ReadFailureSignal | None:
    """Tell whether a meter is a read failure at ``now``: more than ``threshold`` since what it last measured.

    A meter that was never read counts from its commissioning. Readings stamped after ``now`` (a meter clock that runs
    fast) count as now. All times aware UTC.
    """
    since = commissioned_at if last_measured_at is None else max(min(last_measured_at, now), commissioned_at)
    silent_for = now - since
    if silent_for <= threshold:
        return None
    if last_measured_at is None:
        reason = FailureReason.NEVER_READ
    elif last_received_at is not None and now - last_received_at <= threshold:
        reason = FailureReason.OLD_DATA
    else:
        reason = FailureReason.SILENT
    return ReadFailureSignal(reason, since, silent_for, last_measured_at, last_received_at)


def had_its_chance(
    now: datetime,
    awaited_since: datetime,
    others_current: int,
    others: int,
    threshold: timedelta = DEFAULT_THRESHOLD,
) -> bool:
    """Tell whether a meter that was never read should have been read by now.

    A meter entered today may have been commissioned long ago: its silence says nothing before someone tried. Either its
    first reading is awaited for longer than ``threshold``, or the site is being read, and nearly all of its ``others``
    (smart meters with an installation) are up to date.
    """
    if now - awaited_since > threshold:
        return True
    return others > 0 and others_current * 100 >= others * CURRENT_OTHERS_PERCENT


def silences(marks_s: Ints, start_s: int, end_s: int, threshold_s: int) -> list[tuple[int, int]]:
    """Return the stretches of ``[start_s, end_s]`` longer than ``threshold_s`` without a single reading.

    ``marks_s``: instants of registers and ends of intervals, any order. Used for months that have ended: what is filled
    in later is no failure any more, so the result depends on the set of readings only.
    """
    inside = marks_s[(marks_s >= start_s) & (marks_s <= end_s)]
    edges = np.unique(np.concatenate([inside, np.array([start_s, end_s], dtype=np.int64)]))
    long = np.flatnonzero(np.diff(edges) > threshold_s)
    return [(int(edges[i]), int(edges[i + 1])) for i in long]
