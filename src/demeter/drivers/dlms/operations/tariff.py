"""The tariff: activity calendar, special days, billing reset."""

from __future__ import annotations

from datetime import datetime

from demeter.drivers.dlms.operations.calendars import (
    calendar_of,
    calendar_words,
    scripts_of,
    special_day_of,
    special_day_text,
)
from demeter.drivers.dlms.operations.line import Line, not_understood
from demeter.drivers.dlms.tables import PROFILE_CLASS, places
from demeter.protocols.dlms.classes import ActivityCalendar, DataObject, SpecialDaysTable
from demeter.protocols.dlms.classes.commands import Read, tariff
from demeter.protocols.dlms.classes.commands.steps import read, write
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.errors import DlmsError, Malformed, Unsupported
from demeter.protocols.dlms.obis import Obis
from demeter.sdk import FailureKind, Operation, OperationRefused, Profile, ReadFailure, Report, Words

RESETS = Obis(0, 0, 0, 1, 0, 255)
"""The billing period counter."""

LAST_RESET = Obis(0, 0, 0, 1, 2, 255)
"""When the last billing period ended."""

ENTRIES_IN_USE = 7


async def observe_calendar(line: Line, _operation: Operation) -> Words:
    """Read both calendars, and when the passive one becomes active."""
    found = await _calendar(line)
    try:
        active, passive = tariff.active_calendar(found), tariff.passive_calendar(found)
        return {
            "active": None if active is None else calendar_words(active),
            "passive": None if passive is None else calendar_words(passive),
            "activate_at": _instant(found.activate_passive_calendar_time, line),
        }
    except DlmsError as error:
        raise not_understood("reading the calendar", error) from error


async def _calendar(line: Line) -> ActivityCalendar:
    return await line.read(ActivityCalendar, tariff.read_calendar(), "reading the calendar")


def _instant(found: CosemDateTime | None, line: Line) -> str | None:
    """Return an instant as in the arguments; None for one that is not set or has wildcards."""
    try:
        return None if found is None else found.to_utc(line.zone).replace(microsecond=0).isoformat()
    except Unsupported:
        return None


async def write_calendar(line: Line, operation: Operation, _seen: Words, report: Report) -> None:
    """Write the passive calendar and make it active, at once or at a time.

    Raises:
        OperationRefused: ``calendar``: it contradicts itself; nothing was sent.
    """
    arguments = operation.arguments
    at = arguments.get("activate_at")
    try:
        found = await _calendar(line)
        scripts = scripts_of(tariff.active_calendar(found), tariff.passive_calendar(found))
        moment = None if at is None else CosemDateTime.from_utc(datetime.fromisoformat(at), line.zone)
        steps = tariff.write_passive(calendar_of(arguments, scripts), moment)
    except DlmsError as error:
        raise OperationRefused("calendar", error.message) from error
    for number, step in enumerate(steps):
        report("writing the calendar", number, len(steps))
        await line.do(step, "writing the calendar")
    report("writing the calendar", len(steps), len(steps))


async def observe_special_days(line: Line, _operation: Operation) -> Words:
    """Read the special days."""
    doing = "reading the special days"
    reads = read(SpecialDaysTable, tariff.SPECIAL_DAYS, SpecialDaysTable.entries)
    found = await line.read(SpecialDaysTable, reads, doing)
    try:
        return {"days": {special_day_text(day): day.day_id for day in found.entries or ()}}
    except DlmsError as error:
        raise not_understood(doing, error) from error


async def write_special_days(line: Line, operation: Operation, _seen: Words, _report: Report) -> None:
    """Replace all special days.

    Raises:
        OperationRefused: ``special_days``: a date no meter can hold; nothing was sent.
    """
    days = operation.arguments["days"]
    try:
        entries = tuple(special_day_of(place, text, days[text]) for place, text in enumerate(sorted(days), start=1))
        step = write(SpecialDaysTable, tariff.SPECIAL_DAYS, SpecialDaysTable.entries, entries)
    except Malformed as error:
        raise OperationRefused("special_days", error.message) from error
    await line.do(step, "writing the special days")


async def observe_billing(line: Line, _operation: Operation) -> Words:
    """Read what counts billing periods: the counter, the last reset, the rows of the billing profile."""
    doing = "reading the billing counter"
    data_class = DataObject.interface.class_id
    reads = [Read(data_class, RESETS, 2), Read(data_class, LAST_RESET, 2)]
    profile = places(Profile.BILLING, line.commodity)
    if profile is not None:
        reads.append(Read(PROFILE_CLASS, profile[0], ENTRIES_IN_USE))
    resets, newest, entries = [*[await line.value(each, doing) for each in reads], None][:3]
    if resets is None and newest is None and entries is None:
        raise ReadFailure(FailureKind.NOT_SUPPORTED, f"{doing}: the meter has nothing that counts billing periods")
    return {"resets": _count(resets), "newest": _stamp(newest, line), "entries": _count(entries)}


def _count(value: Data | None) -> int | None:
    return value.value if value is not None and isinstance(value.value, int) else None


def _stamp(value: Data | None, line: Line) -> str | None:
    if value is None or not isinstance(value.value, bytes):
        return None
    try:
        return _instant(CosemDateTime.from_bytes(value.value), line)
    except DlmsError:
        return None


async def reset_billing(line: Line, _operation: Operation, _seen: Words, _report: Report) -> None:
    """End the billing period."""
    await line.do(tariff.reset_billing(), "ending the billing period")
