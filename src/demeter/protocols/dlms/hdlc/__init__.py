"""HDLC for DLMS/COSEM (IEC 62056-46, ISO/IEC 13239 format type 3), sans-I/O.

:mod:`.frame` encodes and decodes one frame, :mod:`.deframer` finds frames in a stream, :mod:`.parameters` are what two
stations agree on, :mod:`.numbering` cuts messages into segments and puts them together, :mod:`.client` and
:mod:`.server` are the two ends of a link.
"""

from demeter.protocols.dlms.hdlc.client import ClientLink, Connected, Disconnected, Event, Failed, Message, State
from demeter.protocols.dlms.hdlc.deframer import Deframer
from demeter.protocols.dlms.hdlc.errors import FrameRejected, LinkError, LinkLost, LinkRefused, RejectReason
from demeter.protocols.dlms.hdlc.frame import (
    MAX_INFORMATION,
    Address,
    Control,
    Frame,
    Kind,
    check_sequence,
    decode_frame,
    server_address,
)
from demeter.protocols.dlms.hdlc.numbering import MAX_MESSAGE, Assembler
from demeter.protocols.dlms.hdlc.parameters import MAX_WINDOW, LinkParameters, decode_parameters
from demeter.protocols.dlms.hdlc.server import WIDEST, Request, ServerStation

__all__ = [
    "MAX_INFORMATION",
    "MAX_MESSAGE",
    "MAX_WINDOW",
    "WIDEST",
    "Address",
    "Assembler",
    "ClientLink",
    "Connected",
    "Control",
    "Deframer",
    "Disconnected",
    "Event",
    "Failed",
    "Frame",
    "FrameRejected",
    "Kind",
    "LinkError",
    "LinkLost",
    "LinkParameters",
    "LinkRefused",
    "Message",
    "RejectReason",
    "Request",
    "ServerStation",
    "State",
    "check_sequence",
    "decode_frame",
    "decode_parameters",
    "server_address",
]
