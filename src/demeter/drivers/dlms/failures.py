"""From what went wrong in the protocol to the reason a person understands."""

from __future__ import annotations

from demeter.protocols.dlms.errors import (
    AssociationRejected,
    DataAccessResult,
    DlmsError,
    Malformed,
    Refused,
    Replayed,
    ServiceError,
    TagCheckFailed,
    Truncated,
    Unsupported,
)
from demeter.sdk import FailureKind, ReadFailure

AUTHENTICATION_FAILURE = 13
"""ACSE diagnostic: the meter did not accept the password or the answer to its challenge."""
DECIPHERING_ERROR = 5
COUNTER_ERROR = 6
"""Service errors of an exception-response (IEC 62056-5-3): the meter could not open, or had seen, what it was sent."""

NOT_THERE = {DataAccessResult.OBJECT_UNDEFINED, DataAccessResult.OBJECT_UNAVAILABLE}

KINDS: dict[type[DlmsError], FailureKind] = {
    Truncated: FailureKind.TRUNCATED,
    Malformed: FailureKind.GARBLED,
    Unsupported: FailureKind.NOT_SUPPORTED,
    TagCheckFailed: FailureKind.WRONG_KEY,
    Replayed: FailureKind.REPLAYED,
}


def failure_of(error: DlmsError, doing: str) -> ReadFailure:
    """Return the failure to report; ``doing`` says what was asked (``reading block load``)."""
    return ReadFailure(_kind(error), f"{doing}: {error.message}", offset=error.offset)


def _kind(error: DlmsError) -> FailureKind:
    if isinstance(error, Refused):
        return FailureKind.NOT_SUPPORTED if error.result in NOT_THERE else FailureKind.REFUSED
    if isinstance(error, AssociationRejected):
        return FailureKind.WRONG_KEY if error.diagnostic == AUTHENTICATION_FAILURE else FailureKind.REFUSED
    if isinstance(error, ServiceError):
        kinds = {DECIPHERING_ERROR: FailureKind.WRONG_KEY, COUNTER_ERROR: FailureKind.REPLAYED}
        return kinds.get(error.service if error.service is not None else -1, FailureKind.REFUSED)
    return next((kind for known, kind in KINDS.items() if isinstance(error, known)), FailureKind.GARBLED)
