"""Pushed bodies of every layout become typed rows; what fits none, or several, is handed back whole with the reasons."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.drivers.dlms.profiles import builtin
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.errors import DlmsError, Malformed
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.protocols.dlms.push import Column, Layout, PushReading, PushValue, Shape
from demeter.protocols.dlms.push import read_push as read_with

TIME = bytes.fromhex("07e9050c01101e00ff014a00")
MOMENT = CosemDateTime.from_bytes(TIME)
POWER, ENERGY, CURRENT, VOLTAGE = (Obis.parse(f"1.0.{c}.{d}.0.255") for c, d in ((1, 7), (1, 8), (31, 7), (32, 7)))
CLOCK, METER_ID, LIST = Obis.parse("0.0.1.0.0.255"), Obis.parse("0.0.96.1.0.255"), Obis.parse("1.1.0.2.129.255")
INSTANT = Obis.parse("0.0.25.9.0.255")
LAYOUTS = builtin().push_layouts
AUTOMATIC = tuple(layout for layout in LAYOUTS if layout.automatic)


def read_push(body, layouts=AUTOMATIC, objects=None) -> PushReading:
    return read_with(body, layouts, objects or {})


def columns(*texts: str) -> tuple[Column, ...]:
    return tuple(map(Column.parse, texts))


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
    "han-aidon/list": AIDON,
    "han-kamstrup/list": KAMSTRUP,
    "han-kaifa/lists": KAIFA,
    "is15959-smart/push": IS15959,
    "idis-2/push": data.structure(name(Obis.parse("0.1.25.9.0.255")), data.octets(TIME), data.u32(99)),
    "pushes/described": E450,
    "pushes/objects": IDIS,
    "pushes/entries": data.structure(*AIDON.value[1:]),
    "pushes/pairs": PAIRS,
    "pushes/listed-pairs": data.structure(data.text("ISK"), *PAIRS.value),
}


@pytest.mark.parametrize("layout", BODIES)
def test_the_layout_of_a_body_is_found(layout: str) -> None:
    reading = read_push(axdr.encode(BODIES[layout]))
    assert (reading.layout, reading.raw, reading.at, reading.reasons) == (layout, BODIES[layout], MOMENT, ())
    (alone,) = (each for each in LAYOUTS if each.name == layout)
    assert read_push(BODIES[layout], [alone]) == reading


def test_a_body_of_structures_tells_scalers_and_units() -> None:
    reading = read_push(AIDON)
    assert reading.names == ("7359992890941742",)
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
    assert reading.names == ("5706567274389702",)
    assert told(reading)["1.1.31.7.0.255"] == (568, -2, 33)
    assert told(reading)["1.1.1.8.0.255"] == (154_873, 1, 30)
    assert told(reading)["0.1.1.0.0.255"] == (MOMENT, 0, None)


def test_a_list_without_names_is_read_by_places() -> None:
    reading = read_push(KAIFA)
    assert reading.names == ("6970631403757615",)
    assert told(reading)["1.0.31.7.0.255"] == (10533, -3, 33)
    assert told(reading)["1.0.72.7.0.255"] == (2345, -1, 35)
    assert told(reading)["1.0.1.8.0.255"] == (82_840_532, 0, 30)
    assert read_push(data.structure(*KAIFA.value[:13])).layout == "han-kaifa/lists"
    assert read_push(data.structure(*KAIFA.value[:12])).layout is None


def test_an_indian_push_names_meter_setup_and_clock_and_its_data_by_the_object_list() -> None:
    reading = read_push(IS15959)
    assert (reading.names, reading.push_obis, reading.at) == (("DM000001",), INSTANT, MOMENT)
    assert [value.value for value in reading.rows[0].values] == [23010, -5, "ok"]
    assert [value.obis for value in reading.rows[0].values] == [None] * 3
    header = ("1 0.0.96.1.2.255 2", "40 0.0.25.9.0.255 1", "8 0.0.1.0.0.255 2")
    known = {INSTANT: columns(*header, "3 1.0.12.7.0.255 2 -2 35", "3 1.0.1.7.0.255 2", "1 0.0.96.2.0.255 2")}
    values = read_push(IS15959, objects=known).rows[0].values
    assert [str(value.obis) for value in values] == ["1.0.12.7.0.255", "1.0.1.7.0.255", "0.0.96.2.0.255"]
    assert (values[0].scaler, values[0].unit) == (-2, 35)
    short = read_push(data.structure(*IS15959.value[:4]), objects=known)
    assert "has 6" in short.reasons[0]
    assert [value.obis for value in short.rows[0].values] == [None]


def test_a_profile_inside_a_push_is_read_by_the_columns_the_meter_records() -> None:
    rows = [data.structure(data.octets(TIME) if n == 0 else data.null(), data.u32(n)) for n in range(3)]
    push = Obis.parse("0.5.25.9.0.255")
    body = data.structure(data.octets(b"DM000001"), name(push), data.octets(TIME), data.array(*rows))
    block = Obis.parse("1.0.99.1.0.255")
    header = ("1 0.0.96.1.2.255 2", "40 0.5.25.9.0.255 1", "8 0.0.1.0.0.255 2")
    known = {
        push: columns(*header, "7 1.0.99.1.0.255 2"),
        block: columns("8 0.0.1.0.0.255 2", "3 1.0.1.29.0.255 2 0 30"),
    }
    reading = read_push(body, objects=known)
    assert [row.values[1].value for row in reading.rows] == [0, 1, 2]
    # a row whose own clock is left out has no time: that of the header is when it was sent
    assert [row.at for row in reading.rows] == [MOMENT, None, None]


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


def test_object_lists_of_later_versions_are_read_and_scalers_come_from_what_is_known_of_the_meter() -> None:
    def later(capture: CaptureObject) -> Data:
        restriction = data.structure(data.enum(0), data.null())
        return data.structure(*capture.to_data().value, restriction, data.array())

    listed = data.array(
        *(later(CaptureObject(c, o, 2)) for c, o in ((40, INSTANT), (1, METER_ID), (8, CLOCK), (3, ENERGY)))
    )
    body = data.structure(listed, data.text("DM000001"), data.octets(TIME), data.u32(1234))
    reading = read_push(body)
    assert (reading.layout, reading.names, reading.at) == ("pushes/described", ("DM000001",), MOMENT)
    assert told(reading)[str(ENERGY)] == (1234, 0, None)
    known = {POWER: columns("3 1.0.1.8.0.255 2 -1 30", "3 1.0.1.8.0.255 3")}
    assert told(read_push(body, objects=known))[str(ENERGY)] == (1234, -1, 30)


def test_a_known_object_list_names_whatever_the_meter_pushes() -> None:
    known = {None: columns("8 0.0.1.0.0.255 2", "3 1.0.1.8.0.255 2 -3 30")}
    reading = read_push(axdr.encode(data.structure(data.octets(TIME), data.u32(7))), objects=known)
    assert (reading.layout, reading.rows[0].at) == ("push objects", MOMENT)
    assert reading.rows[0].values[1] == PushValue(1, 7, ENERGY, 2, 3, -3, 30)
    for body in (
        data.structure(data.u8(1)),
        data.structure(data.u8(1), data.u8(1)),
        data.structure(data.octets(TIME), data.text("7")),
        data.u8(1),
    ):
        assert read_push(body, (), objects=known).layout is None


def test_a_body_that_two_layouts_read_differently_is_not_guessed() -> None:
    other = Layout("x/other", Shape.FLAT, cycle=("obis", "value"), scalers={ENERGY: (3, 30)})
    reading = read_push(PAIRS, (*AUTOMATIC, other))
    assert (reading.layout, reading.rows) == (None, ())
    assert reading.reasons[-1] == "it may be pushes/pairs or x/other"
    same = Layout("x/same", Shape.FLAT, cycle=("obis", "value"))
    assert read_push(PAIRS, (*AUTOMATIC, same)).layout == "pushes/pairs"


@pytest.mark.parametrize("octets", ["07e9630c01101e00ff014a00", "ffffffffffffffffffffffff"])
def test_an_impossible_clock_does_not_lose_the_rest(octets: str) -> None:
    body = data.array(*AIDON.value[:5], data.structure(name(CLOCK), data.octets(bytes.fromhex(octets))), AIDON.value[6])
    reading = read_push(body)
    assert told(reading)[str(ENERGY)] == (1_568_793, 1, 30)
    assert reading.layout == "han-aidon/list"
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
    assert len(reading.reasons) == len(AUTOMATIC)
    assert all(": " in reason for reason in reading.reasons)


def test_a_list_that_looks_like_any_other_is_taken_only_when_asked_for() -> None:
    body = data.structure(data.u32(1500))
    assert read_push(body).layout is None
    (shortest,) = (layout for layout in LAYOUTS if not layout.automatic)
    assert shortest.name == "han-kaifa/list-1"
    assert told(read_push(body, [shortest])) == {str(POWER): (1500, 0, 27)}


@pytest.mark.parametrize("text", ["", "1.0.1.8.0.255", "3 1.0.1.8.0.255 two", "3 1.0.1.8.0.255 2 1", "3 1.0 2"])
def test_what_is_no_column_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Column.parse(text)


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
