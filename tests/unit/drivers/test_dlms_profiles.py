"""Meter profiles: the files load, agree with the simulated meters, and mistakes in them are told by file and field."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from demeter.drivers.dlms.profiles import EventKind, ProfileError, ProfileLibrary, builtin, obis_name, read_file
from demeter.kernel import FixedClock, NotFound
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.classes import class_of
from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import decode_capture_objects
from demeter.protocols.dlms.server import Association
from demeter.simulator.fleet import FleetConfig, LoadConfig, MeterConfig, MeterKind
from demeter.simulator.meter import build_meters
from demeter.simulator.model.events import event_group
from demeter.simulator.model.meter_model import MeterModel

NOW = datetime(2026, 11, 20, 13, 7, 3, tzinfo=UTC)
UTILITY = Association(48, Mechanism.HLS_GMAC, ciphered=True)
INDIAN = [name for name in builtin().ids if name.startswith("is15959")]
STANDARD_CODES = [
    *range(1, 13),
    *range(51, 71),
    *(101, 102),
    *(151, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 169),
    *range(201, 217),
    *(251, 253),
    *(301, 302),
]


def simulated(kind):
    config = MeterConfig(
        "m", "DM1", kind, LoadConfig("household-electricity", 5), system_title=(b"DMT" + bytes(5)).hex()
    )
    fleet = FleetConfig("Asia/Kolkata", int((NOW - timedelta(days=3)).timestamp()), (config,))
    return MeterModel(build_meters(fleet, FixedClock(NOW))["m"])


def captures_of(model, obis):
    return decode_capture_objects(model.get(UTILITY, 7, obis, 3, None))


@pytest.mark.parametrize("name", builtin().ids)
def test_every_profile_loads_with_all_its_overlays_and_says_where_it_comes_from(name):
    profile = builtin().profile(name, builtin().overlays(name))
    assert profile.objects
    assert all(source.origin for source in profile.sources.values())
    assert all(event.meaning for event in profile.events.values())
    for table in profile.tables.values():
        assert profile.table_of(table.obis) is table


def test_every_promised_kind_of_meter_has_a_profile():
    wanted = {"dsmr-5", "idis-2", "han-aidon", "han-kaifa", "han-kamstrup"}
    wanted |= {f"is15959-{part}-{phases}-phase" for part in (1, 2) for phases in ("single", "three")}
    assert {*wanted, "is15959-3-three-phase"} == set(builtin().ids)


@pytest.mark.parametrize("name", INDIAN)
@pytest.mark.parametrize("code", STANDARD_CODES)
def test_every_indian_event_code_has_a_meaning_and_its_pair(name, code):
    profile = builtin().profile(name)
    event = profile.event(code)
    assert event.code == code
    assert code in profile.events
    if event.kind is EventKind.RESTORATION:
        assert profile.event(event.pair).kind is EventKind.OCCURRENCE
        assert profile.event(event.pair).pair == code
    ranged = code <= 70 or code in (101, 102) or 201 <= code <= 210
    if ranged:
        assert event.pair == (code + 1 if code % 2 else code - 1)


def test_the_profile_and_the_simulated_meter_sort_events_alike():
    profile = builtin().profile("is15959-2-three-phase")
    for code, event in profile.events.items():
        assert profile.event_groups[event.group].log == Obis(0, 0, 99, 98, event_group(code), 255)


def test_a_code_nobody_wrote_down_is_named_by_its_group():
    profile = builtin().profile("is15959-2-three-phase")
    assert profile.event(156).group == "transaction"
    assert profile.event(156, Obis(0, 0, 99, 98, 4, 255)).group == "other"
    assert "Event 9999 (no known log)" in profile.event(9999).meaning
    assert builtin().profile("han-aidon").event(5).meaning


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("is15959-2-single-phase", MeterKind.SINGLE_PHASE),
        ("is15959-1-single-phase", MeterKind.SINGLE_PHASE),
        ("is15959-2-three-phase", MeterKind.THREE_PHASE),
        ("is15959-3-three-phase", MeterKind.THREE_PHASE),
    ],
)
def test_a_simulated_meter_records_what_its_profile_says(name, kind):
    profile, model = builtin().profile(name), simulated(kind)
    seen = 0
    for found in model.visible(UTILITY.client_sap):
        table = profile.table_of(found.obis)
        if table is not None:
            assert set(captures_of(model, found.obis)) <= set(table.captures), table.name
            seen += 1
    assert seen == 12
    assert captures_of(model, profile.tables["block"].obis) == profile.tables["block"].captures


@pytest.mark.parametrize("kind", [MeterKind.SINGLE_PHASE, MeterKind.THREE_PHASE])
def test_a_simulated_meters_objects_are_named_and_of_the_class_the_profile_says(kind):
    profile = builtin().profile(f"is15959-2-{kind.value}")
    model = simulated(kind)
    for found in model.visible(UTILITY.client_sap):
        named = profile.objects.get(found.obis)
        assert named is not None, found.obis
        assert named.class_id == found.class_id, found.obis


@pytest.mark.parametrize("name", builtin().ids)
def test_objects_are_of_classes_there_is_a_table_for(name):
    profile = builtin().profile(name, builtin().overlays(name))
    assert {
        each.class_id for each in profile.objects.values() if not any(class_of(each.class_id, v) for v in (0, 1))
    } == set()


def test_an_overlay_adds_and_replaces_only_when_it_is_asked_for():
    plain = builtin().profile("is15959-2-single-phase")
    assert 21 not in plain.events
    bill = Obis.parse("0.132.25.9.0.255")
    assert bill not in plain.objects
    more = builtin().profile("is15959-2-single-phase", ["is15959-vendor-codes", "is15959-vendor-pushes"])
    assert more.events[21].vendor == "several Indian makers"
    assert more.events[996].pair == 896
    assert bill in more.objects
    assert more.events[7] == plain.events[7]
    with pytest.raises(NotFound, match="no overlay is15959-vendor-codes for dsmr-5"):
        builtin().profile("dsmr-5", ["is15959-vendor-codes"])
    with pytest.raises(NotFound, match="no meter profile nobodys") as caught:
        builtin().profile("nobodys")
    assert "idis-2" in caught.value.hint


def test_transformer_operated_meters_have_no_load_switch():
    switch = Obis.parse("0.0.96.3.10.255")
    assert switch in builtin().profile("is15959-2-three-phase").objects
    assert switch not in builtin().profile("is15959-3-three-phase").objects


MINE = {
    "id": "mine",
    "kind": "profile",
    "title": "My meter",
    "extends": ["is15959-single-phase"],
    "source": {"from": ["its manual"]},
    "objects": [{"obis": "1-0:1.8.0", "class_id": 3, "name": "My energy"}],
    "events": [{"code": 12, "group": "voltage", "kind": "restoration", "meaning": "Balanced again", "pair": 11}],
}


def test_a_new_meter_type_is_a_file(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(MINE))
    library = ProfileLibrary.of(tmp_path)
    profile = library.profile("mine", ["is15959-vendor-codes"])
    assert obis_name("1.0.1.8.0.255", profile) == "My energy"
    assert profile.event(12).meaning == "Balanced again"
    assert "block" in profile.tables


def change(**more):
    return {**MINE, **more}


def test_a_file_that_is_no_json_is_told_by_line_and_column():
    with pytest.raises(ProfileError, match=r"x.json: line 1, column 3: not JSON") as caught:
        read_file("x.json", "{ nothing")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        ([], "", "an object in braces"),
        (change(kind="meter"), "kind", "none of profile, part, overlay"),
        ({k: v for k, v in MINE.items() if k != "source"}, "source", "is missing"),
        (change(source={"from": []}), "source.from", "at least one origin"),
        (change(source={"form": ["x"]}), "source.form", "no such field"),
        (change(colour="red"), "colour", "no such field"),
        (change(title=7), "title", "text is due, not 7"),
        (change(commodity="steam"), "commodity", "none of"),
        (change(phases=5), "phases", "outside 1 to 3"),
        (change(extends=[1]), "extends[0]", "text is due"),
        (change(objects=[{"obis": "1.0.1", "class_id": 3, "name": "x"}]), "objects[0].obis", "not an OBIS code"),
        (change(objects=[{"obis": "1.0.1.8.0", "class_id": True, "name": "x"}]), "objects[0].class_id", "whole number"),
        (change(objects=[{"obis": "1.0.1.8.0", "class_id": 3, "name": " "}]), "objects[0].name", "is empty"),
        (change(objects=MINE["objects"] * 2), "objects[1]", "stands in objects[0] already"),
        (
            change(tables=[{"key": "t", "obis": "1.0.99.1.0", "name": "T", "captures": ["8 0.0.1.0.0.255"]}]),
            "tables[0].captures[0]",
            "class name attribute",
        ),
        (
            change(events=[{"code": 1, "group": "voltage", "kind": "begin", "meaning": "x"}]),
            "events[0].kind",
            "none of occurrence, restoration, change",
        ),
        (
            change(pushes=[{"key": "p", "name": "P", "shape": "flat", "cycle": ["obis", "guess"]}]),
            "pushes[0].cycle[1]",
            "'guess' is none of",
        ),
        (
            change(pushes=[{"key": "p", "name": "P", "shape": "positions", "lists": [["list"], ["3 1.0 2"]]}]),
            "pushes[0].lists[1]",
            "a column is",
        ),
        (
            change(pushes=[{"key": "p", "name": "P", "shape": "positions", "lists": [["list"], ["list"]]}]),
            "pushes[0].lists[1]",
            "another list of 1 elements",
        ),
        (
            change(pushes=[{"key": "p", "name": "P", "shape": "flat", "scalers": {"1.0.1.8.0.255": [1]}}]),
            "pushes[0].scalers",
            "has no attribute",
        ),
        (
            change(associations=[{"name": "a", "obis": "0.0.40.0.1", "client_sap": 16, "mechanism": "magic"}]),
            "associations[0].mechanism",
            "none of none, lls, hls",
        ),
    ],
)
def test_a_mistake_is_told_by_file_and_field(document, field, message):
    with pytest.raises(ProfileError) as caught:
        read_file("mine.json", json.dumps(document))
    assert (caught.value.file, caught.value.field) == ("mine.json", field)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        (change(extends=["nothing"]), "extends[0]", "no profile or part nothing"),
        (change(extends=["mine"]), "extends", "in a circle"),
        (
            change(events=[{"code": 3, "group": "wind", "kind": "change", "meaning": "x"}]),
            "events[0].group",
            "no event group wind",
        ),
        (
            change(events=[{"code": 60, "group": "voltage", "kind": "change", "meaning": "x"}]),
            "events[0].code",
            "outside 1 to 50",
        ),
        (
            change(events=[{"code": 1, "group": "voltage", "kind": "occurrence", "meaning": "x", "pair": 49}]),
            "events[0].pair",
            "event 2 says that 1 is its pair",
        ),
        (
            change(events=[{"code": 1, "group": "voltage", "kind": "occurrence", "meaning": "x", "pair": 4}]),
            "events[0].pair",
            "event 2 says that 1 is its pair",
        ),
        (
            change(events=[{"code": 40, "group": "voltage", "kind": "occurrence", "meaning": "x", "pair": 41}]),
            "events[0].pair",
            "there is no event 41",
        ),
        (
            change(events=[{"code": 40, "group": "voltage", "kind": "occurrence", "meaning": "x", "pair": 1}]),
            "events[0].pair",
            "not occurrence and restoration",
        ),
        (
            change(tables=[{"key": "t", "obis": "1.0.99.1.0", "name": "T", "captures": ["3 1.0.77.8.0.255 2"]}]),
            "tables[0].captures",
            "1.0.77.8.0.255 is not among the objects",
        ),
    ],
)
def test_files_that_contradict_one_another_are_told_by_file_and_field(tmp_path, document, field, message):
    (tmp_path / "mine.json").write_text(json.dumps(document))
    with pytest.raises(ProfileError) as caught:
        ProfileLibrary.of(tmp_path).profile("mine")
    assert (caught.value.file, caught.value.field) == ("mine.json", field)
    assert message in caught.value.message


def test_two_files_cannot_have_one_id(tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(MINE))
    (tmp_path / "two.json").write_text(json.dumps(MINE))
    with pytest.raises(ProfileError, match=r"two.json: id: mine is taken by one.json"):
        ProfileLibrary.of(tmp_path)


@pytest.mark.parametrize(
    ("obis", "words"),
    [
        ("1.0.1.8.0.255", "Active energy imported (+A), total, cumulative"),
        ("1.0.1.8.2.255", "Active energy imported (+A), tariff 2, cumulative"),
        ("1-0:32.7.0", "Voltage, phase L1"),
        ("1.0.9.6.0.255", "Apparent power, import (+S), maximum 1"),
        ("0.2.24.1.0.255", "M-Bus meter on channel 2"),
        ("8.0.1.0.0.255", "Cold water volume, cumulative"),
        ("0.0.1.0.0.255", "Clock"),
        ("1.1.1.7.0.255", "Active power, import (+P), channel 1"),
        ("1.0.1.8.0.3", "Active energy imported (+A), total, cumulative, billing period 3"),
        ("3.0.200.7.0.255", "Medium 3 object 3.0.200.7.0.255"),
    ],
)
def test_logical_names_read_as_words(obis, words):
    assert obis_name(obis) == words


def test_the_profile_of_the_meter_names_better_than_the_standard():
    indian = builtin().profile("is15959-2-single-phase")
    assert obis_name("1.0.94.91.0.255", indian) == "Instantaneous profile"
    assert obis_name("1.0.1.8.0.1", indian) == "Active energy imported, cumulative, billing period 1"
    assert obis_name("0-0:96.7.21", builtin().profile("dsmr-5")) == "Number of power failures in any phase"
    with pytest.raises(Malformed):
        obis_name("1.8.0", indian)
