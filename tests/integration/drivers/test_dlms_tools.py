"""``demeter dlms`` as a process against the simulator as a process: what it reads, prints, and ends with."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.integration.drivers.tool_process import EK, KEY_FILE, SIGNING_KEY_FILE, TITLE, Ran, dlms, fleet

ENERGY = "1.0.1.8.0.255"
INDIA = ZoneInfo("Asia/Kolkata")


@pytest.fixture(scope="module")
def meters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with fleet(tmp_path_factory.mktemp("fleet")) as addresses:
        yield addresses


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "meter.toml"
    file.touch(mode=0o600)
    file.write_text(KEY_FILE)
    return file


def read(meters: dict[str, str], keys: Path, *words: object, meter: str = "house", **more: str) -> Ran:
    return dlms("read", meters[meter], "--key-file", keys, *words, cwd=keys.parent, **more)


def test_json_has_every_object_with_its_attributes_or_its_table(meters: dict[str, str], keys: Path) -> None:
    ran = read(meters, keys, f"3:{ENERGY}:2", ENERGY, "clock", "block", "--entries", "3", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert set(ran.json) == {"address", "system_title", "objects"}
    assert ran.json["system_title"] == TITLE
    one, whole, clock, table = ran.json["objects"]
    for each in (one, whole, clock):
        assert set(each) == {"object", "class_id", "version", "class", "obis", "name", "attributes", "refused"}
    assert (one["class_id"], one["obis"], set(one["attributes"])) == (3, ENERGY, {"value"})
    assert one["attributes"]["value"]["unit"] == "Wh"
    assert Decimal(one["attributes"]["value"]["scaled"]) > 0
    assert set(whole["attributes"]) == {"value", "scaler_unit"}
    assert clock["class"] == "Clock"
    assert clock["attributes"]["time"]["deviation_min"] == -330
    assert set(table["table"]) == {"capture_period_s", "entries_in_use", "columns", "rows"}
    assert {"class_id", "obis", "attribute", "index", "name", "scaler", "unit"} == set(table["table"]["columns"][0])
    rows = table["table"]["rows"]
    assert len(rows) == 3
    stamps = [datetime.fromisoformat(row["at"]) for row in rows]
    assert [later - sooner for sooner, later in pairwise(stamps)] == [timedelta(minutes=15)] * 2
    energy = [column["obis"] for column in table["table"]["columns"]].index("1.0.1.29.0.255")
    assert [row["values"][energy] for row in rows] == ["1000"] * 3


def test_rows_and_columns_are_chosen_and_the_text_fits_a_narrow_terminal(meters: dict[str, str], keys: Path) -> None:
    day = datetime.now(INDIA).date() - timedelta(days=2)
    words = ("block", "--from", day, "--to", f"{day}T01:00", "--columns", "1.0.1.29.0.255,2")
    ran = read(meters, keys, *words, COLUMNS="40")
    assert ran.code == 0
    assert ran.out.count("1000 Wh") == 5
    assert ran.out.count(" V") == 5
    assert max(map(len, ran.out.splitlines())) <= 40
    whole = read(meters, keys, "block", "--from", day, "--to", day, "--columns", "2", "--json").json
    assert len(whole["objects"][0]["table"]["rows"]) == 96


def test_a_table_is_one_where_it_fits_and_cards_where_it_does_not(meters: dict[str, str], keys: Path) -> None:
    words = ("block", "--entries", "2", "--columns", "1.0.1.29.0.255")
    wide = read(meters, keys, *words, COLUMNS="100").out.splitlines()
    narrow = read(meters, keys, *words, COLUMNS="36").out.splitlines()
    assert wide[2].split()[0] == "time"
    assert [line.split()[-1] for line in wide[3:]] == ["1000"] * 2
    assert max(map(len, narrow)) <= 36
    assert sum("1000 Wh" in line for line in narrow) == 2


@pytest.mark.parametrize(
    ("meter", "flags"),
    [
        ("hdlc", ["--transport", "hdlc", "--physical-address", "17"]),
        ("hdlc", ["--transport", "hdlc", "--physical-address", "17", "--mechanism", "lls"]),
        ("udp", ["--transport", "wrapper-udp", "--cipher", "general-glo"]),
        ("house", ["--cipher", "ded", "--max-pdu", "300"]),
        ("house", ["--cipher", "general-ciphering"]),
    ],
)
def test_every_line_and_association_reads_the_same(
    meters: dict[str, str], keys: Path, meter: str, flags: list[str]
) -> None:
    ran = read(
        meters, keys, "block", "--entries", "40-41", "--columns", "1.0.1.29.0.255", *flags, "--json", meter=meter
    )
    assert ran.code == 0, ran.err
    rows = ran.json["objects"][0]["table"]["rows"]
    assert [row["values"] for row in rows] == [["1000"], ["1000"]]


def test_keys_and_options_of_suite_2_with_signatures_come_from_the_key_file(meters: dict[str, str], keys: Path) -> None:
    keys.write_text(SIGNING_KEY_FILE)
    ran = read(meters, keys, f"3:{ENERGY}:2", "--trace", "--json", meter="signing", COLUMNS="100")
    assert ran.code == 0, ran.err
    assert "scaled" in ran.json["objects"][0]["attributes"]["value"]
    assert "GeneralSigning" in ran.err
    assert "suite 2, authenticated, encrypted" in ran.err


def test_a_water_meter_s_profiles_have_the_same_names(meters: dict[str, str], keys: Path) -> None:
    ran = read(meters, keys, "daily", "--entries", "1", "--commodity", "water", "--json", meter="water")
    assert ran.code == 0, ran.err
    assert ran.json["objects"][0]["obis"] == "8.0.99.2.0.255"
    assert ran.json["objects"][0]["table"]["columns"][0]["unit"] in ("m³", "L")


def test_the_object_list_says_what_may_be_done(meters: dict[str, str], keys: Path) -> None:
    ran = read(meters, keys, "--list", "--json")
    assert ran.code == 0
    listed = {each["obis"]: each for each in ran.json["object_list"]}
    assert listed["0.0.1.0.0.255"]["class_id"] == 8
    assert 2 in listed["0.0.1.0.0.255"]["readable"]
    assert ran.json["objects"] == []
    text = read(meters, keys, "--list", COLUMNS="40").out
    assert "8:0.0.1.0.0.255  Clock" in text
    assert max(map(len, text.splitlines())) <= 44


def test_a_refused_part_leaves_the_rest_and_says_so(meters: dict[str, str], keys: Path) -> None:
    ran = read(meters, keys, "3:1.0.1.8.9.255:2", f"3:{ENERGY}:2", "--json")
    assert ran.code == 7
    assert ran.json["objects"][0]["refused"] == {"value": "object undefined"}
    assert "scaled" in ran.json["objects"][1]["attributes"]["value"]
    assert read(meters, keys, "3:1.0.1.8.9.255:2").code == 3
    assert read(meters, keys, "7:1.0.99.77.0.255:2").code == 3


def test_a_wrong_key_a_dead_port_and_silence_have_exit_codes_and_advice(meters: dict[str, str], keys: Path) -> None:
    keys.write_text(KEY_FILE.replace(EK.hex(), "ff" * 16))
    wrong = read(meters, keys, f"3:{ENERGY}:2")
    assert wrong.code == 4
    assert "wrong key" in wrong.err
    assert "Hint:" in wrong.err
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        quiet = dlms("read", address, "--mechanism", "none", "--answer-s", "0.2", "clock", cwd=keys.parent)
    dead = dlms("read", address, "--mechanism", "none", "clock", cwd=keys.parent)
    assert (quiet.code, dead.code) == (6, 6)
    assert "Hint:" in dead.err
    assert (wrong.out, quiet.out, dead.out) == ("", "", "")


def test_keys_on_the_command_line_are_warned_of_and_those_elsewhere_are_not(meters: dict[str, str], keys: Path) -> None:
    flag = dlms("read", meters["house"], "--mechanism", "lls", "--password", "reader", "clock:2", cwd=keys.parent)
    hidden = dlms(
        "read", meters["house"], "--mechanism", "lls", "clock:2", cwd=keys.parent, DEMETER_DLMS_PASSWORD="reader"
    )
    assert (flag.code, hidden.code) == (0, 0)
    assert "Warning" in flag.err
    assert hidden.err == ""
    keys.chmod(0o644)
    assert "chmod 600" in read(meters, keys, "clock:2").err


def test_the_trace_shows_every_frame_decoded_and_no_secret(meters: dict[str, str], keys: Path) -> None:
    ciphered = read(meters, keys, "clock:2", "--trace", "--cipher", "ded", COLUMNS="80")
    assert ciphered.code == 0
    assert "GeneralGlo" not in ciphered.err
    for word in ("→ sent", "← received", "DedGetRequest", "→ Plaintext", "GetResponseNormal", "(right)"):
        assert word in ciphered.err
    assert "DedicatedKey (not shown)" in " ".join(ciphered.err.split())
    assert EK.hex() not in ciphered.err.replace(" ", "")
    plain = read(meters, keys, "clock:2", "--trace", "--mechanism", "lls")
    assert b"reader".hex(" ") not in " ".join(plain.err.split())
    assert "CharString (not shown)" in plain.err
    hdlc = read(meters, keys, "clock:2", "--trace", "--transport", "hdlc", "--physical-address", "17", meter="hdlc")
    assert "set normal response mode" in " ".join(hdlc.err.split())
    assert "GloGetRequest" in hdlc.err
    udp = read(meters, keys, "clock:2", "--trace", "--transport", "wrapper-udp", meter="udp")
    assert "AssociationRequest" in udp.err


def test_a_value_is_written_read_back_and_not_without_a_yes(meters: dict[str, str], keys: Path) -> None:
    moment = json.dumps(
        {"year": 2026, "month": 11, "day": 21, "hour": 4, "minute": 1, "second": 0, "deviation_min": -330, "status": 0}
    )
    words = ("set", meters["house"], "--key-file", keys, "8:0.0.1.0.0.255:2", moment)
    refused = dlms(*words, cwd=keys.parent)
    dry = dlms(*words, "--dry-run", cwd=keys.parent)
    assert (refused.code, dry.code) == (4, 0)
    assert "--yes" in refused.err
    assert "07 ea 0b 15" in dry.out
    done = dlms(*words, "--yes", "--json", cwd=keys.parent)
    assert done.code in (0, 7), done.err  # 7: the clock went on before it was read back
    assert done.json["attributes"]["time"]["year"] in (2026, 2027)
    denied = dlms(
        "set", meters["house"], "--key-file", keys, f"3:{ENERGY}:2", "double-long-unsigned:7", "--yes", cwd=keys.parent
    )
    assert denied.code == 4


def test_a_relay_is_switched_looked_at_and_noted_in_the_event_log(meters: dict[str, str], keys: Path) -> None:
    relay = "70:0.0.96.3.10.255"
    switched = dlms("action", meters["house"], "--key-file", keys, f"{relay}:1", "--yes", "--json", cwd=keys.parent)
    assert (switched.code, switched.json["done"]) == (0, True), switched.err
    seen = read(meters, keys, "0.0.96.3.10.255", "events-control", "--json").json["objects"]
    assert seen[0]["class_id"] == 70
    assert (seen[0]["attributes"]["output_state"], seen[0]["attributes"]["control_state"]) == (False, "disconnected")
    assert seen[1]["table"]["rows"][-1]["values"] == ["301"]
    assert "301 Load switch disconnected" in read(meters, keys, "events-control").out
    again = dlms("action", meters["house"], "--key-file", keys, f"{relay}:2", "--yes", cwd=keys.parent)
    assert (again.code, again.out) == (0, "done\n")


def test_a_method_that_is_not_there_is_said(meters: dict[str, str], keys: Path) -> None:
    ran = dlms("action", meters["house"], "--key-file", keys, "70:0.0.96.3.99.255:1", "--yes", cwd=keys.parent)
    assert ran.code == 3
    assert "object undefined" in ran.err


def test_counters_and_our_title_are_kept_in_a_file(meters: dict[str, str], keys: Path) -> None:
    book = keys.parent / "counters.json"
    for _ in range(2):
        ran = read(meters, keys, "clock:2", "--counter-file", book)
        assert (ran.code, ran.err) == (0, "")
    kept = json.loads(book.read_text())
    (sent,) = kept["sent"].values()
    assert list(sent) == [kept["title"]]
    assert EK.hex() not in book.read_text()
    assert "--counter-file" in read(meters, keys, "clock:2", "--client-title", "DMTHES01").err


def test_a_counter_that_is_too_low_is_told(meters: dict[str, str], keys: Path) -> None:
    public = dlms("read", meters["house"], "--mechanism", "none", "1:0.0.43.1.3.255:2", "--json", cwd=keys.parent)
    told = public.json["objects"][0]["attributes"]["value"]["value"]
    assert read(meters, keys, "clock:2", "--counter", told + 1000).code == 0
    low = read(meters, keys, "clock:2", "--counter", told + 10)
    assert low.code == 4
    assert "counter" in low.err
    assert "Hint:" in low.err
