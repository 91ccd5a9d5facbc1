"""How much of a month is known, of what could be known by now. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from demeter.kernel import Span
from demeter.metering.model import MonthUse
from demeter.metering.rollup import Total
from demeter.metering.views.model import PPM

ARRIVAL = timedelta(hours=1)
"""In a running month, slots that ended less than this ago are not owed yet."""

ENOUGH_PPM = 980_000
"""Coverage below which a month is shown as partial."""


def coverage_so_far(month: MonthUse, span: Span, now: datetime) -> int:
    """Return the known share, per million, of what could be known at ``now``."""
    total: Total = month.total
    ahead = max(int((span.end - (now - ARRIVAL)).total_seconds()), 0) // month.interval_s
    owed = max(total.due - ahead, total.known, 1)
    return total.known * PPM // owed


def percent(coverage_ppm: int) -> int:
    """Return a coverage in whole percent, rounded down: never 100 where something is missing."""
    return coverage_ppm * 100 // PPM
