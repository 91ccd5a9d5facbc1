"""What meters note themselves: event logs, read with as little as possible, in words every driver uses alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from demeter.sdk.driver import Credentials
from demeter.sdk.frames import Frame


class MeterEventKind(StrEnum):
    """What a meter event says about time."""

    OCCURRENCE = "occurrence"
    """Something began; its restoration, where there is one, ends it."""
    RESTORATION = "restoration"
    """What began is over."""
    CHANGE = "change"
    """Something was done, at one instant."""


@dataclass(frozen=True, slots=True)
class EventValue:
    """What the meter measured at the moment of an event: ``value × 10**scaler unit`` of the logical name ``obis``."""

    obis: str
    value: int
    scaler: int
    unit: str


@dataclass(frozen=True, slots=True)
class MeterEvent:
    """Something a meter noted.

    ``log``: the logical name of its log. ``at``: the meter's own stamp as aware UTC (None: it has none). ``group``: the
    log in one word. ``pair``: the code that ends, or began, what this one tells of. ``sequence``: its number, where the
    meter numbers its events. ``nth``: how many events of the same log, stamp and code stand before it (an undated one:
    its sequence number). ``doubtful``: the meter says that its clock was not to be trusted then.
    """

    log: str
    at: datetime | None
    code: int
    kind: MeterEventKind
    group: str
    meaning: str
    pair: int | None = None
    sequence: int | None = None
    nth: int = 0
    doubtful: bool = False
    values: tuple[EventValue, ...] = ()


@dataclass(frozen=True, slots=True)
class LogMark:
    """How far a log is collected; what it needs to be known that nothing is new.

    ``count``: how many events it has ever taken, where the meter counts them. ``entries``: how many it holds.
    ``newest``: the latest stamp that was read. ``read_at``: when the rows themselves were last read.
    """

    log: str
    count: int | None
    entries: int
    newest: datetime | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class LogAnswer:
    """What a log that may hold something new answered. ``frame`` is None where there was nothing to read."""

    mark: LogMark
    frame: Frame | None = None
    events: tuple[MeterEvent, ...] = field(default=())


@runtime_checkable
class EventSession(Protocol):
    """A session that can read its meter's event logs."""

    async def new_events(self, known: Mapping[str, LogMark]) -> list[LogAnswer]:
        """Read the logs that may hold more than the marks know (by log); an event that is known may come again.

        Raises:
            ReadFailure: NOT_SUPPORTED, when the meter has no event log.
        """
        ...


@runtime_checkable
class EventDecoder(Protocol):
    """A decoder of journal frames that hold events; its ``decode`` returns no series."""

    codec: str

    def events(self, frame: Frame, credentials: Credentials) -> tuple[MeterEvent, ...]:
        """Return the same events the driver handed over when the frame came in.

        Raises:
            ReadFailure: the keys do not fit, or payload or context were altered.
        """
        ...
