"""From the columns of profiles to the objects they capture: one register per logical name, shown as of now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.axdr import encode
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.simulator.meter import Rows
from demeter.simulator.model.identity import moment
from demeter.simulator.model.objects import CLOCK, CosemObject, name, no_method, scaler_unit
from demeter.simulator.model.profiles import Column, TableProfile, scaler_profile

SCALER_UNIT: Final = 3
NO_UNIT: Final = 255

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
            found.setdefault(obis, CapturedObject(obis, tuple(columns), present, zone))
    return list(found.values())


@dataclass(frozen=True, slots=True)
class CapturedObject:
    """What profiles capture of one object, shown as of now when it is read by itself; ``columns`` by attribute.

    Thousands of meters have dozens of these, so what they share is not repeated in each.
    """

    obis: Obis
    columns: tuple[Column, ...]
    present: Present
    zone: ZoneInfo

    @property
    def class_id(self) -> int:
        """The interface class."""
        return self.columns[0].capture.class_id

    @property
    def version(self) -> int:
        """The version of the interface class."""
        return 0

    @property
    def readable(self) -> tuple[int, ...]:
        """The attributes, without attribute 1."""
        scaled = (SCALER_UNIT,) if any(column.scaler is not None for column in self.columns) else ()
        return tuple(sorted((*(column.capture.attribute for column in self.columns), *scaled)))

    @property
    def writable(self) -> tuple[int, ...]:
        """The attributes that can be set: none, a meter's measurements are its own."""
        return ()

    @property
    def methods_served(self) -> tuple[int, ...]:
        """The methods that can be invoked: none."""
        return ()

    def get(self, attribute: int, selection: bytes | None) -> bytes:
        """Return an attribute as A-XDR.

        Raises:
            Refused: there is no such attribute, or a selection where none is possible.
        """
        if selection is not None:
            raise Refused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED, f"{self.obis} knows no selective access")
        for column in self.columns:
            if column.capture.attribute == attribute:
                return encode(self._shown(column))
            if attribute == SCALER_UNIT and column.scaler is not None:
                return encode(scaler_unit(column.scaler, column.unit or NO_UNIT))
        raise Refused(DataAccessResult.OBJECT_UNDEFINED, f"{self.obis} has no attribute {attribute}")

    def set(self, attribute: int, value: Data) -> None:
        """Refuse: what is measured cannot be written."""
        raise Refused(DataAccessResult.READ_WRITE_DENIED, f"{self.obis} attribute {attribute} is {value.tag.name}")

    def invoke(self, method: int, parameter: bytes | None) -> bytes | None:
        """Refuse: there are no methods."""
        raise no_method(self.obis, method, parameter)

    def _shown(self, column: Column) -> Data:
        numbers = column.values(self.present())
        number = int(numbers[-1]) if len(numbers) else 0
        return moment(number, self.zone) if column.tag is Tag.OCTET_STRING else Data(column.tag, number)
