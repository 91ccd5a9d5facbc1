"""Classes of communication: HDLC, push, M-Bus (Blue Book 4.4, 4.7 and 4.8)."""

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
from demeter.protocols.dlms.classes.structures import CAPTURES, RESTRICTED_CAPTURE, SELECTED_CAPTURE, WINDOW
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data

READ = Access.READ


class Speed(IntEnum):
    """Baud rates of serial ports."""

    BAUD_300 = 0
    BAUD_600 = 1
    BAUD_1200 = 2
    BAUD_2400 = 3
    BAUD_4800 = 4
    BAUD_9600 = 5
    BAUD_19200 = 6
    BAUD_38400 = 7
    BAUD_57600 = 8
    BAUD_115200 = 9


class IecHdlcSetup(CosemObject, class_id=23, version=1, title="IEC HDLC setup"):
    """A serial port's HDLC parameters; time-outs in milliseconds between octets and in seconds without traffic."""

    comm_speed = Attribute(2, enumeration(Speed))
    window_size_transmit = Attribute(3, UINT8)
    window_size_receive = Attribute(4, UINT8)
    max_info_field_length_transmit = Attribute(5, UINT16)
    max_info_field_length_receive = Attribute(6, UINT16)
    inter_octet_time_out = Attribute(7, UINT16)
    inactivity_time_out = Attribute(8, UINT16)
    device_address = Attribute(9, UINT16)


class IecHdlcSetup0(IecHdlcSetup, class_id=23, version=0):
    """Version 0 keeps frame lengths in one octet."""

    max_info_field_length_transmit = Attribute(5, UINT8)
    max_info_field_length_receive = Attribute(6, UINT8)


class PushService(IntEnum):
    """By which transport a push goes out."""

    TCP = 0
    UDP = 1
    FTP = 2
    SMTP = 3
    SMS = 4
    HDLC = 5
    M_BUS = 6
    ZIGBEE = 7
    DLMS_GATEWAY = 8


class PushMessage(IntEnum):
    """How a push is encoded."""

    A_XDR_ENCODED_APDU = 0
    XML_ENCODED_APDU = 1


@dataclass(frozen=True, slots=True)
class PushTarget:
    """Where a push goes: ``destination`` is an address such as ``10.0.0.1:4059`` as text or as the maker defines."""

    service: PushService | int
    destination: bytes
    message: PushMessage | int


class _Push(CosemObject):
    """What the versions of push setup have in common. Delays in seconds."""

    send_destination_and_method = Attribute(
        3, record(PushTarget, enumeration(PushService), OCTETS, enumeration(PushMessage))
    )
    communication_window = Attribute(4, array(WINDOW))
    randomisation_start_interval = Attribute(5, UINT16)
    number_of_retries = Attribute(6, UINT8)
    push = Method(1, ZERO)


class PushSetup(_Push, class_id=40, title="Push setup"):
    """What is pushed, where to and when."""

    push_object_list = Attribute(2, CAPTURES)
    repetition_delay = Attribute(7, UINT16)


class _ProtectedPush(_Push):
    """What versions 1 and 2 add: who sends, and how the push is protected."""

    port_reference = Attribute(8, NAME)
    push_client_sap = Attribute(9, INT8)
    push_protection_parameters = Attribute(10, array(ANY))


class PushSetup1(_ProtectedPush, class_id=40, version=1, title="Push setup"):
    """Version 1 restricts the rows of profiles and protects what it sends."""

    push_object_list = Attribute(2, array(RESTRICTED_CAPTURE))
    repetition_delay = Attribute(7, UINT16)


@dataclass(frozen=True, slots=True)
class RepetitionDelay:
    """Delay before the n-th retry: ``minimum × (exponent / 100) ** n``, at most ``maximum`` seconds."""

    minimum: int
    exponent: int
    maximum: int


class PushOperation(IntEnum):
    """Whether a push is confirmed and when it is tried again."""

    UNCONFIRMED_RETRY_ON_LOWER_LAYER_FAILURE = 0
    UNCONFIRMED_RETRY_ON_MISSING_CONFIRMATION = 1
    CONFIRMED_RETRY_ON_MISSING_CONFIRMATION = 2


@dataclass(frozen=True, slots=True)
class Confirmation:
    """From when confirmed data is sent, and how far back it reaches, in seconds."""

    start: CosemDateTime
    interval: int


class PushSetup2(_ProtectedPush, class_id=40, version=2, title="Push setup"):
    """Version 2 chooses columns, delays retries more and more, and can be confirmed."""

    push_object_list = Attribute(2, array(SELECTED_CAPTURE))
    repetition_delay = Attribute(7, record(RepetitionDelay, UINT16, UINT16, UINT16))
    push_operation_method = Attribute(11, enumeration(PushOperation))
    confirmation_parameters = Attribute(12, record(Confirmation, DATE_TIME, UINT32))
    last_confirmation_date_time = Attribute(13, DATE_TIME, READ)
    reset = Method(2, ZERO)


@dataclass(frozen=True, slots=True)
class MBusCapture:
    """A record of the M-Bus meter to capture: its data and value information blocks."""

    data_information_block: bytes
    value_information_block: bytes


@dataclass(frozen=True, slots=True)
class MBusRecord:
    """A record to send to the M-Bus meter."""

    data_information_block: bytes
    value_information_block: bytes
    data: Data


class MBusKeyStatus(IntEnum):
    """Which encryption key the M-Bus meter has."""

    NO_ENCRYPTION_KEY = 0
    ENCRYPTION_KEY_SET = 1
    ENCRYPTION_KEY_TRANSFERRED = 2
    ENCRYPTION_KEY_SET_AND_TRANSFERRED = 3
    ENCRYPTION_KEY_IN_USE = 4


class MBusClient(CosemObject, class_id=72, title="M-Bus client"):
    """An M-Bus meter (water, gas, heat) read by this one."""

    mbus_port_reference = Attribute(2, NAME)
    capture_definition = Attribute(3, array(record(MBusCapture, OCTETS, OCTETS)))
    capture_period = Attribute(4, UINT32)
    primary_address = Attribute(5, UINT8)
    identification_number = Attribute(6, UINT32)
    manufacturer_id = Attribute(7, UINT16)
    device_version = Attribute(8, UINT8)
    device_type = Attribute(9, UINT8)
    access_number = Attribute(10, UINT8, READ)
    status = Attribute(11, UINT8, READ)
    alarm = Attribute(12, UINT8, READ)
    slave_install = Method(1, ZERO)
    slave_deinstall = Method(2, ZERO)
    capture = Method(3, ZERO)
    reset_alarm = Method(4, ZERO)
    synchronize_clock = Method(5, ZERO)
    data_send = Method(6, array(record(MBusRecord, OCTETS, OCTETS, ANY)))
    set_encryption_key = Method(7, OCTETS)
    transfer_key = Method(8, OCTETS)


class MBusClient1(MBusClient, class_id=72, version=1):
    """Version 1 shows the configuration field and the state of the key; an address is given at installation."""

    configuration = Attribute(13, UINT16, READ)
    encryption_key_status = Attribute(14, enumeration(MBusKeyStatus), READ)
    slave_install = Method(1, UINT8)
