"""Sessions with meters: schedules, back-fill, reads on demand, and why a read failed."""

from demeter.headend.collector import Collector
from demeter.headend.model import (
    CollectionProgress,
    Limits,
    MeterRow,
    Purpose,
    ReadRequest,
    Receipt,
    RequestState,
    Session,
    Sink,
)
from demeter.headend.service import (
    COMMAND,
    READ,
    meter_rows,
    progress,
    prune,
    read_request,
    request_read,
    sessions,
)
from demeter.headend.store import DONE_CHANNEL

__all__ = [
    "COMMAND",
    "DONE_CHANNEL",
    "READ",
    "CollectionProgress",
    "Collector",
    "Limits",
    "MeterRow",
    "Purpose",
    "ReadRequest",
    "Receipt",
    "RequestState",
    "Session",
    "Sink",
    "meter_rows",
    "progress",
    "prune",
    "read_request",
    "request_read",
    "sessions",
]
