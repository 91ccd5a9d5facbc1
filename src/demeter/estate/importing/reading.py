"""From a CSV or JSON file to rows. A CSV file has a header; a JSON file is an array of objects with the same names."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from demeter.estate.importing import columns
from demeter.estate.importing.columns import COLUMNS, KEYS, METER, SECRETS, Wrong
from demeter.estate.importing.model import EstateRow, ImportRefused, MeterEntry, RowError
from demeter.estate.model import MANUAL, PointRole
from demeter.kernel import Commodity, Invalid

T = TypeVar("T")
Cells = Mapping[str, object]
ROLES = {role.value: role for role in PointRole}
PLACE = ("building", "role", "unit", "floor", "area_m2", "service_point")
INSTALLED = ("installed_at", "opening_read", "multiplier")
COMMODITIES = {commodity.value: commodity for commodity in Commodity}


def read_rows(path: Path, zone: str, protocols: Collection[str]) -> list[EstateRow]:
    """Return the rows of a file; times without an offset are of ``zone``, ``protocols`` those there are drivers for.

    Raises:
        Invalid: the file cannot be read, or is neither CSV nor JSON by its name.
        ImportRefused: something in it is wrong; all mistakes are told.
    """
    readers = {".csv": _csv, ".json": _json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Invalid(f"{path} is neither CSV nor JSON", code="import_format", hint="Call it .csv or .json.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Invalid(f"cannot read {path}: {error.strerror}", code="import_file") from error
    except UnicodeDecodeError:
        raise Invalid(f"{path} is not UTF-8", code="import_file", hint="Save it as CSV UTF-8.") from None
    errors: list[RowError] = []
    rows = []
    for number, cells in reader(text, errors):
        line = _Line(number, cells)
        row = _row(line, zone, protocols)
        errors += line.wrong
        rows += [row] if row else []
    errors += _doubles(rows)
    if not rows and not errors:
        errors.append(RowError(1, "", "there is no row in the file", "Write a header and a row per service point."))
    if errors:
        raise ImportRefused(sorted(errors, key=lambda error: error.line))
    return rows


def _csv(text: str, errors: list[RowError]) -> Iterator[tuple[int, Cells]]:
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        reason = "has a heading that is not known"
        unknown = [(number, name) for number, name in enumerate(header, 1) if name not in COLUMNS]
        errors += [RowError(1, f"column {number}", reason, _meant(name)) for number, name in unknown]
        if unknown or not header:
            return
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(header):
                yield line, dict(zip(header, (cell.strip() for cell in cells), strict=True))
            elif any(cells):
                reason = f"has {len(cells)} cells, the heading has {len(header)}"
                errors.append(RowError(line, "", reason, "Quote cells that hold the separator; leave none out."))
            line = reader.line_num + 1
    except csv.Error:
        errors.append(RowError(reader.line_num, "", "is not CSV", "Look for a quote that is not closed."))


def _json(text: str, errors: list[RowError]) -> Iterator[tuple[int, Cells]]:
    """Yield the objects of the array with the line each begins on."""
    try:
        found = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        errors.append(RowError(line, "", "is not JSON from here on", "Look for a comma or a quote too few."))
        return
    if not isinstance(found, list):
        errors.append(RowError(1, "", "is not an array of objects", 'Write [{"building": …}, …].'))
        return
    decoder, at = json.JSONDecoder(), text.index("[") + 1
    for _ in found:
        while text[at] in " \t\r\n,":
            at += 1
        line = text.count("\n", 0, at) + 1
        entry, at = decoder.raw_decode(text, at)
        if not isinstance(entry, dict):
            errors.append(RowError(line, "", "is not an object", 'Write {"building": …}.'))
        elif unknown := [name for name in entry if name not in COLUMNS]:
            errors += [RowError(line, "", "has a field that is not known", _meant(name)) for name in unknown]
        else:
            yield line, {name: _text(value) if name != "options" else value for name, value in entry.items()}


def _text(value: object) -> str:
    """Return a field's value as a cell would hold it; JSON has numbers and null besides."""
    return "" if value is None else str(value).strip()


def _meant(name: str) -> str:
    close = difflib.get_close_matches(name, COLUMNS, n=1)
    return f"Call it {close[0]}." if close else "Known: " + ", ".join(COLUMNS)


class _Line:
    """The cells of one line; what is wrong with them is gathered, so that all of it is told at once."""

    def __init__(self, number: int, cells: Cells) -> None:
        self.number, self.cells = number, cells
        self.wrong: list[RowError] = []

    def get(self, column: str, read: Callable[[str], T], otherwise: T) -> T:
        """Return what a column says, ``otherwise`` where it is wrong."""
        try:
            return read(str(self.cells.get(column, "")))
        except Wrong as found:
            self.say(column, found)
            return otherwise

    def say(self, column: str, found: Wrong) -> None:
        """Keep a mistake."""
        self.wrong.append(RowError(self.number, column, found.reason, found.fix))

    def refuse(self, names: Collection[str], fix: str) -> None:
        """Refuse what must be empty here."""
        for column in names:
            if self.cells.get(column):
                self.say(column, Wrong("must be empty in this row", fix))


