"""Transfers in blocks: their pieces put together where all of them are among the frames, as a derived part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.translate.apdus import APDU
from demeter.protocols.dlms.translate.engine import MAX_NESTING, Kind, Walk
from demeter.protocols.dlms.translate.node import Node

REASSEMBLED: Final = "Reassembled"
MAX_PIECES: Final = 0xFFFF


def collect(service: str, data: str, *kinds: Kind) -> Callable[[Node, Walk], None]:
    """Return what puts the data blocks of a service together; ``data`` names the part with the octets.

    ``kinds`` are what the whole may be, tried in this order.
    """

    def explain(node: Node, walk: Walk) -> None:
        number, last, piece = node.find("BlockNumber"), node.find("LastBlock"), _deep(node, data)
        if number is None or last is None or piece is None or not isinstance(piece.value, bytes):
            return
        whole = _taken(walk, service, number.value, piece.value, last=bool(last.value))
        if whole is not None:
            _show(node, walk, whole, kinds)

    return explain


def collect_general(node: Node, walk: Walk) -> None:
    """Put the general blocks of an APDU together; blocks without data only acknowledge."""
    control, number, piece = node.find("BlockControl"), node.find("BlockNumber"), node.find("BlockData")
    if control is None or number is None or piece is None or not isinstance(control.value, int):
        return
    if isinstance(piece.value, bytes) and piece.value:
        whole = _taken(walk, "GeneralBlockTransfer", number.value, piece.value, last=control.value & 0x80 != 0)
        if whole is not None:
            _show(node, walk, whole, (APDU,))


def _deep(node: Node, name: str) -> Node | None:
    return next((found for found in node.walk() if found.name == name), None)


def _taken(walk: Walk, service: str, number: object, piece: bytes, *, last: bool) -> bytes | None:
    """Take a piece; return the whole if it is complete. The first block begins anew, a gap ends the collecting."""
    pieces = walk.context.blocks
    if number == 1:
        pieces[service] = []
    known = pieces.get(service)
    if known is None or number != len(known) + 1 or len(known) >= MAX_PIECES:
        pieces.pop(service, None)
        return None
    known.append(piece)
    return b"".join(pieces.pop(service)) if last else None


def _show(node: Node, walk: Walk, whole: bytes, kinds: tuple[Kind, ...]) -> None:
    """Add what the pieces are together; offsets in it count from its own first octet."""
    if walk.depth >= MAX_NESTING:
        return
    errors: list[DlmsError] = []
    tries: list[Node] = []
    for kind in kinds:
        found = Node(REASSEMBLED, 0, len(whole), items=[], meaning="offsets count from here", derived=True)
        inner = Walk(whole, walk.context, 0, None, walk.depth + 1)
        tries.append(found)
        try:
            inner.finish(kind.read(inner, 0, found), "what the blocks carry")
        except DlmsError as error:
            errors.append(error)
            continue
        node.add(found)
        return
    tries[0].broken = True
    node.add(tries[0])
    walk.context.problems.append(type(errors[0])(f"what the blocks carry: {errors[0].message}", offset=node.offset))
