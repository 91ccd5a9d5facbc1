"""Discovery: the object list of the association in words, the tables with their columns, and the likeliest profile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from demeter.drivers.dlms.failures import failure_of
from demeter.drivers.dlms.options import DlmsOptions
from demeter.drivers.dlms.profiles import MeterProfile, builtin, obis_name
from demeter.drivers.dlms.tables import PROFILE_CLASS, Table, captures_of, places, series_of
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.apdu import AttributeRef
from demeter.protocols.dlms.classes import AssociationLn, AssociationLn1
from demeter.protocols.dlms.classes.commands.discovery import ASSOCIATION, Discovery, Found, discover, read_objects
from demeter.protocols.dlms.classes.objects import class_of
from demeter.protocols.dlms.client import Client
from demeter.protocols.dlms.errors import DlmsError, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject, ProfileColumn, ProfileColumns
from demeter.protocols.dlms.vector import ColumnKind
from demeter.sdk import (
    DiscoveredObject,
    DiscoveredTable,
    FailureKind,
    Likeness,
    MeterDiscovery,
    Nameplate,
    Profile,
    ReadFailure,
)

CAPTURES, PERIOD, ENTRIES_IN_USE = 3, 4, 7
OBJECT_LIST: Final = AssociationLn.object_list.number
LEAST_PERCENT: Final = 25
"""A profile that has less in common with a meter is not its kind."""

MOST_FITS: Final = 3
READ: Final = (Profile.BLOCK, Profile.DAILY, Profile.INSTANTANEOUS)


@dataclass(frozen=True, slots=True)
class Looking:
    """What discovery needs of a session."""

    run: Callable[..., Awaitable[Any]]
    nameplate: Callable[[], Awaitable[Nameplate]]
    serial: Callable[[], Awaitable[str]]
    table: Callable[[Profile], Awaitable[Table]]
    client: Client
    options: DlmsOptions


async def look(at: Looking) -> MeterDiscovery:
    """Look at all a meter shows to this association.

    Raises:
        ReadFailure: NOT_SUPPORTED, when it lists nothing.
    """
    listed = await _listed(at)
    fits = likeness(listed.objects)
    known = builtin().profile(fits[0].meter_profile) if fits else at.options.profile
    title = at.client.server_title
    return MeterDiscovery(
        nameplate=await _nameplate(at),
        system_title="" if title is None else title.hex(),
        meter_profile=at.options.meter_profile,
        fits=fits,
        tables=await _tables(at, listed.of_class(PROFILE_CLASS), known),
        objects=tuple(_object(found, known) for found in listed.objects),
    )


async def _nameplate(at: Looking) -> Nameplate:
    """Read who the meter is, as far as it tells this association."""
    for read in (at.nameplate, at.serial):
        try:
            told = await read()
        except ReadFailure as failure:
            if failure.kind not in (FailureKind.REFUSED, FailureKind.NOT_SUPPORTED):
                raise
        else:
            return told if isinstance(told, Nameplate) else Nameplate(told)
    return Nameplate("")


async def _listed(at: Looking) -> Discovery:
    doing, wanted = "reading the list of objects", read_objects()
    octets = await at.run(at.client.get(wanted.class_id, wanted.obis, wanted.attribute), doing)
    try:
        found = discovered(octets)
    except DlmsError as error:
        raise failure_of(error, doing) from error
    if not found.objects:
        raise ReadFailure(FailureKind.NOT_SUPPORTED, f"{doing}: the meter lists nothing to this association")
    return found


def discovered(octets: bytes) -> Discovery:
    """Return an object list, read by the version of the association that the list itself names.

    Raises:
        DlmsError: it is no object list.
    """
    data = {OBJECT_LIST: axdr.decode_all(octets)}
    first = discover(AssociationLn1(ASSOCIATION, data))
    versions = [
        found.version for found in first.of_class(AssociationLn.interface.class_id) if found.obis == ASSOCIATION
    ]
    kind = class_of(AssociationLn.interface.class_id, max(versions, default=1))
    if kind is None or kind is AssociationLn1 or not issubclass(kind, AssociationLn):
        return first
    return discover(kind(ASSOCIATION, data))


def likeness(objects: Sequence[Found]) -> tuple[Likeness, ...]:
    """Return the profiles most like a meter: common objects against all of both, the likeliest first."""
    listed = {(found.class_id, found.obis) for found in objects}
    found = []
    for name in builtin().ids:
        profile = builtin().profile(name)
        expected = _expected(profile)
        percent = 200 * len(listed & expected) // max(len(listed) + len(expected), 1)
        if percent >= LEAST_PERCENT:
            found.append(Likeness(name, profile.title, percent))
    return tuple(sorted(found, key=lambda each: (-each.percent, each.meter_profile))[:MOST_FITS])


def _expected(profile: MeterProfile) -> set[tuple[int, Obis]]:
    named = {(each.class_id, each.obis) for each in profile.objects.values()}
    tables = {(PROFILE_CLASS, table.obis) for table in profile.tables.values()}
    logs = {(PROFILE_CLASS, group.log) for group in profile.event_groups.values()}
    return named | tables | logs


def _object(found: Found, profile: MeterProfile) -> DiscoveredObject:
    words = _words(found.obis, profile)
    return DiscoveredObject(
        obis=str(found.obis),
        class_id=found.class_id,
        version=found.version,
        words=words,
        kind=found.title,
        typed=found.typed,
        described=not words.endswith(f" object {found.obis}"),
        readable=found.readable,
        writable=found.writable,
        methods=found.methods,
    )


def _words(obis: Obis, profile: MeterProfile) -> str:
    table = profile.table_of(obis)
    return table.name if table else obis_name(obis, profile)


async def _tables(at: Looking, found: Sequence[Found], profile: MeterProfile) -> tuple[DiscoveredTable, ...]:
    """Read columns, periods and numbers of rows of all tables, with as few requests as possible."""
    numbers = (CAPTURES, PERIOD, ENTRIES_IN_USE)
    wanted = [AttributeRef(PROFILE_CLASS, each.obis, number) for each in found for number in numbers]
    doing = "reading what the tables record"
    answers = iter(await at.run(at.client.get_many(wanted), doing))
    roles = _roles(at.options)
    tables = []
    for each in found:
        captures, period, entries = next(answers), next(answers), next(answers)
        try:
            columns = captures_of(captures) if isinstance(captures, bytes) else ()
        except DlmsError:
            columns = ()  # a table nobody understands is still a table
        role = roles.get(each.obis, "")
        tables.append(
            DiscoveredTable(
                obis=str(each.obis),
                words=_words(each.obis, profile),
                role=role,
                period_s=_number(period),
                entries=_number(entries),
                columns=tuple(_column(column, profile) for column in columns),
                taken=await _taken(at, role) if columns else (),
            )
        )
    return tuple(tables)


def _roles(options: DlmsOptions) -> Mapping[Obis, str]:
    """Return what the tables are read as that Demeter reads of this meter."""
    placed = [(places(profile, options.commodity), profile) for profile in READ]
    roles = {place[0]: profile.value for place, profile in placed if place is not None}
    return {group.log: Profile.EVENTS.value for group in options.profile.event_groups.values()} | roles


def _column(column: CaptureObject, profile: MeterProfile) -> str:
    return f"{column.obis} {_words(column.obis, profile)}"


async def _taken(at: Looking, role: str) -> tuple[str, ...]:
    """Return the columns of a table that become readings, with the type they get."""
    if role not in [profile.value for profile in READ]:
        return ()
    table = await at.table(Profile(role))
    none = np.empty(0, dtype=np.int64)
    columns = []
    for capture in table.captures:
        if not capture.is_clock:
            scaler, unit = table.scalers.get((capture.obis, capture.attribute), (None, None))
            columns.append(ProfileColumn(capture, scaler, unit, ColumnKind.INTEGER, none, none.astype(bool)))
    flat = np.empty(0, dtype=np.uint8)
    types = [series.reading_type for series in series_of(table, ProfileColumns(none, flat, flat, tuple(columns)))]
    return tuple(f"{each.obis}: {each.kind}, {each.unit}, scaler {each.scaler}" for each in types)


def _number(answer: bytes | Refused) -> int | None:
    if isinstance(answer, Refused):
        return None
    try:
        value = axdr.decode_all(answer).value
    except DlmsError:
        return None
    return value if isinstance(value, int) else None
