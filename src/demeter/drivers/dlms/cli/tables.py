"""Profiles read as tables: columns with scaler and unit, rows by range or entry, values exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from demeter.drivers.dlms.cli.objects import PROFILE_CLASS, name_of, scaler_profiles
from demeter.drivers.dlms.cli.reading import Reader
from demeter.drivers.dlms.session import decoding
from demeter.drivers.dlms.tables import unscaled
from demeter.kernel import Invalid
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.apdu import AttributeRef
from demeter.protocols.dlms.classes import class_of, data_to_json, data_words, symbol_of
from demeter.protocols.dlms.classes.shapes import INTEGERS
from demeter.protocols.dlms.cosem_time import DATE_TIME_OCTETS, CosemDateTime
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import (
    CaptureObject,
    EntrySelection,
    RangeSelection,
    decode_capture_objects,
    decode_scaler_profile,
    decode_scaler_unit,
    profile_rows,
)
from demeter.protocols.dlms.vector import DELTA_TAGS
from demeter.sdk import FailureKind, ReadFailure
from demeter.sdk.commands import say

VALUE = 2
BUFFER, CAPTURES, PERIOD, SORT, IN_USE = 2, 3, 4, 5, 7
NEWEST: Final = 24
"""Rows read where nobody says which."""
_NEWEST_FIRST: Final = 2
_DEMAND_CLASS: Final = 5
_NO_SELECTION: Final = frozenset(
    {
        DataAccessResult.OTHER_REASON,
        DataAccessResult.SCOPE_OF_ACCESS_VIOLATED,
        DataAccessResult.TYPE_UNMATCHED,
    }
)
"""What meters answer that know no selective access (or not this one)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows and columns: stamped in ``[since, until]``, or entries ``first`` to ``last`` (0: the end)."""

    since: datetime | None = None
    until: datetime | None = None
    first: int = 0
    last: int = 0
    newest: int = 0
    everything: bool = False
    columns: tuple[str, ...] = ()

    @property
    def by_time(self) -> bool:
        """Whether rows are chosen by their time."""
        return self.since is not None or self.until is not None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what is captured, and how its numbers are to be read."""

    capture: CaptureObject
    scaler: int | None = None
    unit: int | None = None

    @property
    def name(self) -> str:
        """What it is, for people."""
        name, capture = name_of(self.capture.obis), self.capture
        if capture.attribute == VALUE:
            return name
        kind = class_of(capture.class_id, 0)
        found = kind.interface.attributes.get(capture.attribute) if kind else None
        return f"{name}, {found.name.replace('_', ' ') if found else f'attribute {capture.attribute}'}"

    @property
    def symbol(self) -> str:
        """Its unit; empty where there is none."""
        return "" if self.unit is None else symbol_of(self.unit)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        capture = self.capture
        return {
            "class_id": capture.class_id,
            "obis": str(capture.obis),
            "attribute": capture.attribute,
            "index": capture.index,
            "name": self.name,
            "scaler": self.scaler,
            "unit": None if self.unit is None else self.symbol,
        }


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its time (aware; None: unknown), the clock status sent with it, and its values."""

    at: datetime | None
    status: int | None
    values: tuple[Decimal | datetime | Data | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A profile as read; the clock is no column but the time of the rows."""

    obis: Obis
    period_s: int
    in_use: int | None
    columns: tuple[Column, ...]
    rows: tuple[Row, ...] = field(default=())

    def to_json(self, zone: ZoneInfo) -> dict[str, Any]:
        """Return it as JSON; numbers are decimal text."""
        return {
            "capture_period_s": self.period_s,
            "entries_in_use": self.in_use,
            "columns": [column.to_json() for column in self.columns],
            "rows": [
                {
                    "at": None if row.at is None else row.at.astimezone(zone).isoformat(),
                    "clock_status": row.status,
                    "values": [value_json(value, zone) for value in row.values],
                }
                for row in self.rows
            ],
        }


def value_json(value: Decimal | datetime | Data | None, zone: ZoneInfo) -> Any:
    """Return a value as JSON."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat()
    return None if value is None else data_to_json(value)


def value_words(value: Decimal | datetime | Data | None, zone: ZoneInfo) -> str:
    """Return a value for people."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    return "—" if value is None else data_words(value)


