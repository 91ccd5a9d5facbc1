"""What a meter's pushes carry, read from the meter: object lists of its push setups, with the scalers of registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from demeter.drivers.dlms.session import DlmsSession, decoding
from demeter.drivers.dlms.tables import PROFILE_CLASS, Table
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.apdu import AttributeRef
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.protocols.dlms.push import Column
from demeter.sdk import FailureKind, Profile, ReadFailure

PUSH_SETUP_CLASS: Final = 40
OBJECT_LIST: Final = 2
SETUPS: Final = tuple(Obis(0, number, 25, 9, 0, 255) for number in (*range(8), 130, 132, 134))
"""Where push setups are looked for: those of the standards, and of makers seen in the field."""
DOING: Final = "reading what is pushed"
MOST_OBJECTS: Final = 128


async def push_objects(session: DlmsSession) -> Mapping[str, list[str]]:
    """Return what each push carries, as the option ``push_objects`` says it; empty where the meter does not tell."""
    try:
        lists = await session.values([AttributeRef(PUSH_SETUP_CLASS, setup, OBJECT_LIST) for setup in SETUPS], DOING)
    except ReadFailure as failure:
        if failure.kind in (FailureKind.REFUSED, FailureKind.NOT_SUPPORTED):
            return {}
        raise
    told: dict[str, list[str]] = {}
    for setup, octets in zip(SETUPS, lists, strict=True):
        if octets is None:
            continue
        with decoding(DOING):
            captures = listed(axdr.decode_all(octets))
        if captures:
            told[str(setup)] = await _columns(session, setup, captures)
            for capture in captures:
                if capture.class_id == PROFILE_CLASS and capture.attribute == 2:
                    told |= await _profile(session, capture.obis)
    return told


def listed(data: Data) -> tuple[CaptureObject, ...]:
    """Return the attributes of a push object list; later versions of the class add restrictions, which are left out.

    Raises:
        Malformed: it is no object list.
    """
    if data.tag is not Tag.ARRAY or len(data.value) > MOST_OBJECTS:
        raise Malformed("a push object list is an array of objects")
    return tuple(
        CaptureObject.from_data(Data(Tag.STRUCTURE, tuple(item.value[:4])) if item.tag is Tag.STRUCTURE else item)
        for item in data.value
    )


async def _columns(session: DlmsSession, setup: Obis, captures: tuple[CaptureObject, ...]) -> list[str]:
    table = await session.complete(Table(Profile.INSTANTANEOUS, setup, captures, {}, 0), DOING)
    return _texts(table)


async def _profile(session: DlmsSession, obis: Obis) -> dict[str, list[str]]:
    """Return the columns of a profile that is pushed whole, where it is one of those that are read too."""
    for profile in (Profile.BLOCK, Profile.DAILY, Profile.INSTANTANEOUS, Profile.BILLING):
        if session.place(profile) == obis:
            return {str(obis): _texts(await session.table(profile))}
    return {}


def _texts(table: Table) -> list[str]:
    return [
        str(Column(each.obis, each.attribute, each.class_id, table.scalers.get((each.obis, each.attribute))))
        for each in table.captures
    ]
