"""A recorded series from a CSV file as a meter's memory: gaps stay gaps, repeats stay repeats, digits stay exact."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np

from demeter.kernel import Invalid, Unavailable
from demeter.simulator.noise import IntArray


@dataclass(frozen=True, slots=True)
class Recording:
    """The rows of a file in their order.

    ``end_s``: int64[n], UTC epoch seconds of the **end** of each row's interval (as a meter stamps its load profile);
    ``values``: int64[n], to be scaled by 10**``scaler`` of the base unit; ``period_s``: length of one interval.
    """

    end_s: IntArray
    values: IntArray
    scaler: int
    period_s: int


def read_recording(path: Path, *, unit_scaler: int = 3, period_s: int = 1800, shift_s: int = 0) -> Recording:
    """Read ``start,value`` rows (``.csv`` or ``.csv.gz``; starts without an offset are UTC).

    ``unit_scaler`` brings the file's unit to the base unit: 3 for kWh → Wh or kL → L. The resulting scaler is the
    coarsest that holds every value exactly. ``shift_s`` moves the whole series in time.

    Raises:
        Unavailable: the file cannot be read.
        Invalid: a row is not an instant and a decimal number; the message names its line.
    """
    try:
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except OSError as gone:
        raise Unavailable(f"{path}: {gone.strerror}", hint="check the path of the recording") from gone
    starts, values = _columns(text.decode().splitlines())
    # A meter's scaler is never above 0 here, so that whole Wh or litres stay whole in every register.
    finest = min((_exponent(value) for value in values), default=0)
    finest = min(finest, -unit_scaler)
    scaled = [int(value.scaleb(-finest)) for value in values]
    end_s = np.array(starts, dtype=np.int64) + period_s + shift_s
    return Recording(end_s, np.array(scaled, dtype=np.int64), finest + unit_scaler, period_s)


def _columns(lines: Iterable[str]) -> tuple[list[int], list[Decimal]]:
    starts: list[int] = []
    values: list[Decimal] = []
    for row in (reader := csv.DictReader(lines)):
        try:
            start = datetime.fromisoformat(row["start"])
            value = Decimal(row["value"])
        except (KeyError, TypeError, ValueError, InvalidOperation) as wrong:
            raise Invalid(f"line {reader.line_num}: not a start and a value: {row}") from wrong
        starts.append(int((start if start.tzinfo else start.replace(tzinfo=UTC)).timestamp()))
        values.append(value)
    return starts, values


def _exponent(value: Decimal) -> int:
    """Return the decimal exponent of the last digit that counts, at most 0."""
    exponent = value.normalize().as_tuple().exponent
    if not isinstance(exponent, int):
        raise Invalid(f"{value} is no number a meter can hold")
    return min(exponent, 0)


class RecordedLoad:
    """A recording as a cumulative load: each interval counts once and counts when it ends.

    A repeated row is a fault of the log, not more energy, so the register counts the first row of each stamp.
    """

    def __init__(self, recording: Recording) -> None:
        self._end_s, first = np.unique(recording.end_s, return_index=True)
        self._sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(recording.values[first])])

    def total(self, at_s: IntArray) -> IntArray:
        """Return int64[n]: the sum of all intervals ended by each instant."""
        flowed: IntArray = self._sums[np.searchsorted(self._end_s, at_s, side="right")]
        return flowed

    def version(self) -> int:
        """Return 0: a recording never changes."""
        return 0
