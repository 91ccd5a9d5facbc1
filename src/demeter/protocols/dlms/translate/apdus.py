"""Any APDU, told apart by its first octet; the modules that describe them enter them here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from demeter.protocols.dlms.errors import Malformed, Unsupported
from demeter.protocols.dlms.translate.engine import Out, Part, Walk, only_part
from demeter.protocols.dlms.translate.node import Node

_KNOWN: Final[dict[int, Part]] = {}
_TAGS: Final[dict[str, int]] = {}


def enter(parts: Mapping[int, Part]) -> None:
    """Make APDUs known by their tags."""
    _KNOWN.update(parts)
    _TAGS.update({part.name: tag for tag, part in parts.items()})


def known_apdus() -> Mapping[int, str]:
    """Return the names of all APDUs by tag."""
    return {tag: part.name for tag, part in sorted(_KNOWN.items())}


class ApduKind:
    """One APDU: it becomes a part of the node, called by its name in the standard."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read it; what follows is not looked at."""
        node.items = node.items or []
        inner = walk.nested(at)
        tag = inner.number(at)
        part = _KNOWN.get(tag)
        if part is None:
            raise walk.fail(Unsupported, f"APDU tag 0x{tag:02x} is not known", at)
        return inner.read(node, part.name, part.kind, at, skip=1)

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        item = only_part(node)
        tag = _TAGS.get(item.name)
        if tag is None:
            raise Malformed(f"{item.name} is no APDU")
        out.octets.append(tag)
        _KNOWN[tag].kind.write(out, item)


APDU: Final = ApduKind()
