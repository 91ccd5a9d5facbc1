"""Classes of time and tariff: clock, scripts, calendars, schedules (Blue Book 4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from demeter.protocols.dlms.classes.civil import CosemDate, CosemTime
from demeter.protocols.dlms.classes.objects import Access, Attribute, CosemObject, Method
from demeter.protocols.dlms.classes.shapes import (
    ANY,
    BOOLEAN,
    DATE,
    DATE_TIME,
    INT8,
    INT16,
    NAME,
    OCTETS,
    TIME,
    UINT8,
    UINT16,
    ZERO,
    array,
    enumeration,
    record,
)
from demeter.protocols.dlms.classes.structures import ACTION_ITEM
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.obis import Obis


class ClockBase(IntEnum):
    """What a clock runs by."""

    NOT_DEFINED = 0
    INTERNAL_CRYSTAL = 1
    MAINS_50_HZ = 2
    MAINS_60_HZ = 3
    GPS = 4
    RADIO_CONTROLLED = 5


@dataclass(frozen=True, slots=True)
class PresetTime:
    """A time to adjust to later, if the adjustment is asked for between two instants."""

    preset_time: CosemDateTime
    valid_from: CosemDateTime
    valid_until: CosemDateTime


class Clock(CosemObject, class_id=8, title="Clock"):
    """The meter's clock. ``time_zone`` and ``daylight_savings_deviation`` in minutes."""

    time = Attribute(2, DATE_TIME)
    time_zone = Attribute(3, INT16)
    status = Attribute(4, UINT8, Access.READ)
    daylight_savings_begin = Attribute(5, DATE_TIME)
    daylight_savings_end = Attribute(6, DATE_TIME)
    daylight_savings_deviation = Attribute(7, INT8)
    daylight_savings_enabled = Attribute(8, BOOLEAN)
    clock_base = Attribute(9, enumeration(ClockBase))
    adjust_to_quarter = Method(1, ZERO)
    adjust_to_measuring_period = Method(2, ZERO)
    adjust_to_minute = Method(3, ZERO)
    adjust_to_preset_time = Method(4, ZERO)
    preset_adjusting_time = Method(5, record(PresetTime, DATE_TIME, DATE_TIME, DATE_TIME))
    shift_time = Method(6, INT16)


class ScriptService(IntEnum):
    """What an action of a script does."""

    WRITE_ATTRIBUTE = 1
    EXECUTE_METHOD = 2


@dataclass(frozen=True, slots=True)
class ScriptAction:
    """One step of a script; ``index`` is the attribute or method."""

    service: ScriptService | int
    class_id: int
    logical_name: Obis
    index: int
    parameter: Data


@dataclass(frozen=True, slots=True)
class Script:
    """A script: its number and steps."""

    identifier: int
    actions: tuple[ScriptAction, ...]


_ACTION = record(ScriptAction, enumeration(ScriptService), UINT16, NAME, INT8, ANY)


class ScriptTable(CosemObject, class_id=9, title="Script table"):
    """Prepared scripts: billing reset, tariff change, disconnection."""

    scripts = Attribute(2, array(record(Script, UINT16, array(_ACTION))))
    execute = Method(1, UINT16)


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A day that follows the day profile ``day_id`` whatever the week says."""

    index: int
    date: CosemDate
    day_id: int


_SPECIAL_DAY = record(SpecialDay, UINT16, DATE, UINT8)


class SpecialDaysTable(CosemObject, class_id=11, title="Special days table"):
    """Holidays of the activity calendar."""

    entries = Attribute(2, array(_SPECIAL_DAY))
    insert = Method(1, _SPECIAL_DAY)
    delete = Method(2, UINT16)


@dataclass(frozen=True, slots=True)
class Season:
    """From ``start`` (usually with a wildcard year) the week profile ``week_name`` applies."""

    name: bytes
    start: CosemDateTime
    week_name: bytes


@dataclass(frozen=True, slots=True)
class Week:
    """The day profile of each weekday."""

    name: bytes
    monday: int
    tuesday: int
    wednesday: int
    thursday: int
    friday: int
    saturday: int
    sunday: int


@dataclass(frozen=True, slots=True)
class DayAction:
    """At ``start`` the script runs: a tariff begins."""

    start: CosemTime
    script: Obis
    selector: int


@dataclass(frozen=True, slots=True)
class DayProfile:
    """What happens in the course of a day."""

    day_id: int
    schedule: tuple[DayAction, ...]


SEASONS = array(record(Season, OCTETS, DATE_TIME, OCTETS))
WEEKS = array(record(Week, OCTETS, *[UINT8] * 7))
DAYS = array(record(DayProfile, UINT8, array(record(DayAction, TIME, NAME, UINT16))))


class ActivityCalendar(CosemObject, class_id=20, title="Activity calendar"):
    """Seasons, weeks and days of the tariff; the passive calendar becomes active at a time or on demand."""

    calendar_name_active = Attribute(2, OCTETS, Access.READ)
    season_profile_active = Attribute(3, SEASONS, Access.READ)
    week_profile_table_active = Attribute(4, WEEKS, Access.READ)
    day_profile_table_active = Attribute(5, DAYS, Access.READ)
    calendar_name_passive = Attribute(6, OCTETS)
    season_profile_passive = Attribute(7, SEASONS)
    week_profile_table_passive = Attribute(8, WEEKS)
    day_profile_table_passive = Attribute(9, DAYS)
    activate_passive_calendar_time = Attribute(10, DATE_TIME)
    activate_passive_calendar = Method(1, ZERO)


class ScheduleKind(IntEnum):
    """How many execution times there are and which wildcards they may have (single action schedule, ``type``)."""

    ONE_TIME_WILDCARDS_IN_DATE = 1
    SAME_TIME_NO_WILDCARDS = 2
    SAME_TIME_WILDCARDS_IN_DATE = 3
    SEVERAL_TIMES_NO_WILDCARDS = 4
    SEVERAL_TIMES_WILDCARDS_IN_DATE = 5


@dataclass(frozen=True, slots=True)
class ExecutionTime:
    """When a script runs."""

    time: CosemTime
    date: CosemDate


class SingleActionSchedule(CosemObject, class_id=22, title="Single action schedule"):
    """Runs one script at given times: billing date, image activation, push."""

    executed_script = Attribute(2, ACTION_ITEM)
    type = Attribute(3, enumeration(ScheduleKind))
    execution_time = Attribute(4, array(record(ExecutionTime, TIME, DATE)))
