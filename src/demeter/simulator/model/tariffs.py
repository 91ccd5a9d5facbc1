"""Tariff and billing: activity calendar (class 20), special days (11), billing scripts (9) and schedule (22)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.classes import ActivityCalendar, SingleActionSchedule, SpecialDaysTable
from demeter.protocols.dlms.classes.commands.tariff import (
    BILLING_RESET,
    BILLING_SCHEDULE,
    CALENDAR,
    RESET_SCRIPT,
    SPECIAL_DAYS,
)
from demeter.protocols.dlms.classes.structures import ActionItem
from demeter.protocols.dlms.classes.timing import ExecutionTime, ScheduleKind, SpecialDay
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.simulator.event_log import BILLING_SCHEDULE as SCHEDULE_CHANGED
from demeter.simulator.meter import Meter
from demeter.simulator.model.clock import instant
from demeter.simulator.model.objects import CosemObject, TypedObject, refused


def tariff_objects(meter: Meter) -> list[CosemObject]:
    """Return the calendar, the special days and the billing schedule of a meter."""
    return [_calendar(meter), _special_days(meter), _billing_schedule(meter)]


def _calendar(meter: Meter) -> TypedObject:
    tariff, kind = meter.tariff, ActivityCalendar

    def write(field: str) -> Callable[[Any], None]:
        def carry_out(value: Any) -> None:
            tariff.passive = replace(tariff.passive, **{field: value})

        return carry_out

    def set_time(moment: CosemDateTime) -> None:
        unset = moment == CosemDateTime(status=moment.status)
        tariff.due_s = None if unset else instant(moment, ZoneInfo(meter.zone))
        tariff.activate_at = moment
        tariff.advance(meter.true_now_s())

    def activate(_parameter: int) -> None:
        problems = tariff.activate(meter.true_now_s())
        if problems:
            raise refused("; ".join(problems))

    return TypedObject(
        kind,
        CALENDAR,
        {
            kind.calendar_name_active: lambda: tariff.active.name,
            kind.season_profile_active: lambda: tariff.active.seasons,
            kind.week_profile_table_active: lambda: tariff.active.weeks,
            kind.day_profile_table_active: lambda: tariff.active.days,
            kind.calendar_name_passive: lambda: tariff.passive.name,
            kind.season_profile_passive: lambda: tariff.passive.seasons,
            kind.week_profile_table_passive: lambda: tariff.passive.weeks,
            kind.day_profile_table_passive: lambda: tariff.passive.days,
            kind.activate_passive_calendar_time: lambda: tariff.activate_at,
        },
        {
            kind.calendar_name_passive: write("name"),
            kind.season_profile_passive: write("seasons"),
            kind.week_profile_table_passive: write("weeks"),
            kind.day_profile_table_passive: write("days"),
            kind.activate_passive_calendar_time: set_time,
        },
        {kind.activate_passive_calendar: activate},
    )


def _special_days(meter: Meter) -> TypedObject:
    tariff, kind = meter.tariff, SpecialDaysTable

    def put(days: tuple[SpecialDay, ...]) -> None:
        tariff.set_special(days, meter.true_now_s())

    def insert(day: SpecialDay) -> None:
        put((*tariff.special, day))

    def delete(index: int) -> None:
        kept = tuple(day for day in tariff.special if day.index != index)
        if len(kept) == len(tariff.special):
            raise refused(f"there is no special day {index}")
        put(kept)

    return TypedObject(
        kind,
        SPECIAL_DAYS,
        {kind.entries: lambda: tariff.special},
        {kind.entries: put},
        {kind.insert: insert, kind.delete: delete},
    )


def _billing_schedule(meter: Meter) -> TypedObject:
    def set_times(times: tuple[ExecutionTime, ...]) -> None:
        meter.billing.reschedule(times, meter.true_now_s())
        meter.noted(SCHEDULE_CHANGED)

    kind = SingleActionSchedule
    return TypedObject(
        kind,
        BILLING_SCHEDULE,
        {
            kind.executed_script: lambda: ActionItem(BILLING_RESET, RESET_SCRIPT),
            kind.type: lambda: ScheduleKind.SEVERAL_TIMES_WILDCARDS_IN_DATE,
            kind.execution_time: lambda: meter.billing.times,
        },
        {kind.execution_time: set_times},
    )
