"""Event profiles 0.0.99.98.n.255: what the meter itself noticed (IS 15959 codes, reference clause 4.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import numpy as np

from demeter.protocols.dlms.data import Data, Tag, u16, u32
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.simulator.event_log import ENTRIES, event_group
from demeter.simulator.meter import Meter, Rows
from demeter.simulator.model.objects import DATA, CosemObject, data_object
from demeter.simulator.model.profiles import Column, TableProfile, scaler_profile, stamp_column
from demeter.simulator.noise import IntArray

__all__ = ["event_group", "event_objects"]

SCALERS = Obis(1, 0, 94, 91, 7, 255)
_MEASURED = (0, 1, 4)
"""The logs that also record what flowed at the moment of the event."""


def event_objects(meter: Meter, snapshot: Sequence[Column]) -> list[CosemObject]:
    """Return the seven event profiles with their code and sequence-number objects.

    ``snapshot``: what is recorded beside the code of an electricity meter's voltage, current and other events.
    """
    found = [each for group in ENTRIES for each in _of_group(meter, group, snapshot)]
    return [*found, scaler_profile(SCALERS, snapshot, ZoneInfo(meter.zone))] if snapshot else found


def _of_group(meter: Meter, group: int, snapshot: Sequence[Column]) -> list[CosemObject]:
    code = Obis(0, 0, 96, 11, group, 255)

    def rows() -> Rows:
        """Return the events: their stamps, and their codes as what is recorded."""
        held = meter.log.of_group(group)
        stamps, codes = [event.at_s for event in held], [event.code for event in held]
        return Rows(np.array(stamps, dtype=np.int64), np.array(codes, dtype=np.int64))

    def last_code() -> Data:
        held = meter.log.of_group(group)
        return u16(held[-1].code if held else 0)

    columns = [stamp_column(), Column(CaptureObject(DATA, code, 2), Tag.UINT16, _codes)]
    measured = [_at_the_moment(column) for column in snapshot] if group in _MEASURED else []
    return [
        TableProfile(
            Obis(0, 0, 99, 98, group, 255), (*columns, *measured), rows, 0, ENTRIES[group], ZoneInfo(meter.zone)
        ),
        data_object(str(code), last_code),
        data_object(f"0.0.96.15.{group}.255", lambda: u32(meter.log.count(group))),
    ]


def _codes(rows: Rows) -> IntArray:
    assert rows.recorded is not None, "an event log records codes"
    return rows.recorded


def _at_the_moment(column: Column) -> Column:
    """Return a column of measured values for rows whose recorded values are something else."""
    values: Callable[[Rows], IntArray] = column.values
    return Column(column.capture, column.tag, lambda rows: values(Rows(rows.stamps)), column.scaler, column.unit)
