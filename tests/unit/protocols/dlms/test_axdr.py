"""A-XDR: what is written is read back, and bad bytes are refused with their offset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms.axdr import MAX_DEPTH, decode, decode_all, decode_length, encode, encode_length
from demeter.protocols.dlms.data import (
    BitString,
    CompactArray,
    Data,
    Tag,
    TypeDescription,
    array,
    bits,
    boolean,
    enum,
    i8,
    i16,
    i32,
    i64,
    null,
    octets,
    structure,
    text,
    u8,
    u16,
    u32,
    u64,
    utf8,
)
from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated, Unsupported
from tests.unit.protocols.dlms.dlms_strategies import trees


@given(trees)
def test_every_value_is_read_back_as_written(data):
    wire = encode(data)
    assert decode(wire) == (data, len(wire))
    assert decode(memoryview(b"\x00" + wire + b"\x01"), 1) == (data, 1 + len(wire))


@pytest.mark.slow
@given(trees)
def test_every_value_cut_short_is_truncated_or_malformed_within_its_bytes(data):
    wire = encode(data)
    for size in range(len(wire)):
        with pytest.raises(DlmsError) as caught:
            decode_all(wire[:size])
        assert isinstance(caught.value, Truncated | Malformed)
        assert caught.value.offset is not None
        assert 0 <= caught.value.offset <= size


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (null(), "00"),
        (boolean(True), "0301"),
        (bits("10110"), "0405b0"),
        (i32(-2), "05fffffffe"),
        (u32(1), "0600000001"),
        (octets(b"\x01\x02"), "09020102"),
        (text("kWh"), "0a036b5768"),
        (utf8("m³"), "0c036dc2b3"),
        (i8(-3), "0ffd"),
        (i16(-256), "10ff00"),
        (u8(255), "11ff"),
        (u16(256), "120100"),
        (i64(-1), "14ffffffffffffffff"),
        (u64(2**64 - 1), "15ffffffffffffffff"),
        (enum(30), "161e"),
        (array(u8(1), u8(2)), "010211011102"),
        (structure(i8(0), enum(27)), "02020f00161b"),
        (array(), "0100"),
    ],
)
def test_values_have_the_bytes_of_the_standard(data, wire):
    assert encode(data).hex() == wire
    assert decode_all(bytes.fromhex(wire)) == data


def test_a_compact_array_sends_its_tags_once():
    shape = TypeDescription(Tag.STRUCTURE, (TypeDescription(Tag.UINT16), TypeDescription(Tag.NULL)))
    data = Data(Tag.COMPACT_ARRAY, CompactArray(shape, (structure(u16(1), null()), structure(u16(2), null()))))
    assert encode(data).hex() == "130202120004" + "00010002"
    assert decode_all(encode(data)) == data


def test_an_array_inside_a_compact_array_has_a_fixed_number_of_elements():
    shape = TypeDescription(Tag.ARRAY, (TypeDescription(Tag.UINT8),), 3)
    data = Data(Tag.COMPACT_ARRAY, CompactArray(shape, (array(u8(1), u8(2), u8(3)),)))
    assert encode(data).hex() == "1301000311" + "03" + "010203"
    assert decode_all(encode(data)) == data


@given(st.integers(0, 2**32 - 1))
def test_lengths_are_read_back_as_written(length):
    wire = encode_length(length)
    assert decode_length(wire) == (length, len(wire))


@pytest.mark.parametrize(
    ("wire", "error", "offset"),
    [
        ("", Truncated, 0),
        ("06000000", Truncated, 1),
        ("0905010203", Truncated, 2),
        ("0981", Truncated, 1),
        ("0980", Malformed, 1),
        ("098500000000", Malformed, 1),
        ("01ff", Malformed, 1),
        ("0184ffffffff", Truncated, 6),
        ("0202110107", Unsupported, 4),
        ("02021101", Truncated, 4),
        ("0c02c328", Malformed, 2),
        ("1100ff", Malformed, 2),
        ("130004" + "00000000", Malformed, 3),
        ("13" + "0111111113", Truncated, 6),
        ("1313", Malformed, 1),
    ],
)
def test_bad_bytes_are_refused_at_their_offset(wire, error, offset):
    with pytest.raises(error) as caught:
        decode_all(bytes.fromhex(wire))
    assert caught.value.offset == offset


def test_nesting_is_bounded():
    assert decode_all(bytes.fromhex("0101" * MAX_DEPTH + "00"))
    with pytest.raises(Malformed, match="nested"):
        decode_all(bytes.fromhex("0101" * (MAX_DEPTH + 1) + "00"))


@pytest.mark.parametrize(
    "wire",
    [
        "13" + "01ffff" * 8 + "00" + "01" + "00",
        "13" + "0202" + "01ffff00" + "11" + "04" + "01020304",
        "13" + "0278" + "00" * 119 + "11" + "8200ff" + "01" * 255,
    ],
)
def test_a_few_bytes_cannot_unfold_into_millions_of_values(wire):
    with pytest.raises(Malformed, match=r"more values|without any bytes"):
        decode_all(bytes.fromhex(wire))


def test_some_null_columns_in_a_compact_array_are_fine():
    parts = (*[TypeDescription(Tag.NULL)] * 30, TypeDescription(Tag.UINT8))
    rows = tuple(structure(*[null()] * 30, u8(row)) for row in range(96))
    data = Data(Tag.COMPACT_ARRAY, CompactArray(TypeDescription(Tag.STRUCTURE, parts), rows))
    assert decode_all(encode(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        u8(256),
        u8(-1),
        i8(128),
        u32(1.5),
        octets("text"),
        text("€"),
        Data(Tag.DATE_TIME, b"short"),
        Data(Tag.BIT_STRING, BitString(9, b"\x00")),
        Data(Tag.COMPACT_ARRAY, CompactArray(TypeDescription(Tag.UINT8), (u16(1),))),
        Data(
            Tag.COMPACT_ARRAY,
            CompactArray(TypeDescription(Tag.STRUCTURE, (TypeDescription(Tag.UINT8),)), (structure(),)),
        ),
    ],
)
def test_values_that_do_not_fit_their_tag_are_not_written(data):
    with pytest.raises(Malformed):
        encode(data)
