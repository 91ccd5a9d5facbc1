"""What opens raw frames, handed in by the application: decoders, and the meters' keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import Request

from demeter.ingest import CredentialsOf
from demeter.kernel import Unavailable
from demeter.runtime.database import UnitOfWork
from demeter.sdk import Decoder


@dataclass(frozen=True, slots=True)
class FrameAccess:
    """Opens raw frames: a decoder by codec name, credentials by (organization id, meter id)."""

    decoders: Mapping[str, Decoder]
    credentials: CredentialsOf


OpensFrames = Callable[[UnitOfWork], FrameAccess]
"""Gives access inside the caller's unit of work, so that nobody opens another organization's keys."""


def frame_access(request: Request) -> OpensFrames:
    """Return what the application was given to open frames with.

    Raises:
        Unavailable: it was given nothing.
    """
    given: OpensFrames | None = request.app.state.frame_access
    if given is None:
        raise Unavailable(
            "This server has no access to the meters' keys.",
            code="no_keys",
            hint="Ask the server that demeter serve runs, or use: demeter explain.",
        )
    return given