async def read_table(reader: Reader, obis: Obis, choice: Choice, zone: ZoneInfo) -> Table:
    """Read a profile.

    Raises:
        ReadFailure: the meter does not have it, or refuses it.
        Invalid: a column that is not captured.
    """
    doing = f"reading the columns of {obis}"
    answers = await reader.attributes(PROFILE_CLASS, obis, [CAPTURES, PERIOD, SORT, IN_USE])
    captures_octets = answers[CAPTURES]
    with decoding(doing):
        if isinstance(captures_octets, Refused):
            raise captures_octets
        captures = decode_capture_objects(captures_octets)
        period, sort, in_use = (_number(answers[number]) for number in (PERIOD, SORT, IN_USE))
    picked = _picked(captures, choice.columns)
    payload = await _buffer(reader, obis, _selection(choice, picked, captures, (sort, in_use), zone))
    scalers = await _scalers(reader, obis, picked)
    with decoding(f"reading the rows of {obis}"):
        rows, sent = _rows(payload, captures, picked)
        shown = _table_rows(rows, sent, picked, scalers, period or 0, zone)
    columns = tuple(
        Column(capture, *scalers.get((capture.obis, capture.attribute), (None, None)))
        for capture in picked
        if not capture.is_clock
    )
    kept = tuple(row for row in shown if _within(row, choice))
    return Table(obis, period or 0, in_use, columns, kept)


def _number(answer: bytes | Refused) -> int | None:
    if isinstance(answer, Refused):
        return None
    value = axdr.decode_all(answer).value
    return value if isinstance(value, int) else None


def _within(row: Row, choice: Choice) -> bool:
    if row.at is None or not choice.by_time:
        return True
    return (choice.since is None or row.at >= choice.since) and (choice.until is None or row.at <= choice.until)


def _picked(captures: Sequence[CaptureObject], columns: Sequence[str]) -> tuple[CaptureObject, ...]:
    """The columns asked for, by number (from 1) or logical name, with the clock; all of them if none are named."""
    if not columns:
        return tuple(captures)
    places: set[int] = {at for at, capture in enumerate(captures) if capture.is_clock}
    for text in columns:
        found = _column_places(captures, text)
        if not found:
            known = ", ".join(f"{at} {capture.obis}" for at, capture in enumerate(captures, start=1))
            raise Invalid(f"the profile has no column {text}", hint=f"It has: {known}")
        places |= found
    return tuple(capture for at, capture in enumerate(captures) if at in places)


def _column_places(captures: Sequence[CaptureObject], text: str) -> set[int]:
    if text.isdecimal():
        return {int(text) - 1} if 1 <= int(text) <= len(captures) else set()
    try:
        obis = Obis.parse(text)
    except DlmsError:
        return set()
    return {at for at, capture in enumerate(captures) if capture.obis == obis}


def _selection(
    choice: Choice,
    picked: tuple[CaptureObject, ...],
    captures: Sequence[CaptureObject],
    known: tuple[int | None, int | None],
    zone: ZoneInfo,
) -> RangeSelection | EntrySelection | None:
    sort, in_use = known
    if choice.everything:
        return None
    if choice.by_time:
        since = choice.since or datetime(2000, 1, 1, tzinfo=UTC)
        until = choice.until or datetime(2099, 12, 31, tzinfo=UTC)
        return RangeSelection.between(since, until, zone, picked if len(picked) < len(captures) else ())
    if choice.first:
        return EntrySelection(choice.first, choice.last)
    newest = choice.newest or NEWEST
    if in_use is None or in_use <= newest:
        return None
    if not choice.newest:
        say(f"The newest {newest} of {in_use} rows; --from and --to, or --entries (10, 5-20, all) choose others.")
    return EntrySelection(1, newest) if sort == _NEWEST_FIRST else EntrySelection(in_use - newest + 1, in_use)


async def _buffer(reader: Reader, obis: Obis, selection: RangeSelection | EntrySelection | None) -> bytes:
    """Read the buffer; a meter that selects no rows is asked for all of them."""
    doing = f"reading the rows of {obis}"
    session = reader.session
    octets = None if selection is None else selection.to_bytes()
    (answer,) = await session.run(session.client.get_many([AttributeRef(PROFILE_CLASS, obis, BUFFER, octets)]), doing)
    if isinstance(answer, Refused) and selection is not None and answer.result in _NO_SELECTION:
        say(f"The meter does not choose rows itself ({answer.message}): all of them are read.")
        return await session.run(session.client.get(PROFILE_CLASS, obis, BUFFER), doing)
    if isinstance(answer, Refused):
        raise ReadFailure(_refusal(answer), f"{doing}: {answer.message}")
    return answer


