"""Meter profiles: kinds of meters as data files. A new meter type is a file, not code; see the README beside them."""

from demeter.drivers.dlms.profiles.library import ProfileFile, ProfileLibrary, builtin, read_file
from demeter.drivers.dlms.profiles.model import (
    AssociationInfo,
    EventCode,
    EventGroup,
    EventKind,
    ItemKind,
    MeterProfile,
    NamedObject,
    ProfileTable,
    PushForm,
    PushItem,
    PushLayout,
    PushMarker,
    Source,
)
from demeter.drivers.dlms.profiles.names import obis_name
from demeter.drivers.dlms.profiles.pushes import PushedValue, detect, read_push
from demeter.drivers.dlms.profiles.reading import ProfileError

__all__ = [
    "AssociationInfo",
    "EventCode",
    "EventGroup",
    "EventKind",
    "ItemKind",
    "MeterProfile",
    "NamedObject",
    "ProfileError",
    "ProfileFile",
    "ProfileLibrary",
    "ProfileTable",
    "PushForm",
    "PushItem",
    "PushLayout",
    "PushMarker",
    "PushedValue",
    "Source",
    "builtin",
    "detect",
    "obis_name",
    "read_file",
    "read_push",
]
