"""COSEM objects: frozen, typed views on the attributes that were read, from one declarative table per class.

::

    class DisconnectControl(CosemObject, class_id=70, title="Disconnect control"):
        output_state = Attribute(2, BOOLEAN, Access.READ)
        remote_disconnect = Method(1, ZERO)

    relay = DisconnectControl(obis, {2: data})
    relay.output_state                            # True, False, or None when it was not read
    DisconnectControl.output_state.encode(True)   # Data
    relay.describe(); relay.to_json()

An object keeps what the meter sent (:attr:`CosemObject.data`), so nothing is lost where a meter departs from the
standard: such an attribute raises ``Malformed`` when it is asked for as its type, and is shown as plain data in words
and JSON. Classes and versions that have no table are :class:`UnknownObject`; their attributes are plain data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, Self, TypeVar, overload

from demeter.protocols.dlms.axdr import decode_all
from demeter.protocols.dlms.axdr import encode as encode_data
from demeter.protocols.dlms.classes.data_json import TYPE_NAMES, Json, data_from_json, data_to_json
from demeter.protocols.dlms.classes.shapes import INTEGERS, NAME, Shape, data_words
from demeter.protocols.dlms.classes.structures import ScalerUnit
from demeter.protocols.dlms.classes.units import symbol_of
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import DlmsError, Malformed
from demeter.protocols.dlms.obis import Obis

T = TypeVar("T")


class Access(StrEnum):
    """What a class lets a client do at most; the rights of the association decide what it may do."""

    READ = "read"
    READ_WRITE = "read-write"


class Attribute(Generic[T]):
    """An attribute: its number, type and access. On an object it is the value, on a class this description.

    ``scaled``: the value counts in the unit and by the power of ten of the object's ``scaler_unit``.
    """

    __slots__ = ("access", "name", "number", "scaled", "shape")

    def __init__(
        self, number: int, shape: Shape[T], access: Access = Access.READ_WRITE, *, scaled: bool = False
    ) -> None:
        self.number = number
        self.shape = shape
        self.access = access
        self.scaled = scaled
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, found: None, owner: type) -> Attribute[T]: ...
    @overload
    def __get__(self, found: CosemObject, owner: type) -> T | None: ...
    def __get__(self, found: CosemObject | None, owner: type) -> Attribute[T] | T | None:
        """Return the description, or the value of ``found``: None when it was not read.

        Raises:
            Malformed: the meter sent another type.
        """
        if found is None:
            return self
        data = found.data.get(self.number)
        return None if data is None else self.decode(data)

    def decode(self, data: Data) -> T:
        """Return the value of ``data``.

        Raises:
            Malformed: it is of another type.
        """
        try:
            return self.shape.decode(data)
        except DlmsError as error:
            raise Malformed(f"{self.name} (attribute {self.number}): {error.message}") from None

    def encode(self, value: T) -> Data:
        """Return the data to write ``value``.

        Raises:
            Malformed: the value does not fit the type.
        """
        return self.shape.encode(value)


class Method(Generic[T]):
    """A method: its number and the type of its parameter."""

    __slots__ = ("name", "number", "shape")

    def __init__(self, number: int, shape: Shape[T]) -> None:
        self.number = number
        self.shape = shape
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface class in one version: its attributes (without the logical name, 1) and methods by number."""

    class_id: int
    version: int
    title: str
    attributes: Mapping[int, Attribute[Any]] = field(default_factory=dict)
    methods: Mapping[int, Method[Any]] = field(default_factory=dict)

    def attribute(self, name: str) -> Attribute[Any] | None:
        """Return the attribute called ``name``."""
        return next((found for found in self.attributes.values() if found.name == name), None)


_MOST: Final = 2**64
_REGISTRY: Final[dict[tuple[int, int], type[CosemObject]]] = {}


