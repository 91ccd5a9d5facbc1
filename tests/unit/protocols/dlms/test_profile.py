"""Profiles: captures, selections, scalers by name, null-data and omitted times; vector and walker agree."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demeter.protocols.dlms.axdr import encode
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data, Tag, array, enum, i8, null, octets, structure, text, u8, u16, u32
from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated, Unsupported
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import (
    CLOCK,
    CaptureObject,
    EntrySelection,
    RangeSelection,
    TimeSource,
    decode_capture_objects,
    decode_scaler_profile,
    decode_scaler_unit,
    decode_selection,
    encode_capture_objects,
    profile_columns,
    profile_columns_batch,
    profile_columns_scalar,
)
from demeter.protocols.dlms.vector import (
    NO_TIME,
    ColumnKind,
    RowSource,
    encode_compact_rows,
    encode_moments,
    encode_rows,
)
from tests.unit.protocols.dlms.dlms_strategies import ZONES, assert_same_profile, outcome, tables

KOLKATA = ZoneInfo("Asia/Kolkata")
ENERGY = CaptureObject(3, Obis.parse("1.0.1.29.0.255"), 2)
VOLTAGE = CaptureObject(3, Obis.parse("1.0.12.27.0.255"), 2)
START = int(datetime(2026, 1, 14, 18, 30, tzinfo=UTC).timestamp())


def stamp(at_s: int) -> Data:
    return octets(CosemDateTime.from_utc(datetime.fromtimestamp(at_s, UTC), KOLKATA).to_bytes())


def both(payload, captures, scalers=None, period_s=900, zone=KOLKATA):
    """Decode by both paths, which must agree, errors included."""
    walked = outcome(profile_columns_scalar, payload, captures, scalers or {}, period_s, zone)
    profile = outcome(profile_columns, payload, captures, scalers or {}, period_s, zone)
    if isinstance(walked, DlmsError):
        assert (type(profile), profile.offset) == (type(walked), walked.offset)
        return None
    assert_same_profile(profile, walked)
    return profile


@pytest.mark.slow
@settings(max_examples=300)
@given(tables(), st.data())
def test_vector_and_walker_agree_on_any_profile(table, data):
    payload = encode(array(*(structure(*row) for row in table)))
    captures = [CaptureObject(1, Obis(0, 0, 96, 1, at, 255), 2) for at in range(len(table[0]))]
    clock = data.draw(st.none() | st.integers(0, len(captures) - 1))
    if clock is not None:
        captures[clock] = CLOCK
    if data.draw(st.integers(0, 20)) == 0:
        captures.append(ENERGY)
    both(
        payload,
        captures,
        {(Obis(0, 0, 96, 1, 0, 255), 2): (-1, 30)},
        data.draw(st.sampled_from([0, 900, 1800])),
        data.draw(st.sampled_from([None, *ZONES])),
    )


@settings(max_examples=60)
@given(st.lists(tables(), min_size=1, max_size=5))
def test_a_batch_of_profiles_gives_every_meter_its_own_rows(some):
    width = len(some[0][0])
    payloads = [encode(array(*(structure(*row) for row in table))) for table in some] * 2
    captures = [CLOCK, ENERGY, VOLTAGE, ENERGY, ENERGY, ENERGY][:width]
    for payload, batched in zip(
        payloads, profile_columns_batch(payloads, captures, {}, 900, KOLKATA).each(), strict=True
    ):
        alone = both(payload, captures)
        if alone is None:
            assert isinstance(batched, DlmsError)
        else:
            assert_same_profile(batched, alone)


def test_null_data_repeats_the_row_before_and_omitted_times_follow_the_period():
    payload = encode(
        array(
            structure(stamp(START), u16(230), u32(100)),
            structure(null(), null(), u32(101)),
            structure(null(), u16(231), null()),
            structure(stamp(START + 9000), null(), null()),
            structure(null(), null(), u32(104)),
        )
    )
    profile = both(payload, [CLOCK, VOLTAGE, ENERGY], {(ENERGY.obis, 2): (0, 30)})
    assert profile.at_s.tolist() == [START, START + 900, START + 1800, START + 9000, START + 9900]
    assert profile.time_source.tolist() == [
        TimeSource.GIVEN,
        TimeSource.DERIVED,
        TimeSource.DERIVED,
        TimeSource.GIVEN,
        TimeSource.DERIVED,
    ]
    voltage, energy = profile.columns
    assert voltage.values.tolist() == [230, 230, 231, 231, 231]
    assert energy.values.tolist() == [100, 101, 101, 101, 104]
    assert (energy.scaler, energy.unit, voltage.scaler) == (0, 30, None)
    assert energy.present.all()


def test_null_data_in_the_first_row_is_no_value():
    profile = both(encode(array(structure(null(), null()), structure(null(), u8(5)))), [CLOCK, ENERGY])
    assert profile.at_s.tolist() == [NO_TIME, NO_TIME]
    assert not profile.dated.any()
    assert profile.columns[0].present.tolist() == [False, True]


def test_delta_types_add_to_the_value_before():
    rows = [u32(1000), Data(Tag.DELTA_INT8, -3), null(), Data(Tag.DELTA_UINT16, 50), u32(7), Data(Tag.DELTA_UINT8, 1)]
    profile = both(encode(array(*(structure(stamp(START), cell) for cell in rows))), [CLOCK, ENERGY])
    assert profile.columns[0].values.tolist() == [1000, 997, 997, 1047, 7, 8]


def test_a_delta_beyond_int64_is_no_value():
    rows = [Data(Tag.INT64, 2**63 - 1), Data(Tag.DELTA_INT8, 1), Data(Tag.DELTA_INT8, 1)]
    profile = both(encode(array(*(structure(cell) for cell in rows))), [ENERGY])
    assert profile.columns[0].present.tolist() == [True, False, False]


def test_a_row_with_an_impossible_time_keeps_its_values():
    bad = octets(bytes.fromhex("07ea021e01000000000000ff"))
    payload = encode(array(structure(stamp(START), u8(1)), structure(bad, u8(2)), structure(null(), u8(3))))
    profile = both(payload, [CLOCK, ENERGY])
    assert profile.dated.tolist() == [True, False, False]
    assert profile.columns[0].values.tolist() == [1, 2, 3]


def test_a_time_column_other_than_the_clock_is_a_moment():
    demand_time = CaptureObject(4, Obis.parse("1.0.1.6.0.255"), 5)
    profile = both(encode(array(structure(stamp(START), stamp(START - 600)))), [CLOCK, demand_time])
    assert profile.columns[0].kind is ColumnKind.MOMENT
    assert profile.columns[0].values.tolist() == [START - 600]


def test_text_columns_are_opaque_and_spoil_no_other():
    profile = both(encode(array(structure(text("SN1"), u8(1)), structure(null(), u8(2)))), [VOLTAGE, ENERGY])
    assert profile.columns[0].kind is ColumnKind.OPAQUE
    assert not profile.columns[0].present.any()
    assert profile.columns[1].values.tolist() == [1, 2]


def test_compact_arrays_are_profiles_too():
    at_s = START + 900 * np.arange(96)
    columns = [
        RowSource(Tag.OCTET_STRING, encode_moments(at_s, KOLKATA)),
        RowSource(Tag.UINT32, np.arange(96)),
    ]
    captures = [CLOCK, ENERGY]
    plain, compact = encode_rows(columns), encode_compact_rows(columns)
    assert len(compact) < len(plain)
    assert_same_profile(both(plain, captures), both(compact, captures))
    np.testing.assert_array_equal(both(plain, captures).at_s, at_s)


@pytest.mark.parametrize(
    ("payload", "error", "offset"),
    [
        (b"", Truncated, 0),
        (encode(u8(1)), Malformed, 0),
        (encode(array(u8(1))), Malformed, 2),
        (encode(array(structure(u8(1), u8(2)), structure(u8(1)))), Malformed, 8),
        (encode(array(structure(u8(1), u8(2)))) + b"\x00", Malformed, 8),
        (encode(array(structure(u8(1), u8(2))))[:-1], Truncated, 7),
    ],
)
def test_what_is_no_profile_of_these_captures_is_refused_at_its_offset(payload, error, offset):
    with pytest.raises(error) as caught:
        profile_columns(payload, [CLOCK, ENERGY], {}, 900, KOLKATA)
    assert caught.value.offset == offset


def test_an_empty_profile_has_no_rows():
    profile = both(encode(array()), [CLOCK, ENERGY])
    assert len(profile) == 0
    assert len(profile.columns) == 1


@given(
    st.lists(
        st.builds(
            CaptureObject,
            st.integers(0, 65535),
            st.binary(min_size=6, max_size=6).map(Obis.from_bytes),
            st.integers(-128, 127),
            st.integers(0, 65535),
        ),
        max_size=5,
    )
)
def test_capture_objects_and_selections_are_read_back_as_written(captures):
    assert decode_capture_objects(encode_capture_objects(captures)) == tuple(captures)
    since, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    selection = RangeSelection.between(since, until, KOLKATA, tuple(captures))
    assert decode_selection(selection.to_bytes()) == selection
    assert decode_selection(selection.to_bytes()).instants(None) == (since, until)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 65535), st.integers(0, 65535))
def test_entry_selections_are_read_back_as_written(first, last, first_column, last_column):
    selection = EntrySelection(first, last, first_column, last_column)
    assert decode_selection(selection.to_bytes()) == selection


def test_the_range_selection_has_the_bytes_of_the_standard():
    selection = RangeSelection.between(
        datetime(2026, 1, 14, 18, 30, tzinfo=UTC), datetime(2026, 1, 15, 18, 30, tzinfo=UTC), KOLKATA
    )
    assert selection.to_bytes().hex() == (
        "01" + "0204" + "0204" + "120008" + "0906" + "0000010000ff" + "0f02" + "120000"
        "090c07ea010f0400000000feb600" + "090c07ea01100500000000feb600" + "0100"
    )


@pytest.mark.parametrize("wire", ["", "03", "0200", "0100", "01020411010102030405"])
def test_other_selections_are_refused(wire):
    with pytest.raises(DlmsError):
        decode_selection(bytes.fromhex(wire))


def test_ranges_of_other_things_than_time_are_not_supported():
    numbers = structure(CLOCK.to_data(), u32(1), u32(2), array())
    with pytest.raises(Unsupported):
        decode_selection(b"\x01" + encode(numbers))


def test_scalers_are_matched_by_name_not_by_position():
    demand = CaptureObject(5, Obis.parse("1.0.1.4.0.255"), 4)
    captures = [
        CaptureObject(3, VOLTAGE.obis, 3),
        CaptureObject(1, Obis.parse("0.0.96.1.0.255"), 2),
        CaptureObject(3, ENERGY.obis, 3),
        demand,
    ]
    buffer = encode(
        array(
            structure(
                structure(i8(-1), enum(35)),
                text("SN1"),
                structure(i8(0), enum(30)),
                structure(i8(2), enum(27)),
            )
        )
    )
    assert decode_scaler_profile(buffer, captures) == {
        (VOLTAGE.obis, 2): (-1, 35),
        (ENERGY.obis, 2): (0, 30),
        (demand.obis, 2): (2, 27),
        (demand.obis, 3): (2, 27),
    }
    assert decode_scaler_profile(encode(array()), captures) == {}
    with pytest.raises(Malformed):
        decode_scaler_profile(buffer, captures[:2])


def test_a_single_scaler_and_unit_is_read():
    assert decode_scaler_unit(encode(structure(i8(-3), enum(13)))) == (-3, 13)
    with pytest.raises(Malformed):
        decode_scaler_unit(encode(u8(1)))
