"""Classes that switch, limit and update: disconnect control, limiter, monitors, image transfer (Blue Book 4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from demeter.protocols.dlms.classes.objects import Access, Attribute, CosemObject, Method
from demeter.protocols.dlms.classes.shapes import (
    ANY,
    BITS,
    BOOLEAN,
    DATE_TIME,
    OCTETS,
    UINT8,
    UINT16,
    UINT32,
    ZERO,
    array,
    enumeration,
    record,
)
from demeter.protocols.dlms.classes.structures import ACTION_ITEM, OBJECT_REF, VALUE_REF, ActionItem, ObjectRef
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import BitString

READ = Access.READ


class ImageStatus(IntEnum):
    """How far an image transfer has come."""

    NOT_INITIATED = 0
    INITIATED = 1
    VERIFICATION_INITIATED = 2
    VERIFICATION_SUCCESSFUL = 3
    VERIFICATION_FAILED = 4
    ACTIVATION_INITIATED = 5
    ACTIVATION_SUCCESSFUL = 6
    ACTIVATION_FAILED = 7


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image ready for activation."""

    size: int
    identification: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ImageStart:
    """What an image transfer begins with; ``size`` in octets."""

    identifier: bytes
    size: int


@dataclass(frozen=True, slots=True)
class ImageBlock:
    """One block of an image, counted from 0."""

    number: int
    octets: bytes


class ImageTransfer(CosemObject, class_id=18, title="Image transfer"):
    """Firmware update: initiate, transfer blocks in any order, verify, activate."""

    image_block_size = Attribute(2, UINT32, READ)
    image_transferred_blocks_status = Attribute(3, BITS, READ)
    image_first_not_transferred_block_number = Attribute(4, UINT32, READ)
    image_transfer_enabled = Attribute(5, BOOLEAN)
    image_transfer_status = Attribute(6, enumeration(ImageStatus), READ)
    image_to_activate_info = Attribute(7, array(record(ImageInfo, UINT32, OCTETS, OCTETS)), READ)
    image_transfer_initiate = Method(1, record(ImageStart, OCTETS, UINT32))
    image_block_transfer = Method(2, record(ImageBlock, UINT32, OCTETS))
    image_verify = Method(3, ZERO)
    image_activate = Method(4, ZERO)


@dataclass(frozen=True, slots=True)
class Crossing:
    """What runs when a threshold is crossed upwards and downwards."""

    up: ActionItem
    down: ActionItem


CROSSING = record(Crossing, ACTION_ITEM, ACTION_ITEM)


class RegisterMonitor(CosemObject, class_id=21, title="Register monitor"):
    """Runs scripts when a value crosses thresholds; actions in the order of the thresholds."""

    thresholds = Attribute(2, array(ANY))
    monitored_value = Attribute(3, VALUE_REF)
    actions = Attribute(4, array(CROSSING))


@dataclass(frozen=True, slots=True)
class RequestAction:
    """An actor's request to an arbitrator: one bit per action."""

    actor: int
    actions: BitString


class Arbitrator(CosemObject, class_id=68, title="Arbitrator"):
    """Decides by permissions and weights which actor's request is carried out."""

    actions = Attribute(2, array(ACTION_ITEM))
    permissions_table = Attribute(3, array(BITS))
    weightings_table = Attribute(4, array(array(UINT16)))
    most_recent_requests_table = Attribute(5, array(BITS), READ)
    last_outcome = Attribute(6, UINT8, READ)
    request_action = Method(1, record(RequestAction, UINT8, BITS))
    reset = Method(2, ZERO)


class ControlState(IntEnum):
    """The state of a disconnect unit as its control sees it."""

    DISCONNECTED = 0
    CONNECTED = 1
    READY_FOR_RECONNECTION = 2


class ControlMode(IntEnum):
    """Which ways of switching are open (Blue Book, Disconnect control): the number is the standard's mode.

    In modes 1 to 6 remote and local (limiter) disconnection and manual reconnection are possible. The remote
    reconnection connects at once in modes 2 and 4; in 1, 3, 5 and 6 it only makes ready for manual reconnection.
    Manual disconnection is possible in 1, 2 and 5, local reconnection in 5 and 6.
    """

    ALWAYS_CONNECTED = 0
    MODE_1 = 1
    MODE_2 = 2
    MODE_3 = 3
    MODE_4 = 4
    MODE_5 = 5
    MODE_6 = 6


class DisconnectControl(CosemObject, class_id=70, title="Disconnect control"):
    """The relay of the supply. ``output_state`` is the contact itself: true is connected."""

    output_state = Attribute(2, BOOLEAN, READ)
    control_state = Attribute(3, enumeration(ControlState), READ)
    control_mode = Attribute(4, enumeration(ControlMode))
    remote_disconnect = Method(1, ZERO)
    remote_reconnect = Method(2, ZERO)


@dataclass(frozen=True, slots=True)
class EmergencyProfile:
    """For ``duration`` seconds from ``activation_time`` the emergency threshold applies."""

    identifier: int
    activation_time: CosemDateTime
    duration: int


class Limiter(CosemObject, class_id=71, title="Limiter"):
    """Runs a script when a value stays over or under a threshold for so many seconds.

    The thresholds are of the type, and count by the scaler, of the value monitored.
    """

    monitored_value = Attribute(2, VALUE_REF)
    threshold_active = Attribute(3, ANY, READ)
    threshold_normal = Attribute(4, ANY)
    threshold_emergency = Attribute(5, ANY)
    min_over_threshold_duration = Attribute(6, UINT32)
    min_under_threshold_duration = Attribute(7, UINT32)
    emergency_profile = Attribute(8, record(EmergencyProfile, UINT16, DATE_TIME, UINT32))
    emergency_profile_group_id_list = Attribute(9, array(UINT16))
    emergency_profile_active = Attribute(10, BOOLEAN, READ)
    actions = Attribute(11, CROSSING)


@dataclass(frozen=True, slots=True)
class FunctionStatus:
    """Whether a function of the meter is switched on."""

    name: bytes
    enabled: bool


@dataclass(frozen=True, slots=True)
class FunctionObjects:
    """The objects a function is made of."""

    name: bytes
    objects: tuple[ObjectRef, ...]


_STATUS = record(FunctionStatus, OCTETS, BOOLEAN)
_FUNCTION = record(FunctionObjects, OCTETS, array(OBJECT_REF))


class FunctionControl(CosemObject, class_id=122, title="Function control"):
    """Switches whole functions of a meter on and off."""

    activation_status = Attribute(2, array(_STATUS), READ)
    function_list = Attribute(3, array(_FUNCTION), READ)
    set_function_status = Method(1, array(_STATUS))
    add_function = Method(2, _FUNCTION)
    remove_function = Method(3, OCTETS)
