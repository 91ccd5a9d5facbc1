"""Sessions with meters: schedules, back-fill, reads on demand, and why a read failed."""

from demeter.headend.collector import Collector
from demeter.headend.counters import DatabaseCounters
from demeter.headend.discovery import KeptDiscovery, Place, discover, keep_discovery, kept_discovery, place_of
from demeter.headend.events import EventFilter, StoredEvent, meter_events, site_events, take_in
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
from demeter.headend.operations import DONE_CHANNEL as COMMAND_DONE_CHANNEL
from demeter.headend.operations import (
    KEYS,
    SUPPLY,
    Command,
    CommandState,
    Order,
    Outcome,
    Pacing,
    Step,
    await_command,
    cancel_command,
    checked,
    command,
    commands,
    expire_commands,
    request_command,
    steps,
)
from demeter.headend.operations.ordering import change_keys
from demeter.headend.operations.rekeying import KeyOrder
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
    "COMMAND_DONE_CHANNEL",
    "DONE_CHANNEL",
    "KEYS",
    "READ",
    "SUPPLY",
    "CollectionProgress",
    "Collector",
    "Command",
    "CommandState",
    "DatabaseCounters",
    "EventFilter",
    "KeptDiscovery",
    "KeyOrder",
    "Limits",
    "MeterRow",
    "Order",
    "Outcome",
    "Pacing",
    "Place",
    "Purpose",
    "ReadRequest",
    "Receipt",
    "RequestState",
    "Session",
    "Sink",
    "Step",
    "StoredEvent",
    "await_command",
    "cancel_command",
    "change_keys",
    "checked",
    "command",
    "commands",
    "discover",
    "expire_commands",
    "keep_discovery",
    "kept_discovery",
    "meter_events",
    "meter_rows",
    "place_of",
    "progress",
    "prune_log",
    "read_request",
    "request_command",
    "request_read",
    "sessions",
    "site_events",
    "steps",
    "take_in",
]
