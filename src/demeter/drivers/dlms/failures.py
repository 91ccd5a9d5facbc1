"""From what went wrong in the protocol to the reason a person understands."""

from __future__ import annotations

from demeter.protocols.dlms.acse import Diagnostic
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
from demeter.protocols.dlms.hdlc import LinkLost, LinkRefused
from demeter.sdk import FailureKind, ReadFailure

NOT_THERE = {DataAccessResult.OBJECT_UNDEFINED, DataAccessResult.OBJECT_UNAVAILABLE}

KINDS: dict[type[DlmsError], FailureKind] = {
    Truncated: FailureKind.TRUNCATED,
    Malformed: FailureKind.GARBLED,
    Unsupported: FailureKind.NOT_SUPPORTED,
    ServiceError: FailureKind.REFUSED,
    TagCheckFailed: FailureKind.WRONG_KEY,
    Replayed: FailureKind.REPLAYED,
    LinkLost: FailureKind.NO_ANSWER,
    LinkRefused: FailureKind.REFUSED,
}


def failure_of(error: DlmsError, doing: str) -> ReadFailure:
    """Return the failure to report; ``doing`` says what was asked (``reading block load``)."""
    return ReadFailure(_kind(error), f"{doing}: {error.message}", offset=error.offset)


def _kind(error: DlmsError) -> FailureKind:
    if isinstance(error, Refused):
        return FailureKind.NOT_SUPPORTED if error.result in NOT_THERE else FailureKind.REFUSED
    if isinstance(error, AssociationRejected):
        return FailureKind.WRONG_KEY if error.diagnostic == Diagnostic.AUTHENTICATION_FAILURE else FailureKind.REFUSED
    return next((kind for known, kind in KINDS.items() if isinstance(error, known)), FailureKind.GARBLED)
