"""Event profiles 0.0.99.98.n.255: what the meter itself noticed (IS 15959 codes, reference clause 4.4)."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from demeter.protocols.dlms.data import Data, u16, u32
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.simulator.meter import Meter, MeterEvent
from demeter.simulator.model.identity import moment
from demeter.simulator.model.objects import DATA, CosemObject, data_object
from demeter.simulator.model.profiles import CLOCK_CAPTURE, ListProfile

_ENTRIES = {0: 70, 1: 70, 2: 40, 3: 20, 4: 60, 5: 1, 6: 1}
"""How many rows each profile holds: voltage, current, power, transaction, other, non-rollover, control."""

_FIRST_CODES = {0: 1, 1: 51, 2: 101, 3: 151, 4: 201, 5: 251, 6: 301}


def event_group(code: int) -> int:
    """Return the number of the profile an event code belongs to."""
    return max(group for group, first in _FIRST_CODES.items() if code >= first)


def event_objects(meter: Meter) -> list[CosemObject]:
    """Return the seven event profiles with their code and sequence-number objects."""
    return [found for group in _ENTRIES for found in _of_group(meter, group)]


def _of_group(meter: Meter, group: int) -> list[CosemObject]:
    code = Obis(0, 0, 96, 11, group, 255)
    zone = ZoneInfo(meter.zone)

    def events() -> list[MeterEvent]:
        return [event for event in meter.events() if event_group(event.code) == group]

    def rows() -> list[tuple[int, tuple[Data, ...]]]:
        return [(event.at_s, (moment(event.at_s, zone), u16(event.code))) for event in events()]

    def last_code() -> Data:
        found = events()
        return u16(found[-1].code if found else 0)

    captures = (CLOCK_CAPTURE, CaptureObject(DATA, code, 2))
    return [
        ListProfile(Obis(0, 0, 99, 98, group, 255), captures, rows, _ENTRIES[group], zone),
        data_object(str(code), last_code),
        data_object(f"0.0.96.15.{group}.255", lambda: u32(len(events()))),
    ]
