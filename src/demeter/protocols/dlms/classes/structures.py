"""Structures that several classes share (Blue Book, common data types of the interface classes)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from demeter.protocols.dlms.classes.shapes import (
    ANY,
    DATE_TIME,
    INT8,
    NAME,
    UINT16,
    Shape,
    array,
    enumeration,
    record,
)
from demeter.protocols.dlms.classes.units import Unit
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject


@dataclass(frozen=True, slots=True)
class ScalerUnit:
    """A value is ``number × 10**scaler`` of ``unit``; reserved unit codes stay integers."""

    scaler: int
    unit: Unit | int


_UNIT: Final = enumeration(Unit)
SCALER_UNIT: Final = record(ScalerUnit, INT8, _UNIT)


@dataclass(frozen=True, slots=True)
class ActionItem:
    """A script to run (``action_item``)."""

    script: Obis
    selector: int


ACTION_ITEM: Final = record(ActionItem, NAME, UINT16)


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object by class and name (``object_definition``)."""

    class_id: int
    logical_name: Obis


OBJECT_REF: Final = record(ObjectRef, UINT16, NAME)


@dataclass(frozen=True, slots=True)
class ValueRef:
    """An attribute of an object (``value_definition``)."""

    class_id: int
    logical_name: Obis
    attribute: int


VALUE_REF: Final = record(ValueRef, UINT16, NAME, INT8)


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` to ``end``, both with wildcards where the window repeats."""

    start: CosemDateTime
    end: CosemDateTime


WINDOW: Final = record(Window, DATE_TIME, DATE_TIME)

CAPTURE: Final[Shape[CaptureObject]] = record(CaptureObject, UINT16, NAME, INT8, UINT16)
CAPTURES: Final = array(CAPTURE)


@dataclass(frozen=True, slots=True)
class Restriction:
    """Which rows of a captured profile are taken: 0 all, 1 by date, 2 by entry; ``value`` as the standard nests it."""

    kind: int
    value: Data


class RestrictionKind(IntEnum):
    """How the rows of a captured profile are chosen."""

    NONE = 0
    BY_DATE = 1
    BY_ENTRY = 2


RESTRICTION: Final = record(Restriction, enumeration(RestrictionKind), ANY)


@dataclass(frozen=True, slots=True)
class RestrictedCapture:
    """A captured attribute and the rows taken from it (push setup version 1)."""

    class_id: int
    logical_name: Obis
    attribute: int
    index: int
    restriction: Restriction


RESTRICTED_CAPTURE: Final = record(RestrictedCapture, UINT16, NAME, INT8, UINT16, RESTRICTION)


@dataclass(frozen=True, slots=True)
class SelectedCapture:
    """A captured attribute, the rows and the columns taken from it (push setup 2, compact data 1)."""

    class_id: int
    logical_name: Obis
    attribute: int
    index: int
    restriction: Restriction
    columns: tuple[CaptureObject, ...]


SELECTED_CAPTURE: Final = record(SelectedCapture, UINT16, NAME, INT8, UINT16, RESTRICTION, CAPTURES)
