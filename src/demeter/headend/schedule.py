"""When to read what: pure functions of time, without state or I/O."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from demeter.headend.model import HOPELESS, Limits, Received
from demeter.kernel import DAY, Span, day_span, day_start, local_day

SECOND = timedelta(seconds=1)
WINDOWS = (timedelta(minutes=15), timedelta(hours=4), timedelta(hours=24))
"""How soon after the end of its interval a read is wanted, as :class:`.model.Received` counts."""


WINDOWS = (timedelta(minutes=15), timedelta(hours=4), timedelta(hours=24))
"""How soon after the end of its interval a read is wanted, as :class:`.model.Received` counts."""


def spread(meter_id: int, turn: int, parts: int) -> int:
    """Return a number in ``[0, parts)`` that is always the same for a meter and turn, and even over the meters."""
    digest = blake2b(f"{meter_id}/{turn}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % max(parts, 1)


def next_due(meter_id: int, after: datetime, limits: Limits) -> datetime:
    """Return the first regular read after an instant: on the grid, when the row has settled, each meter at its moment.

    The grid is UTC's: at 900 s it falls on the quarter-hours of every time zone in use.
    """
    offset = limits.settle_s + spread(meter_id, 0, limits.jitter_s)
    grid = limits.schedule_s
    k = int(after.timestamp() - offset) // grid + 1
    return datetime.fromtimestamp(k * grid + offset, UTC)


def back_off(meter_id: int, failures: int, kind: str, limits: Limits) -> timedelta:
    """Return how long to wait after the ``failures``-th failure in a row: doubling, bounded, ±25 % by meter.

    Failures that waiting does not heal start at ``sulk_s`` at once.
    """
    whole = limits.back_off_s * 2 ** min(max(failures, 1) - 1, 16)
    if kind in HOPELESS:
        whole = max(whole, limits.sulk_s)
    whole = min(whole, max(limits.patience_s, limits.sulk_s if kind in HOPELESS else 0))
    return timedelta(milliseconds=whole * (750 + spread(meter_id, failures, 501)))


def slices(since: datetime, until: datetime, period_s: int, rows: int) -> Iterator[Span]:
    """Cut ``[since, until)`` into spans of at most ``rows`` capture periods, oldest first (period 0: one span)."""
    step = timedelta(seconds=period_s * rows) if period_s > 0 else until - since
    while since < until:
        end = min(since + step, until)
        yield Span(since, end)
        since = end


def reads_due(zone: str, day: date, period_s: int, commissioned_at: datetime, until: datetime) -> int:
    """Count the interval reads of a site-local day that ended after commissioning and up to ``until``.

    A read stamped t covers the period before t, so the one stamped at midnight belongs to the day that ends.
    """
    if period_s <= 0:
        return 0
    span = day_span(zone, day)
    start, end = max(span.start, commissioned_at), min(span.end, until)
    if end <= start:
        return 0
    return int(end.timestamp()) // period_s - int(start.timestamp()) // period_s


def received_by_day(zone: str, at_s: NDArray[np.int64], now: datetime) -> dict[date, Received]:
    """Count stamps (int64[n], UTC epoch seconds, distinct), received ``now``, by the site-local day they end in."""
    if not len(at_s):
        return {}
    first = local_day(zone, datetime.fromtimestamp(int(at_s.min()) - 1, UTC))
    last = local_day(zone, datetime.fromtimestamp(int(at_s.max()) - 1, UTC))
    days = [first + k * DAY for k in range((last - first).days + 1)]
    starts = np.array([int(day_start(zone, day).timestamp()) for day in days], dtype=np.int64)
    places = np.searchsorted(starts, at_s - 1, side="right") - 1
    age_s = int(now.timestamp()) - at_s
    late_s = (None, *(int(window.total_seconds()) for window in WINDOWS))
    counts = [
        np.bincount(places if most is None else places[age_s <= most], minlength=len(days)).tolist() for most in late_s
    ]
    return {day: Received(*each) for day, *each in zip(days, *counts, strict=True) if each[0]}


def midnight_due(zone: str, collected_until: datetime | None, now: datetime) -> bool:
    """Tell whether a daily profile should hold a row that is not collected: that of the last local midnight."""
    return collected_until is None or collected_until < day_start(zone, local_day(zone, now))
