"""What can go wrong on a data link, below the root of :mod:`demeter.protocols.dlms.errors`.

::

    DlmsError
    └── LinkError              the link is down; a new one may be set up
        ├── LinkRefused        the peer answered DM: it does not want a link with this client
        ├── LinkLost           no answer after the last repetition, or the peer has left the link
        └── FrameRejected      FRMR: the peer found a frame it cannot obey; ``reason`` says why

Frames that are no frames raise ``Truncated``, ``Malformed`` or ``Unsupported`` where a whole frame is decoded. On a
line they are passed over, counted and remembered (:class:`.deframer.Deframer`), because the link repeats what is lost.
"""

from __future__ import annotations

from enum import IntFlag

from demeter.protocols.dlms.errors import DlmsError


class RejectReason(IntFlag):
    """Why a frame was rejected (ISO/IEC 13239, FRMR information field: bits W, X, Y, Z)."""

    NONE = 0
    CONTROL_UNDEFINED = 1
    INFORMATION_NOT_PERMITTED = 2
    INFORMATION_TOO_LONG = 4
    RECEIVE_NUMBER_INVALID = 8


class LinkError(DlmsError):
    """The link is down; a new one may be set up."""


class LinkRefused(LinkError):
    """The peer answered DM: it does not want a link with this client."""


class LinkLost(LinkError):
    """No answer after the last repetition, or the peer has left the link."""


class FrameRejected(LinkError):
    """The peer found a frame it cannot obey."""

    def __init__(self, message: str, reason: RejectReason = RejectReason.NONE) -> None:
        super().__init__(message)
        self.reason = reason
