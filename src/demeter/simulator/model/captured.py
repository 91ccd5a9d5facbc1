"""From the columns of profiles to the objects they capture: one register per logical name, shown as of now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.obis import Obis
from demeter.simulator.meter import Rows
from demeter.simulator.model.identity import moment
from demeter.simulator.model.objects import CLOCK, CosemObject, SimpleObject, name, scaler_unit
from demeter.simulator.model.profiles import Column, TableProfile, scaler_profile

Present = Callable[[], Rows]
"""The row (none or one) a captured object shows when it is read by itself."""


def profiles_and_registers(profiles: Iterable[tuple[TableProfile, str, Present]], zone: ZoneInfo) -> list[CosemObject]:
    """Return profiles, their scaler profiles (second of each triple: the OBIS) and every object they capture.

    Where several profiles capture one object, the first decides what it shows.
    """
    found: dict[Obis, CosemObject] = {}
    for profile, scalers, present in profiles:
        found[profile.obis] = profile
        found[name(scalers)] = scaler_profile(name(scalers), profile.columns, zone)
        by_name: dict[Obis, list[Column]] = {}
        for column in profile.columns:
            if column.capture.class_id != CLOCK:
                by_name.setdefault(column.capture.obis, []).append(column)
        for obis, columns in by_name.items():
            found.setdefault(obis, _captured(obis, columns, present, zone))
    return list(found.values())


def _captured(obis: Obis, columns: list[Column], present: Present, zone: ZoneInfo) -> SimpleObject:
    attributes = {column.capture.attribute: _shown(column, present, zone) for column in columns}
    scaled = next((column for column in columns if column.scaler is not None), None)
    if scaled is not None:
        shown = scaler_unit(scaled.scaler or 0, scaled.unit or 255)
        attributes[3] = lambda: shown
    return SimpleObject(columns[0].capture.class_id, obis, dict(sorted(attributes.items())))


def _shown(column: Column, present: Present, zone: ZoneInfo) -> Callable[[], Data]:
    def show() -> Data:
        numbers = column.values(present())
        number = int(numbers[-1]) if len(numbers) else 0
        return moment(number, zone) if column.tag is Tag.OCTET_STRING else Data(column.tag, number)

    return show