def _refusal(answer: Refused) -> FailureKind:
    gone = answer.result in (DataAccessResult.OBJECT_UNDEFINED, DataAccessResult.OBJECT_UNAVAILABLE)
    return FailureKind.NOT_SUPPORTED if gone else FailureKind.REFUSED


Scalers = dict[tuple[Obis, int], tuple[int, int]]


async def _scalers(reader: Reader, obis: Obis, captures: tuple[CaptureObject, ...]) -> Scalers:
    """The scalers of the columns: from the scaler profile if there is one, else from the registers themselves."""
    found: Scalers = {}
    if not unscaled(captures, found):
        return found
    for place in scaler_profiles(obis):
        answers = await reader.attributes(PROFILE_CLASS, place, [BUFFER, CAPTURES])
        buffer, columns = answers[BUFFER], answers[CAPTURES]
        if isinstance(buffer, bytes) and isinstance(columns, bytes):
            with decoding(f"reading the scaler profile {place}"):
                found |= decode_scaler_profile(buffer, decode_capture_objects(columns))
    missing = unscaled(captures, found)
    references = [AttributeRef(c.class_id, c.obis, 4 if c.class_id == _DEMAND_CLASS else 3) for c in missing]
    if references:
        doing = f"reading the scalers of {obis}"
        scales = await reader.session.run(reader.session.client.get_many(references), doing)
        with decoding(doing):
            for capture, answer in zip(missing, scales, strict=True):
                if isinstance(answer, bytes):
                    found[capture.obis, capture.attribute] = decode_scaler_unit(answer)
    return found


def _rows(
    payload: bytes, captures: tuple[CaptureObject, ...], picked: tuple[CaptureObject, ...]
) -> tuple[list[tuple[Data, ...]], tuple[CaptureObject, ...]]:
    """The rows and what their cells are: the columns asked for, or all of them where the meter does not choose."""
    whole = axdr.decode_all(payload)
    items = whole.value.items if whole.tag is Tag.COMPACT_ARRAY else whole.value
    size = len(items[0].value) if items and items[0].tag is Tag.STRUCTURE else len(captures)
    sent = picked if size == len(picked) else captures
    return profile_rows(payload, len(sent)), sent


def _table_rows(
    rows: Sequence[tuple[Data, ...]],
    sent: tuple[CaptureObject, ...],
    picked: tuple[CaptureObject, ...],
    scalers: Mapping[tuple[Obis, int], tuple[int, int]],
    period_s: int,
    zone: ZoneInfo,
) -> list[Row]:
    found: list[Row] = []
    last: list[Data | None] = [None] * len(sent)
    at: datetime | None = None
    status: int | None = None
    clock = next((place for place, capture in enumerate(sent) if capture.is_clock), None)
    shown = [place for place, capture in enumerate(sent) if capture in picked and place != clock]
    for row in rows:
        if clock is not None:
            at, status = _stamp(row[clock], at, status, period_s, zone)
        last = [_filled(before, cell) for before, cell in zip(last, row, strict=True)]
        values = tuple(
            _value(last[place], scalers.get((sent[place].obis, sent[place].attribute)), zone) for place in shown
        )
        found.append(Row(at, status, values))
    return found


def _filled(before: Data | None, cell: Data) -> Data | None:
    """The cell's own value: null-data repeats the row before, delta types add to it."""
    if cell.tag is Tag.NULL:
        return before
    if cell.tag in DELTA_TAGS:
        return None if before is None or before.tag not in INTEGERS else Data(before.tag, before.value + cell.value)
    return cell


def _stamp(
    cell: Data, at: datetime | None, status: int | None, period_s: int, zone: ZoneInfo
) -> tuple[datetime | None, int | None]:
    if cell.tag is Tag.NULL:
        return None if at is None else at + timedelta(seconds=period_s), status
    moment = _moment(cell)
    if moment is None:
        return None, None
    try:
        return moment.to_utc(zone), moment.status
    except DlmsError:
        return None, moment.status


def _moment(cell: Data) -> CosemDateTime | None:
    if cell.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME) or len(cell.value) != DATE_TIME_OCTETS:
        return None
    try:
        return CosemDateTime.from_bytes(cell.value)
    except DlmsError:
        return None


def _value(cell: Data | None, scale: tuple[int, int] | None, zone: ZoneInfo) -> Decimal | datetime | Data | None:
    if cell is None:
        return None
    if cell.tag in INTEGERS:
        return Decimal(cell.value).scaleb(scale[0] if scale else 0)
    moment = _moment(cell)
    if moment is None:
        return cell
    try:
        return moment.to_utc(zone)
    except DlmsError:
        return cell
