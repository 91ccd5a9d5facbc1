"""Push: what a data-notification carries, as typed rows (IEC 62056-6-2 IC 40, IS 15959, national HAN ports).

``read_push`` finds the layout of a body among those it is given; they are data files and come from outside. The APDUs
are :class:`demeter.protocols.dlms.apdu.DataNotification` and its kin, protection is opened before.
"""

from demeter.protocols.dlms.push.layout import WORDS, Column, Columns, Layout, Objects, Scaler, Shape, parse_scaler
from demeter.protocols.dlms.push.model import PushReading, PushRow, PushValue, Value
from demeter.protocols.dlms.push.reading import BY_OBJECTS, object_list, read_push

__all__ = [
    "BY_OBJECTS",
    "WORDS",
    "Column",
    "Columns",
    "Layout",
    "Objects",
    "PushReading",
    "PushRow",
    "PushValue",
    "Scaler",
    "Shape",
    "Value",
    "object_list",
    "parse_scaler",
    "read_push",
]
