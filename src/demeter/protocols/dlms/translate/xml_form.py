"""Trees as XML and back: elements called as in the ASN.1 of IEC 62056-5-3, values as attributes.

::

    <Frames>
      <GetRequest Offset="0" Length="13">
        <GetRequestNormal Offset="1" Length="12">
          <InvokeIdAndPriority Value="193" Meaning="invoke 1, …" Offset="2" Length="1"/>

``Value`` holds numbers, text, and octets as hexadecimal digits; ``Hex`` text with characters XML cannot carry. What
begins with a small letter is a hint to write the very same octets. ``Offset``, ``Length`` and ``Meaning`` are not read
back. Documents with a DOCTYPE are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NoReturn
from xml.parsers import expat

from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.translate.node import Node
from demeter.protocols.dlms.translate.translation import Translation

ROOT: Final = "Frames"
ERROR: Final = "Error"
MAX_DEPTH: Final = 100
_SPOKEN: Final = frozenset({"Value", "Hex", "Meaning", "Offset", "Length", "Derived", "Broken"})
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_xml(translation: Translation) -> str:
    """Return a translation as an XML document."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f"<{ROOT}>"]
    for frame in translation.frames:
        lines += _element(frame, 1)
    for error in translation.errors:
        offset = "" if error.offset is None else f' Offset="{error.offset}"'
        message = _attribute("Message", _FORBIDDEN.sub("?", error.message))
        lines.append(f'  <{ERROR} Kind="{type(error).__name__}"{offset}{message}/>')
    return "\n".join([*lines, f"</{ROOT}>", ""])


def _element(node: Node, depth: int) -> Iterator[str]:
    indent = "  " * depth
    head = f"{indent}<{node.name}{_value(node)}"
    head += "".join(f' {name}="{number}"' for name, number in node.hints.items())
    head += _attribute("Meaning", _FORBIDDEN.sub("?", node.meaning)) if node.meaning else ""
    head += f' Offset="{node.offset}" Length="{node.length}"'
    head += ' Derived="true"' if node.derived else ""
    head += ' Broken="true"' if node.broken else ""
    if not node.items:
        yield head + "/>"
        return
    yield head + ">"
    for item in node.items:
        yield from _element(item, depth + 1)
    yield f"{indent}</{node.name}>"


def _value(node: Node) -> str:
    value = node.value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return f' Value="{value.hex()}"'
    if isinstance(value, str) and _FORBIDDEN.search(value):
        octets = value.encode("latin-1" if node.name == "VisibleString" else "utf-8")
        return f' Hex="{octets.hex()}"'
    return _attribute("Value", str(value).lower() if isinstance(value, bool) else str(value))


def _attribute(name: str, text: str) -> str:
    return f' {name}="{text.translate(_ESCAPES)}"'


class _Builder:
    """Takes the events of the parser."""

    def __init__(self) -> None:
        self.frames: list[Node] = []
        self._open: list[Node] = []
        self._root = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and not self._root and name == ROOT:
            self._root = True
            return
        node = _node(name, attributes)
        if len(self._open) > MAX_DEPTH:
            raise Malformed(f"elements nested deeper than {MAX_DEPTH}")
        if self._open:
            self._open[-1].add(node)
        elif name != ERROR:
            self.frames.append(node)
        self._open.append(node)

    def end(self, _name: str) -> None:
        if self._open:
            self._open.pop()

    def text(self, text: str) -> None:
        if text.strip():
            raise Malformed(f"text between elements: {text.strip()!r:.40}")


def _node(name: str, attributes: dict[str, str]) -> Node:
    node = Node(name)
    for key, text in attributes.items():
        if key == "Value":
            node.value = text
        elif key == "Hex":
            try:
                node.value = bytes.fromhex(text)
            except ValueError:
                raise Malformed(f"{name}: Hex is {text!r:.40}") from None
        elif key == "Derived":
            node.derived = text == "true"
        elif key == "Broken":
            node.broken = text == "true"
        elif key not in _SPOKEN and name != ERROR:
            if not key[:1].islower() or not text.isdecimal() or len(text) > 9:
                raise Malformed(f"{name}: the attribute {key!r:.40} is not known")
            node.hints[key] = int(text)
    return node


def _refuse(*_: object) -> NoReturn:
    raise Malformed("a document with a DOCTYPE or entities is not read")


def from_xml(text: str) -> list[Node]:
    """Return the frames of an XML document: below ``Frames``, or the one element it consists of.

    Raises:
        Malformed: it is no XML or no tree.
    """
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise Malformed(f"not XML: {error}") from None
    except UnicodeEncodeError:
        raise Malformed("not XML: it is not text") from None
    return builder.frames
