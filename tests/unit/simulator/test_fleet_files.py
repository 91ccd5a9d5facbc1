import json
from datetime import UTC, datetime, timedelta

import pytest

from demeter.kernel import Invalid, Unavailable
from demeter.protocols.dlms.security import Suite, public_key
from demeter.simulator import (
    EXAMPLE,
    FaultKind,
    FleetConfig,
    FleetFileError,
    LoadConfig,
    MeterConfig,
    MeterKind,
    PushForm,
    Role,
    Transport,
    fleet_record,
    load_fleet,
    parse_fleet,
    save_fleet,
)

NOW = datetime(2026, 11, 18, 6, 30, tzinfo=UTC)
NOW_S = int(NOW.timestamp())


def parsed(text, suffix=".yaml"):
    return parse_fleet(text, suffix, NOW)


def problems(text, suffix=".yaml"):
    with pytest.raises(FleetFileError) as caught:
        parsed(text, suffix)
    return {(found.field, found.line): found.message for found in caught.value.problems}


def test_the_example_is_a_fleet_and_says_what_the_comments_promise():
    fleet = parsed(EXAMPLE)
    by_group = {}
    for meter in fleet.meters:
        by_group.setdefault(meter.name.rpartition("-")[0] or meter.name, []).append(meter)
    assert {name: len(found) for name, found in by_group.items()} == {
        "flats": 20,
        "water": 20,
        "tower": 1,
        "pushing": 5,
        "line": 5,
    }
    assert fleet.history_start_s <= NOW_S - 30 * 86_400 < fleet.history_start_s + 86_400
    flats = by_group["flats"]
    dead = [meter for meter in flats if any(fault.mode == "closed" for fault in meter.faults)]
    drifting = [fault for meter in flats for fault in meter.faults if fault.fault is FaultKind.DRIFT]
    assert (len(dead), [fault.seconds for fault in drifting]) == (2, [95] * 3)
    (late,) = [fault for fault in flats[3].faults if fault.until_s is not None]
    assert (late.since_s, late.until_s) == (NOW_S + 120, NOW_S + 420)
    (tower,) = by_group["tower"]
    assert tower.role is Role.BULK
    assert tower.load.parts == tuple(meter.name for meter in flats)
    assert {meter.push.form for meter in by_group["pushing"]} == {PushForm.GENERAL_GLO}
    assert {(meter.port, meter.transport) for meter in by_group["line"]} == {(22_000, Transport.HDLC)}
    assert [meter.server_sap for meter in by_group["line"]] == [1, 2, 3, 4, 5]
    assert [meter.port for meter in flats] == list(range(21_000, 21_020))


def test_the_same_file_gives_the_same_meters_and_another_seed_other_keys():
    first, again = parsed(EXAMPLE), parsed(EXAMPLE)
    assert fleet_record(first) == fleet_record(again)
    other = parsed(EXAMPLE.replace("seed: 7", "seed: 8"))
    assert not {meter.encryption_key for meter in first.meters} & {meter.encryption_key for meter in other.meters}
    assert len({meter.encryption_key for meter in first.meters}) == len(first.meters)
    assert len({meter.system_title for meter in first.meters}) == len(first.meters)
    assert len({meter.serial for meter in first.meters}) == len(first.meters)


@pytest.mark.parametrize("suite", [1, 2])
def test_keys_of_the_later_suites_are_derived_in_pairs_that_fit(suite):
    (meter,) = parsed(f"groups: [{{name: m, security: {{suite: {suite}, mechanism: hls-ecdsa}}}}]").meters
    found, size = meter.security, Suite(suite).key_size
    assert len(bytes.fromhex(meter.encryption_key)) == len(bytes.fromhex(found.master_key)) == size
    for private in (found.signing_key, found.agreement_key):
        assert public_key(Suite(suite), bytes.fromhex(private))
    assert len(bytes.fromhex(found.client_signing_key)) == 2 * Suite(suite).coordinate_size


def test_groups_of_a_site_have_its_name_its_zone_and_its_groups_to_sum_up():
    fleet = parsed(
        """
        zone: Asia/Kolkata
        sites:
          - name: campus
            zone: Europe/Berlin
            groups:
              - {name: flats, count: 3}
              - {name: all, kind: three-phase, load: {shape: bulk, parts: [flats]}}
        """
    )
    assert [meter.name for meter in fleet.meters] == [
        "campus/flats-0001",
        "campus/flats-0002",
        "campus/flats-0003",
        "campus/all",
    ]
    assert {(meter.zone, meter.building) for meter in fleet.meters} == {("Europe/Berlin", "campus")}
    assert len(fleet.meters[3].load.parts) == 3


TOML = """
zone = "Asia/Kolkata"

[[groups]]
name = "a"
count = 2

[[groups]]
name = "b"
kind = "gas"

[groups.security]
suite = 7
"""
JSON = json.dumps({"zone": "Nowhere", "groups": [{"name": "a", "count": 0}]}, indent=1)


def test_what_does_not_fit_is_told_with_its_field_and_line_all_at_once():
    found = problems(
        """zone: Mars/Base
groups:
  - name: a
    kind: singel-phase
    cuont: 3
    security: {suite: 4}
    load: {shape: replay}
    faults:
      - fault: leek
      - {fault: drift, seconds: soon}
  - kind: water
    interval_s: fortnight
"""
    )
    assert list(found) == [
        ("zone", 1),
        ("groups[0].kind", 4),
        ("groups[0].cuont", 5),
        ("groups[0].security.suite", 6),
        ("groups[0].load", 7),
        ("groups[0].faults[0].fault", 9),
        ("groups[0].faults[1].seconds", 10),
        ("groups[1]", 11),
        ("groups[1].interval_s", 12),
    ]
    assert "did you mean single-phase?" in found["groups[0].kind", 4]
    assert "did you mean count?" in found["groups[0].cuont", 5]
    assert found["groups[1]", 11] == "name is missing"


