"""Pushed bodies of every layout become typed rows; what fits none is handed back whole with the reasons."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.errors import DlmsError, Malformed
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.protocols.dlms.push import Layout, PushReading, PushValue, builtin_layouts, read_push, read_push_objects

TIME = bytes.fromhex("07e9050c01101e00ff014a00")
MOMENT = CosemDateTime.from_bytes(TIME)
POWER, ENERGY, CURRENT, VOLTAGE = (Obis.parse(f"1.0.{c}.{d}.0.255") for c, d in ((1, 7), (1, 8), (31, 7), (32, 7)))
CLOCK, METER_ID, LIST = Obis.parse("0.0.1.0.0.255"), Obis.parse("0.0.96.1.0.255"), Obis.parse("1.1.0.2.129.255")
INSTANT = Obis.parse("0.0.25.9.0.255")


def name(obis: Obis) -> Data:
    return data.octets(obis.to_bytes())


def unit(scaler: int, code: int) -> Data:
    return data.structure(data.i8(scaler), data.enum(code))


def told(reading: PushReading) -> dict[str, tuple[object, int, int | None]]:
    (row,) = reading.rows
    return {str(value.obis): (value.value, value.scaler, value.unit) for value in row.values}


AIDON = data.array(
    data.structure(name(LIST), data.text("AIDON_V0001")),
    data.structure(name(METER_ID), data.text("7359992890941742")),
    data.structure(name(POWER), data.u32(1234), unit(0, 27)),
    data.structure(name(CURRENT), data.i16(57), unit(-1, 33)),
    data.structure(name(VOLTAGE), data.u16(2301), unit(-1, 35)),
    data.structure(name(CLOCK), data.octets(TIME)),
    data.structure(name(ENERGY), data.u32(1_568_793), unit(1, 30)),
)
KAMSTRUP = data.structure(
    data.text("Kamstrup_V0001"),
    *(name(Obis.parse("1.1.0.0.5.255")), data.text("5706567274389702")),
    *(name(Obis.parse("1.1.1.7.0.255")), data.u32(1468)),
    *(name(Obis.parse("1.1.31.7.0.255")), data.u32(568)),
    *(name(Obis.parse("1.1.32.7.0.255")), data.u16(231)),
    *(name(Obis.parse("0.1.1.0.0.255")), data.octets(TIME)),
    *(name(Obis.parse("1.1.1.8.0.255")), data.u32(154_873)),
)
KAIFA = data.structure(
    *(data.octets(text) for text in (b"KFM_001", b"6970631403757615", b"MA304H3E")),
    *(data.u32(number) for number in (3426, 0, 0, 51, 10533, 12269, 4624, 2325, 0, 2345)),
    data.octets(TIME),
    *(data.u32(number) for number in (82_840_532, 0, 2_143_101, 35_883_243)),
)
IS15959 = data.structure(
    data.octets(b"DM000001"),
    name(INSTANT),
    data.octets(TIME),
    data.u32(230_10),
    data.i32(-5),
    data.text("ok"),
)
E450 = data.structure(
    data.array(*(CaptureObject(c, o, 2).to_data() for c, o in ((40, INSTANT), (8, CLOCK), (3, POWER), (3, ENERGY)))),
    data.octets(TIME),
    data.u32(500),
    data.u32(312_000),
)
IDIS = data.structure(
    data.structure(data.u16(8), name(CLOCK), data.i8(2), data.octets(TIME)),
    data.structure(data.u16(1), name(METER_ID), data.i8(2), data.octets(b"ABC1")),
    data.structure(data.u16(3), name(ENERGY), data.i8(2), data.u32(99)),
)
PAIRS = data.structure(name(CLOCK), data.octets(TIME), name(ENERGY), data.u32(99))

BODIES = {
    "obis-entries": AIDON,
    "kamstrup": KAMSTRUP,
    "kaifa": KAIFA,
    "is15959": IS15959,
    "described": E450,
    "object-entries": IDIS,
    "obis-pairs": PAIRS,
    "listed-obis-pairs": data.structure(data.text("ISK"), *PAIRS.value),
}


@pytest.mark.parametrize("layout", BODIES)
def test_the_layout_of_a_body_is_found(layout: str) -> None:
    reading = read_push(axdr.encode(BODIES[layout]))
    assert (reading.layout, reading.raw, reading.at, reading.reasons) == (layout, BODIES[layout], MOMENT, ())
    assert read_push(BODIES[layout], name=layout) == reading


def test_a_body_of_structures_tells_scalers_and_units() -> None:
    reading = read_push(AIDON)
    assert reading.meter_id == "7359992890941742"
    assert told(reading) == {
        str(LIST): ("AIDON_V0001", 0, None),
        str(METER_ID): ("7359992890941742", 0, None),
        str(POWER): (1234, 0, 27),
        str(CURRENT): (57, -1, 33),
        str(VOLTAGE): (2301, -1, 35),
        str(CLOCK): (MOMENT, 0, None),
        str(ENERGY): (1_568_793, 1, 30),
    }
    power = reading.rows[0].value(POWER)
    assert power == PushValue(2, 1234, POWER, 2, None, 0, 27)
    assert reading.rows[0].value(POWER, 3) is None


def test_names_and_values_in_turn_take_their_scalers_from_the_layout() -> None:
    reading = read_push(KAMSTRUP)
    assert reading.meter_id == "5706567274389702"
    assert told(reading)["1.1.31.7.0.255"] == (568, -2, 33)
    assert told(reading)["1.1.1.8.0.255"] == (154_873, 1, 30)
    assert told(reading)["0.1.1.0.0.255"] == (MOMENT, 0, None)


def test_a_list_without_names_is_read_by_places() -> None:
    reading = read_push(KAIFA)
    assert reading.meter_id == "6970631403757615"
    assert told(reading)["1.0.31.7.0.255"] == (10533, -3, 33)
    assert told(reading)["1.0.72.7.0.255"] == (2345, -1, 35)
    assert told(reading)["1.0.1.8.0.255"] == (82_840_532, 0, 30)
    assert read_push(data.structure(*KAIFA.value[:13])).layout == "kaifa"
    assert read_push(data.structure(*KAIFA.value[:12])).layout is None


def test_an_indian_push_names_meter_setup_and_clock_and_its_data_by_the_object_list() -> None:
    reading = read_push(IS15959)
    assert (reading.meter_id, reading.push_obis, reading.at) == ("DM000001", INSTANT, MOMENT)
    assert [value.value for value in reading.rows[0].values] == [23010, -5, "ok"]
    assert [value.obis for value in reading.rows[0].values] == [None] * 3
    named = Layout.from_json(
        '{"name": "utility", "shape": "flat", "header": ["meter_id", "push_obis", "clock", "rows"], "objects":'
        '{"0.0.25.9.0.255": [{"obis": "1.0.12.7.0.255", "scaler": [-2, 35]}, "1.0.1.7.0.255", "0.0.96.2.0.255"]}}'
    )
    values = read_push(IS15959, [named]).rows[0].values
    assert [str(value.obis) for value in values] == ["1.0.12.7.0.255", "1.0.1.7.0.255", "0.0.96.2.0.255"]
    assert (values[0].scaler, values[0].unit) == (-2, 35)
    short = data.structure(*IS15959.value[:4])
    assert "has 3" in read_push(short, [named]).reasons[0]


@pytest.mark.parametrize("table", [False, True])
def test_an_indian_push_may_carry_rows(table: bool) -> None:
    rows = [data.structure(data.octets(TIME), data.u32(n)) for n in range(3)]
    body = data.structure(*IS15959.value[:3], data.array(*rows) if table else rows[0])
    reading = read_push(body)
    assert [row.at for row in reading.rows] == [MOMENT] * (3 if table else 1)
    assert [row.values[1].value for row in reading.rows] == list(range(3 if table else 1))


def test_the_object_list_in_front_names_the_values() -> None:
    reading = read_push(E450)
    assert told(reading) == {str(CLOCK): (MOMENT, 0, None), str(POWER): (500, 0, None), str(ENERGY): (312_000, 0, None)}
    assert [value.class_id for value in reading.rows[0].values] == [8, 3, 3]


def test_a_known_object_list_reads_one_row_or_many() -> None:
    captures = (CaptureObject(8, CLOCK, 2), CaptureObject(3, ENERGY, 2))
    row = data.structure(data.octets(TIME), data.u32(7))
    for body, count in ((row, 1), (data.array(row, row, row), 3), (data.structure(row), 1)):
        reading = read_push_objects(axdr.encode(body), captures, {(ENERGY, 2): (-3, 30)})
        assert [told_row.at for told_row in reading.rows] == [MOMENT] * count
        assert reading.rows[0].values[1] == PushValue(1, 7, ENERGY, 2, 3, -3, 30)
    reading = read_push_objects(data.structure(data.u8(1)), captures)
    assert (reading.layout, reading.rows) == (None, ())
    assert "1 elements where 2" in reading.reasons[0]
    assert read_push_objects(data.u8(1), captures).layout is None


@pytest.mark.parametrize("octets", ["07e9630c01101e00ff014a00", "ffffffffffffffffffffffff"])
def test_an_impossible_clock_does_not_lose_the_rest(octets: str) -> None:
    body = data.array(*AIDON.value[:5], data.structure(name(CLOCK), data.octets(bytes.fromhex(octets))), AIDON.value[6])
    reading = read_push(body)
    assert told(reading)[str(ENERGY)] == (1_568_793, 1, 30)
    assert reading.layout == "obis-entries"
    assert len(reading.reasons) == (1 if octets.startswith("07") else 0)


@pytest.mark.parametrize(
    "body",
    [
        data.null(),
        data.u32(5),
        data.structure(),
        data.array(),
        data.structure(data.u32(5)),
        data.structure(data.u32(5), data.u32(6)),
        data.structure(name(CLOCK), data.u8(1), name(CLOCK)),
        data.array(data.structure(name(POWER))),
        data.array(data.structure(name(POWER), data.u8(1), data.u8(2))),
        data.array(data.structure(name(POWER), data.u8(1)), data.u8(2)),
        data.structure(data.octets(b"DM000001"), name(CLOCK), data.octets(TIME), data.u8(1)),
        data.structure(data.octets(b"DM000001"), name(INSTANT), data.octets(b"no time"), data.u8(1)),
        data.structure(data.array(data.u8(1)), data.u8(1)),
    ],
)
def test_what_fits_no_layout_is_handed_back_with_a_reason_for_each(body: Data) -> None:
    reading = read_push(body)
    assert (reading.layout, reading.rows, reading.raw) == (None, (), body)
    assert len(reading.reasons) == sum(layout.automatic for layout in builtin_layouts())
    assert all(": " in reason for reason in reading.reasons)


def test_a_list_that_looks_like_any_other_is_taken_only_by_name() -> None:
    body = data.structure(data.u32(1500))
    assert read_push(body).layout is None
    assert told(read_push(body, name="kaifa-list-1")) == {str(POWER): (1500, 0, 27)}
    with pytest.raises(Malformed, match="no push layout"):
        read_push(body, name="unheard of")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"name": "x", "shape": "round"}',
        '{"name": "x", "shape": "flat", "cycle": ["obis", "guess"]}',
        '{"name": "x", "shape": "positions", "lists": [["1.0"]]}',
        '{"name": "x", "shape": "flat", "scalers": {"1.0.1.8.0.255": [1]}}',
        '{"name": "x", "shape": "flat", "body": "circle"}',
    ],
)
def test_a_file_that_is_no_layout_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="not a push layout"):
        Layout.from_json(text)


def test_layouts_have_names_of_their_own() -> None:
    names = [layout.name for layout in builtin_layouts()]
    assert len(names) == len(set(names)) >= 9


def attempt(octets: bytes) -> PushReading | DlmsError:
    try:
        return read_push(octets)
    except DlmsError as error:
        return error


def test_cut_and_altered_bodies_are_typed_errors_or_readings_soon() -> None:
    """Every cut of every body, every flipped bit, and 6,000 seeded mutants."""
    rng = random.Random(15959)
    bodies = [axdr.encode(body) for body in BODIES.values()]
    altered = [whole[:cut] for whole in bodies for cut in range(len(whole))]
    altered += [
        whole[:at] + bytes((whole[at] ^ 1 << rng.randrange(8),)) + whole[at + 1 :]
        for whole in bodies
        for at in range(len(whole))
    ]
    for n in range(6_000):
        octets = bytearray(bodies[n % len(bodies)])
        for _ in range(rng.randint(1, 4)):
            octets[rng.randrange(len(octets))] = rng.randrange(256)
        altered.append(bytes(octets))
    started = time.process_time()
    for octets in altered:
        reading = attempt(octets)
        if isinstance(reading, DlmsError):
            assert reading.offset is None or 0 <= reading.offset <= len(octets)
        else:
            assert reading.layout is None or reading.rows
    assert (time.process_time() - started) / len(altered) < 0.001


values = st.recursive(
    st.one_of(
        st.builds(data.null),
        st.builds(data.u32, st.integers(0, 0xFFFF_FFFF)),
        st.builds(data.octets, st.binary(max_size=13)),
        st.just(name(POWER)),
        st.just(data.octets(TIME)),
        st.builds(data.text, st.sampled_from(["Kamstrup_V0001", "KFM_001", "x"])),
    ),
    lambda inner: st.lists(inner, max_size=6).flatmap(
        lambda items: st.sampled_from([data.structure(*items), data.array(*items)])
    ),
    max_leaves=20,
)


@given(values)
def test_any_body_is_read_or_handed_back(body: Data) -> None:
    reading = read_push(body)
    assert reading.raw == body
    assert (reading.layout is None) == (not reading.rows)
