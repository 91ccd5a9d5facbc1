"""From readings to a number nobody has to argue about: consumption, leaks, failures, reconciliation, statements."""

from demeter.metering import views
from demeter.metering.exchange import exchange_meter
from demeter.metering.explain import explain
from demeter.metering.export import MISSING_WORDS, HandOff, usage, usage_csv, usage_json, usage_rows
from demeter.metering.model import Policy
from demeter.metering.proof import Explanation, ProofState
from demeter.metering.self_read import (
    Outcome,
    SelfRead,
    SelfReadDecoder,
    SelfReadResult,
    deliver_now,
    submit_self_read,
)
from demeter.metering.service import publish_due, refresh, refresh_dirty
from demeter.metering.watch import watch_offline

__all__ = [
    "MISSING_WORDS",
    "Explanation",
    "HandOff",
    "Outcome",
    "Policy",
    "ProofState",
    "SelfRead",
    "SelfReadDecoder",
    "SelfReadResult",
    "deliver_now",
    "exchange_meter",
    "explain",
    "publish_due",
    "refresh",
    "refresh_dirty",
    "submit_self_read",
    "usage",
    "usage_csv",
    "usage_json",
    "usage_rows",
    "views",
    "watch_offline",
]
