"""Trees as text for a terminal, narrow ones too."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from demeter.protocols.dlms.translate.node import Node
from demeter.protocols.dlms.translate.translation import Translation

OCTETS_SHOWN: Final = 32
ITEMS_SHOWN: Final = 40
_NARROWEST: Final = 12


def to_text(translation: Translation, width: int = 80, *, full: bool = False) -> str:
    """Return a translation as lines of at most ``width`` characters (but for words that are longer).

    Each begins with the offset of its octets. Long octets and lists are cut short unless ``full``.
    """
    ends = [node.offset + node.length for frame in translation.frames for node in frame.walk()]
    places = max(3, len(str(max(ends, default=0))))
    lines = [line for frame in translation.frames for line in _lines(frame, 0, places, width, full=full)]
    for error in translation.errors:
        where = "" if error.offset is None else f" at octet {error.offset}"
        lines += wrap(f"✗ {type(error).__name__}{where}: {error.message}", max(width, 20), subsequent_indent="  ")
    return "".join(line + "\n" for line in lines)


def _lines(node: Node, depth: int, places: int, width: int, *, full: bool) -> Iterator[str]:
    indent = " " * depth
    offset = " " * places if node.derived else f"{node.offset:>{places}}"
    mark = "✗ " if node.broken else "→ " if node.derived else ""
    words = f"{mark}{node.name}"
    if node.value is not None:
        words += f" {_value(node.value, full=full)}"
    if node.meaning:
        words += f" ({node.meaning})"
    room = max(width - places - 1 - depth, _NARROWEST)
    first, *rest = wrap(words, room, subsequent_indent="  ", break_on_hyphens=False) or [words]
    yield f"{offset} {indent}{first}"
    for line in rest:
        yield f"{' ' * places} {indent}{line}"
    items = node.items or []
    shown = items if full or len(items) <= ITEMS_SHOWN else items[: ITEMS_SHOWN - 1]
    for item in shown:
        yield from _lines(item, depth + 1, places, width, full=full)
    if len(shown) < len(items):
        yield f"{' ' * places} {indent} … {len(items) - len(shown)} more"


def _value(value: int | bool | str | bytes, *, full: bool) -> str:
    if isinstance(value, bytes):
        shown = value if full or len(value) <= OCTETS_SHOWN else value[:OCTETS_SHOWN]
        more = f" … {len(value)} octets" if len(shown) < len(value) else ""
        return (shown.hex(" ", -4) or "(empty)") + more
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
