"""Push: what a data-notification carries, as typed rows (IEC 62056-6-2 IC 40, IS 15959, national HAN ports).

``read_push`` finds the layout among data files; ``read_push_objects`` reads by a known push object list. The APDUs are
:class:`demeter.protocols.dlms.apdu.DataNotification` and its kin, protection is opened before.
"""

from demeter.protocols.dlms.push.layout import Column, Layout, builtin_layouts
from demeter.protocols.dlms.push.model import PushReading, PushRow, PushValue, Value
from demeter.protocols.dlms.push.reading import read_push, read_push_objects

__all__ = [
    "Column",
    "Layout",
    "PushReading",
    "PushRow",
    "PushValue",
    "Value",
    "builtin_layouts",
    "read_push",
    "read_push_objects",
]
