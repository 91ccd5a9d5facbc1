"""The vector path gives the same columns as the walker, whatever the shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demeter.protocols.dlms.axdr import encode
from demeter.protocols.dlms.data import Data, Tag, array, octets, structure, u8, u16, u32
from demeter.protocols.dlms.errors import DlmsError, Malformed, Unsupported
from demeter.protocols.dlms.vector import (
    CellState,
    ColumnKind,
    RowSource,
    decode_rows,
    decode_rows_batch,
    decode_rows_scalar,
    encode_compact_rows,
    encode_rows,
    group_rows,
    repeated,
)
from tests.unit.protocols.dlms.dlms_strategies import INTEGER_LIMITS, assert_same_rows, outcome, tables


def wire_of(table: tuple[tuple[Data, ...], ...]) -> bytes:
    return encode(array(*(structure(*row) for row in table)))


@pytest.mark.slow
@settings(max_examples=300)
@given(tables())
def test_vector_and_walker_agree_on_any_table(table):
    wire = wire_of(table)
    assert_same_rows(decode_rows(wire), decode_rows_scalar(wire))


@settings(max_examples=60)
@given(st.lists(tables() | st.just((structure(u8(1)).value,)), min_size=1, max_size=6), st.integers(1, 3), st.data())
def test_a_batch_gives_every_payload_what_it_gets_alone(some, times, data):
    wires = [wire_of(table) for table in some] * times
    broken = data.draw(st.integers(0, len(wires) - 1))
    wires[broken] = wires[broken][: data.draw(st.integers(0, len(wires[broken]) - 1))]
    for wire, batched in zip(wires, decode_rows_batch(wires), strict=True):
        alone = outcome(decode_rows_scalar, wire)
        if isinstance(alone, DlmsError):
            assert (type(batched), batched.offset) == (type(alone), alone.offset)
        else:
            assert_same_rows(batched, alone)


@st.composite
def sources(draw):
    rows = draw(st.integers(0, 12))
    columns = []
    for _ in range(draw(st.integers(1, 5))):
        tag = draw(st.sampled_from([Tag.BOOLEAN, Tag.OCTET_STRING, Tag.DATE_TIME, Tag.NULL, *INTEGER_LIMITS]))
        if tag in (Tag.OCTET_STRING, Tag.DATE_TIME):
            width = 12 if tag is Tag.DATE_TIME else draw(st.sampled_from([0, 5, 12]))
            values = np.frombuffer(draw(st.binary(min_size=rows * width, max_size=rows * width)), np.uint8)
            values = values.reshape(rows, width)
        else:
            low, high = INTEGER_LIMITS.get(tag, (0, 1))
            drawn = draw(st.lists(st.integers(low, high), min_size=rows, max_size=rows))
            values = np.array(drawn, np.uint64 if tag == Tag.UINT64 else np.int64)
        columns.append(RowSource(Tag(tag), values))
    return columns, rows


def by_hand(columns: list[RowSource], row: int) -> Data:
    cells = []
    for column in columns:
        if column.null is not None and column.null[row]:
            cells.append(Data(Tag.NULL))
        elif column.tag in (Tag.OCTET_STRING, Tag.DATE_TIME):
            cells.append(Data(column.tag, column.values[row].tobytes()))
        elif column.tag is Tag.NULL:
            cells.append(Data(Tag.NULL))
        else:
            value = column.values[row].item()
            cells.append(Data(column.tag, bool(value) if column.tag is Tag.BOOLEAN else value))
    return structure(*cells)


@given(sources(), st.data())
def test_encoded_columns_are_the_bytes_the_walker_writes(drawn, data):
    columns, rows = drawn
    nulls = [data.draw(st.none() | st.lists(st.booleans(), min_size=rows, max_size=rows)) for _ in columns]
    columns = [
        RowSource(column.tag, column.values, None if null is None else np.array(null, np.bool_))
        for column, null in zip(columns, nulls, strict=True)
    ]
    assert encode_rows(columns) == encode(array(*(by_hand(columns, row) for row in range(rows))))


@given(sources())
def test_a_compact_array_gives_the_same_columns_as_the_plain_array(drawn):
    columns, rows = drawn
    compact = encode_compact_rows(columns)
    if not rows or all(column.tag is Tag.NULL for column in columns):
        return
    assert_same_rows(decode_rows(compact), decode_rows_scalar(compact))
    assert_same_rows(decode_rows(compact), decode_rows(encode_rows(columns)))


def day(meter: int, rows: int = 96) -> bytes:
    stamps = np.tile(np.arange(12, dtype=np.uint8), (rows, 1))
    stamps[:, 6] = np.arange(rows) % 60
    counts = np.arange(rows) * 17 + meter
    return encode_rows(
        [RowSource(Tag.OCTET_STRING, stamps), RowSource(Tag.UINT32, counts), RowSource(Tag.INT16, counts)]
    )


def test_payloads_of_one_shape_are_decoded_together():
    groups, left = group_rows([day(1), day(2), day(3, rows=95), day(4)])
    assert left == []
    assert [group.members.tolist() for group in groups] == [[0, 1, 3], [2]]
    assert groups[0].starts.tolist() == [0, 96, 192, 288]
    assert groups[0].rows.columns[1].values[[0, 96, 192]].tolist() == [1, 2, 4]


def test_one_odd_payload_does_not_slow_the_others_down():
    odd = bytearray(day(2))
    odd[2 + 24 * 10 + 16] = Tag.INT32  # the same widths, another tag in one row
    groups, left = group_rows([day(1), bytes(odd), day(3)])
    assert left == []
    assert sorted(group.members.tolist() for group in groups) == [[0, 2], [1]]
    assert_same_rows(decode_rows(bytes(odd)), decode_rows_scalar(bytes(odd)))


def test_a_remembered_layout_is_no_reason_to_misread_another_one():
    one = encode(array(*[structure(u32(1), u16(2))] * 3))
    other = encode(array(*[structure(u16(1), u32(2))] * 3))
    third = encode(array(structure(u32(1), u16(2)), structure(u16(1), u32(2)), structure(u32(1), u16(2))))
    for wire in (one, other, third, one, third, other):
        assert_same_rows(decode_rows(wire), decode_rows_scalar(wire))


def test_compact_arrays_with_long_descriptions_are_told_apart_beyond_the_remembered_bytes():
    tags = [Tag.UINT16] * 20
    wires = [
        encode_compact_rows([RowSource(tag, np.array([258, 3])) for tag in (*tags, last)])
        for last in (Tag.UINT16, Tag.INT16, Tag.DELTA_INT16)
    ]
    for wire in wires:
        assert_same_rows(decode_rows(wire), decode_rows_scalar(wire))
    assert decode_rows(wires[2]).columns[-1].state.tolist() == [CellState.DELTA] * 2


def test_value_bytes_that_look_like_a_row_start_do_not_confuse_the_rows():
    looks = int.from_bytes(bytes((Tag.STRUCTURE, 2, Tag.STRUCTURE, 2)), "big")
    table = array(*(structure(u32(looks), u8(2) if row % 3 else Data(Tag.NULL)) for row in range(50)))
    wire = encode(table)
    groups, left = group_rows([wire])
    assert (len(groups), left) == (1, [])
    assert_same_rows(decode_rows(wire), decode_rows_scalar(wire))


def test_unsigned_values_beyond_int64_are_unreadable():
    rows = encode_rows([RowSource(Tag.UINT64, np.array([1, 2**64 - 1, 2**63 - 1], np.uint64))])
    column = decode_rows(rows).columns[0]
    assert column.values.tolist() == [1, 0, 2**63 - 1]
    assert column.state.tolist() == [CellState.VALUE, CellState.UNREADABLE, CellState.VALUE]


def test_kinds_are_told():
    wire = encode(array(structure(u8(1), octets(bytes(12)), octets(b"name"), Data(Tag.NULL))))
    kinds = [column.kind for column in decode_rows(wire).columns]
    assert kinds == [ColumnKind.INTEGER, ColumnKind.MOMENT, ColumnKind.OPAQUE, ColumnKind.INTEGER]


def test_repeats_are_what_a_meter_may_leave_out():
    assert repeated(np.array([1, 1, 2, 2, 1])).tolist() == [False, True, False, True, False]
    assert repeated(np.array([[1, 2], [1, 2], [1, 3]])).tolist() == [False, True, False]


@pytest.mark.parametrize("wire", ["1101", "01021101", "0102110102", "00"])
def test_what_is_no_array_of_structures_is_refused(wire):
    with pytest.raises(DlmsError):
        decode_rows(bytes.fromhex(wire))


def test_values_that_do_not_fit_are_not_encoded():
    with pytest.raises(Malformed, match="fit"):
        encode_rows([RowSource(Tag.UINT8, np.array([256]))])
    with pytest.raises(Malformed, match="lengths"):
        encode_rows([RowSource(Tag.UINT8, np.array([1])), RowSource(Tag.UINT8, np.array([1, 2]))])
    with pytest.raises(Malformed):
        encode_rows([RowSource(Tag.UINT8, np.array([1.5]))])
    with pytest.raises(Unsupported):
        encode_rows([RowSource(Tag.FLOAT32, np.array([1]))])
    with pytest.raises(Malformed):
        encode_rows([RowSource(Tag.DATE_TIME, np.zeros((1, 5), np.uint8))])
    with pytest.raises(Malformed):
        encode_compact_rows([RowSource(Tag.UINT8, np.array([1]), np.array([True]))])
