"""Everything that can go wrong in DLMS/COSEM, as one tree.

::

    DlmsError                  anything below; ``offset`` is the byte at which decoding stopped, where there is one
    ├── Truncated              the bytes end before the value does
    ├── Malformed              the bytes contradict the encoding rules
    │   └── Downgraded         protected less than was agreed: never read, whatever it says
    ├── Unsupported            well formed, but not something this implementation reads or writes
    ├── Refused                the peer answered with a data-access-result other than success
    ├── TagCheckFailed         the authentication tag does not match: wrong key, wrong system title or altered bytes
    ├── Replayed               the invocation counter is not above the last one accepted
    ├── AssociationRejected    the AARE says no
    └── ServiceError           exception-response or confirmed-service-error
"""

from __future__ import annotations

from enum import IntEnum


class DataAccessResult(IntEnum):
    """Why an attribute was not read or written (IEC 62056-5-3, Data-Access-Result)."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_GET_ABORTED = 15
    NO_LONG_GET_IN_PROGRESS = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET_IN_PROGRESS = 18
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250


class DlmsError(Exception):
    """The root of the tree. ``offset`` counts bytes from the start of the buffer that was being decoded."""

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (at byte {offset})")
        self.message = message
        self.offset = offset


class Truncated(DlmsError):
    """The bytes end before the value does; ``offset`` is the start of the field that could not be read."""


class Malformed(DlmsError):
    """The bytes contradict the encoding rules."""


class Downgraded(Malformed):
    """Protected less than the policy demands, or not at all, or not signed where a signature is expected."""


class Unsupported(DlmsError):
    """Well formed, but not something this implementation reads or writes."""


class Refused(DlmsError):
    """The peer answered with a data-access-result other than success."""

    def __init__(self, result: DataAccessResult, message: str = "", *, offset: int | None = None) -> None:
        super().__init__(message or result.name.lower().replace("_", " "), offset=offset)
        self.result = result


class TagCheckFailed(DlmsError):
    """A frame was received but its authentication tag does not match: wrong key, wrong title or altered bytes."""


class Replayed(DlmsError):
    """The invocation counter ``received`` is not above ``last``, the highest one accepted so far."""

    def __init__(self, message: str, *, received: int | None = None, last: int | None = None) -> None:
        super().__init__(message)
        self.received = received
        self.last = last


class AssociationRejected(DlmsError):
    """The AARE refused the association; ``result`` and ``diagnostic`` are its codes (IEC 62056-5-3, ACSE)."""

    def __init__(self, message: str, *, result: int | None = None, diagnostic: int | None = None) -> None:
        super().__init__(message)
        self.result = result
        self.diagnostic = diagnostic


class ServiceError(DlmsError):
    """The peer answered exception-response or confirmed-service-error; ``state`` and ``service`` are its codes."""

    def __init__(self, message: str, *, state: int | None = None, service: int | None = None) -> None:
        super().__init__(message)
        self.state = state
        self.service = service
