"""The stable plug-in API: what drivers and decoders implement and what they hand over."""

from demeter.sdk.counters import Counted, CounterStore
from demeter.sdk.driver import (
    Collected,
    Credentials,
    Decoder,
    Driver,
    Endpoint,
    FailureKind,
    MeterSession,
    Nameplate,
    Profile,
    ReadFailure,
)
from demeter.sdk.frames import Delivery, Frame, ReadingKind, ReadingType, Series
from demeter.sdk.push import (
    OpenedPush,
    Pushed,
    PushFault,
    PushFrame,
    PushIdentity,
    PushMeter,
    PushReceiver,
    PushRefusal,
    PushSession,
    PushStream,
)

__all__ = [
    "Collected",
    "Counted",
    "CounterStore",
    "Credentials",
    "Decoder",
    "Delivery",
    "Driver",
    "Endpoint",
    "FailureKind",
    "Frame",
    "MeterSession",
    "Nameplate",
    "OpenedPush",
    "Profile",
    "PushFault",
    "PushFrame",
    "PushIdentity",
    "PushMeter",
    "PushReceiver",
    "PushRefusal",
    "PushSession",
    "PushStream",
    "Pushed",
    "ReadFailure",
    "ReadingKind",
    "ReadingType",
    "Series",
]