def _row(line: _Line, zone: str, protocols: Collection[str]) -> EstateRow | None:
    """Return what a line says, or None where something in it is wrong."""
    if line.cells.get("serial") and not any(line.cells.get(column) for column in PLACE):
        return _in_store(line, zone, protocols)
    role = ROLES[line.get("role", lambda text: columns.word(text or PointRole.UNIT.value, ROLES), "unit")]
    commodity = COMMODITIES[line.get("commodity", lambda text: columns.word(text, COMMODITIES), "water")]
    building = line.get("building", columns.name, "")
    unit, floor, area = "", "", None
    if role is PointRole.UNIT:
        unit = line.get("unit", columns.name, "")
        floor = line.get("floor", str, "")
        area = line.get("area_m2", columns.area_dm2, None)
        label = line.get("service_point", lambda text: columns.name(text or unit or "?"), "")
    else:
        line.refuse(("unit", "floor", "area_m2"), "Only a row with the role unit has a unit.")
        label = line.get("service_point", columns.name, "")
    meter = _meter(line, zone, protocols)
    if line.wrong:
        return None
    return EstateRow(line.number, building, role, commodity, label, unit, floor, area, meter)


def _in_store(line: _Line, zone: str, protocols: Collection[str]) -> EstateRow | None:
    commodity = COMMODITIES[line.get("commodity", lambda text: columns.word(text, COMMODITIES), "water")]
    line.refuse(INSTALLED, "A meter in store is installed by an exchange, which tells this.")
    meter = _meter(line, zone, protocols, in_store=True)
    return None if line.wrong else EstateRow(line.number, "", PointRole.UNIT, commodity, "", meter=meter)


def _meter(line: _Line, zone: str, protocols: Collection[str], *, in_store: bool = False) -> MeterEntry | None:
    if not line.cells.get("serial"):
        line.refuse(METER[1:], "Give the meter its serial, or leave all of its columns empty.")
        return None
    address = line.get("address", str, "")
    usual = "dlms" if address else MANUAL
    known = dict.fromkeys((*sorted(protocols), MANUAL))
    protocol = line.get("protocol", lambda text: columns.word(text or usual, known), MANUAL)
    if protocol == MANUAL:
        line.refuse(("address", "options", *SECRETS), "A person reads a manual meter: it has neither address nor keys.")
    elif not address:
        line.say("address", Wrong("is empty", f"Say where the meter answers, or make the protocol {MANUAL}."))
    entry = MeterEntry(
        serial=line.get("serial", columns.name, ""),
        protocol=protocol,
        installed_at=None
        if in_store
        else line.get("installed_at", lambda text: columns.installed_at(text, zone), None),
        address=address,
        maker=line.get("maker", str, ""),
        dials=line.get("dials", columns.dials, 0),
        opening_read=line.get("opening_read", columns.opening_read, None),
        multiplier=line.get("multiplier", columns.multiplier, (1, 1)),
        options=_options(line),
        secrets=_secrets(line),
    )
    return None if line.wrong else entry


def _options(line: _Line) -> Mapping[str, object]:
    try:
        return columns.options(line.cells.get("options"))
    except Wrong as found:
        line.say("options", found)
        return {}


def _secrets(line: _Line) -> dict[str, bytes]:
    given = {name: line.get(name, columns.key, b"") for name in KEYS if line.cells.get(name)}
    if password := line.cells.get("password"):
        given["password"] = str(password).encode()
    return given


def _doubles(rows: Sequence[EstateRow]) -> Iterator[RowError]:
    """Yield the rows that speak of what an earlier row spoke of already, or otherwise than it."""
    points: dict[tuple[str, Commodity], int] = {}
    serials: dict[str, int] = {}
    units: dict[str, EstateRow] = {}
    for row in rows:
        first = points.setdefault((row.label, row.commodity), row.line) if row.building else row.line
        if first != row.line:
            yield RowError(row.line, "service_point", f"stands in line {first} already", "Keep one row of each.")
        if row.meter and (first := serials.setdefault(row.meter.serial, row.line)) != row.line:
            yield RowError(row.line, "serial", f"stands in line {first} already", "A meter is in one place.")
        if row.unit:
            yield from _otherwise(row, units.setdefault(row.unit, row))


def _otherwise(row: EstateRow, first: EstateRow) -> Iterator[RowError]:
    for column, mine, theirs in (
        ("building", row.building, first.building),
        ("floor", row.floor, first.floor),
        ("area_m2", row.area_dm2, first.area_dm2),
    ):
        if mine and theirs and mine != theirs:
            yield RowError(row.line, column, f"differs from line {first.line}, the same unit", "Make them the same.")
