"""The contract between the head-end and a driver (entry point group ``demeter.drivers``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from demeter.sdk.frames import Frame, Series


class FailureKind(StrEnum):
    """Why a read failed, in words a person understands."""

    NO_ANSWER = "no answer"
    REFUSED = "refused"
    WRONG_KEY = "wrong key: tag check failed"
    REPLAYED = "replayed counter"
    IMPLAUSIBLE_COUNTER = "implausible counter"
    TRUNCATED = "truncated"
    GARBLED = "garbled"
    NOT_SUPPORTED = "not supported by this meter"
    NOT_CONFIGURED = "not configured"
    WRONG_METER = "another meter answered"


class ReadFailure(Exception):
    """A read that did not succeed; ``offset`` is the byte at which decoding stopped, where there is one."""

    def __init__(self, kind: FailureKind, message: str, *, offset: int | None = None) -> None:
        super().__init__(f"{kind.value}: {message}" + ("" if offset is None else f" (at byte {offset})"))
        self.kind = kind
        self.message = message
        self.offset = offset


class Profile(StrEnum):
    """The tables a meter keeps, by their role."""

    BLOCK = "block load"
    DAILY = "daily load"
    INSTANTANEOUS = "instantaneous"
    BILLING = "billing"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and as whom a meter is spoken to. ``options`` are the driver's own (client address, timeouts, …)."""

    address: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Secrets by name (``password``, ``encryption_key``, ``authentication_key``); ``repr`` hides them from logs.

    ``earlier``: what a meter's keys may have been before, the likelier first; decoders open older frames with them.
    """

    secrets: Mapping[str, bytes] = field(repr=False)
    key_version: int = 1
    earlier: tuple[Mapping[str, bytes], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Nameplate:
    """Who the meter says it is."""

    serial: str
    maker: str = ""
    firmware: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Collected:
    """One answer: the raw frame and the columns decoded from it; ``rows`` counts the rows of the profile."""

    frame: Frame
    series: tuple[Series, ...]
    rows: int


class MeterSession(Protocol):
    """An open association with one meter. Every method raises :class:`ReadFailure`."""

    async def nameplate(self) -> Nameplate:
        """Read who the meter is."""
        ...

    async def serial(self) -> str:
        """Return the serial number the meter told in this session; a session that reads a profile asks for it anyway.

        The head-end compares it in every session, before anything is stored.
        """
        ...

    async def clock(self) -> datetime:
        """Read the meter's clock as aware UTC."""
        ...

    async def set_clock(self, at: datetime) -> None:
        """Set the meter's clock to the aware instant ``at``."""
        ...

    async def capture_period_s(self, profile: Profile) -> int:
        """Read the profile's integration period in seconds (0: captured on events)."""
        ...

    async def held(self, profile: Profile) -> tuple[datetime, datetime] | None:
        """Return the stamps of the oldest and the newest row the meter still holds, aware UTC (None: it holds none)."""
        ...

    async def read_profile(self, profile: Profile, since: datetime, until: datetime) -> list[Collected]:
        """Read all rows stamped in ``[since, until)``, in as many exchanges as the meter needs."""
        ...

    async def close(self) -> None:
        """Release the association; never raises."""
        ...


class Driver(Protocol):
    """Opens sessions. ``name`` is the protocol word in the estate (``dlms``).

    Drivers are made with one named argument, ``counters``: the installation's :class:`demeter.sdk.CounterStore`.
    """

    name: str

    async def open(self, endpoint: Endpoint, credentials: Credentials) -> MeterSession:
        """Connect and associate.

        Raises:
            ReadFailure: with the reason a person understands.
            Unavailable: the counter store cannot be reached; nothing was sent under the meter's keys.
        """
        ...


class Decoder(Protocol):
    """Decodes a journal frame again, without I/O; ``codec`` is the name frames carry."""

    codec: str

    def decode(self, frame: Frame, credentials: Credentials) -> tuple[Series, ...]:
        """Return the same series the driver handed over when the frame came in."""
        ...
