"""From an empty database to meters that are read, by commands alone; and a file's mistakes, told without its keys."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from demeter import estate, identity
from demeter.app.cli import root
from demeter.headend.targets import load
from demeter.runtime.database import Database, Role, Scope
from demeter.runtime.secrets import MasterKey, SecretBox

KEY, OTHER_KEY, PASSWORD = "00112233445566778899AABBCCDDEEFF", "ff" * 16, "gate-of-the-society"
HEADER = ["building", "role", "unit", "area_m2", "commodity", "service_point", "serial", "address", "installed_at"]
HEADER += ["opening_read", "multiplier", "options", "encryption_key", "authentication_key", "password"]
FLAT = {
    "building": "Tower A", "unit": "A-1204", "area_m2": "84.5", "commodity": "water", "serial": "W-1",
    "address": "10.1.2.3:4059", "installed_at": "2026-10-01", "opening_read": "12.345",
    "encryption_key": KEY, "authentication_key": OTHER_KEY, "password": PASSWORD,
}  # fmt: skip
LIFT = {
    "building": "Tower A", "role": "common", "commodity": "electricity", "service_point": "Tower A lift",
    "serial": "E-9", "address": "10.1.2.4:4059", "installed_at": "2026-10-01T10:30", "multiplier": "25/2",
    "options": '{"suite": "1"}',
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root.logging, "configure", lambda *_, **__: None)


@pytest.fixture
def environment(database: Database, tmp_path: Path) -> dict[str, str]:
    MasterKey.from_file(tmp_path / "master.key", create=True)
    return {"DATABASE_URL": database.url, "DEMETER_DATA_DIR": str(tmp_path)}


@pytest.fixture
def scope(database: Database) -> Scope:
    owner = Scope.system(identity.create_organization(database, "Palm Court"), "test")
    with database.unit_of_work(owner) as work:
        estate.create_site(work, "Palm Court", "Asia/Kolkata")
    return owner


def demeter(environment: dict[str, str], *words: str) -> Result:
    result = CliRunner().invoke(root.app, list(words), env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def table(*rows: dict[str, str], separator: str = ",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, restval="", delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def import_file(environment: dict[str, str], text: str, *words: str, name: str = "estate.csv") -> Result:
    file = Path(environment["DEMETER_DATA_DIR"]) / name
    file.write_text(text, encoding="utf-8")
    return demeter(environment, "estate", "import", str(file), *words)


def everything(database: Database) -> list[str]:
    with database.connect(Role.OWNER) as owner:
        tables = [f"estate.{name}" for name in ("building", "unit", "service_point", "meter", "installation")]
        return [
            row[0] for name in (*tables, "runtime.secret") for row in owner.execute(f"SELECT t::text FROM {name} t")
        ]


def mistakes(result: Result) -> set[tuple[int, str]]:
    return {(error["line"], error["column"]) for error in json.loads(result.stdout)["errors"]}


def test_what_the_file_says_is_there_afterwards(environment: dict[str, str], scope: Scope, database: Database) -> None:
    result = import_file(environment, table(FLAT, LIFT))
    assert result.exit_code == 0, result.output
    with database.unit_of_work(scope) as work:
        site = estate.sites(work)[0]
        flat, lift = estate.units(work, site.id)[0], estate.service_points(work, site.id)[-1]
        assert (flat.label, flat.area_dm2) == ("A-1204", 8450)
        assert (lift.label, lift.role, lift.unit_id) == ("Tower A lift", estate.PointRole.COMMON, None)
        electricity, water = estate.meters(work, site.id)
        assert (water.serial, water.protocol, water.address) == ("W-1", "dlms", "10.1.2.3:4059")
        assert electricity.options == {"suite": "1"}
        there = {one.meter_id: one for one in estate.installations(work, site.id)}
        assert there[water.id].starts_at == datetime(2026, 9, 30, 18, 30, tzinfo=UTC), "the site's own midnight"
        assert there[water.id].opening_read == Decimal(12345), "litres"
        assert (there[electricity.id].multiplier_num, there[electricity.id].multiplier_den) == (25, 2)
        assert there[electricity.id].starts_at == datetime(2026, 10, 1, 5, 0, tzinfo=UTC)


def test_the_head_end_finds_an_imported_meter_with_its_keys(
    environment: dict[str, str], scope: Scope, database: Database
) -> None:
    assert import_file(environment, table(FLAT)).exit_code == 0
    box = SecretBox(MasterKey.from_file(Path(environment["DEMETER_DATA_DIR"]) / "master.key", create=False))
    (contact,) = load(database, box, {"dlms"})
    assert contact.target.endpoint.address == "10.1.2.3:4059"
    assert contact.target.credentials.secrets == {
        "encryption_key": bytes.fromhex(KEY), "authentication_key": bytes.fromhex(OTHER_KEY), "password": PASSWORD.encode(),
    }  # fmt: skip


def test_json_says_the_same_as_csv_and_a_second_time_changes_nothing(
    environment: dict[str, str], scope: Scope, database: Database
) -> None:
    assert import_file(environment, "\ufeff" + table(FLAT, LIFT, separator=";")).exit_code == 0
    before = everything(database)
    rows = [FLAT, {**LIFT, "options": {"suite": "1"}}, {**LIFT, "service_point": "Tower A pump", "serial": None}]
    rows[2] = {name: rows[2][name] for name in ("building", "role", "commodity", "service_point", "serial")}
    again = import_file(environment, json.dumps(rows[:2], indent=1), "--json", name="estate.json")
    assert json.loads(again.stdout)["unchanged"] == 2
    assert everything(database) == before
    more = import_file(environment, json.dumps(rows), "--json", name="estate.json")
    assert json.loads(more.stdout)["made"] == {"service points": 1}


def test_a_dry_run_tells_what_would_be_made_and_makes_nothing(
    environment: dict[str, str], scope: Scope, database: Database
) -> None:
    before = everything(database)
    told = json.loads(import_file(environment, table(FLAT, LIFT), "--dry-run", "--json").stdout)
    assert told["made"] == {
        "buildings": 1, "units": 1, "service points": 2, "meters": 2, "installations": 2, "keys": 3,
    }  # fmt: skip
    assert everything(database) == before


def test_every_mistake_is_told_by_line_and_column_and_nothing_is_imported(
    environment: dict[str, str], scope: Scope, database: Database
) -> None:
    before = everything(database)
    rows = (
        {**FLAT, "commodity": "gas", "area_m2": "84,5"},
        {**LIFT, "unit": "A-1", "service_point": ""},
        {**LIFT, "serial": "E-10", "multiplier": "1/0", "options": "{"},
        {**FLAT, "unit": "A-2", "serial": "", "password": ""},
        {**FLAT, "unit": "A-3", "serial": "W-3", "installed_at": "1 October", "encryption_key": KEY[:-1]},
        {**FLAT, "unit": "A-4", "serial": "W-4", "address": ""},
        {**LIFT, "service_point": "Tower A pump"},
        LIFT,
    )
    result = import_file(environment, table(*rows), "--json")
    assert result.exit_code == 5
    assert mistakes(result) == {
        (2, "commodity"), (2, "area_m2"), (3, "unit"), (3, "service_point"), (4, "multiplier"), (4, "options"),
        (5, "address"), (5, "installed_at"), (5, "opening_read"), (5, "encryption_key"), (5, "authentication_key"),
        (6, "installed_at"), (6, "encryption_key"), (7, "encryption_key"), (7, "authentication_key"), (7, "password"),
        (9, "serial"),
    }  # fmt: skip
    for error in json.loads(result.stdout)["errors"]:
        assert error["reason"]
        assert error["fix"]
    assert everything(database) == before


@pytest.mark.parametrize(
    ("text", "name", "where"),
    [
        ("", "a.csv", (1, "")),
        ("building,adress\nA,b\n", "a.csv", (1, "column 2")),
        ("building,commodity\nA\n", "a.csv", (2, "")),
        ('building,commodity\n"A\nB",water\nC,"wa', "a.csv", (4, "commodity")),
        ("{}", "a.json", (1, "")),
        ('[\n {"building": "A"},\n', "a.json", (3, "")),
        ('[\n {"building": "A", "unit": "1", "commodity": "water"},\n  7]', "a.json", (3, "")),
        ('[\n {"bulding": "A"}]', "a.json", (2, "")),
    ],
)
def test_a_file_that_is_not_in_shape_is_told_by_its_line(
    environment: dict[str, str], scope: Scope, text: str, name: str, where: tuple[int, str]
) -> None:
    result = import_file(environment, text, "--json", name=name)
    assert (result.exit_code, where in mistakes(result)) == (5, True), result.output


def test_no_mistake_repeats_what_stands_in_the_file(environment: dict[str, str], scope: Scope) -> None:
    """Columns shift in a spreadsheet: a key may stand anywhere, also in the heading."""
    names = list(FLAT)
    shifted = [
        dict(zip(names, (*list(FLAT.values())[shift:], *list(FLAT.values())[:shift]), strict=True))
        for shift in range(len(names))
    ]
    files = [(table(*shifted), "a.csv"), (json.dumps(shifted), "a.json"), (",".join(FLAT.values()) + "\nx\n", "b.csv")]
    files += [(table(FLAT) + f"{KEY},{PASSWORD}\n", "c.csv"), (json.dumps([{KEY: PASSWORD}]), "d.json")]
    for words in ([], ["--json"], ["--verbose"]):
        for text, name in files:
            result = import_file(environment, text, *words, name=name)
            assert result.exit_code == 5, (name, result.output)
            for secret in (KEY, OTHER_KEY, PASSWORD):
                assert secret not in result.output, name


def test_what_numbers_depend_on_is_not_changed_by_a_file(
    environment: dict[str, str], scope: Scope, database: Database
) -> None:
    assert import_file(environment, table(FLAT, LIFT)).exit_code == 0
    before = everything(database)
    for change, column in (
        ({"installed_at": "2026-10-02"}, "installed_at"),
        ({"opening_read": "1"}, "opening_read"),
        ({"multiplier": "2"}, "multiplier"),
        ({"building": "Tower B"}, "building"),
        ({"serial": "W-2"}, "serial"),
        ({"unit": "A-1"}, "serial"),
        ({"commodity": "electricity"}, "serial"),
    ):
        result = import_file(environment, table({**FLAT, **change}), "--json", "--yes")
        assert (change, result.exit_code, mistakes(result)) == (change, 5, {(2, column)})
    assert everything(database) == before


def test_an_address_changes_only_when_a_person_says_so(
    environment: dict[str, str], scope: Scope, database: Database
) -> None:
    assert import_file(environment, table(FLAT)).exit_code == 0
    moved = table({**FLAT, "address": "10.9.9.9:4059"})
    asked = import_file(environment, moved)
    assert (asked.exit_code, "1 meter would change" in asked.stderr, "--yes" in asked.stderr) == (5, True, True)
    said = import_file(environment, moved, "--yes", "--json")
    assert json.loads(said.stdout)["changed"] == {"meters": 1}
    with database.unit_of_work(scope) as work:
        assert estate.meters(work, 1)[0].address == "10.9.9.9:4059"


def test_a_key_replaced_since_is_not_brought_back_and_a_new_one_is_a_new_version(
    environment: dict[str, str], scope: Scope, database: Database
) -> None:
    assert import_file(environment, table(FLAT)).exit_code == 0
    box = SecretBox(MasterKey.from_file(Path(environment["DEMETER_DATA_DIR"]) / "master.key", create=False))
    with database.unit_of_work(scope) as work:
        meter = estate.meters(work, 1)[0].id
        box.seal(work, f"meter:{meter}", "encryption_key", b"changed in meter")
    assert import_file(environment, table(FLAT)).exit_code == 0
    with database.unit_of_work(scope) as work:
        assert box.open(work, f"meter:{meter}", "encryption_key") == b"changed in meter"
    assert import_file(environment, table({**FLAT, "encryption_key": "ab" * 16}), "--yes").exit_code == 0
    with database.unit_of_work(scope) as work:
        assert box.open(work, f"meter:{meter}", "encryption_key") == bytes.fromhex("ab" * 16)


def test_a_file_of_before_an_exchange_may_be_imported_again(
    environment: dict[str, str], scope: Scope, database: Database
) -> None:
    assert import_file(environment, table(FLAT)).exit_code == 0
    with database.unit_of_work(scope) as work:
        point = estate.service_points(work, 1)[0]
        old = estate.meters(work, 1)[0]
        new = estate.create_meter(work, 1, estate.MeterPlan("W-2", old.commodity, "dlms", work.now()))
        estate.exchange_meter(work, point, estate.Exchange(work.now(), Decimal(20000), new, Decimal(0), "stuck"))
    before = everything(database)
    assert import_file(environment, table(FLAT)).exit_code == 0
    assert everything(database) == before


def test_a_meter_in_store_is_imported_without_a_place_and_installed_by_an_exchange(
    environment: dict[str, str], scope: Scope, database: Database
) -> None:
    assert import_file(environment, table(FLAT)).exit_code == 0
    successor = {name: FLAT[name] for name in ("commodity", "address", "encryption_key", "authentication_key")}
    wrong = import_file(environment, table({**successor, "serial": "W-2", "opening_read": "1"}), "--json")
    assert mistakes(wrong) == {(2, "opening_read")}
    stored = import_file(environment, table({**successor, "serial": "W-2"}), "--json")
    assert json.loads(stored.stdout)["made"] == {"meters": 1, "keys": 2}
    words = ["--unit", "A-1204", "--commodity", "water", "--at", "2026-11-01T10:00+05:30", "--closing", "20"]
    words += ["--new-meter", "W-2", "--opening", "0", "--reason", "stuck"]
    exchanged = demeter(environment, "meter", "exchange", *words)
    assert exchanged.exit_code == 0, exchanged.output
    again = import_file(environment, table(FLAT, {**successor, "serial": "W-2"}), "--json")
    assert json.loads(again.stdout)["unchanged"] == 2


def test_what_is_imported_stands_in_the_audit_trail_without_keys(
    environment: dict[str, str], scope: Scope, database: Database
) -> None:
    assert import_file(environment, table(FLAT)).exit_code == 0
    with database.connect(Role.OWNER) as owner:
        (detail,) = owner.execute("SELECT detail::text FROM runtime.audit WHERE action = 'estate.import'").fetchone()
    assert "estate.csv" in detail
    assert KEY not in detail


def test_another_organization_s_meters_are_neither_seen_nor_touched(
    environment: dict[str, str], scope: Scope, database: Database
) -> None:
    other = Scope.system(identity.create_organization(database, "Other"), "test")
    with database.unit_of_work(other) as work:
        estate.create_site(work, "Elsewhere", "Asia/Kolkata")
    assert import_file(environment, table(FLAT), "--organization", "Palm Court").exit_code == 0
    assert import_file(environment, table(FLAT), "--organization", "Other").exit_code == 0
    assert len([row for row in everything(database) if "W-1" in row]) == 2


def test_an_installation_is_begun_by_the_commands_the_manual_names(tmp_path: Path) -> None:
    """The whole way of docs/administration, each command as a process of its own with its private PostgreSQL."""
    fresh = {"DEMETER_DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": ""}
    file = tmp_path / "estate.csv"
    file.write_text(table(FLAT, LIFT))
    steps = (
        ["db", "upgrade"],
        [
            "user",
            "add",
            "--organization",
            "Palm Court",
            "--create-organization",
            "--email",
            "a@b.example",
            "--name",
            "A",
        ],
        ["site", "add", "--name", "Palm Court", "--zone", "Asia/Kolkata"],
        ["estate", "import", str(file)],
        ["meter", "list", "--json"],
    )
    for words in steps:
        done = subprocess.run(
            [sys.executable, "-m", "demeter", *words],
            env={**os.environ, **fresh},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (words, done.stderr)
    assert [meter["serial"] for meter in json.loads(done.stdout)] == ["E-9", "W-1"]
