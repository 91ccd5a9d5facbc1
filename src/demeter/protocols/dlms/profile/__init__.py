"""Profile generic (IC 7): what is captured, how a part is asked for, and the buffer as columns.

:func:`profile_columns` (one payload) and :func:`profile_columns_batch` (many meters at once) take the vector path and
fall back to :func:`profile_columns_scalar`, which walks every cell; all give identical results.
"""

from demeter.protocols.dlms.profile.bulk import ProfileBatch, ProfileGroup, profile_columns, profile_columns_batch
from demeter.protocols.dlms.profile.captures import (
    CLOCK,
    CaptureObject,
    EntrySelection,
    RangeSelection,
    Scalers,
    decode_capture_objects,
    decode_scaler_profile,
    decode_scaler_unit,
    decode_selection,
    encode_capture_objects,
)
from demeter.protocols.dlms.profile.columns import ProfileColumn, ProfileColumns, TimeSource
from demeter.protocols.dlms.profile.rows import profile_rows
from demeter.protocols.dlms.profile.scalar import profile_columns_scalar

__all__ = [
    "CLOCK",
    "CaptureObject",
    "EntrySelection",
    "ProfileBatch",
    "ProfileColumn",
    "ProfileColumns",
    "ProfileGroup",
    "RangeSelection",
    "Scalers",
    "TimeSource",
    "decode_capture_objects",
    "decode_scaler_profile",
    "decode_scaler_unit",
    "decode_selection",
    "encode_capture_objects",
    "profile_columns",
    "profile_columns_batch",
    "profile_columns_scalar",
    "profile_rows",
]
