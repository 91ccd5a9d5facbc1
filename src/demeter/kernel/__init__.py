"""Pure vocabulary all slices share: errors, clock, calendar, quality, quantities. Imports nothing of Demeter."""

from demeter.kernel.calendar import (
    DAY,
    Span,
    day_span,
    day_start,
    local_day,
    month_days,
    month_span,
    next_month,
    slots_in_day,
)
from demeter.kernel.clock import Clock, FixedClock, SystemClock
from demeter.kernel.errors import Conflict, DemeterError, Denied, Invalid, NotFound, Unavailable
from demeter.kernel.quality import Quality
from demeter.kernel.quantity import Commodity, Quantity, display, rescale

__all__ = [
    "DAY",
    "Clock",
    "Commodity",
    "Conflict",
    "DemeterError",
    "Denied",
    "FixedClock",
    "Invalid",
    "NotFound",
    "Quality",
    "Quantity",
    "Span",
    "SystemClock",
    "Unavailable",
    "day_span",
    "day_start",
    "display",
    "local_day",
    "month_days",
    "month_span",
    "next_month",
    "rescale",
    "slots_in_day",
]
