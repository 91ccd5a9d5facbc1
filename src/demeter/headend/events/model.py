"""Meter events as people ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from demeter.kernel import Span
from demeter.sdk import EventValue, MeterEventKind


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A meter event as the database has it.

    ``at``: the meter's own stamp, aware UTC (None: it had none; ``received_at`` then says when it came). ``until``:
    when what an occurrence tells of was over (None: not over yet, or it never ends). ``open``: it still lasts, as far
    as is known. ``frame_id``: the raw frame in the journal.
    """

    id: int
    site_id: int
    meter_id: int
    log: str
    at: datetime | None
    code: int
    kind: MeterEventKind
    group: str
    meaning: str
    sequence: int | None
    doubtful: bool
    values: tuple[EventValue, ...]
    received_at: datetime
    frame_id: int | None
    until: datetime | None
    open: bool


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list, newest first.

    ``span``: stamped in it (half-open). ``open``: only what still lasts. ``before``: only events behind this one in the
    list (the ``id`` of the last one of the page before).
    """

    span: Span | None = None
    group: str = ""
    kind: MeterEventKind | None = None
    code: int | None = None
    open: bool = False
    before: int | None = None
    limit: int = 200