@dataclass(frozen=True)
class CosemObject:
    """One instance: its logical name and the attributes that were read (number → data, without the logical name)."""

    obis: Obis
    data: Mapping[int, Data] = field(default_factory=dict)

    interface: ClassVar[Interface]
    logical_name = Attribute(1, NAME, Access.READ)

    def __init_subclass__(cls, class_id: int = 0, title: str = "", version: int = 0) -> None:
        """Build the table of a class from its attributes and methods and those of the version it builds on."""
        super().__init_subclass__()
        if class_id == 0:
            return
        members = [member for base in reversed(cls.__mro__) for member in vars(base).items()]
        named = dict(members)
        attributes = [found for found in named.values() if isinstance(found, Attribute) and found.number > 1]
        methods = [found for found in named.values() if isinstance(found, Method)]
        cls.interface = Interface(
            class_id,
            version,
            title or cls.interface.title,
            MappingProxyType({found.number: found for found in sorted(attributes, key=lambda found: found.number)}),
            MappingProxyType({found.number: found for found in sorted(methods, key=lambda found: found.number)}),
        )
        _REGISTRY[class_id, version] = cls

    def __post_init__(self) -> None:
        """Keep a copy nobody can change."""
        object.__setattr__(self, "data", MappingProxyType({**self.data, 1: NAME.encode(self.obis)}))

    def __hash__(self) -> int:
        """Hash by name: equal objects have equal names."""
        return hash((type(self), self.obis))

    @classmethod
    def from_values(cls, obis: Obis, **values: Any) -> Self:
        """Return an object from Python values by attribute name.

        Raises:
            Malformed: no such attribute, or a value that does not fit.
        """
        data = {}
        for name, value in values.items():
            found = cls.interface.attribute(name)
            if found is None:
                raise Malformed(f"{cls.interface.title} has no attribute {name}")
            data[found.number] = found.encode(value)
        return cls(obis, data)

    def with_data(self, number: int, data: Data | bytes) -> Self:
        """Return the object with one more attribute, as read (``Data`` or its A-XDR octets).

        Raises:
            DlmsError: the octets are not one value.
        """
        read = data if isinstance(data, Data) else decode_all(data)
        return type(self)(self.obis, {**self.data, number: read})

    def encode(self, number: int) -> bytes:
        """Return an attribute as A-XDR.

        Raises:
            Malformed: it was not read.
        """
        if number not in self.data:
            raise Malformed(f"attribute {number} of {self.obis} was not read")
        return encode_data(self.data[number])

    def attributes_read(self) -> Iterator[tuple[int, str, Data]]:
        """Yield number, name and data of every attribute that was read, without the logical name."""
        for number, data in sorted(self.data.items()):
            if number != 1:
                found = self.interface.attributes.get(number)
                yield number, found.name if found else f"attribute {number}", data

    def describe(self) -> str:
        """Return the object in words, one line per attribute; never raises."""
        head = f"{self.interface.title} {self.obis} (class {self.interface.class_id}, version {self.interface.version})"
        lines = [f"  {name}: {self._words(number, data)}" for number, name, data in self.attributes_read()]
        return "\n".join([head, *lines])

    def to_json(self) -> Json:
        """Return the object as JSON from which :func:`object_from_json` makes an equal one; never raises."""
        return {
            "class_id": self.interface.class_id,
            "version": self.interface.version,
            "class": self.interface.title,
            "obis": str(self.obis),
            "attributes": {name: self._json(number, data) for number, name, data in self.attributes_read()},
        }

    def quantity(self, number: int) -> tuple[Decimal, str] | None:
        """Return a scaled attribute as an exact number and its unit; None where there is no number or no scaler."""
        found, data = self.interface.attributes.get(number), self.data.get(number)
        scale = self.scale()
        if found is None or data is None or scale is None or not found.scaled or data.tag not in INTEGERS:
            return None
        return Decimal(data.value).scaleb(scale[0]), symbol_of(scale[1])

    def scale(self) -> tuple[int, int] | None:
        """Return the object's scaler and unit code; None where they were not read."""
        found = self.interface.attribute("scaler_unit")
        data = self.data.get(found.number) if found else None
        if data is None or found is None or not found.shape.exact(data):
            return None
        read: ScalerUnit = found.shape.decode(data)
        return read.scaler, int(read.unit)

    def _words(self, number: int, data: Data) -> str:
        found = self.interface.attributes.get(number)
        quantity = self.quantity(number)
        if quantity is not None:
            return f"{quantity[0]:f} {quantity[1]}".rstrip()
        if found is None:
            return data_words(data)
        try:
            return found.shape.words(found.shape.decode(data))
        except DlmsError as error:
            return f"{data_words(data)} (not what the class defines: {error.message})"

    def _json(self, number: int, data: Data) -> Json:
        found = self.interface.attributes.get(number)
        quantity = self.quantity(number)
        if quantity is not None:
            return {"type": TYPE_NAMES[data.tag], "scaled": f"{quantity[0]:f}", "unit": quantity[1]}
        # Only what would come back unchanged is shown as its type; else the plain data is, so that nothing is lost.
        if found is None or not found.shape.exact(data):
            return {"data": data_to_json(data)}
        return found.shape.to_json(found.shape.decode(data))


