"""Discovery: what an association can see, read, write and invoke, from its object list (class 15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.classes.access import AssociationLn, ListedObject
from demeter.protocols.dlms.classes.commands.steps import Read
from demeter.protocols.dlms.classes.data_json import Json
from demeter.protocols.dlms.classes.objects import class_of, cosem_object
from demeter.protocols.dlms.obis import Obis

ASSOCIATION: Final = Obis(0, 0, 40, 0, 0, 255)
"""The association in use."""

_BITS_SINCE: Final = 3
_READING: Final = frozenset({1, 3, 4, 6})
_WRITING: Final = frozenset({2, 3, 5, 6})


@dataclass(frozen=True, slots=True)
class Found:
    """One object and what the association may do with it. ``typed``: Demeter has a table of its class and version."""

    class_id: int
    version: int
    obis: Obis
    title: str
    typed: bool
    readable: tuple[int, ...]
    writable: tuple[int, ...]
    methods: tuple[int, ...]

    def to_json(self) -> Json:
        """Return the object as JSON."""
        return {
            "class_id": self.class_id,
            "version": self.version,
            "obis": str(self.obis),
            "class": self.title,
            "typed": self.typed,
            "readable": list(self.readable),
            "writable": list(self.writable),
            "methods": list(self.methods),
        }

    def reads(self) -> Iterator[Read]:
        """Yield the reads of everything that can be read, without the logical name."""
        return (Read(self.class_id, self.obis, number) for number in self.readable if number > 1)


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a meter showed to one association, in the order of logical names."""

    objects: tuple[Found, ...]

    def of_class(self, class_id: int) -> tuple[Found, ...]:
        """Return the objects of a class."""
        return tuple(found for found in self.objects if found.class_id == class_id)

    def find(self, obis: Obis) -> Found | None:
        """Return the object of a name."""
        return next((found for found in self.objects if found.obis == obis), None)

    def to_json(self) -> Json:
        """Return all objects as JSON."""
        return [found.to_json() for found in self.objects]


def read_objects(obis: Obis = ASSOCIATION) -> Read:
    """Return the read of the object list; it is long, hundreds of objects in many meters."""
    return Read(AssociationLn.interface.class_id, obis, AssociationLn.object_list.number)


def discover(association: AssociationLn) -> Discovery:
    """Return what the association (of any version) can see.

    Raises:
        Malformed: the object list is not of the type the class defines.
    """
    bits = association.interface.version >= _BITS_SINCE
    listed = association.object_list or ()
    return Discovery(tuple(sorted((_found(each, bits=bits) for each in listed), key=lambda found: found.obis)))


def _found(listed: ListedObject, *, bits: bool) -> Found:
    rights = listed.rights
    reading = [right.attribute for right in rights.attributes if (right.mode & 1 if bits else right.mode in _READING)]
    writing = [right.attribute for right in rights.attributes if (right.mode & 2 if bits else right.mode in _WRITING)]
    methods = [right.method for right in rights.methods if (right.mode & 1 if bits else right.mode > 0)]
    return Found(
        listed.class_id,
        listed.version,
        listed.logical_name,
        cosem_object(listed.class_id, listed.version, listed.logical_name).interface.title,
        class_of(listed.class_id, listed.version) is not None,
        tuple(reading),
        tuple(writing),
        tuple(methods),
    )