def test_toml_and_json_are_told_by_line_too():
    assert set(problems(TOML, ".toml")) == {("groups[1].kind", 10), ("groups[1].security.suite", 13)}
    assert set(problems(JSON, ".json")) == {("zone", 2), ("groups[0].count", 6)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("groups: [{name: a, serial: 0012}]", "put it in quotes"),
        ("groups: [{name: a, encryption_key: abcd}]", "4 hexadecimal digits where 32 belong"),
        ("groups: [{name: a, count: 2, serial: '7'}]", "2 meters cannot have the same serial"),
        ("groups: [{name: a}, {name: a}]", "'a' is the name of another group or meter"),
        ("groups: [{name: a, count: 50000}]\nbase_port: 30000", "pass the last port, 65535"),
        ("groups: [{name: a, load: {shape: bulk, parts: [b]}}]", "there is no group or meter 'b'"),
        ("groups: [{name: a, load: {csv: nowhere.csv}}]", "there is no file nowhere.csv"),
        ("groups: [{name: a, push: {destination: here}}]", "'here' is no host:port"),
        ("groups: [{name: a, security: {mechanism: hls-ecdsa}}]", "signatures need suite 1 or 2"),
        ("groups: [{name: a, faults: [{fault: tamper}]}]", "needs the code of its event"),
        ("groups: [{name: a, faults: [{fault: leak, meters: some}]}]", "neither a share such as 10%"),
        ("groups: [{name: a, faults: [{fault: leak, since: noon}]}]", "is no instant"),
        ("{}", "there are no meters"),
        ("- a", "where fields and their values are expected"),
    ],
)
def test_each_kind_of_mistake_has_its_words(text, told):
    assert any(told in message for message in problems(text).values())


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("fleet.yaml", "groups:\n  - [", "fleet.yaml:3: not YAML"),
        ("fleet.json", '{"groups":\n [,]}', "fleet.json:2: not JSON"),
        ("fleet.toml", "zone = \n", "fleet.toml:1: not TOML"),
        ("fleet.ini", "", "a .yaml, .json or .toml file"),
    ],
)
def test_files_of_no_format_are_refused_with_their_line(tmp_path, name, text, told):
    (tmp_path / name).write_text(text)
    with pytest.raises(Invalid) as caught:
        load_fleet(tmp_path / name)
    assert told in str(caught.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(Unavailable, match="No such file"):
        load_fleet(tmp_path / "fleet.yaml")


def test_durations_and_instants_are_written_as_people_do():
    fleet = parsed(
        """
        zone: Asia/Kolkata
        history_start: 2026-10-01T00:00
        groups:
          - name: a
            interval_s: 30m
            faults:
              - {fault: outage, since: 2026-11-01 06:00, for: 90m}
              - {fault: leak, since: -3d, until: +1h, litres_per_hour: 5}
        """
    )
    (meter,) = fleet.meters
    outage, leak = meter.faults
    assert fleet.history_start_s == int(datetime(2026, 9, 30, 18, 30, tzinfo=UTC).timestamp())
    assert meter.interval_s == 1800
    assert outage.since_s == int(datetime(2026, 11, 1, 0, 30, tzinfo=UTC).timestamp())
    assert outage.until_s - outage.since_s == 5400
    assert (leak.since_s, leak.until_s) == (NOW_S - 3 * 86_400, NOW_S + 3600)


def test_meters_hold_the_whole_history_and_groups_may_share_given_keys():
    fleet = parsed(
        """
        history_days: 200
        defaults: {kind: water, row_format: delta}
        groups:
          - {name: a, count: 3, encryption_key: 000102030405060708090a0b0c0d0e0f, password: all the same}
        """
    )
    assert all(meter.entries > 200 * 96 for meter in fleet.meters)
    assert {meter.kind for meter in fleet.meters} == {MeterKind.WATER}
    assert len({meter.encryption_key for meter in fleet.meters}) == 1
    assert len({meter.authentication_key for meter in fleet.meters}) == 3
    assert fleet.meters[0].load.shape == "household-water"


def test_a_share_of_a_group_is_drawn_the_same_every_time():
    text = "groups: [{name: a, count: 1000, faults: [{fault: dead, meters: 10%}]}]"
    first = [meter.name for meter in parsed(text).meters if meter.faults]
    assert len(first) == 100
    assert first == [meter.name for meter in parsed(text).meters if meter.faults]
    assert parse_fleet(text, now=NOW + timedelta(days=3)).meters[5].faults == parsed(text).meters[5].faults


def test_recordings_may_lie_in_a_folder_of_their_own(tmp_path):
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    (recordings / "house.csv").write_text("start,value\n", encoding="utf-8")
    load = LoadConfig("replay", file="house.csv")
    fleet = FleetConfig("UTC", 1_767_225_600, (MeterConfig("m", "M1", MeterKind.SINGLE_PHASE, load),))
    path = tmp_path / "fleet.json"
    save_fleet(fleet, path)
    assert load_fleet(path, folder=recordings).meters[0].load.file == "house.csv"
    with pytest.raises(FleetFileError, match=r"no file .*house\.csv"):
        load_fleet(path)
