"""Profile generic objects (class 7): a buffer of rows, read whole, by range of time or by entry.

:class:`TableProfile` holds numbers in columns and encodes them vectorised; :class:`ListProfile` holds few rows of any
shape (events, nameplate, scalers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from demeter.protocols.dlms.axdr import encode
from demeter.protocols.dlms.classes import ProfileGeneric
from demeter.protocols.dlms.classes.measuring import SortMethod
from demeter.protocols.dlms.data import Data, Tag, array, structure
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import (
    CaptureObject,
    EntrySelection,
    RangeSelection,
    decode_selection,
    encode_capture_objects,
)
from demeter.simulator.fleet import RowFormat
from demeter.simulator.meter import Rows
from demeter.simulator.model.encoding import encode_table
from demeter.simulator.model.objects import CLOCK, EXTENDED_REGISTER, PROFILE, REGISTER, no_method, scaler_unit
from demeter.simulator.noise import IntArray

_ATTRIBUTES = (2, 3, 4, 5, 6, 7, 8)

CAPTURE = 2
"""The method of a profile that captures a row now."""

CLOCK_CAPTURE = CaptureObject(CLOCK, Obis.parse("0.0.1.0.0.255"), 2)
_UNSORTED = CaptureObject(0, Obis(0, 0, 0, 0, 0, 0), 0)
"""First in, first out needs no object to sort by."""


@dataclass(frozen=True, slots=True)
class Column:
    """One captured attribute: how its numbers come about for rows, and as which type they are sent.

    ``tag`` is an integer type, or ``OCTET_STRING`` for a date-time, whose numbers are UTC epoch seconds.
    """

    capture: CaptureObject
    tag: Tag
    values: Callable[[Rows], IntArray]
    scaler: int | None = None
    unit: int | None = None


def stamp_column(capture: CaptureObject = CLOCK_CAPTURE) -> Column:
    """Return the column that holds each row's own stamp."""
    return Column(capture, Tag.OCTET_STRING, lambda rows: rows.stamps)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a selection picks: a mask or slice of rows, and column numbers."""

    rows: slice | NDArray[np.bool_]
    columns: Sequence[int]


def _choose(selection: bytes | None, captures: Sequence[CaptureObject], stamps: IntArray, zone: ZoneInfo) -> _Chosen:
    """Return what a selection picks.

    Raises:
        Refused: the selection cannot be read, or names a column the profile has not.
    """
    every = range(len(captures))
    if not selection:
        return _Chosen(slice(None), every)
    try:
        wanted = decode_selection(selection)
        if isinstance(wanted, EntrySelection):
            return _entries(wanted, len(captures), len(stamps))
        since, until = wanted.instants(zone)
    except DlmsError as unreadable:
        raise Refused(DataAccessResult.TYPE_UNMATCHED, str(unreadable)) from unreadable
    within = (stamps >= since.timestamp()) & (stamps <= until.timestamp())
    return _Chosen(within, _named(wanted, captures) if wanted.columns else every)


def _named(wanted: RangeSelection, captures: Sequence[CaptureObject]) -> list[int]:
    try:
        return [captures.index(column) for column in wanted.columns]
    except ValueError as unknown:
        raise Refused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED, "a column asked for is not captured") from unknown


def _entries(wanted: EntrySelection, columns: int, rows: int) -> _Chosen:
    """Return rows and columns counted from 1, both ends included, 0 as a last one meaning the end."""
    last, last_column = wanted.last or rows, wanted.last_column or columns
    chosen = range(max(wanted.first_column, 1) - 1, min(last_column, columns))
    return _Chosen(slice(max(wanted.first, 1) - 1, last), chosen)


@dataclass(frozen=True, slots=True)
class TableProfile:
    """A profile of numbers; ``rows`` says which rows there are, each column computes its numbers for any of them."""

    obis: Obis
    columns: tuple[Column, ...]
    rows: Callable[[], Rows]
    period_s: int
    entries: int
    zone: ZoneInfo
    form: RowFormat = RowFormat.PLAIN
    class_id: int = PROFILE
    version: int = 1
    readable: tuple[int, ...] = _ATTRIBUTES
    writable: tuple[int, ...] = ()
    methods: Mapping[int, Callable[[], None]] = field(default_factory=dict)

    @property
    def methods_served(self) -> tuple[int, ...]:
        """The methods that can be invoked."""
        return tuple(self.methods)

    def invoke(self, method: int, parameter: bytes | None) -> bytes | None:
        """Invoke a method; its parameter means nothing.

        Raises:
            Refused: there is no such method.
        """
        if method not in self.methods:
            raise no_method(self.obis, method, parameter)
        self.methods[method]()
        return None

    @property
    def captures(self) -> tuple[CaptureObject, ...]:
        """What the profile records, in the order of its columns."""
        return tuple(column.capture for column in self.columns)

    def get(self, attribute: int, selection: bytes | None) -> bytes:
        """Return an attribute as A-XDR; the buffer as selected.

        Raises:
            Refused: no such attribute or an impossible selection.
        """
        if attribute != 2:
            in_use = min(len(self.rows()), self.entries)
            return _described(self.obis, attribute, self.captures, self.period_s, in_use, self.entries)
        held = self.rows()
        chosen = _choose(selection, self.captures, held.stamps, self.zone)
        rows = held[chosen.rows]
        columns = [self.columns[number] for number in chosen.columns]
        cells = [(column.tag, column.values(rows)) for column in columns]
        return encode_table(cells, self.zone, self.form, self.period_s)

    def set(self, attribute: int, value: Data) -> None:
        """Refuse: a meter's memory cannot be written."""
        raise Refused(DataAccessResult.READ_WRITE_DENIED, f"{self.obis} attribute {attribute} is {value.tag.name}")


