"""IEC 62056-21, the part that opens an optical or current-loop line for HDLC (mode E), sans-I/O."""

from demeter.protocols.iec62056_21.messages import (
    BAUDS,
    OPENING_BAUD,
    Identification,
    acknowledgement,
    decode_acknowledgement,
    decode_identification,
    opening,
    with_parity,
    without_parity,
)
from demeter.protocols.iec62056_21.mode_e import ANSWER_S, ModeEMeter, ModeEReader, Step

__all__ = [
    "ANSWER_S",
    "BAUDS",
    "OPENING_BAUD",
    "Identification",
    "ModeEMeter",
    "ModeEReader",
    "Step",
    "acknowledgement",
    "decode_acknowledgement",
    "decode_identification",
    "opening",
    "with_parity",
    "without_parity",
]
