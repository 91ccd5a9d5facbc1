"""How many messages a source may send: a bucket for each, refilled evenly."""

from __future__ import annotations

import time
from collections import OrderedDict

SOURCES = 10_000
"""Sources remembered; who was not heard of for longest is forgotten, and then has a full bucket."""


class Rates:
    """Buckets by source. ``rate``: messages per second in the long run; ``burst``: at once."""

    def __init__(self, rate: int, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, source: str, *, wait: bool = False, now: float | None = None) -> float:
        """Take a message out of a bucket; return the seconds until it may be handled (0: at once).

        With ``wait`` it is taken in any case, and the caller waits so long; without, only if that is 0.
        """
        at = time.monotonic() if now is None else now
        left, since = self._buckets.pop(source, (float(self._burst), at))
        left = min(left + (at - since) * self._rate, self._burst)
        due_s = max(1 - left, 0) / self._rate
        if wait or not due_s:
            left -= 1
        self._buckets[source] = left, at
        if len(self._buckets) > SOURCES:
            self._buckets.popitem(last=False)
        return due_s
