"""Sessions with meters: schedules, back-fill, reads on demand, and why a read failed."""

from demeter.headend.collector import Collector
from demeter.headend.jobs import prune_log
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
from demeter.headend.push import (
    PushLimits,
    PushListener,
    Quarantined,
    Released,
    drop,
    found,
    held,
    quarantined,
    release,
)
from demeter.headend.service import (
    COMMAND,
    READ,
    meter_rows,
    progress,
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
    "PushLimits",
    "PushListener",
    "Quarantined",
    "ReadRequest",
    "Receipt",
    "Released",
    "RequestState",
    "Session",
    "Sink",
    "drop",
    "found",
    "held",
    "meter_rows",
    "progress",
    "prune_log",
    "quarantined",
    "read_request",
    "release",
    "request_read",
    "sessions",
]
