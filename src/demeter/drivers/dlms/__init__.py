"""The driver for DLMS/COSEM meters, what they push, and the decoders of the frames both hand over."""

from demeter.drivers.dlms.counters import FileCounters, MemoryCounters
from demeter.drivers.dlms.driver import DlmsDriver
from demeter.drivers.dlms.events import EventDecoder
from demeter.drivers.dlms.frames import CODEC, ProfileDecoder
from demeter.drivers.dlms.pushing import DlmsPushes, PushDecoder
from demeter.drivers.dlms.session import DlmsSession

__all__ = [
    "CODEC",
    "DlmsDriver",
    "DlmsPushes",
    "DlmsSession",
    "EventDecoder",
    "FileCounters",
    "MemoryCounters",
    "ProfileDecoder",
    "PushDecoder",
]
