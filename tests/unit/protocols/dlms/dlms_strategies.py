"""Random COSEM data and profiles for the property tests."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import strategies as st

from demeter.protocols.dlms.axdr import NUMBERS
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import BitString, CompactArray, Data, Tag, TypeDescription
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.profile import ProfileColumns
from demeter.protocols.dlms.vector import RowColumns

INTEGER_LIMITS = {
    tag: (-(1 << 8 * number.size - 1), (1 << 8 * number.size - 1) - 1)
    if number.format[1:].islower()
    else (0, (1 << 8 * number.size) - 1)
    for tag, number in NUMBERS.items()
    if tag not in (Tag.FLOAT32, Tag.FLOAT64)
}
DELTAS = [tag for tag in INTEGER_LIMITS if Tag(tag).name.startswith("DELTA")]
ZONES = [ZoneInfo(name) for name in ("Asia/Kolkata", "Europe/London", "Australia/Lord_Howe", "America/St_Johns")]


def integers_of(tag: int) -> st.SearchStrategy[Data]:
    low, high = INTEGER_LIMITS[tag]
    return st.builds(Data, st.just(Tag(tag)), st.integers(low, high))


def simple_of(tag: Tag) -> st.SearchStrategy[Data]:
    """Values of a tag without parts."""
    if tag in INTEGER_LIMITS:
        return integers_of(tag)
    values = {
        Tag.NULL: st.none(),
        Tag.DONT_CARE: st.none(),
        Tag.BOOLEAN: st.booleans(),
        Tag.OCTET_STRING: st.binary(max_size=20) | moments() | st.binary(min_size=120, max_size=140),
        Tag.VISIBLE_STRING: st.text(st.characters(max_codepoint=255), max_size=20),
        Tag.UTF8_STRING: st.text(max_size=20),
        Tag.BIT_STRING: st.binary(max_size=5).map(lambda raw: BitString(max(0, 8 * len(raw) - 3), raw)),
        Tag.FLOAT32: st.floats(width=32, allow_nan=False),
        Tag.FLOAT64: st.floats(allow_nan=False),
        Tag.DATE_TIME: moments(),
        Tag.DATE: st.binary(min_size=5, max_size=5),
        Tag.TIME: st.binary(min_size=4, max_size=4),
    }[tag]
    return st.builds(Data, st.just(tag), values)


SIMPLE_TAGS = [tag for tag in Tag if tag not in (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY)]
simple = st.sampled_from(SIMPLE_TAGS).flatmap(simple_of)


@st.composite
def moments(draw) -> bytes:
    """Date-times: mostly real ones, with and without deviation; wildcards and nonsense too."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(min_size=12, max_size=12))
    if kind == 1:
        return b"\xff" * 12
    at = datetime.fromtimestamp(draw(st.integers(1_600_000_000, 1_760_000_000)), UTC)
    octets = bytearray(CosemDateTime.from_utc(at, draw(st.sampled_from(ZONES))).to_bytes())
    if kind == 2:
        octets[draw(st.integers(0, 11))] = draw(st.sampled_from([0, 0xFD, 0xFE, 0xFF, 31, 60]))
    if kind in (3, 4, 5):
        octets[9:11] = b"\x80\x00"
    return bytes(octets)


@st.composite
def compact_arrays(draw) -> Data:
    parts = draw(st.lists(st.sampled_from(SIMPLE_TAGS), min_size=1, max_size=4))
    shape = TypeDescription(Tag.STRUCTURE, tuple(TypeDescription(tag) for tag in parts))
    if not any(tag not in (Tag.NULL, Tag.DONT_CARE) for tag in parts):
        shape = TypeDescription(Tag.ARRAY, (TypeDescription(Tag.UINT8),), 2)
    count = draw(st.integers(0, 4))
    items = tuple(draw(_of_shape(shape)) for _ in range(count))
    return Data(Tag.COMPACT_ARRAY, CompactArray(shape, items))


def _of_shape(shape: TypeDescription) -> st.SearchStrategy[Data]:
    if shape.tag is Tag.STRUCTURE:
        return st.tuples(*(_of_shape(part) for part in shape.parts)).map(lambda parts: Data(Tag.STRUCTURE, parts))
    if shape.tag is Tag.ARRAY:
        return st.tuples(*[_of_shape(shape.parts[0])] * shape.count).map(lambda parts: Data(Tag.ARRAY, parts))
    return simple_of(shape.tag)


trees = st.recursive(
    simple | compact_arrays(),
    lambda inner: st.builds(Data, st.sampled_from([Tag.ARRAY, Tag.STRUCTURE]), st.lists(inner, max_size=5).map(tuple)),
    max_leaves=12,
)


@st.composite
def tables(draw, least_rows: int = 1) -> tuple[tuple[Data, ...], ...]:
    """Rows of equal width: fixed types, left-out cells, deltas, changing types, text, date-times."""
    rows = draw(st.integers(least_rows, 10))
    columns = [draw(_column(rows)) for _ in range(draw(st.integers(1, 6)))]
    return tuple(zip(*columns, strict=True))


@st.composite
def _column(draw, rows: int) -> list[Data]:
    mode = draw(st.sampled_from(["integer", "integer", "null", "delta", "types", "moment", "stamp", "any", "none"]))
    tag = draw(st.sampled_from([tag for tag in INTEGER_LIMITS if tag not in DELTAS]))
    cell = {
        "integer": integers_of(tag),
        "null": integers_of(tag) | st.just(Data(Tag.NULL)),
        "delta": integers_of(tag) | st.sampled_from(DELTAS).flatmap(integers_of) | st.just(Data(Tag.NULL)),
        "types": st.sampled_from([Tag.BOOLEAN, *INTEGER_LIMITS]).flatmap(lambda some: simple_of(Tag(some))),
        "moment": st.builds(Data, st.just(Tag.OCTET_STRING), moments()),
        "stamp": st.builds(Data, st.sampled_from([Tag.OCTET_STRING, Tag.DATE_TIME]), moments())
        | st.just(Data(Tag.NULL)),
        "any": simple,
        "none": st.just(Data(Tag.NULL)),
    }[mode]
    return [draw(cell) for _ in range(rows)]


def outcome(decoder, *arguments):
    """What a decoder returns, or the typed error it raises; any other exception passes through."""
    try:
        return decoder(*arguments)
    except DlmsError as error:
        return error


def assert_same_rows(one: RowColumns, other: RowColumns) -> None:
    assert one.rows == other.rows
    for mine, theirs in zip(one.columns, other.columns, strict=True):
        assert mine.kind == theirs.kind
        assert theirs.whole or not mine.whole
        np.testing.assert_array_equal(mine.state, theirs.state)
        np.testing.assert_array_equal(mine.values, theirs.values)
        assert (mine.words is None) == (theirs.words is None)
        if mine.words is not None:
            np.testing.assert_array_equal(mine.octets, theirs.octets)


def assert_same_profile(one: ProfileColumns, other: ProfileColumns) -> None:
    for name in ("at_s", "clock_status", "time_source"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs, name)
    for mine, theirs in zip(one.columns, other.columns, strict=True):
        assert (mine.capture, mine.scaler, mine.unit) == (theirs.capture, theirs.scaler, theirs.unit)
        assert mine.kind == theirs.kind
        np.testing.assert_array_equal(mine.values, theirs.values)
        np.testing.assert_array_equal(mine.present, theirs.present)
