"""The driver for DLMS/COSEM meters over TCP, and the decoder of the frames it hands over."""

from demeter.drivers.dlms.counters import FileCounters, MemoryCounters
from demeter.drivers.dlms.driver import DlmsDriver
from demeter.drivers.dlms.events import EventDecoder
from demeter.drivers.dlms.frames import CODEC, ProfileDecoder
from demeter.drivers.dlms.session import DlmsSession

__all__ = ["CODEC", "DlmsDriver", "DlmsSession", "EventDecoder", "FileCounters", "MemoryCounters", "ProfileDecoder"]
