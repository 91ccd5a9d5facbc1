"""YAML, JSON and TOML files as plain values that know on which line each of them stands."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from demeter.kernel import Invalid, Unavailable

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same loader, in C where the wheel has it."""

Place = tuple[str | int, ...]
"""The way to a value: names and indices from the top."""

_TOML_TABLE: Final = re.compile(r"^\s*\[(\[?)\s*([^\]]+?)\s*\]")
_TOML_KEY: Final = re.compile(r'^\s*([A-Za-z0-9_\-."]+)\s*=')


@dataclass(frozen=True)
class Document:
    """A file: its name, its value, and its text; lines are looked for only when something is wrong."""

    name: str
    value: Any
    text: str = ""
    toml: bool = False

    @cached_property
    def lines(self) -> Mapping[Place, int]:
        """The line (from 1) of every value, as far as the format tells."""
        return _toml_lines(self.text) if self.toml else _yaml_lines(self.text)

    def line(self, place: Place) -> int | None:
        """Return the line of a value, or of the nearest one around it."""
        for size in range(len(place), -1, -1):
            if place[:size] in self.lines:
                return self.lines[place[:size]]
        return None


def read_document(path: Path) -> Document:
    """Read a ``.yaml``, ``.yml``, ``.json`` or ``.toml`` file.

    Raises:
        Unavailable: it cannot be read.
        Invalid: it is not of its format; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as gone:
        raise Unavailable(f"{path}: {gone.strerror}") from gone
    except UnicodeDecodeError as binary:
        raise Invalid(f"{path}: no text in UTF-8 (byte {binary.start})") from binary
    return parse_document(text, str(path), path.suffix.lower())


def parse_document(text: str, name: str, suffix: str = ".yaml") -> Document:
    """Read text of a format, told by its suffix; errors as :func:`read_document`."""
    if suffix == ".toml":
        return _toml(text, name)
    if suffix == ".json":
        try:
            value = json.loads(text)
        except ValueError as wrong:
            raise Invalid(f"{name}:{getattr(wrong, 'lineno', 1)}: not JSON: {getattr(wrong, 'msg', wrong)}") from wrong
        return Document(name, value, text)
    if suffix not in (".yaml", ".yml"):
        raise Invalid(f"{name}: a fleet is a .yaml, .json or .toml file")
    try:
        value = yaml.load(text, Loader=_LOADER)  # noqa: S506
    except yaml.YAMLError as wrong:
        mark = getattr(wrong, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise Invalid(f"{name}{line}: not YAML: {getattr(wrong, 'problem', None) or wrong}") from wrong
    return Document(name, value, text)


def _yaml_lines(text: str) -> dict[Place, int]:
    """Return the lines of all values of a YAML text; JSON is YAML as far as lines go."""
    found: dict[Place, int] = {}
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError:
        return found
    waiting: list[tuple[Place, Any]] = [((), root)] if root is not None else []
    seen: set[int] = set()
    while waiting:
        place, node = waiting.pop()
        found.setdefault(place, node.start_mark.line + 1)
        if id(node) in seen:
            continue  # an alias: its values were met where they are written
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                found[(*place, str(key.value))] = key.start_mark.line + 1
                waiting.append(((*place, str(key.value)), value))
        elif isinstance(node, yaml.SequenceNode):
            waiting += [((*place, number), value) for number, value in enumerate(node.value)]
    return found


def _toml(text: str, name: str) -> Document:
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        told = re.search(r"line (\d+)", str(wrong))
        raise Invalid(f"{name}:{told.group(1) if told else 1}: not TOML: {wrong}") from wrong
    return Document(name, value, text, toml=True)


def _toml_lines(text: str) -> dict[Place, int]:
    """Return the lines of tables and keys, found by their form: enough to lead a person there."""
    lines: dict[Place, int] = {(): 1}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = _TOML_TABLE.match(line)
        if header:
            table = _table(tuple(header.group(2).replace('"', "").split(".")), bool(header.group(1)), counts)
            lines[table] = number
            continue
        key = _TOML_KEY.match(line)
        if key:
            lines.setdefault((*table, *key.group(1).replace('"', "").split(".")), number)
    return lines


def _table(names: tuple[str, ...], repeated: bool, counts: dict[Place, int]) -> Place:
    """Return the place a table header leads to: names of lists mean their last element."""
    place: Place = ()
    for depth, part in enumerate(names, start=1):
        place = (*place, part)
        last = depth == len(names)
        if repeated and last:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place
