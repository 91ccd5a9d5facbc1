"""The server side, sans-I/O: a meter's associations, what each may see, and the services on its objects.

A request never raises: what cannot be served is answered by an exception-response, a data-access-result or an
action-result, and the association goes on.
"""

from demeter.protocols.dlms.admission import (
    CLOCK,
    INVOCATION_COUNTERS,
    OFFERED,
    PUBLIC_OBJECTS,
    PUBLIC_SAP,
    READER_SAP,
    SERIAL,
    UTILITY_SAP,
    Association,
    MeterKeys,
    Rule,
    ServerSettings,
)
from demeter.protocols.dlms.server.model import ObjectModel, SelectiveWriting
from demeter.protocols.dlms.server.session import ServerSession

__all__ = [
    "CLOCK",
    "INVOCATION_COUNTERS",
    "OFFERED",
    "PUBLIC_OBJECTS",
    "PUBLIC_SAP",
    "READER_SAP",
    "SERIAL",
    "UTILITY_SAP",
    "Association",
    "MeterKeys",
    "ObjectModel",
    "Rule",
    "SelectiveWriting",
    "ServerSession",
    "ServerSettings",
]
