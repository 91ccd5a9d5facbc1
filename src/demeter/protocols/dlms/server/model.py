"""What a server asks for answers: the meter's objects."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from demeter.protocols.dlms.admission import Association
from demeter.protocols.dlms.obis import Obis


class ObjectModel(Protocol):
    """The meter's objects. Values, parameters and selections are A-XDR octets; to refuse, raise :class:`Refused`.

    Other errors of the DLMS tree (from decoding a selection or value) become a data-access-result too.
    """

    def get(
        self, association: Association, class_id: int, obis: Obis, attribute: int, selection: bytes | None
    ) -> bytes:
        """Return an attribute's value; ``selection`` is the access selector octet and its parameters."""
        ...

    def set(self, association: Association, class_id: int, obis: Obis, attribute: int, value: bytes) -> None:
        """Write an attribute."""
        ...

    def action(
        self, association: Association, class_id: int, obis: Obis, method: int, parameter: bytes | None
    ) -> bytes | None:
        """Invoke a method; return what it returns."""
        ...


@runtime_checkable
class SelectiveWriting(Protocol):
    """An object model some of whose attributes can be written in part; without it such a SET is refused."""

    def set_part(
        self, association: Association, class_id: int, obis: Obis, attribute: int, selection: bytes, value: bytes
    ) -> None:
        """Write the part of an attribute that ``selection`` (access selector octet and parameters) names."""
        ...
