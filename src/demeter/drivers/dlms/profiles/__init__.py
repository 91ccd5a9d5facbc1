"""Meter profiles: kinds of meters as data files. A new meter type is a file, not code; see the README beside them."""

from demeter.drivers.dlms.profiles.library import ProfileFile, ProfileLibrary, builtin, read_file
from demeter.drivers.dlms.profiles.model import (
    AssociationInfo,
    EventCode,
    EventGroup,
    EventKind,
    MeterProfile,
    NamedObject,
    ProfileTable,
    Source,
)
from demeter.drivers.dlms.profiles.names import obis_name
from demeter.drivers.dlms.profiles.reading import ProfileError

__all__ = [
    "AssociationInfo",
    "EventCode",
    "EventGroup",
    "EventKind",
    "MeterProfile",
    "NamedObject",
    "ProfileError",
    "ProfileFile",
    "ProfileLibrary",
    "ProfileTable",
    "Source",
    "builtin",
    "obis_name",
    "read_file",
]
