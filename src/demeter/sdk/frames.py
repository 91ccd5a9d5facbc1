"""What a driver hands over: the raw frame and the columns decoded from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class ReadingKind(StrEnum):
    """Register: a cumulative index at an instant. Interval: an amount over a half-open interval."""

    REGISTER = "register"
    INTERVAL = "interval"


@dataclass(frozen=True, slots=True)
class ReadingType:
    """What one channel measures.

    ``obis`` is the reduced code ``A.B.C.D.E.F`` as text; a value is ``integer x 10**scaler unit``; ``interval_s`` is
    the integration period as read from the meter (0: irregular, such as a register read on demand).
    """

    obis: str
    kind: ReadingKind
    unit: str
    scaler: int
    interval_s: int


@dataclass(frozen=True, slots=True)
class Series:
    """One channel's readings as columns of equal length n.

    ``at_s``: int64[n], UTC epoch seconds; the instant of a register reading, or the **end** of an interval reading.
    ``values``: int64[n], integers to be scaled by the reading type. ``quality``: uint8[n], ``kernel.Quality`` codes.
    Rows without a value are simply not there. Rows may come in any order and may repeat.
    """

    reading_type: ReadingType
    at_s: NDArray[np.int64]
    values: NDArray[np.int64]
    quality: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Frame:
    """The bytes exactly as the meter sent them, and what is needed to decode them again.

    ``codec`` names the decoder (entry point group ``demeter.decoders``); ``context`` is JSON-ready: OBIS, capture
    objects with scalers, system title, key version, … but never a key. ``received_at`` is aware UTC.
    """

    codec: str
    payload: bytes
    received_at: datetime
    context: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message of one meter on its way to the store: a frame and the series decoded from it.

    ``series`` None: nobody has decoded it yet; empty: it holds no readings.
    """

    meter_id: int
    frame: Frame
    series: tuple[Series, ...] | None
