"""The layout of fixed-shape payloads: where each column's bytes lie and which bytes must be the same in every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from demeter.protocols.dlms.axdr import (
    MOMENTS,
    NUMBERS,
    TAGS,
    VALUES_FREE,
    VALUES_PER_BYTE,
    decode_description,
    decode_length,
)
from demeter.protocols.dlms.data import Tag, TypeDescription
from demeter.protocols.dlms.errors import DlmsError

STRINGS: Final = (Tag.OCTET_STRING, Tag.VISIBLE_STRING)
"""Prefixed types that are decoded like any bytes (UTF-8 is not: it must be checked)."""

_WIDTHS: Final[dict[int, int]] = {
    **{tag: number.size for tag, number in NUMBERS.items()},
    **MOMENTS,
    Tag.NULL: 0,
    Tag.BOOLEAN: 1,
}

_WORDS: Final[dict[int, np.dtype[np.generic]]] = {size: np.dtype(f"<u{size}") for size in (1, 2, 4, 8)}

MAX_CACHED: Final = 512

_ARRAY: Final = bytes((Tag.ARRAY,))


@dataclass(frozen=True, slots=True)
class Cell:
    """One element of a row: its content is ``size`` bytes at ``at`` from the row's start."""

    tag: Tag
    at: int
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """``rows`` rows of ``width`` bytes behind the bytes ``head``.

    ``constants`` are (position in the row, unsigned integer of 1, 2, 4 or 8 bytes, value): the tags and lengths
    that prove a row to have this shape.
    """

    head: bytes
    rows: int
    width: int
    cells: tuple[Cell, ...]
    constants: tuple[tuple[int, np.dtype[np.generic], int], ...]


class LayoutCache:
    """Layouts seen lately, by the length of a payload and what lies before its rows.

    The rest of a layout is only a guess (the decoder proves it on every row), so a stale entry costs time, never
    correctness.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes], Layout] = {}

    def group(self, payloads: Sequence[bytes]) -> tuple[list[tuple[Layout, list[int]]], list[int]]:
        """The payloads' indices by the layout they probably have, and the indices of those that have none."""
        alike: dict[tuple[int, bytes], list[int]] = {}
        keys = [(len(octets), octets[:6]) if octets[:1] == _ARRAY else _key(octets) for octets in payloads]
        for index, key in enumerate(keys):
            members = alike.get(key)
            if members is None:
                alike[key] = [index]
            else:
                members.append(index)
        found: list[tuple[Layout, list[int]]] = []
        others: list[int] = []
        for key, members in alike.items():
            layout = self._known.get(key) or self.renew(payloads[members[0]])
            if layout is None:
                others += members
            else:
                found.append((layout, members))
        return found, others

    def renew(self, payload: bytes) -> Layout | None:
        """Look at ``payload`` itself, because nothing is remembered or it did not fit."""
        key, layout = _key(payload), layout_of(payload)
        if layout is None or len(layout.head) > len(key[1]):
            return None
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        self._known[key] = layout
        return layout


def _key(payload: bytes) -> tuple[int, bytes]:
    """Length and first bytes: as far as the count of an array or the contents description of a compact array."""
    if payload[:1] == _ARRAY or len(payload) < 3:
        return len(payload), payload[:6]
    return len(payload), payload[: 6 + payload[2]]


def layout_of(payload: bytes) -> Layout | None:
    """The layout of ``payload`` if all its rows can have the shape of the first one; None: not for this path."""
    try:
        if payload[:1] == _ARRAY:
            return _array_layout(payload)
        if payload[:1] == bytes((Tag.COMPACT_ARRAY,)):
            return _compact_layout(payload)
    except DlmsError:
        pass  # the walker says what is wrong, and where
    return None


def _array_layout(payload: bytes) -> Layout | None:
    rows, header = decode_length(payload, 1)
    if rows == 0 or payload[header : header + 1] != bytes((Tag.STRUCTURE,)):
        return None
    columns, position = decode_length(payload, header + 1)
    if columns > len(payload):
        return None
    fixed = [(header, position)]
    cells = []
    for _ in range(columns):
        if position >= len(payload):
            return None
        content = _content(payload, position + 1, TAGS.get(payload[position]))
        if content is None:
            return None
        tag, start, size = content
        fixed.append((position, start))
        cells.append(Cell(tag, start - header, size))
        position = start + size
    width = position - header
    if header + rows * width != len(payload):
        return None
    return Layout(payload[:header], rows, width, tuple(cells), _constants(payload, fixed, header))


def _content(payload: bytes, start: int, tag: Tag | None) -> tuple[Tag, int, int] | None:
    """Tag, start of the bytes of interest and their size, for types of fixed width and short strings."""
    if tag is None:
        return None
    if tag in _WIDTHS:
        return tag, start, _WIDTHS[tag]
    if tag in STRINGS and start < len(payload) and payload[start] < 0x80:
        return tag, start + 1, payload[start]
    return None


def _compact_layout(payload: bytes) -> Layout | None:
    element, position = decode_description(payload, 1)
    size, header = decode_length(payload, position)
    if element.tag is not Tag.STRUCTURE or not size or header + size != len(payload):
        return None
    fixed: list[tuple[int, int]] = []
    cells: list[Cell] = []
    position = header
    for part in element.parts:
        content = _content(payload, position, part.tag)
        if content is None:
            return None
        tag, start, width = content
        fixed.append((position, start))
        cells.append(Cell(tag, start - header, width))
        position = start + width
    width = position - header
    if not width or size % width or not _affordable(payload, element, size // width):
        return None
    return Layout(payload[:header], size // width, width, tuple(cells), _constants(payload, fixed, header))


def _affordable(payload: bytes, element: TypeDescription, rows: int) -> bool:
    """Whether the walker would spend its budget of values on it: both paths accept the same payloads."""
    parts = len(element.parts)
    return 2 + parts + rows * (1 + parts) <= VALUES_FREE + VALUES_PER_BYTE * len(payload)


def _constants(
    payload: bytes, fixed: list[tuple[int, int]], header: int
) -> tuple[tuple[int, np.dtype[np.generic], int], ...]:
    """Join touching runs and cut them into pieces of 8, 4, 2 and 1 bytes."""
    runs: list[tuple[int, int]] = []
    for start, end in fixed:
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], end)
        elif end > start:
            runs.append((start, end))
    return tuple(piece for start, end in runs for piece in _pieces(payload, start, end, header))


def _pieces(payload: bytes, start: int, end: int, header: int) -> Iterator[tuple[int, np.dtype[np.generic], int]]:
    while start < end:
        size = next(size for size in (8, 4, 2, 1) if size <= end - start)
        yield start - header, _WORDS[size], int.from_bytes(payload[start : start + size], "little")
        start += size
