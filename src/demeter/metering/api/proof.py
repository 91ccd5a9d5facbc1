"""What the proof needs beyond the database: decoders and the meters' keys. The application hands them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from demeter.kernel import Unavailable
from demeter.runtime.database import UnitOfWork
from demeter.sdk import Credentials, Decoder


@dataclass(frozen=True, slots=True)
class FrameAccess:
    """Opens raw frames: a decoder by codec name, credentials by meter id."""

    decoders: Mapping[str, Decoder]
    keys: Callable[[int], Credentials]


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


FramesOpened = Annotated[OpensFrames, Depends(frame_access)]
