"""The server side, sans-I/O: a meter's associations, what each may see, and the services on its objects.

A request never raises: what cannot be served is answered by an exception-response, a data-access-result or an
action-result, and the association goes on.
"""

from demeter.protocols.dlms.server.session import ServerSession
from demeter.protocols.dlms.server.settings import (
    CLOCK,
    INVOCATION_COUNTERS,
    OFFERED,
    PUBLIC_OBJECTS,
    PUBLIC_SAP,
    READER_SAP,
    SERIAL,
    UTILITY_SAP,
    Association,
    ObjectModel,
    SelectiveWriting,
    ServerSettings,
)

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
    "ObjectModel",
    "SelectiveWriting",
    "ServerSession",
    "ServerSettings",
]
