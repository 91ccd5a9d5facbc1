"""DLMS/COSEM (IEC 62056), sans-I/O: bytes in, values out; sockets, clocks and tasks belong to the callers.

From the wire upwards: :mod:`.wrapper` cuts frames, :mod:`.security` opens them, :mod:`.acse` and :mod:`.apdu` are the
services, :mod:`.client` and :mod:`.server` hold a conversation, :mod:`.replay` opens a recorded one, :mod:`.push` reads
what nobody asked for. :mod:`.axdr` reads any value, :mod:`.profile` and :mod:`.vector` read load profiles as columns.
What most callers need stands here.
"""

from demeter.protocols.dlms.acse import Conformance, Mechanism
from demeter.protocols.dlms.apdu import AttributeRef, DataNotification, EventNotification, MethodRef
from demeter.protocols.dlms.client import WAIT, Access, CipherMode, Client, ClientSettings, Exchange, Quiet
from demeter.protocols.dlms.cosem_time import ClockStatus, CosemDateTime
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import (
    AssociationRejected,
    DataAccessResult,
    DlmsError,
    Downgraded,
    Malformed,
    Refused,
    Replayed,
    ServiceError,
    TagCheckFailed,
    Truncated,
    Unsupported,
)
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import (
    CaptureObject,
    EntrySelection,
    ProfileColumn,
    ProfileColumns,
    RangeSelection,
    decode_capture_objects,
    decode_scaler_profile,
    encode_capture_objects,
    profile_columns,
    profile_columns_batch,
    profile_columns_scalar,
)
from demeter.protocols.dlms.push import PushReading, PushRow, PushValue, read_push
from demeter.protocols.dlms.replay import open_get_list_response, open_get_response, open_get_values
from demeter.protocols.dlms.security import (
    Counters,
    KeyChange,
    KeyId,
    KeyPairs,
    KeyScheme,
    KeySet,
    Protection,
    Suite,
    SuiteKeys,
    suite_keys,
)
from demeter.protocols.dlms.server import Association, MeterKeys, ObjectModel, Rule, ServerSession, ServerSettings
from demeter.protocols.dlms.wrapper import Unwrapper, WrapperFrame, wrap

__all__ = [
    "WAIT",
    "Access",
    "Association",
    "AssociationRejected",
    "AttributeRef",
    "CaptureObject",
    "CipherMode",
    "Client",
    "ClientSettings",
    "ClockStatus",
    "Conformance",
    "CosemDateTime",
    "Counters",
    "Data",
    "DataAccessResult",
    "DataNotification",
    "DlmsError",
    "Downgraded",
    "EntrySelection",
    "EventNotification",
    "Exchange",
    "KeyChange",
    "KeyId",
    "KeyPairs",
    "KeyScheme",
    "KeySet",
    "Malformed",
    "Mechanism",
    "MeterKeys",
    "MethodRef",
    "Obis",
    "ObjectModel",
    "ProfileColumn",
    "ProfileColumns",
    "Protection",
    "PushReading",
    "PushRow",
    "PushValue",
    "Quiet",
    "RangeSelection",
    "Refused",
    "Replayed",
    "Rule",
    "ServerSession",
    "ServerSettings",
    "ServiceError",
    "Suite",
    "SuiteKeys",
    "Tag",
    "TagCheckFailed",
    "Truncated",
    "Unsupported",
    "Unwrapper",
    "WrapperFrame",
    "decode_capture_objects",
    "decode_scaler_profile",
    "encode_capture_objects",
    "open_get_list_response",
    "open_get_response",
    "open_get_values",
    "profile_columns",
    "profile_columns_batch",
    "profile_columns_scalar",
    "read_push",
    "suite_keys",
    "wrap",
]
