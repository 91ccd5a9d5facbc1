"""COSEM objects as a simulated meter shows them: attributes that are computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from demeter.protocols.dlms.axdr import encode
from demeter.protocols.dlms.data import Data, enum, i8, octets, structure
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.obis import Obis

DATA, REGISTER, EXTENDED_REGISTER, PROFILE, CLOCK, ASSOCIATION = 1, 3, 4, 7, 8, 15
"""Interface classes used (IEC 62056-6-2)."""


class CosemObject(Protocol):
    """One instance of an interface class. Attribute 1, the logical name, is answered by whoever holds the object."""

    @property
    def class_id(self) -> int:
        """The interface class."""
        ...

    @property
    def version(self) -> int:
        """The version of the interface class."""
        ...

    @property
    def obis(self) -> Obis:
        """The logical name."""
        ...

    @property
    def readable(self) -> tuple[int, ...]:
        """The attributes, without attribute 1."""
        ...

    @property
    def writable(self) -> tuple[int, ...]:
        """The attributes that can be set."""
        ...

    def get(self, attribute: int, selection: bytes | None) -> bytes:
        """Return an attribute as A-XDR.

        Raises:
            Refused: there is no such attribute.
        """
        ...

    def set(self, attribute: int, value: Data) -> None:
        """Set an attribute.

        Raises:
            Refused: it cannot be set, or not to this value.
        """
        ...


@dataclass(frozen=True, slots=True)
class SimpleObject:
    """An object whose attributes are small; ``attributes`` and ``setters`` are keyed by attribute number."""

    class_id: int
    obis: Obis
    attributes: Mapping[int, Callable[[], Data]]
    setters: Mapping[int, Callable[[Data], None]] = field(default_factory=dict)
    version: int = 0

    @property
    def readable(self) -> tuple[int, ...]:
        """The attributes, without attribute 1."""
        return tuple(self.attributes)

    @property
    def writable(self) -> tuple[int, ...]:
        """The attributes that can be set."""
        return tuple(self.setters)

    def get(self, attribute: int, selection: bytes | None) -> bytes:
        """Return an attribute as A-XDR.

        Raises:
            Refused: there is no such attribute, or a selection where none is possible.
        """
        found = self.attributes.get(attribute)
        if found is None:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED, f"{self.obis} has no attribute {attribute}")
        if selection is not None:
            raise Refused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED, f"{self.obis} knows no selective access")
        return encode(found())

    def set(self, attribute: int, value: Data) -> None:
        """Set an attribute.

        Raises:
            Refused: it cannot be set, or not to this value.
        """
        setter = self.setters.get(attribute)
        if setter is None:
            raise Refused(DataAccessResult.READ_WRITE_DENIED, f"{self.obis} attribute {attribute} cannot be set")
        setter(value)


def data_object(obis: str, value: Callable[[], Data] | Data) -> SimpleObject:
    """Return a Data object (class 1) with a fixed or computed value."""
    return SimpleObject(DATA, Obis.parse(obis), {2: _computed(value)})


def text_object(obis: str, value: str) -> SimpleObject:
    """Return a Data object that holds text, as octets (IS 15959 nameplate)."""
    return data_object(obis, octets(value.encode("ascii")))


def scaler_unit(scaler: int, unit: int) -> Data:
    """Return the scaler_unit attribute of a register."""
    return structure(i8(scaler), enum(unit))


def register_object(obis: Obis, scaler: int, unit: int, value: Callable[[], Data]) -> SimpleObject:
    """Return a Register (class 3)."""
    shown = scaler_unit(scaler, unit)
    return SimpleObject(REGISTER, obis, {2: value, 3: lambda: shown})


def _computed(value: Callable[[], Data] | Data) -> Callable[[], Data]:
    if isinstance(value, Data):
        fixed = value
        return lambda: fixed
    return value
