"""Classes that hold measured values: data, registers, profiles (Blue Book 4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from demeter.protocols.dlms.classes.objects import Access, Attribute, CosemObject, Method
from demeter.protocols.dlms.classes.shapes import (
    ANY,
    DATE_TIME,
    INT8,
    NAME,
    OCTETS,
    UINT8,
    UINT16,
    UINT32,
    ZERO,
    array,
    enumeration,
    record,
)
from demeter.protocols.dlms.classes.structures import CAPTURE, CAPTURES, OBJECT_REF, SCALER_UNIT, SELECTED_CAPTURE
from demeter.protocols.dlms.obis import Obis

READ = Access.READ


class DataObject(CosemObject, class_id=1, title="Data"):
    """One value of any type, without a unit."""

    value = Attribute(2, ANY)


class Register(CosemObject, class_id=3, title="Register"):
    """One value with its unit."""

    value = Attribute(2, ANY, READ, scaled=True)
    scaler_unit = Attribute(3, SCALER_UNIT)
    reset = Method(1, ZERO)


class ExtendedRegister(Register, class_id=4, title="Extended register"):
    """A value with its unit, a status and when it was captured: a maximum demand and its moment."""

    status = Attribute(4, ANY, READ)
    capture_time = Attribute(5, DATE_TIME, READ)


class DemandRegister(CosemObject, class_id=5, title="Demand register"):
    """An average over a sliding window of ``number_of_periods`` periods of ``period`` seconds."""

    current_average_value = Attribute(2, ANY, READ, scaled=True)
    last_average_value = Attribute(3, ANY, READ, scaled=True)
    scaler_unit = Attribute(4, SCALER_UNIT)
    status = Attribute(5, ANY, READ)
    capture_time = Attribute(6, DATE_TIME, READ)
    start_time_current = Attribute(7, DATE_TIME, READ)
    period = Attribute(8, UINT32)
    number_of_periods = Attribute(9, UINT16)
    reset = Method(1, ZERO)
    next_period = Method(2, ZERO)


@dataclass(frozen=True, slots=True)
class RegisterMask:
    """Which of the assigned registers (counted from 1) run while the mask is active."""

    name: bytes
    registers: tuple[int, ...]


_MASK = record(RegisterMask, OCTETS, array(UINT8))


class RegisterActivation(CosemObject, class_id=6, title="Register activation"):
    """Which registers count at present: how tariffs are told apart."""

    register_assignment = Attribute(2, array(OBJECT_REF))
    mask_list = Attribute(3, array(_MASK))
    active_mask = Attribute(4, OCTETS)
    add_register = Method(1, OBJECT_REF)
    add_mask = Method(2, _MASK)
    delete_mask = Method(3, OCTETS)


class SortMethod(IntEnum):
    """How the rows of a profile are ordered."""

    FIFO = 1
    LIFO = 2
    LARGEST = 3
    SMALLEST = 4
    NEAREST_TO_ZERO = 5
    FARTHEST_FROM_ZERO = 6


class ProfileGeneric(CosemObject, class_id=7, version=1, title="Profile generic"):
    """Rows of captured attributes. The buffer is best read by ``protocols.dlms.profile``, as columns."""

    buffer = Attribute(2, ANY, READ)
    capture_objects = Attribute(3, CAPTURES)
    capture_period = Attribute(4, UINT32)
    sort_method = Attribute(5, enumeration(SortMethod))
    sort_object = Attribute(6, CAPTURE)
    entries_in_use = Attribute(7, UINT32, READ)
    profile_entries = Attribute(8, UINT32)
    reset = Method(1, ZERO)
    capture = Method(2, ZERO)


class ProfileGeneric0(ProfileGeneric, class_id=7, version=0):
    """Version 0 reads parts of the buffer by methods too; their parameters are those of the selective access."""

    get_buffer_by_range = Method(3, ANY)
    get_buffer_by_index = Method(4, ANY)


@dataclass(frozen=True, slots=True)
class TableCells:
    """The attribute of which objects fill a register table: names with these values of group E."""

    class_id: int
    logical_name: Obis
    group_e_values: tuple[int, ...]
    attribute: int


class RegisterTable(CosemObject, class_id=61, title="Register table"):
    """Values of one attribute of many similar objects."""

    table_cell_values = Attribute(2, ANY, READ)
    table_cell_definition = Attribute(3, record(TableCells, UINT16, NAME, array(UINT8), INT8))
    scaler_unit = Attribute(4, SCALER_UNIT)
    reset = Method(1, ZERO)
    capture = Method(2, ZERO)


class CaptureMethod(IntEnum):
    """When a compact buffer is filled."""

    INVOKE = 0
    IMPLICIT = 1


class _Compact(CosemObject):
    """What the versions of compact data have in common."""

    compact_buffer = Attribute(2, OCTETS, READ)
    template_id = Attribute(4, UINT8)
    template_description = Attribute(5, OCTETS, READ)
    capture_method = Attribute(6, enumeration(CaptureMethod))
    reset = Method(1, ZERO)
    capture = Method(2, ZERO)


class CompactData(_Compact, class_id=62, title="Compact data"):
    """Captured attributes without their tags; the template says how to read them."""

    capture_objects = Attribute(3, CAPTURES)


class CompactData1(_Compact, class_id=62, version=1, title="Compact data"):
    """Version 1 takes rows and columns of captured profiles."""

    capture_objects = Attribute(3, array(SELECTED_CAPTURE))
