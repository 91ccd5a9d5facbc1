"""What readings are kept and handed over as. Instants are aware UTC, or int64 UTC epoch seconds in columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from demeter.kernel import Quality
from demeter.sdk import Frame, ReadingType


@dataclass(frozen=True, slots=True)
class Channel:
    """One measured quantity of one meter. A meter whose scaler or interval changes gets a further channel."""

    id: int
    site_id: int
    meter_id: int
    reading_type: ReadingType


@dataclass(frozen=True, slots=True)
class ChannelReadings:
    """One channel's readings as columns of equal length n, sorted by ``at_s``, each instant once.

    ``at_s``: int64[n] UTC epoch seconds: the END of an interval reading, the instant of a register reading.
    ``values``: int64[n], x 10**``reading_type.scaler``. ``quality``: uint8[n], ``kernel.Quality`` codes.
    What is missing is simply not there.
    """

    channel: Channel
    at_s: NDArray[np.int64]
    values: NDArray[np.int64]
    quality: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest reading of a channel, and when anything of that channel was last received."""

    channel_id: int
    meter_id: int
    measured_at: datetime
    received_at: datetime
    value: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class Dirty:
    """Site-local days of a channel (both included) whose readings changed. ``entries`` are what clearing removes."""

    site_id: int
    channel_id: int
    first_day: date
    last_day: date
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many readings a block holds of the slots its day has."""

    channel_id: int
    day: date
    present: int
    slots: int


@dataclass(frozen=True, slots=True)
class JournalFrame:
    """A raw frame as kept. ``previous_hash`` is empty for a meter's first; ``covers_*`` None: it held no readings."""

    id: int
    site_id: int
    meter_id: int
    received_at: datetime
    codec: str
    context: Mapping[str, object]
    context_text: str
    payload: bytes
    hash: bytes
    previous_hash: bytes
    covers_start: datetime | None
    covers_end: datetime | None
    rows: int

    def frame(self) -> Frame:
        """Return the frame as the driver handed it over, for decoding again."""
        return Frame(self.codec, self.payload, self.received_at, self.context)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One value that was replaced: by a person (``frame_id`` None) or by another reading. Value None: missing."""

    at: datetime
    old: int | None
    new: int | None
    old_quality: Quality
    new_quality: Quality
    who: str
    why: str
    logged_at: datetime
    frame_id: int | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """One stored row: a channel's site-local day. Tuples have one entry per slot; None: no reading.

    ``base`` is a register's earliest reading of the day and ``vals`` are counted from it; ``base`` is None for
    intervals and on a ``wide`` day (numbers that do not fit 32 bits), where ``wide`` holds absolute values. ``min``
    and ``max`` are counted like ``vals``; None on a wide day. ``sum``: of the amounts, or a register's last - first.
    ``quality`` None: every reading is measured. ``revision`` counts writes and says nothing about content.
    """

    site_id: int
    channel_id: int
    day: date
    revision: int
    base: int | None
    sum: int | None
    min: int | None
    max: int | None
    n: int
    min_slot: int | None
    max_slot: int | None
    first_slot: int | None
    last_slot: int | None
    wide: tuple[int | None, ...] | None
    quality: bytes | None
    vals: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A stored day that is not what its frames and edits give. ``stored`` or ``recomputed`` None: it is not there."""

    site_id: int
    channel_id: int
    day: date
    what: str
    stored: object
    recomputed: object
