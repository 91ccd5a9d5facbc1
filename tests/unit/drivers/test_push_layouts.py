"""Push layouts: bodies are recognised by what they are, and their values come out named and exact."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.drivers.dlms.profiles import builtin, detect, read_push
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data, Tag, array, enum, i8, i16, octets, structure, text, u16, u32
from demeter.protocols.dlms.errors import Unsupported
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from tests.unit.protocols.dlms.dlms_strategies import trees

LIBRARY = builtin()
EVERY = [layout for name in LIBRARY.ids for layout in LIBRARY.profile(name, LIBRARY.overlays(name)).pushes.values()]
CLOCK = octets(CosemDateTime(2026, 11, 20, 5, 13, 0, 0, None, -60, 0).to_bytes())


def name(obis):
    return octets(Obis.parse(obis).to_bytes())


def quantities(values):
    return {str(value.obis): (value.quantity, value.unit) for value in values if value.quantity is not None}


def kaifa(phases, hourly):
    head = [octets(b"KFM_001"), octets(b"6970631400000000"), octets(b"MA304H3E")]
    powers = [u32(948), u32(0), u32(0), u32(64)]
    electrical = [u32(1416)] * phases + [u32(2385)] * phases
    return structure(*head, *powers, *electrical, *([CLOCK, u32(10049926), u32(0), u32(5), u32(7)] if hourly else []))


@pytest.mark.parametrize(
    ("phases", "hourly", "key"),
    [(1, False, "list-2-single"), (3, False, "list-2-three"), (1, True, "list-3-single"), (3, True, "list-3-three")],
)
def test_a_kaifa_list_is_known_by_its_length(phases, hourly, key):
    body = kaifa(phases, hourly)
    layout = detect(body, EVERY)
    assert layout.key == key
    found = quantities(read_push(body, layout))
    assert found["1.0.1.7.0.255"] == (Decimal(948), 27)
    assert found["1.0.31.7.0.255"] == (Decimal("1.416"), 33)
    assert found["1.0.32.7.0.255"] == (Decimal("238.5"), 35)
    assert ("1.0.1.8.0.255" in found) is hourly


def test_the_shortest_kaifa_list_is_one_number():
    layout = detect(structure(u32(500)), EVERY)
    assert layout.key == "list-1"
    assert quantities(read_push(structure(u32(500)), layout)) == {"1.0.1.7.0.255": (Decimal(500), 27)}


def test_a_kamstrup_list_names_its_values_itself():
    body = structure(
        text("Kamstrup_V0001"),
        name("1.1.0.0.5.255"),
        text("5706567000000000"),
        name("1.1.1.7.0.255"),
        u32(1506),
        name("1.1.31.7.0.255"),
        u32(57),
        name("1.1.32.7.0.255"),
        u16(237),
        name("1.1.1.8.0.255"),
        u32(6307498),
        name("1.1.99.7.0.255"),
        u32(1),
    )
    layout = detect(body, EVERY)
    assert layout.form == "pairs"
    found = read_push(body, layout)
    assert len(found) == 6
    assert quantities(found) == {
        "1.1.1.7.0.255": (Decimal(1506), 27),
        "1.1.31.7.0.255": (Decimal("0.57"), 33),
        "1.1.32.7.0.255": (Decimal(237), 35),
        "1.1.1.8.0.255": (Decimal(63074980), 30),
    }


def test_an_aidon_list_carries_scaler_and_unit():
    body = array(
        structure(name("1.1.0.2.129.255"), text("AIDON_V0001")),
        structure(name("1.0.1.7.0.255"), u32(1362), structure(i8(0), enum(27))),
        structure(name("1.0.31.7.0.255"), i16(93), structure(i8(-1), enum(33))),
        structure(name("1.0.32.7.0.255"), u16(2500), structure(i8(-1), enum(35))),
    )
    layout = detect(body, EVERY)
    assert layout.form == "structures"
    assert quantities(read_push(body, layout)) == {
        "1.0.1.7.0.255": (Decimal(1362), 27),
        "1.0.31.7.0.255": (Decimal("9.3"), 33),
        "1.0.32.7.0.255": (Decimal("250.0"), 35),
    }


def indian(setup):
    return structure(octets(b"DMT0000000000001"), name(setup), CLOCK, u16(23010), u32(4711))


def test_an_indian_push_is_known_by_its_push_setup():
    assert detect(indian("0.0.25.9.0.255"), EVERY).key == "instant"
    assert detect(indian("0.4.25.9.0.255"), EVERY).key == "alert"
    assert detect(indian("0.132.25.9.0.255"), EVERY).key == "bill"
    assert detect(indian("0.77.25.9.0.255"), EVERY) is None


def test_the_object_list_of_the_push_setup_names_what_follows_the_header():
    body = indian("0.0.25.9.0.255")
    layout = detect(body, EVERY)
    assert [str(value.obis) for value in read_push(body, layout)] == [
        "0.0.96.1.2.255",
        "0.0.25.9.0.255",
        "0.0.1.0.0.255",
    ]
    listed = [
        CaptureObject(1, Obis.parse("0.0.96.1.2.255"), 2),
        CaptureObject(40, Obis.parse("0.0.25.9.0.255"), 1),
        CaptureObject(8, Obis.parse("0.0.1.0.0.255"), 2),
        CaptureObject(3, Obis.parse("1.0.12.7.0.255"), 2),
        CaptureObject(3, Obis.parse("1.0.1.8.0.255"), 2),
    ]
    assert [value.data.value for value in read_push(body, layout, listed)][3:] == [23010, 4711]


@pytest.mark.parametrize(
    "body",
    [
        Data(Tag.NULL),
        u32(1),
        structure(),
        array(),
        structure(octets(b"KFM_001"), u32(1)),
        structure(text("Kamstrup_V0001"), u32(1)),
        structure(u32(1), u32(2)),
        array(structure(name("9.9.9.9.9.255"), u32(1))),
        array(structure(octets(b"ab"), u32(1))),
    ],
)
def test_what_fits_no_layout_is_not_guessed(body):
    assert detect(body, EVERY) is None
    with pytest.raises(Unsupported):
        read_push(body, EVERY[0])


@given(trees, st.sampled_from(EVERY))
def test_any_body_is_read_or_refused(body, layout):
    try:
        assert read_push(body, layout)
    except Unsupported:
        assert detect(body, [layout]) is None
