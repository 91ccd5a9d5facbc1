"""The little of BER (ITU-T X.690) that ACSE needs: one-octet tags, definite lengths."""

from __future__ import annotations

from dataclasses import dataclass

from demeter.protocols.dlms.axdr import decode_length, encode_length
from demeter.protocols.dlms.errors import Malformed, Truncated


@dataclass(frozen=True, slots=True)
class Element:
    """One tag-length-value; ``offset`` is where ``value`` begins in the whole buffer."""

    tag: int
    value: bytes
    offset: int


def element(tag: int, *contents: bytes) -> bytes:
    """Encode ``contents``, joined, under ``tag``."""
    value = b"".join(contents)
    return bytes((tag,)) + encode_length(len(value)) + value


def read_element(buffer: bytes, offset: int = 0, base: int = 0) -> tuple[Element, int]:
    """Read the element at ``offset``; returns it and the offset behind it. ``base`` is added to reported offsets.

    Raises:
        Truncated: the buffer ends inside the element.
        Malformed: a tag of several octets, or an indefinite length.
    """
    if offset >= len(buffer):
        raise Truncated("an element is missing", offset=base + offset)
    tag = buffer[offset]
    if tag & 0x1F == 0x1F:
        raise Malformed(f"tag 0x{tag:02x} announces a tag of several octets", offset=base + offset)
    try:
        length, start = decode_length(buffer, offset + 1)
    except (Truncated, Malformed) as error:
        raise type(error)(error.message, offset=base + (error.offset or 0)) from None
    end = start + length
    if end > len(buffer):
        raise Truncated(f"{length} octets are needed, {len(buffer) - start} are left", offset=base + start)
    return Element(tag, buffer[start:end], base + start), end


def read_elements(buffer: bytes, base: int = 0) -> list[Element]:
    """Read elements until the end of ``buffer``; as :func:`read_element`."""
    elements, offset = [], 0
    while offset < len(buffer):
        item, offset = read_element(buffer, offset, base)
        elements.append(item)
    return elements


def only_element(parent: Element, tag: int) -> Element:
    """Read ``parent``'s value as exactly one element with ``tag``.

    Raises:
        Truncated: it is cut short.
        Malformed: another tag, or something follows.
    """
    child, end = read_element(parent.value, 0, parent.offset)
    if child.tag != tag:
        raise Malformed(f"tag 0x{child.tag:02x} where 0x{tag:02x} belongs", offset=parent.offset)
    if end != len(parent.value):
        raise Malformed("octets follow the element", offset=parent.offset + end)
    return child
