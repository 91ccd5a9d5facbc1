"""COSEM interface classes as typed, frozen objects (IEC 62056-6-2; Blue Book), without I/O.

:func:`cosem_object` makes an object of any class from what was read; the classes themselves are importable here. How a
class is written down: :mod:`.objects`; types: :mod:`.shapes`; what to write or invoke for a purpose: :mod:`.commands`.
"""

from demeter.protocols.dlms.classes.access import (
    AssociationLn,
    AssociationLn1,
    AssociationLn2,
    AssociationLn3,
    SapAssignment,
    SecuritySetup,
    SecuritySetup1,
)
from demeter.protocols.dlms.classes.communication import (
    IecHdlcSetup,
    IecHdlcSetup0,
    MBusClient,
    MBusClient1,
    PushSetup,
    PushSetup1,
    PushSetup2,
)
from demeter.protocols.dlms.classes.control import (
    Arbitrator,
    ControlMode,
    ControlState,
    DisconnectControl,
    FunctionControl,
    ImageStatus,
    ImageTransfer,
    Limiter,
    RegisterMonitor,
)
from demeter.protocols.dlms.classes.data_json import data_from_json, data_to_json
from demeter.protocols.dlms.classes.measuring import (
    CompactData,
    CompactData1,
    DataObject,
    DemandRegister,
    ExtendedRegister,
    ProfileGeneric,
    ProfileGeneric0,
    Register,
    RegisterActivation,
    RegisterTable,
)
from demeter.protocols.dlms.classes.objects import (
    Access,
    Attribute,
    CosemObject,
    Interface,
    Method,
    UnknownObject,
    class_of,
    cosem_object,
    known_classes,
    object_from_json,
)
from demeter.protocols.dlms.classes.payment import Account, Charge, Credit, TokenGateway
from demeter.protocols.dlms.classes.shapes import data_words
from demeter.protocols.dlms.classes.structures import ScalerUnit
from demeter.protocols.dlms.classes.timing import (
    ActivityCalendar,
    Clock,
    ScriptTable,
    SingleActionSchedule,
    SpecialDaysTable,
)
from demeter.protocols.dlms.classes.units import Unit, symbol_of, unit_of

__all__ = [
    "Access",
    "Account",
    "ActivityCalendar",
    "Arbitrator",
    "AssociationLn",
    "AssociationLn1",
    "AssociationLn2",
    "AssociationLn3",
    "Attribute",
    "Charge",
    "Clock",
    "CompactData",
    "CompactData1",
    "ControlMode",
    "ControlState",
    "CosemObject",
    "Credit",
    "DataObject",
    "DemandRegister",
    "DisconnectControl",
    "ExtendedRegister",
    "FunctionControl",
    "IecHdlcSetup",
    "IecHdlcSetup0",
    "ImageStatus",
    "ImageTransfer",
    "Interface",
    "Limiter",
    "MBusClient",
    "MBusClient1",
    "Method",
    "ProfileGeneric",
    "ProfileGeneric0",
    "PushSetup",
    "PushSetup1",
    "PushSetup2",
    "Register",
    "RegisterActivation",
    "RegisterMonitor",
    "RegisterTable",
    "SapAssignment",
    "ScalerUnit",
    "ScriptTable",
    "SecuritySetup",
    "SecuritySetup1",
    "SingleActionSchedule",
    "SpecialDaysTable",
    "TokenGateway",
    "Unit",
    "UnknownObject",
    "class_of",
    "cosem_object",
    "data_from_json",
    "data_to_json",
    "data_words",
    "known_classes",
    "object_from_json",
    "symbol_of",
    "unit_of",
]
