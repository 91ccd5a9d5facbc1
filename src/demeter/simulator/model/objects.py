"""COSEM objects as a simulated meter shows them: attributes that are computed when they are asked for.

:class:`TypedObject` serves an interface class of ``protocols.dlms.classes`` from Python values;
:class:`SimpleObject` serves the many registers and data objects, whose values have the type of what they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from demeter.protocols.dlms import classes
from demeter.protocols.dlms.axdr import decode_all, encode
from demeter.protocols.dlms.classes import Attribute, Method, ScalerUnit
from demeter.protocols.dlms.data import Data, Tag, i8, octets
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError, Refused
from demeter.protocols.dlms.obis import Obis

DATA, REGISTER, EXTENDED_REGISTER, PROFILE, CLOCK = 1, 3, 4, 7, 8
"""Interface classes used (IEC 62056-6-2)."""

_MOMENTS = (Tag.DATE_TIME, Tag.DATE, Tag.TIME)


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

    @property
    def methods_served(self) -> tuple[int, ...]:
        """The methods that can be invoked."""
        ...

    def set(self, attribute: int, value: Data) -> None:
        """Set an attribute.

        Raises:
            Refused: it cannot be set, or not to this value.
        """
        ...

    def invoke(self, method: int, parameter: bytes | None) -> bytes | None:
        """Invoke a method with A-XDR octets; return what it returns.

        Raises:
            Refused: there is no such method, or it does not take this parameter now.
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

    @property
    def methods_served(self) -> tuple[int, ...]:
        """The methods that can be invoked: none."""
        return ()

    def invoke(self, method: int, parameter: bytes | None) -> bytes | None:
        """Refuse: there are no methods."""
        raise no_method(self.obis, method, parameter)


@dataclass(frozen=True, slots=True)
class TypedObject:
    """An object of an interface class. ``values``: what each attribute is now, by the attribute of the class.

    Values and parameters are Python values of the types the class gives them; ``setters`` and ``methods`` raise
    :class:`Refused` for what they do not take.
    """

    kind: type[classes.CosemObject]
    obis: Obis
    values: Mapping[Attribute[Any], Callable[[], Any]]
    setters: Mapping[Attribute[Any], Callable[[Any], None]] = field(default_factory=dict)
    methods: Mapping[Method[Any], Callable[[Any], None]] = field(default_factory=dict)

    @property
    def class_id(self) -> int:
        """The interface class."""
        return self.kind.interface.class_id

    @property
    def version(self) -> int:
        """The version of the interface class."""
        return self.kind.interface.version

    @property
    def readable(self) -> tuple[int, ...]:
        """The attributes, without attribute 1."""
        return tuple(sorted(found.number for found in self.values))

    @property
    def writable(self) -> tuple[int, ...]:
        """The attributes that can be set."""
        return tuple(sorted(found.number for found in self.setters))

    @property
    def methods_served(self) -> tuple[int, ...]:
        """The methods that can be invoked."""
        return tuple(sorted(found.number for found in self.methods))

    def get(self, attribute: int, selection: bytes | None) -> bytes:
        """Return an attribute as A-XDR.

        Raises:
            Refused: there is no such attribute, or a selection where none is possible.
        """
        if selection is not None:
            raise Refused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED, f"{self.obis} knows no selective access")
        for found, value in self.values.items():
            if found.number == attribute:
                return encode(found.encode(value()))
        raise Refused(DataAccessResult.OBJECT_UNDEFINED, f"{self.obis} has no attribute {attribute}")

    def set(self, attribute: int, value: Data) -> None:
        """Set an attribute; only the type the class defines is taken, as meters do.

        Raises:
            Refused: it cannot be set, or not to this value.
        """
        for found, setter in self.setters.items():
            if found.number == attribute:
                if not found.shape.exact(value) and value.tag not in _MOMENTS:
                    raise Refused(DataAccessResult.TYPE_UNMATCHED, f"{found.name} is {found.shape.label}")
                setter(found.decode(value))
                return
        raise Refused(DataAccessResult.READ_WRITE_DENIED, f"{self.obis} attribute {attribute} cannot be set")

    def invoke(self, method: int, parameter: bytes | None) -> bytes | None:
        """Invoke a method.

        Raises:
            Refused: there is no such method, or it does not take this parameter now.
        """
        for found, carry_out in self.methods.items():
            if found.number == method:
                try:
                    value = found.shape.decode(i8(0) if parameter is None else decode_all(parameter))
                except DlmsError as unreadable:
                    raise Refused(DataAccessResult.TYPE_UNMATCHED, f"{found.name}: {unreadable}") from unreadable
                carry_out(value)
                return None
        raise no_method(self.obis, method, parameter)


def no_method(obis: Obis, method: int, parameter: bytes | None) -> Refused:
    """Return the refusal of a method that is not served."""
    return Refused(DataAccessResult.READ_WRITE_DENIED, f"{obis} has no method {method} ({parameter!r})")


def refused(message: str, result: DataAccessResult = DataAccessResult.OTHER_REASON) -> Refused:
    """Return the refusal of a write or method that does not fit the meter's state."""
    return Refused(result, message)


def data_object(obis: str, value: Callable[[], Data] | Data) -> SimpleObject:
    """Return a Data object (class 1) with a fixed or computed value."""
    return SimpleObject(DATA, name(obis), {2: _computed(value)})


def text_object(obis: str, value: str) -> SimpleObject:
    """Return a Data object that holds text, as octets (IS 15959 nameplate)."""
    return data_object(obis, octets(value.encode("ascii")))


@lru_cache(maxsize=1024)
def name(text: str) -> Obis:
    """Return a logical name; thousands of meters share each."""
    return Obis.parse(text)


@lru_cache(maxsize=256)
def scaler_unit(scaler: int, unit: int) -> Data:
    """Return the scaler_unit attribute of a register."""
    return classes.Register.scaler_unit.encode(ScalerUnit(scaler, unit))


def register_object(obis: Obis, scaler: int, unit: int, value: Callable[[], Data]) -> SimpleObject:
    """Return a Register (class 3)."""
    shown = scaler_unit(scaler, unit)
    return SimpleObject(REGISTER, obis, {2: value, 3: lambda: shown})


def _computed(value: Callable[[], Data] | Data) -> Callable[[], Data]:
    if isinstance(value, Data):
        fixed = value
        return lambda: fixed
    return value
