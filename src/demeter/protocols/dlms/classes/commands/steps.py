"""Steps: one GET, SET or ACTION on one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from demeter.protocols.dlms.axdr import encode
from demeter.protocols.dlms.classes.objects import Attribute, CosemObject, Method
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.obis import Obis


@dataclass(frozen=True, slots=True)
class Read:
    """Get an attribute."""

    class_id: int
    obis: Obis
    attribute: int


@dataclass(frozen=True, slots=True)
class Write:
    """Set an attribute to ``value``."""

    class_id: int
    obis: Obis
    attribute: int
    value: Data

    @property
    def payload(self) -> bytes:
        """The value as A-XDR."""
        return encode(self.value)


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke a method with ``parameter``."""

    class_id: int
    obis: Obis
    method: int
    parameter: Data

    @property
    def payload(self) -> bytes:
        """The parameter as A-XDR."""
        return encode(self.parameter)


Step = Read | Write | Invoke


def read(kind: type[CosemObject], obis: Obis, *attributes: Attribute[Any]) -> tuple[Read, ...]:
    """Return the reads of some attributes, or of all the class has."""
    numbers = [found.number for found in attributes] or list(kind.interface.attributes)
    return tuple(Read(kind.interface.class_id, obis, number) for number in numbers)


def write(kind: type[CosemObject], obis: Obis, attribute: Attribute[Any], value: Any) -> Write:
    """Return the writing of a Python value.

    Raises:
        Malformed: the value does not fit the attribute's type.
    """
    return Write(kind.interface.class_id, obis, attribute.number, attribute.encode(value))


def invoke(kind: type[CosemObject], obis: Obis, method: Method[Any], value: Any = 0) -> Invoke:
    """Return the invocation of a method; most take integer (0).

    Raises:
        Malformed: the value does not fit the parameter's type.
    """
    return Invoke(kind.interface.class_id, obis, method.number, method.shape.encode(value))


def short_text(text: str, most: int, what: str) -> bytes:
    """Return a name as octets.

    Raises:
        Malformed: other characters than ASCII, or more than ``most``.
    """
    if not text.isascii() or len(text) > most:
        raise Malformed(f"{what} is ASCII of at most {most} characters, not {text!r}")
    return text.encode("ascii")
