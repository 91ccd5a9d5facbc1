"""Interface classes: what is written is read back, in data, JSON and words; what is unknown stays readable."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demeter.protocols.dlms.axdr import decode_all, encode
from demeter.protocols.dlms.classes import (
    AssociationLn1,
    CompactData,
    ControlState,
    DisconnectControl,
    PushSetup,
    PushSetup2,
    Register,
    Unit,
    UnknownObject,
    cosem_object,
    data_from_json,
    data_to_json,
    data_words,
    known_classes,
    object_from_json,
    symbol_of,
    unit_of,
)
from demeter.protocols.dlms.classes.data_json import TAGS_BY_NAME
from demeter.protocols.dlms.data import Data, Tag, array, boolean, enum, i8, i16, octets, structure, text, u8, u16, u32
from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.obis import Obis
from tests.unit.protocols.dlms.class_strategies import values_of
from tests.unit.protocols.dlms.dlms_strategies import trees

NAME = Obis.parse("0.0.96.3.10.255")
PROMISED = (
    1,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    11,
    15,
    17,
    18,
    20,
    21,
    22,
    23,
    40,
    61,
    62,
    64,
    68,
    70,
    71,
    72,
    111,
    112,
    113,
    115,
    122,
)
CLASSES = sorted(known_classes())
quick = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_every_promised_class_has_a_table():
    assert set(PROMISED) <= {class_id for class_id, _ in CLASSES}


def test_the_association_and_the_push_setup_differ_by_version():
    assert 9 not in known_classes()[15, 0].interface.attributes
    assert known_classes()[15, 3].interface.attribute("user_list").number == 10
    assert PushSetup.interface.attributes[7].shape.label == "long-unsigned"
    assert PushSetup2.interface.attributes[7].shape.label == "structure RepetitionDelay"


@pytest.mark.parametrize("key", CLASSES)
@quick
@given(st.data())
def test_every_attribute_is_read_back_as_written(key, data):
    kind = known_classes()[key]
    for number, attribute in kind.interface.attributes.items():
        value = data.draw(values_of(attribute.shape), label=attribute.name)
        wire = encode(attribute.encode(value))
        found = kind(NAME, {number: decode_all(wire)})
        assert getattr(found, attribute.name) == value
        assert found.encode(number) == wire


@pytest.mark.parametrize("key", CLASSES)
@quick
@given(st.data())
def test_every_object_is_the_same_after_json(key, data):
    kind = known_classes()[key]
    values = {
        a.name: data.draw(values_of(a.shape)) for a in kind.interface.attributes.values() if data.draw(st.booleans())
    }
    found = kind.from_values(NAME, **values)
    assert object_from_json(json.loads(json.dumps(found.to_json()))) == found
    assert str(NAME) in found.describe()


@pytest.mark.parametrize("key", CLASSES)
def test_every_method_takes_a_parameter_of_its_type(key):
    for method in known_classes()[key].interface.methods.values():
        assert method.number > 0
        if method.shape.label == "integer":
            assert method.shape.encode(0) == i8(0)


@quick
@given(st.sampled_from([*CLASSES, (70, 7), (4711, 0)]), st.dictionaries(st.integers(2, 30), trees, max_size=3))
def test_any_data_in_any_object_stays_readable_and_survives_json(key, data):
    found = cosem_object(*key, NAME, data)
    assert {number: read for number, _, read in found.attributes_read()} == data
    again = object_from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert {n: encode(d) for n, d in again.data.items()} == {n: encode(d) for n, d in found.data.items()}
    assert found.describe().count("\n") >= len(data)


@given(trees)
def test_any_data_survives_json(data):
    assert encode(data_from_json(json.loads(json.dumps(data_to_json(data), allow_nan=False)))) == encode(data)
    assert data_words(data)


def test_a_register_shows_its_exact_quantity_and_takes_it_back():
    register = Register(Obis.parse("1.0.12.27.0.255"), {2: u16(23010), 3: structure(i8(-2), enum(35))})
    assert register.quantity(2) == (Decimal("230.10"), "V")
    assert "value: 230.10 V" in register.describe()
    shown = register.to_json()
    assert shown["attributes"]["value"] == {"type": "long-unsigned", "scaled": "230.10", "unit": "V"}
    assert object_from_json(shown) == register


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"scaled": "230.105", "unit": "V"}, "finer than the scaler"),
        ({"scaled": "230.10", "unit": "A"}, "the unit is V"),
        ({"scaled": "many"}, "no decimal number"),
        (17, "not a typed value"),
    ],
)
def test_a_value_that_cannot_be_kept_exactly_is_refused(value, message):
    shown = Register(NAME, {3: structure(i8(-2), enum(35))}).to_json()
    shown["attributes"]["value"] = value
    with pytest.raises(Malformed, match=message) as caught:
        object_from_json(shown)
    assert "attributes.value" in str(caught.value)


def test_what_was_not_read_is_none_and_what_does_not_fit_says_so():
    relay = DisconnectControl(NAME, {2: text("on"), 3: enum(2)})
    assert relay.control_mode is None
    assert relay.control_state is ControlState.READY_FOR_RECONNECTION
    with pytest.raises(Malformed, match=r"output_state \(attribute 2\): visible-string where boolean is due"):
        _ = relay.output_state
    assert "output_state: on (not what the class defines" in relay.describe()
    assert relay.to_json()["attributes"]["output_state"] == {"data": {"type": "visible-string", "value": "on"}}


def test_an_integer_of_another_width_is_read_and_kept_as_sent():
    found = known_classes()[7, 1](NAME, {4: u16(900)})
    assert found.capture_period == 900
    assert found.encode(4) == encode(u16(900))
    assert object_from_json(found.to_json()) == found


def test_numbers_outside_an_enumeration_stay_numbers():
    assert DisconnectControl(NAME, {4: enum(200)}).control_mode == 200
    assert DisconnectControl(NAME, {4: enum(200)}).to_json()["attributes"]["control_mode"] == 200


def test_unknown_classes_and_versions_are_plain_data():
    unknown = cosem_object(8000, 3, NAME, {2: u8(1)})
    assert isinstance(unknown, UnknownObject)
    assert unknown == unknown.with_data(2, u8(1))
    assert unknown != cosem_object(8000, 4, NAME, {2: u8(1)})
    assert "class 8000" in unknown.describe()
    newer = cosem_object(70, 5, NAME, {2: boolean(True)})
    assert newer.interface.title == "Disconnect control, unknown version"
    assert newer.to_json()["attributes"] == {"attribute 2": {"data": {"type": "boolean", "value": True}}}


def test_an_object_cannot_be_changed():
    given_data = {2: boolean(True)}
    relay = DisconnectControl(NAME, given_data)
    given_data[2] = boolean(False)
    assert relay.output_state is True
    with pytest.raises(TypeError):
        relay.data[2] = boolean(False)
    assert relay.with_data(2, encode(boolean(False))).output_state is False
    assert relay.logical_name == NAME


def test_values_are_checked_when_an_object_is_made():
    with pytest.raises(Malformed, match="no attribute colour"):
        Register.from_values(NAME, colour=1)
    with pytest.raises(Malformed, match="outside 0 to 255"):
        CompactData.from_values(NAME, template_id=256)


@pytest.mark.parametrize(
    "shown",
    [
        None,
        {},
        {"class_id": "x", "version": 0, "obis": "0.0.1.0.0.255", "attributes": {}},
        {"class_id": 8, "version": 0, "obis": "0.0.1.0.0.255", "attributes": {"colour": 1}},
        {"class_id": 8, "version": 0, "obis": "0.0.1.0.0.255", "attributes": {"time": {"year": "soon"}}},
        {"class_id": 8, "version": 0, "obis": "0.0.1.0.0.255", "attributes": {"attribute 77": 1}},
        {"class_id": 70, "version": 0, "obis": "0.0.1.0.0.255", "attributes": {"control_state": "open"}},
        {"class_id": 9, "version": 0, "obis": "0.0.1.0.0.255", "attributes": {"scripts": [{"identifier": 1}]}},
    ],
)
def test_json_that_is_no_object_is_refused(shown):
    with pytest.raises(Malformed):
        object_from_json(shown)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["0x0g", "²", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "value", "data", "scaled", "unit", "scaler", "element", "x"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CLASSES), st.data())
def test_any_json_is_read_or_refused_as_malformed(key, data):
    names = [each.name for each in known_classes()[key].interface.attributes.values()]
    typed = st.builds(
        lambda kind, value: {"type": kind, "value": value}, st.sampled_from(sorted(TAGS_BY_NAME)), json_values
    )
    shown = data.draw(st.dictionaries(st.sampled_from([*names, "attribute ²", "attribute 40"]), json_values | typed))
    found = {"class_id": key[0], "version": key[1], "obis": "0.0.1.0.0.255", "attributes": shown}
    try:
        read = object_from_json(found)
    except Malformed:
        return
    assert object_from_json(read.to_json()) == read
    assert read.describe()


def test_a_text_its_type_cannot_hold_is_refused():
    repeated = {"type": "array", "count": -1, "parts": [{"type": "unsigned"}]}
    for shown in (
        {"type": "visible-string", "value": "€"},
        {"type": "unsigned", "value": 256},
        {"type": "float64", "value": 10**400},
        {"type": "compact-array", "element": repeated, "value": []},
    ):
        with pytest.raises(Malformed):
            data_from_json(shown)
    register = Register(NAME, {3: structure(i8(0), enum(30))}).to_json()
    register["attributes"]["value"] = {"scaled": "1e999999"}
    with pytest.raises(Malformed, match="does not fit"):
        object_from_json(register)


def test_a_name_or_time_of_another_length_is_shown_as_sent():
    clock = known_classes()[8, 0](NAME, {2: octets(b"ab")})
    with pytest.raises(Malformed, match="12 octets"):
        _ = clock.time
    assert "not what the class defines" in clock.describe()
    assert object_from_json(clock.to_json()) == clock


def test_an_association_lists_its_objects_with_their_rights():
    element = structure(
        u16(8),
        u8(0),
        octets(Obis.parse("0.0.1.0.0.255").to_bytes()),
        structure(array(structure(i8(2), enum(3), Data(Tag.NULL))), array(structure(i8(1), enum(1)))),
    )
    (listed,) = AssociationLn1(NAME, {2: array(element)}).object_list
    assert (listed.class_id, str(listed.logical_name)) == (8, "0.0.1.0.0.255")
    assert listed.rights.attributes[0].mode == 3
    assert listed.rights.methods[0].mode == 1


def test_units_have_symbols_and_reserved_codes_stay_numbers():
    assert unit_of(30) is Unit.WATT_HOUR
    assert (symbol_of(13), symbol_of(255), symbol_of(59)) == ("m³", "", "unit 59")
    assert unit_of(59) == 59
    assert [Unit.VOLT.quantity, Unit.PER_WATT_HOUR.symbol] == ["voltage", "1/Wh"]
    assert set(range(1, 58)) | set(range(60, 68)) | {70, 71, 72, 254, 255} <= {int(unit) for unit in Unit}


def test_a_negative_scaler_on_a_signed_value_is_exact():
    register = Register(NAME, {2: i16(-5), 3: structure(i8(-3), enum(255))})
    assert register.quantity(2) == (Decimal("-0.005"), "")
    assert object_from_json(register.to_json()) == register
    big = Register(NAME, {2: u32(7), 3: structure(i8(3), enum(30))})
    assert big.to_json()["attributes"]["value"]["scaled"] == "7000"
    assert object_from_json(big.to_json()) == big
