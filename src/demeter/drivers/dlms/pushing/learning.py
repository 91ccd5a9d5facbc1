"""What a meter's pushes carry, read from the meter: object lists of its push setups, with the scalers of registers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from demeter.drivers.dlms.session import DlmsSession
from demeter.drivers.dlms.tables import PROFILE_CLASS, Table, unscaled
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.apdu import AttributeRef
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject, decode_scaler_unit
from demeter.protocols.dlms.push import Column, object_list
from demeter.sdk import Profile

PUSH_SETUP_CLASS: Final = 40
OBJECT_LIST: Final = 2
SETUPS: Final = tuple(Obis(0, number, 25, 9, 0, 255) for number in (*range(8), 130, 132, 134))
"""Where push setups are looked for: those of the standards, and of makers seen in the field."""
DOING: Final = "reading what is pushed"


async def push_objects(session: DlmsSession) -> Mapping[str, list[str]]:
    """Return what each push carries, as the option ``push_objects`` says it; what the meter does not tell is left out.

    Raises:
        ReadFailure: the meter cannot be spoken to any more.
    """
    lists = await session.tried([AttributeRef(PUSH_SETUP_CLASS, setup, OBJECT_LIST) for setup in SETUPS], DOING)
    told: dict[str, list[str]] = {}
    for setup, octets in zip(SETUPS, lists, strict=True):
        captures = () if octets is None else _listed(octets)
        if captures:
            told[str(setup)] = await _columns(session, setup, captures)
            for capture in captures:
                if capture.class_id == PROFILE_CLASS and capture.attribute == 2:
                    told |= await _profile(session, capture.obis)
    return told


def _listed(octets: bytes) -> tuple[CaptureObject, ...]:
    try:
        return object_list(axdr.decode_all(octets))
    except DlmsError:
        return ()


async def _columns(session: DlmsSession, setup: Obis, captures: tuple[CaptureObject, ...]) -> list[str]:
    registers = unscaled(captures, {})
    values = await session.tried(
        [AttributeRef(c.class_id, c.obis, 4 if c.class_id == 5 else 3) for c in registers], DOING
    )
    scalers = {}
    for capture, octets in zip(registers, values, strict=True):
        with suppress(DlmsError):
            if octets is not None:
                scalers[capture.obis, capture.attribute] = decode_scaler_unit(octets)
    return _texts(Table(Profile.INSTANTANEOUS, setup, captures, scalers, 0))


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
