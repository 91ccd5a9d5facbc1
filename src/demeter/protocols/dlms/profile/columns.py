"""A decoded profile as columns: instants, clock status and one integer column per captured attribute."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from demeter.protocols.dlms.profile.captures import CaptureObject
from demeter.protocols.dlms.vector import ColumnKind


class TimeSource(IntEnum):
    """Where a row's time stamp comes from."""

    UNKNOWN = 0
    GIVEN = 1
    DERIVED = 2


@dataclass(frozen=True, slots=True, eq=False)
class ProfileColumn:
    """One captured attribute over all rows.

    ``values`` int64[n] is the register value as sent, without the scaler (INTEGER), seconds since 1970 UTC (MOMENT) or
    zero (OPAQUE: text, floating point, nested or mixed types; read those with the walker). ``present`` bool[n] is False
    where the row has no value that fits; a value repeated from the row before (null-data) counts as present.
    ``scaler`` and ``unit`` are None where the meter gave none for this attribute. Do not write to the arrays: constant
    ones share their storage.
    """

    capture: CaptureObject
    scaler: int | None
    unit: int | None
    kind: ColumnKind
    values: NDArray[np.int64]
    present: NDArray[np.bool_]

    def __getitem__(self, rows: slice) -> ProfileColumn:
        return ProfileColumn(self.capture, self.scaler, self.unit, self.kind, self.values[rows], self.present[rows])


@dataclass(frozen=True, slots=True, eq=False)
class ProfileColumns:
    """All rows of a profile, in the order sent.

    ``at_s`` int64[n] is the row's time stamp in seconds since 1970 UTC (``NO_TIME`` where unknown),
    ``clock_status`` uint8[n] the meter's own octet (0xFF: not specified), ``time_source`` uint8[n] a
    :class:`TimeSource`. ``columns`` has the captures except the clock, in their order.
    """

    at_s: NDArray[np.int64]
    clock_status: NDArray[np.uint8]
    time_source: NDArray[np.uint8]
    columns: tuple[ProfileColumn, ...]

    def __len__(self) -> int:
        return len(self.at_s)

    def __getitem__(self, rows: slice) -> ProfileColumns:
        return ProfileColumns(
            self.at_s[rows],
            self.clock_status[rows],
            self.time_source[rows],
            tuple(column[rows] for column in self.columns),
        )

    @property
    def dated(self) -> NDArray[np.bool_]:
        """Which rows have a time."""
        return np.not_equal(self.time_source, TimeSource.UNKNOWN)
