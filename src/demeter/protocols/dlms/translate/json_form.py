"""Trees as JSON and back.

::

    {"frames": [{"name": "GetRequest", "offset": 0, "length": 13, "items": […]}], "errors": []}

``value`` is a number, a boolean or text; octets are hexadecimal text; numbers beyond 53 bits are text. ``offset``,
``length``, ``meaning`` and ``derived`` are not read back (but for the plaintext of ciphered content); ``hints`` are.
"""

from __future__ import annotations

import json
from typing import Any, Final

from demeter.protocols.dlms.errors import DlmsError, Malformed
from demeter.protocols.dlms.translate.node import Node
from demeter.protocols.dlms.translate.translation import Translation

Json = Any
_EXACT: Final = 2**53
_KEYS: Final = frozenset({"name", "offset", "length", "value", "items", "meaning", "hints", "derived", "broken"})
MAX_DEPTH: Final = 100


def node_to_json(node: Node) -> dict[str, Json]:
    """Return a node as JSON."""
    shown: dict[str, Json] = {"name": node.name, "offset": node.offset, "length": node.length}
    if node.value is not None:
        shown["value"] = _plain(node.value)
    if node.meaning:
        shown["meaning"] = node.meaning
    if node.hints:
        shown["hints"] = dict(node.hints)
    if node.derived:
        shown["derived"] = True
    if node.broken:
        shown["broken"] = True
    if node.items is not None:
        shown["items"] = [node_to_json(item) for item in node.items]
    return shown


def _plain(value: int | bool | str | bytes) -> Json:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT:
        return str(value)
    return value


def error_to_json(error: DlmsError) -> dict[str, Json]:
    """Return an error as JSON: its kind in the tree of errors, its words, its offset (null: not known)."""
    return {"kind": type(error).__name__, "message": error.message, "offset": error.offset}


def to_json(translation: Translation) -> dict[str, Json]:
    """Return a translation as JSON."""
    return {
        "frames": [node_to_json(frame) for frame in translation.frames],
        "errors": [error_to_json(error) for error in translation.errors],
    }


def from_json(text: str) -> list[Node]:
    """Return the frames of a JSON document: a whole one, a list of nodes, or one node.

    Raises:
        Malformed: it is no JSON or no tree; the message says where.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from None
    if isinstance(found, dict) and "frames" in found:
        found = found["frames"]
    elif isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise Malformed("a document has frames")
    return [_node(item, f"frames[{place}]", 0) for place, item in enumerate(found)]


def _node(found: Json, where: str, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise Malformed(f"{where}: nested deeper than {MAX_DEPTH}")
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise Malformed(f"{where} is no node with a name")
    unknown = set(found) - _KEYS
    if unknown:
        raise Malformed(f"{where}: {min(unknown)!r:.40} is not known")
    hints, items, value = found.get("hints", {}), found.get("items"), found.get("value")
    if not isinstance(hints, dict) or any(type(number) is not int for number in hints.values()):
        raise Malformed(f"{where}.hints are numbers by name")
    if items is not None and not isinstance(items, list):
        raise Malformed(f"{where}.items is a list")
    if not isinstance(value, int | str | float | None):
        raise Malformed(f"{where}.value is a number, text or a boolean")
    node = Node(found["name"], value=str(value) if isinstance(value, float) else value, hints=hints)
    node.derived, node.broken = found.get("derived") is True, found.get("broken") is True
    if items is not None:
        node.items = [_node(item, f"{where}.{node.name}[{place}]", depth + 1) for place, item in enumerate(items)]
    return node
