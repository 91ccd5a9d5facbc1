"""Reading any object over an open session: typed where its class is known, refusals in their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from demeter.drivers.dlms.cli.objects import Wanted, classes_of, name_of
from demeter.drivers.dlms.session import DlmsSession
from demeter.kernel import NotFound
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.apdu import AttributeRef
from demeter.protocols.dlms.classes import (
    AssociationLn1,
    CosemObject,
    class_of,
    cosem_object,
    known_classes,
)
from demeter.protocols.dlms.classes.commands.discovery import ASSOCIATION, Discovery, Found, discover
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.errors import DlmsError, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.sdk import FailureKind, ReadFailure

ASSOCIATION_CLASS: Final = 15
OBJECT_LIST: Final = 2
_LAST_ATTRIBUTE: Final = 12
"""Attributes asked of an object whose class nobody has a table of and which no list describes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a meter said about one object; ``refused``: attribute → why.

    ``beside``: attributes read only to understand another one (its scaler and unit); they are not shown.
    """

    wanted: Wanted
    found: CosemObject
    refused: Mapping[int, str] = field(default_factory=dict)
    beside: frozenset[int] = frozenset()

    @property
    def empty(self) -> bool:
        """Whether nothing that was asked for was read."""
        own = 1 if self.wanted.member == 1 and not self.refused else 0
        return not own and not any(number > 1 and number not in self.beside for number in self.found.data)

    def attribute_name(self, number: int) -> str:
        """Return the name of an attribute."""
        known = self.found.interface.attributes.get(number)
        return "logical_name" if number == 1 else known.name if known else f"attribute {number}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        shown = self.found.to_json()
        hidden = {self.attribute_name(number) for number in self.beside}
        attributes = {name: value for name, value in shown["attributes"].items() if name not in hidden}
        if self.wanted.member == 1 and not self.refused:
            attributes = {"logical_name": str(self.found.obis)}
        return {
            "object": self.wanted.text,
            "class_id": shown["class_id"],
            "version": shown["version"],
            "class": shown["class"],
            "obis": shown["obis"],
            "name": name_of(self.found.obis),
            "attributes": attributes,
            "refused": {self.attribute_name(number): why for number, why in sorted(self.refused.items())},
        }


class Reader:
    """Reads objects over one session; the object list is read at most once."""

    def __init__(self, session: DlmsSession) -> None:
        self.session = session
        self._listed: Discovery | None = None
        self._asked = False

    async def objects(self) -> Discovery:
        """Read the object list of the association.

        Raises:
            ReadFailure: the meter refuses it, or it is not what the class defines.
        """
        if self._listed is None:
            doing = "reading the object list"
            exchange = self.session.client.get(ASSOCIATION_CLASS, ASSOCIATION, OBJECT_LIST)
            octets = await self.session.run(exchange, doing)
            try:
                self._listed = _discovered(octets)
            except DlmsError as error:
                raise ReadFailure(FailureKind.GARBLED, f"{doing}: {error.message}", offset=error.offset) from error
        return self._listed

    async def _objects_if_told(self) -> Discovery | None:
        """The object list, or None where the meter does not tell it."""
        if self._listed is None and not self._asked:
            self._asked = True
            try:
                return await self.objects()
            except ReadFailure as failure:
                if failure.kind not in (FailureKind.REFUSED, FailureKind.NOT_SUPPORTED):
                    raise
        return self._listed

    async def place(self, wanted: Wanted) -> tuple[int, int, Found | None]:
        """Return class and version of an object, and what the association may do with it, where the list tells.

        Raises:
            NotFound: the meter does not list it, or lists nothing and no profile knows it.
        """
        if wanted.class_id is not None and (wanted.member is not None or self._listed is None):
            return wanted.class_id, _version(wanted.class_id), None
        listed = await self._objects_if_told()
        same = [found for found in listed.objects if found.obis == wanted.obis] if listed else []
        if wanted.class_id is not None:
            same = [found for found in same if found.class_id == wanted.class_id]
        if same:
            return same[0].class_id, same[0].version, same[0]
        if wanted.class_id is not None:
            return wanted.class_id, _version(wanted.class_id), None
        known = classes_of(wanted.obis)
        if listed is not None or len(known) != 1:
            why = "the meter does not list it" if listed else f"known classes: {', '.join(map(str, known)) or 'none'}"
            raise NotFound(
                f"the class of {wanted.obis} is not known: {why}",
                hint=f"Name the class: 3:{wanted.obis}:2. --list shows what the meter has.",
            )
        return known[0], _version(known[0]), None

    async def read(self, wanted: Wanted, skip: frozenset[int] = frozenset()) -> Answer:
        """Read one attribute, or all readable ones but those to ``skip``.

        Raises:
            ReadFailure: the line failed; refusals stand in the answer.
            NotFound: as :meth:`place`.
        """
        class_id, version, access = await self.place(wanted)
        numbers = [wanted.member] if wanted.member is not None else _attributes(class_id, version, access)
        beside = [] if wanted.member is None else _scale_of(class_id, version, wanted.member)
        answers = await self.attributes(
            class_id, wanted.obis, [*(number for number in numbers if number not in skip), *beside]
        )
        data: dict[int, Data] = {}
        refused: dict[int, str] = {}
        for number, answer in answers.items():
            if isinstance(answer, Refused):
                if number not in beside:
                    refused[number] = answer.message.rpartition(": ")[2]
                continue
            try:
                data[number] = axdr.decode_all(answer)
            except DlmsError as error:
                refused[number] = f"not understood: {error}"
        return Answer(wanted, cosem_object(class_id, version, wanted.obis, data), refused, frozenset(beside))

    async def attributes(self, class_id: int, obis: Obis, numbers: Sequence[int]) -> dict[int, bytes | Refused]:
        """Read attributes of one object with as few requests as possible."""
        references = [AttributeRef(class_id, obis, number) for number in numbers]
        doing = f"reading {class_id}:{obis}"
        answers = await self.session.run(self.session.client.get_many(references), doing)
        return dict(zip(numbers, answers, strict=True))


def _discovered(octets: bytes) -> Discovery:
    """Read an object list by the version of the association that it itself names."""
    data = {OBJECT_LIST: axdr.decode_all(octets)}
    first = discover(AssociationLn1(ASSOCIATION, data))
    own = [found.version for found in first.of_class(ASSOCIATION_CLASS) if found.obis == ASSOCIATION]
    versions = own or [found.version for found in first.of_class(ASSOCIATION_CLASS)]
    kind = class_of(ASSOCIATION_CLASS, max(versions, default=1))
    if kind is None or not issubclass(kind, AssociationLn1):
        return first
    return discover(kind(ASSOCIATION, data))


def _version(class_id: int) -> int:
    """The version a class is read by where nobody tells: the newest Demeter has a table of."""
    return max((version for known, version in known_classes() if known == class_id), default=0)


def _attributes(class_id: int, version: int, access: Found | None) -> list[int]:
    if access is not None:
        return [number for number in access.readable if number > 1]
    kind = class_of(class_id, version)
    return list(kind.interface.attributes) if kind else list(range(2, _LAST_ATTRIBUTE + 1))


def _scale_of(class_id: int, version: int, member: int) -> list[int]:
    """The attribute with the scaler and unit of another one, if it has them."""
    kind = class_of(class_id, version)
    if kind is None:
        return []
    interface = kind.interface
    wanted, scale = interface.attributes.get(member), interface.attribute("scaler_unit")
    return [scale.number] if wanted is not None and wanted.scaled and scale is not None else []