@dataclass(frozen=True, slots=True)
class ListProfile:
    """A profile of few rows of any shape; ``rows`` returns pairs of stamp (UTC epoch seconds) and cells."""

    obis: Obis
    captures: tuple[CaptureObject, ...]
    rows: Callable[[], Sequence[tuple[int, tuple[Data, ...]]]]
    entries: int
    zone: ZoneInfo
    class_id: int = PROFILE
    version: int = 1
    readable: tuple[int, ...] = _ATTRIBUTES
    writable: tuple[int, ...] = ()
    methods_served: tuple[int, ...] = ()

    def invoke(self, method: int, parameter: bytes | None) -> bytes | None:
        """Refuse: there are no methods."""
        raise no_method(self.obis, method, parameter)

    def get(self, attribute: int, selection: bytes | None) -> bytes:
        """Return an attribute as A-XDR; the buffer as selected.

        Raises:
            Refused: no such attribute or an impossible selection.
        """
        held = self.rows()[-self.entries :]
        if attribute != 2:
            return _described(self.obis, attribute, self.captures, 0, len(held), self.entries)
        stamps = np.array([stamp for stamp, _ in held], dtype=np.int64)
        chosen = _choose(selection, self.captures, stamps, self.zone)
        picked = np.arange(len(held))[chosen.rows]
        return encode(array(*(structure(*(held[row][1][n] for n in chosen.columns)) for row in picked)))

    def set(self, attribute: int, value: Data) -> None:
        """Refuse: a meter's memory cannot be written."""
        raise Refused(DataAccessResult.READ_WRITE_DENIED, f"{self.obis} attribute {attribute} is {value.tag.name}")


def scaler_profile(obis: Obis, columns: Sequence[Column], zone: ZoneInfo) -> ListProfile:
    """Return the one-row profile of the scalers of ``columns``, in an order of its own.

    The real ones have no clock and need not follow the order of what they scale, so this one runs backwards: a reader
    that matches by position instead of by OBIS is found out.
    """
    scaled = {column.capture.obis: column for column in reversed(columns) if column.scaler is not None}
    captures: list[CaptureObject] = []
    cells: list[Data] = []
    for column in scaled.values():
        if column.capture.class_id in (REGISTER, EXTENDED_REGISTER):
            captures.append(CaptureObject(column.capture.class_id, column.capture.obis, 3))
            cells.append(scaler_unit(column.scaler or 0, column.unit or 255))
    row = (0, tuple(cells))
    return ListProfile(obis, tuple(captures), lambda: [row], 1, zone)


def _described(
    obis: Obis, attribute: int, captures: Sequence[CaptureObject], period_s: int, in_use: int, entries: int
) -> bytes:
    """Return attribute 3 to 8 of a profile."""
    if attribute == 3:
        return encode_capture_objects(captures)
    values = {4: period_s, 5: SortMethod.FIFO, 6: _UNSORTED, 7: in_use, 8: entries}
    if attribute not in values:
        raise Refused(DataAccessResult.OBJECT_UNDEFINED, f"{obis} has no attribute {attribute}")
    return encode(ProfileGeneric.interface.attributes[attribute].encode(values[attribute]))
