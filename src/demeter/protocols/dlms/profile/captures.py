"""What a profile records and how a part of it is asked for: capture objects, selections, scaler profile (IC 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.axdr import decode_all, encode
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data, Tag, array, i8, octets, structure, u16, u32
from demeter.protocols.dlms.errors import Malformed, Unsupported
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile.rows import profile_rows

Scalers = Mapping[tuple[Obis, int], tuple[int, int]]
"""(logical name, value attribute) → (scaler, unit code of IEC 62056-6-2 table 4): a value is n × 10**scaler unit."""

_RANGE: Final = 1
_ENTRY: Final = 2
_CLOCK_CLASS: Final = 8


@dataclass(frozen=True, slots=True)
class CaptureObject:
    """One column of a profile: an attribute of an object; ``index`` 0 is the whole attribute, else an element."""

    class_id: int
    obis: Obis
    attribute: int
    index: int = 0

    @property
    def is_clock(self) -> bool:
        """Whether this column is the row's time stamp."""
        return self.class_id == _CLOCK_CLASS and self.attribute == 2

    def to_data(self) -> Data:
        """The capture object definition as COSEM data."""
        return structure(u16(self.class_id), octets(self.obis.to_bytes()), i8(self.attribute), u16(self.index))

    @classmethod
    def from_data(cls, data: Data) -> Self:
        """Read a capture object definition.

        Raises:
            Malformed: any other shape.
        """
        class_id, name, attribute, index = _parts(data, Tag.STRUCTURE, 4, "a capture object")
        if name.tag is not Tag.OCTET_STRING:
            raise Malformed("a capture object's logical name is an octet-string")
        return cls(_int(class_id), Obis.from_bytes(name.value), _int(attribute), _int(index))


CLOCK: Final = CaptureObject(_CLOCK_CLASS, Obis(0, 0, 1, 0, 0, 255), 2)
"""The time stamp column."""


def decode_capture_objects(source: bytes | Data) -> tuple[CaptureObject, ...]:
    """Read attribute 3 of a profile, the columns of its buffer.

    Raises:
        DlmsError: the bytes are not an array of capture object definitions.
    """
    data = source if isinstance(source, Data) else decode_all(source)
    if data.tag is not Tag.ARRAY:
        raise Malformed("capture objects are an array", offset=0)
    return tuple(CaptureObject.from_data(item) for item in data.value)


def encode_capture_objects(captures: Sequence[CaptureObject]) -> bytes:
    """Attribute 3 of a profile as A-XDR bytes."""
    return encode(array(*(capture.to_data() for capture in captures)))


@dataclass(frozen=True, slots=True)
class RangeSelection:
    """Rows whose ``restricting`` column lies between ``since`` and ``until``, both included (access selector 1).

    ``columns`` narrows the row to these captures; empty means all of them.
    """

    since: CosemDateTime
    until: CosemDateTime
    columns: tuple[CaptureObject, ...] = ()
    restricting: CaptureObject = CLOCK

    @classmethod
    def between(cls, since: datetime, until: datetime, zone: ZoneInfo, columns: tuple[CaptureObject, ...] = ()) -> Self:
        """Select by aware instants, both included, written as a meter in ``zone`` writes them."""
        return cls(CosemDateTime.from_utc(since, zone), CosemDateTime.from_utc(until, zone), columns)

    def instants(self, zone: ZoneInfo | None) -> tuple[datetime, datetime]:
        """Both ends as aware UTC (``zone`` where the ends carry no deviation); raises as ``CosemDateTime.to_utc``."""
        return self.since.to_utc(zone), self.until.to_utc(zone)

    def to_bytes(self) -> bytes:
        """The access selection: selector octet and parameters."""
        return bytes((_RANGE,)) + encode(
            structure(
                self.restricting.to_data(),
                octets(self.since.to_bytes()),
                octets(self.until.to_bytes()),
                array(*(column.to_data() for column in self.columns)),
            )
        )


