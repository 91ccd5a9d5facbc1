"""The two error APDUs: exception-response and confirmed-service-error (IEC 62056-5-3, Green Book 9.4, 9.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from demeter.protocols.dlms.apdu.fields import finish, need, number32, u32
from demeter.protocols.dlms.errors import Malformed

EXCEPTION_RESPONSE: Final = 0xD8
CONFIRMED_SERVICE_ERROR: Final = 0x0E

_SERVICES: Final = {
    1: "initiate",
    2: "get-status",
    3: "get-name-list",
    4: "get-variable-attribute",
    5: "read",
    6: "write",
    7: "get-data-set-attribute",
    8: "get-task-invocation-attribute",
    9: "change-scope",
    10: "start",
    11: "stop",
    12: "resume",
    13: "make-usable",
    14: "initiate-load",
    15: "load-segment",
    16: "terminate-load",
    17: "initiate-upload",
    18: "upload-segment",
    19: "terminate-upload",
}
_GROUPS: Final[dict[int, tuple[str, tuple[str, ...]]]] = {
    0: (
        "application reference",
        (
            "other",
            "time elapsed",
            "application unreachable",
            "application reference invalid",
            "application context unsupported",
            "provider communication error",
            "deciphering error",
        ),
    ),
    1: (
        "hardware resource",
        (
            "other",
            "memory unavailable",
            "processor resource unavailable",
            "mass storage unavailable",
            "other resource unavailable",
        ),
    ),
    2: (
        "virtual equipment state",
        (
            "other",
            "no DLMS context",
            "loading data set",
            "status no change",
            "status inoperable",
        ),
    ),
    3: ("service", ("other", "PDU size", "service unsupported")),
    4: (
        "definition",
        (
            "other",
            "object undefined",
            "object class inconsistent",
            "object attribute inconsistent",
        ),
    ),
    5: (
        "access",
        (
            "other",
            "scope of access violated",
            "object access violated",
            "hardware fault",
            "object unavailable",
        ),
    ),
    6: (
        "initiate",
        (
            "other",
            "DLMS version too low",
            "incompatible conformance",
            "PDU size too short",
            "refused by the handler",
        ),
    ),
    7: (
        "load data set",
        (
            "other",
            "primitive out of sequence",
            "not loadable",
            "data set size too large",
            "not awaited segment",
            "interpretation failure",
            "storage failure",
            "data set not ready",
        ),
    ),
    9: (
        "task",
        (
            "other",
            "no remote control",
            "task invocation stopped",
            "task invocation running",
            "task invocation unusable",
        ),
    ),
}
"""Groups of ServiceError and the words for their values, from 0."""


class StateError(IntEnum):
    """First code of an exception-response."""

    SERVICE_NOT_ALLOWED = 1
    SERVICE_UNKNOWN = 2


class ServiceFault(IntEnum):
    """Second code of an exception-response; the invocation-counter error carries the last counter accepted."""

    OPERATION_NOT_POSSIBLE = 1
    SERVICE_NOT_SUPPORTED = 2
    OTHER_REASON = 3
    PDU_TOO_LONG = 4
    DECIPHERING_ERROR = 5
    INVOCATION_COUNTER_ERROR = 6


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """The service was not even tried; ``counter`` comes with an invocation-counter error only."""

    state: StateError
    service: ServiceFault
    counter: int | None = None

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((EXCEPTION_RESPONSE, self.state, self.service))
        return head if self.counter is None else head + u32(self.counter)


@dataclass(frozen=True, slots=True)
class ConfirmedServiceError:
    """ConfirmedServiceError: which service (1 initiate, 5 read, …), which group of errors, which error."""

    service: int
    group: int
    value: int

    def encode(self) -> bytes:
        """Encode the APDU."""
        return bytes((CONFIRMED_SERVICE_ERROR, self.service, self.group, self.value))

    def __str__(self) -> str:
        service = _SERVICES.get(self.service, f"service {self.service}")
        group, values = _GROUPS.get(self.group, (f"group {self.group}", ()))
        value = values[self.value] if self.value < len(values) else f"error {self.value}"
        return f"{service}: {group}: {value}"


def read_exception(apdu: bytes) -> ExceptionResponse:
    """Read an exception-response."""
    need(apdu, 1, 2)
    try:
        state, service = StateError(apdu[1]), ServiceFault(apdu[2])
    except ValueError:
        raise Malformed(f"exception-response {apdu[1]}, {apdu[2]} is not defined", offset=1) from None
    if service is not ServiceFault.INVOCATION_COUNTER_ERROR:
        finish(apdu, 3)
        return ExceptionResponse(state, service)
    counter = number32(apdu, 3)
    finish(apdu, 7)
    return ExceptionResponse(state, service, counter)


def read_service_error(apdu: bytes) -> ConfirmedServiceError:
    """Read a confirmed-service-error."""
    need(apdu, 1, 3)
    finish(apdu, 4)
    return ConfirmedServiceError(apdu[1], apdu[2], apdu[3])