class UnknownObject(CosemObject):
    """An object of a class or version without a table: all attributes are plain data."""

    def __init__(self, interface: Interface, obis: Obis, data: Mapping[int, Data] | None = None) -> None:
        object.__setattr__(self, "interface", interface)
        super().__init__(obis, data or {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnknownObject) and (self.interface, self.obis, self.data) == (
            other.interface,
            other.obis,
            other.data,
        )

    __hash__ = CosemObject.__hash__

    def with_data(self, number: int, data: Data | bytes) -> Self:
        """Return the object with one more attribute; raises as :meth:`CosemObject.with_data`."""
        read = data if isinstance(data, Data) else decode_all(data)
        return type(self)(self.interface, self.obis, {**self.data, number: read})


def class_of(class_id: int, version: int) -> type[CosemObject] | None:
    """Return the table of a class in a version; None where there is none."""
    return _REGISTRY.get((class_id, version))


def known_classes() -> Mapping[tuple[int, int], type[CosemObject]]:
    """Return every table by class and version."""
    return MappingProxyType(_REGISTRY)


def cosem_object(class_id: int, version: int, obis: Obis, data: Mapping[int, Data] | None = None) -> CosemObject:
    """Return an object of any class: typed where there is a table, else :class:`UnknownObject`. Never raises."""
    found = class_of(class_id, version)
    if found is not None:
        return found(obis, data or {})
    return UnknownObject(Interface(class_id, version, _title(class_id)), obis, data)


def object_from_json(found: Json) -> CosemObject:
    """Return the object that :meth:`CosemObject.to_json` shows as ``found``.

    Raises:
        Malformed: naming the place that cannot be read.
    """
    wanted = {"class_id": int, "version": int, "obis": str, "attributes": dict}
    if not isinstance(found, dict) or any(type(found.get(name)) is not kind for name, kind in wanted.items()):
        raise Malformed("an object has the numbers class_id and version, an obis and attributes")
    read = cosem_object(found["class_id"], found["version"], Obis.parse(found["obis"]))
    # Scaled values come last: they are read by the scaler of the object.
    for name, value in sorted(found["attributes"].items(), key=lambda item: _is_scaled(item[1])):
        try:
            number, data = _attribute_from_json(read, name, value)
            # Only what can be sent is an object: text may hold letters its type does not have.
            encode_data(data)
        except DlmsError as error:
            raise Malformed(f"attributes.{name}: {error.message}") from None
        read = read.with_data(number, data)
    return read


def _attribute_from_json(found: CosemObject, name: str, shown: Json) -> tuple[int, Data]:
    attribute = found.interface.attribute(name)
    if attribute is None:
        word, _, number = name.partition(" ")
        if word != "attribute" or not number.isdecimal():
            raise Malformed("no such attribute")
        if not isinstance(shown, dict) or set(shown) != {"data"}:
            raise Malformed('only {"data": …} can be read: the class does not define this attribute')
        return int(number), data_from_json(shown["data"])
    if isinstance(shown, dict) and set(shown) == {"data"}:
        return attribute.number, data_from_json(shown["data"])
    if _is_scaled(shown):
        return attribute.number, _unscaled(found, shown)
    return attribute.number, attribute.encode(attribute.shape.from_json(shown))


def _is_scaled(shown: Json) -> bool:
    return isinstance(shown, dict) and "scaled" in shown


def _unscaled(found: CosemObject, shown: Json) -> Data:
    """The integer of a scaled value; refused where it would have to be rounded."""
    scale = found.scale()
    if scale is None:
        raise Malformed("a scaled value needs the object's scaler_unit")
    try:
        number = Decimal(shown["scaled"]).scaleb(-scale[0])
        if not abs(number) < _MOST:
            raise Malformed(f"{shown['scaled']!r:.40} does not fit any integer type")
    except (ArithmeticError, TypeError, ValueError):
        raise Malformed(f"{shown['scaled']!r:.40} is no decimal number") from None
    whole = int(number)
    if whole != number:
        raise Malformed(f"{shown['scaled']} is finer than the scaler {scale[0]} can hold")
    if shown.get("unit", symbol_of(scale[1])) != symbol_of(scale[1]):
        raise Malformed(f"the unit is {symbol_of(scale[1])}, not {shown['unit']}")
    return data_from_json({"type": shown.get("type", TYPE_NAMES[Tag.UINT32]), "value": whole})


def _title(class_id: int) -> str:
    titles = [kind.interface.title for (found, _), kind in _REGISTRY.items() if found == class_id]
    return f"{titles[0]}, unknown version" if titles else f"class {class_id}"
