"""What a meter sends unasked: data-notification (push) and event-notification (IEC 62056-5-3, Green Book 9.3.10 f.).

``at`` is the octets of the sender's date-time, kept as they came: an impossible time must not lose the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.apdu.fields import (
    AttributeRef,
    end_of_value,
    finish,
    need,
    number32,
    prefixed,
    present,
    read_descriptor,
    read_octets,
    u32,
)
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DlmsError, Malformed

DATA_NOTIFICATION: Final = 0x0F
DATA_NOTIFICATION_CONFIRM: Final = 0x10
EVENT_NOTIFICATION: Final = 0xC2


@dataclass(frozen=True, slots=True)
class DataNotification:
    """Data-Notification: ``body`` is one A-XDR value, not walked here; ``invoke`` the long-invoke-id-and-priority."""

    invoke: int
    body: bytes
    at: bytes = b""

    @property
    def moment(self) -> CosemDateTime | None:
        """The sender's date-time; None where it sends none or an impossible one."""
        return _moment(self.at)

    def confirmation(self, at: bytes = b"") -> DataNotificationConfirm:
        """What a receiver answers to a confirmed notification."""
        return DataNotificationConfirm(self.invoke, at)

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((DATA_NOTIFICATION,)) + u32(self.invoke) + prefixed(self.at) + self.body


@dataclass(frozen=True, slots=True)
class DataNotificationConfirm:
    """Data-Notification-Confirm."""

    invoke: int
    at: bytes = b""

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((DATA_NOTIFICATION_CONFIRM,)) + u32(self.invoke) + prefixed(self.at)


@dataclass(frozen=True, slots=True)
class EventNotification:
    """Event-Notification-Request: an attribute (never a part of it), its A-XDR value and when it had it."""

    attribute: AttributeRef
    value: bytes
    at: bytes | None = None

    @property
    def moment(self) -> CosemDateTime | None:
        """The time of the event; None where none or an impossible one is given."""
        return None if self.at is None else _moment(self.at)

    def encode(self) -> bytes:
        """Encode the APDU.

        Raises:
            Malformed: the attribute carries a selection.
        """
        if self.attribute.selection is not None:
            raise Malformed("an event-notification carries whole attributes")
        time = b"\x00" if self.at is None else b"\x01" + prefixed(self.at)
        return bytes((EVENT_NOTIFICATION,)) + time + self.attribute.descriptor() + self.value


_TAGGED_TIME: Final = b"\x09\x0c"

Notification = DataNotification | EventNotification


def read_data(apdu: bytes) -> DataNotification:
    """Read Data-Notification.

    Some meters (Kaifa) write the tag of an octet-string before the length of the date-time; as no date-time has nine
    octets, this is understood.
    """
    invoke = number32(apdu, 1)
    moment, at = read_octets(apdu, 6 if apdu[5:7] == _TAGGED_TIME else 5)
    need(apdu, at, 1)
    return DataNotification(invoke, apdu[at:], moment)


def read_confirm(apdu: bytes) -> DataNotificationConfirm:
    """Read Data-Notification-Confirm."""
    invoke = number32(apdu, 1)
    moment, at = read_octets(apdu, 5)
    finish(apdu, at)
    return DataNotificationConfirm(invoke, moment)


def read_event(apdu: bytes) -> EventNotification:
    """Read Event-Notification-Request."""
    moment, at = read_octets(apdu, 2) if present(apdu, 1) else (None, 2)
    attribute = AttributeRef(*read_descriptor(apdu, at))
    finish(apdu, end_of_value(apdu, at + 9))
    return EventNotification(attribute, apdu[at + 9 :], moment)


def _moment(octets: bytes) -> CosemDateTime | None:
    try:
        return CosemDateTime.from_bytes(octets)
    except DlmsError:
        return None
