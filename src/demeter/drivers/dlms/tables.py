"""The tables a meter keeps: where they lie, what they record, and the columns Demeter takes from them.

Logical names are those of IS 15959 (1.0.99.1.0.255 block load, …); a water meter has the same tables under OBIS
medium 8. Columns are matched to their scalers by logical name, never by position.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from demeter.drivers.dlms.units import unit_word
from demeter.kernel import Commodity, Quality
from demeter.protocols.dlms.cosem_time import ClockStatus
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import (
    CaptureObject,
    ProfileColumn,
    ProfileColumns,
    decode_capture_objects,
    decode_scaler_profile,
)
from demeter.protocols.dlms.vector import ColumnKind
from demeter.sdk import Profile, ReadingKind, ReadingType, Series

PROFILE_CLASS = 7
REGISTER_CLASSES = frozenset({3, 4, 5})
"""Register, extended register, demand register: the classes whose values have a scaler and a unit."""

ELECTRICITY_MEDIUM = 1
INTERVAL_PROCESSING = frozenset({27, 29})
"""OBIS group D of electricity: average over, and amount in, the recording interval."""
REGISTER_PROCESSING = frozenset({8})
"""OBIS group D of electricity: time integral since the beginning."""
VOLUME_PROCESSING = frozenset({0})
"""OBIS group D of water and gas: accumulated volume."""

DAY_S = 86_400
CLOCK_NOT_SPECIFIED = 0xFF
UNTRUSTED = int(ClockStatus.INVALID_VALUE | ClockStatus.DOUBTFUL_VALUE | ClockStatus.INVALID_STATUS)

_PLACES: dict[Profile, tuple[str, str]] = {
    Profile.BLOCK: ("0.99.1.0.255", "0.94.91.4.255"),
    Profile.DAILY: ("0.99.2.0.255", "0.94.91.5.255"),
    Profile.INSTANTANEOUS: ("0.94.91.0.255", "0.94.91.3.255"),
    Profile.BILLING: ("0.98.1.0.255", "0.94.91.6.255"),
}
_MEDIA = {Commodity.ELECTRICITY: ELECTRICITY_MEDIUM, Commodity.WATER: 8}

Scalers = dict[tuple[Obis, int], tuple[int, int]]


def places(profile: Profile, commodity: Commodity) -> tuple[Obis, Obis] | None:
    """Return the logical names of a profile and of its scaler profile; None for a profile that is not read here."""
    found = _PLACES.get(profile)
    if found is None:
        return None
    medium = _MEDIA[commodity]
    return Obis.parse(f"{medium}.{found[0]}"), Obis.parse(f"{medium}.{found[1]}")


@dataclass(frozen=True, slots=True)
class Table:
    """A profile as one meter has it. ``period_s``: capture period in seconds (0: not by time)."""

    profile: Profile
    obis: Obis
    captures: tuple[CaptureObject, ...]
    scalers: Scalers
    period_s: int

    @property
    def row_octets(self) -> int:
        """Return about how many octets a row takes on the wire: tags, a time stamp, 32-bit numbers."""
        return 2 + sum(14 if capture.is_clock else 5 for capture in self.captures)


@lru_cache(maxsize=1024)
def captures_of(octets: bytes) -> tuple[CaptureObject, ...]:
    """Decode capture objects, once for all meters that record the same columns."""
    return decode_capture_objects(octets)


@lru_cache(maxsize=1024)
def scalers_of(buffer: bytes, captures: bytes) -> Scalers:
    """Decode a scaler profile and its capture objects, once for all meters that answer the same."""
    return dict(decode_scaler_profile(buffer, captures_of(captures)))


def unscaled(captures: tuple[CaptureObject, ...], scalers: Scalers) -> list[CaptureObject]:
    """Return the captured register values that no scaler is known for."""
    return [
        capture
        for capture in captures
        if capture.class_id in REGISTER_CLASSES
        and capture.attribute in (2, 3)
        and (capture.obis, capture.attribute) not in scalers
    ]


def series_of(table: Table, columns: ProfileColumns) -> tuple[Series, ...]:
    """Return the readings of every column that is a register's amount, average or index.

    Rows of unknown time are left out (the frame is kept; nobody can say where they belong). Rows that the meter marks
    as stamped by an invalid or doubtful clock are SUSPECT: kept, but never silently counted as measured.
    """
    status = columns.clock_status
    untrusted = (status != CLOCK_NOT_SPECIFIED) & ((status & UNTRUSTED) != 0)
    quality = np.where(untrusted, Quality.SUSPECT, Quality.MEASURED).astype(np.uint8)
    dated = columns.dated
    found = []
    for column in columns.columns:
        reading_type = _reading_type(table, column)
        if reading_type is not None:
            found.append(_series(reading_type, columns.at_s, column, quality, dated))
    return tuple(found)


def _series(
    reading_type: ReadingType,
    at_s: NDArray[np.int64],
    column: ProfileColumn,
    quality: NDArray[np.uint8],
    dated: NDArray[np.bool_],
) -> Series:
    kept = dated & column.present
    if kept.all():
        return Series(reading_type, at_s, column.values, quality)
    return Series(reading_type, at_s[kept], column.values[kept], quality[kept])


def _reading_type(table: Table, column: ProfileColumn) -> ReadingType | None:
    capture = column.capture
    if column.kind is not ColumnKind.INTEGER or column.scaler is None or column.unit is None:
        return None
    if capture.class_id not in REGISTER_CLASSES or capture.attribute != 2:
        return None
    kind = kind_of(capture.obis)
    if kind is None or (kind is ReadingKind.INTERVAL and table.profile is not Profile.BLOCK):
        return None
    unit, scaler = unit_word(column.unit, column.scaler)
    return ReadingType(str(capture.obis), kind, unit, scaler, _interval_s(table))


def kind_of(obis: Obis) -> ReadingKind | None:
    """Return what is kept of a quantity as readings; None: nothing."""
    if obis.a == ELECTRICITY_MEDIUM:
        if obis.d in INTERVAL_PROCESSING:
            return ReadingKind.INTERVAL
        return ReadingKind.REGISTER if obis.d in REGISTER_PROCESSING else None
    return ReadingKind.REGISTER if obis.d in VOLUME_PROCESSING else None


def _interval_s(table: Table) -> int:
    if table.profile is Profile.BLOCK:
        return table.period_s
    return DAY_S if table.profile is Profile.DAILY else 0