@dataclass(frozen=True, slots=True)
class EntrySelection:
    """Rows ``first`` to ``last`` and columns ``first_column`` to ``last_column`` (access selector 2).

    All are counted from 1 and included; 0 as a last one means "up to the end".
    """

    first: int = 1
    last: int = 0
    first_column: int = 1
    last_column: int = 0

    def to_bytes(self) -> bytes:
        """The access selection: selector octet and parameters."""
        return bytes((_ENTRY,)) + encode(
            structure(u32(self.first), u32(self.last), u16(self.first_column), u16(self.last_column))
        )


def decode_selection(selection: bytes) -> RangeSelection | EntrySelection:
    """Read an access selection: selector octet and parameters.

    Raises:
        Unsupported: a selector other than range (1) and entry (2), or a range that is not one of times.
        DlmsError: the parameters do not fit the selector.
    """
    selector = selection[:1]
    if selector == bytes((_RANGE,)):
        restricting, since, until, columns = _parts(decode_all(selection[1:]), Tag.STRUCTURE, 4, "a range selection")
        return RangeSelection(
            _moment(since), _moment(until), decode_capture_objects(columns), CaptureObject.from_data(restricting)
        )
    if selector == bytes((_ENTRY,)):
        parts = _parts(decode_all(selection[1:]), Tag.STRUCTURE, 4, "an entry selection")
        return EntrySelection(*(_int(part) for part in parts))
    raise Unsupported(f"access selector {selector.hex() or 'missing'}", offset=0)


def decode_scaler_profile(buffer: bytes, captures: Sequence[CaptureObject]) -> dict[tuple[Obis, int], tuple[int, int]]:
    """Read a scaler profile: its buffer and its own capture objects (attribute 3 of registers, in any order).

    The result is keyed by the attribute whose value the scaler is for, never by position: 2 for registers and extended
    registers, 2 and 3 for demand registers. Cells that are no scaler and unit are left out.

    Raises:
        DlmsError: the buffer is not a profile of ``captures``.
    """
    found: dict[tuple[Obis, int], tuple[int, int]] = {}
    rows = profile_rows(buffer, len(captures))
    for capture, cell in zip(captures, rows[0], strict=True) if rows else ():
        pair = _scaler_unit(cell)
        if pair is not None:
            for attribute in _valued(capture):
                found[capture.obis, attribute] = pair
    return found


def decode_scaler_unit(source: bytes | Data) -> tuple[int, int]:
    """Read a scaler_unit attribute: (scaler, unit code).

    Raises:
        DlmsError: the bytes are not a structure of scaler and unit.
    """
    pair = _scaler_unit(source if isinstance(source, Data) else decode_all(source))
    if pair is None:
        raise Malformed("a scaler and unit is a structure of integer and enum", offset=0)
    return pair


def _scaler_unit(cell: Data) -> tuple[int, int] | None:
    if cell.tag is not Tag.STRUCTURE or len(cell.value) != 2:
        return None
    scaler, unit = cell.value
    return (scaler.value, unit.value) if scaler.tag is Tag.INT8 and unit.tag is Tag.ENUM else None


def _valued(capture: CaptureObject) -> tuple[int, ...]:
    """The attributes a captured scaler_unit is for: it is attribute 4 of demand registers (IC 5), 3 of others."""
    if capture.class_id == 5 and capture.attribute == 4:
        return (2, 3)
    return (2,) if capture.attribute == 3 else (capture.attribute,)


def _parts(data: Data, tag: Tag, count: int, what: str) -> tuple[Data, ...]:
    if data.tag is not tag or len(data.value) != count:
        raise Malformed(f"{what} is a {tag.name.lower()} of {count}", offset=0)
    parts: tuple[Data, ...] = data.value
    return parts


def _int(data: Data) -> int:
    if isinstance(data.value, bool) or not isinstance(data.value, int):
        raise Malformed(f"{data.tag.name} where a number is due")
    return data.value


def _moment(data: Data) -> CosemDateTime:
    if data.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME):
        raise Unsupported(f"a range from {data.tag.name}: only time ranges are supported")
    return CosemDateTime.from_bytes(data.value)
