"""Objects, tables and object lists as text that reads on a phone as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from textwrap import wrap
from typing import Final
from zoneinfo import ZoneInfo

from demeter.drivers.dlms.cli.objects import event_words, name_of
from demeter.drivers.dlms.cli.reading import Answer
from demeter.drivers.dlms.cli.tables import CAPTURES, Column, Row, Table, value_words
from demeter.protocols.dlms.classes.commands.discovery import Discovery, Found
from demeter.protocols.dlms.cosem_time import ClockStatus
from demeter.protocols.dlms.data import Data

_GAP: Final = 2
_UNSPECIFIED: Final = 0xFF


def lines_of(answer: Answer, width: int, hidden: frozenset[int] = frozenset()) -> Iterator[str]:
    """Yield an object: its name, then an attribute a line, but for those ``hidden``."""
    found = answer.found
    yield from _folded(name_of(found.obis), width, "")
    yield from _folded(f"{found.interface.title} {found.interface.class_id}:{found.obis}", width, "  ")
    words = dict(_attribute_words(answer))
    for number in sorted({*words, *answer.refused} - hidden):
        if number in words:
            yield from _folded(f"{answer.attribute_name(number)}: {words[number]}", width, "  ")
        else:
            yield from _folded(f"{answer.attribute_name(number)}: ✗ {answer.refused[number]}", width, "  ")


def _attribute_words(answer: Answer) -> Iterator[tuple[int, str]]:
    found = answer.found
    if answer.wanted.member == 1 and not answer.refused:
        yield 1, str(found.obis)
    lines = found.describe().splitlines()[1:]
    for (number, name, _), line in zip(found.attributes_read(), lines, strict=True):
        if number in answer.beside:
            continue
        yield number, line.strip().removeprefix(f"{name}: ")


def _folded(text: str, width: int, indent: str) -> list[str]:
    room = max(width, 24)
    return wrap(text, room, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False) or [indent]


COLUMNS_SHOWN_BELOW: Final = frozenset({CAPTURES})
"""Attributes of a profile that its table tells better."""


def lines_of_table(table: Table, zone: ZoneInfo, width: int) -> Iterator[str]:
    """Yield a table: as one where its columns fit, else a card for each row."""
    yield from _folded(name_of(table.obis), width, "")
    every = f", every {_duration(table.period_s)}" if table.period_s else ""
    held = "" if table.in_use is None else f" of {table.in_use}"
    yield from _folded(f"{table.obis}{every}; {len(table.rows)}{held} rows; times in {zone.key}", width, "  ")
    if not table.rows:
        return
    heads = ["time", *(f"{_short(column.name)} {column.symbol}".strip() for column in table.columns)]
    cells = [
        [
            _stamp(row, zone),
            *(_cell(column, value, zone) for column, value in zip(table.columns, row.values, strict=True)),
        ]
        for row in table.rows
    ]
    if all(row.at is None for row in table.rows):
        heads[0] = "row"
        cells = [[f"row {number}", *line[1:]] for number, line in enumerate(cells, start=1)]
    sizes = [max(len(head), *(len(line[at]) for line in cells)) for at, head in enumerate(heads)]
    if sum(sizes) + _GAP * (len(sizes) - 1) <= width:
        for line in (heads, *cells):
            yield (
                (" " * _GAP)
                .join(
                    text.ljust(size) if not at else text.rjust(size)
                    for at, (text, size) in enumerate(zip(line, sizes, strict=True))
                )
                .rstrip()
            )
        return
    yield from _cards(table, cells, width)


def _cards(table: Table, cells: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    for stamp, *values in cells:
        yield stamp
        for column, text in zip(table.columns, values, strict=True):
            value = f"{text} {column.symbol}".rstrip()
            name = column.name
            room = width - 2 - _GAP - len(value)
            if len(name) <= room:
                yield f"  {name.ljust(room)}{' ' * _GAP}{value}"
            else:
                yield from _folded(f"{name}: {value}", width, "  ")


def _cell(column: Column, value: Decimal | datetime | Data | None, zone: ZoneInfo) -> str:
    words = value_words(value, zone)
    meaning = event_words(column.capture.obis, int(value)) if isinstance(value, Decimal) and not column.symbol else ""
    return f"{words} {meaning}".rstrip()


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"


def _duration(seconds: int) -> str:
    if seconds % 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 86_400 else f"{seconds // 3600} h"


def _stamp(row: Row, zone: ZoneInfo) -> str:
    text = "unknown time" if row.at is None else f"{row.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    if row.status in (None, _UNSPECIFIED):
        return text
    doubts = ClockStatus(row.status or 0) & ~ClockStatus.DAYLIGHT_SAVING
    return f"{text} (clock: {_words(doubts)})" if doubts else text


def _words(status: ClockStatus) -> str:
    return ", ".join((flag.name or "").lower().replace("_", " ") for flag in ClockStatus if flag in status)


def lines_of_list(found: Discovery, width: int) -> Iterator[str]:
    """Yield the objects a meter shows: two lines each."""
    for each in found.objects:
        yield from _folded(f"{each.class_id}:{each.obis}  {name_of(each.obis)}", width, "")
        yield from _folded(f"{each.title}{_rights(each)}", width, "  ")


def _rights(found: Found) -> str:
    parts = (("read", found.readable), ("write", found.writable), ("invoke", found.methods))
    return "".join(f" · {word} {_numbers(numbers)}" for word, numbers in parts if numbers)


def _numbers(numbers: Sequence[int]) -> str:
    """Numbers with runs drawn together: 1-4, 7."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
