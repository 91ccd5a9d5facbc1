"""Exit codes as documented in the module of the command line's output, JSON on request, and no traceback ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
import sqlalchemy.exc
import typer
from click.testing import Result
from typer.testing import CliRunner

from demeter import estate, identity
from demeter.app.cli import data, exchange, importing, output, root, serving  # noqa: F401 - these register commands
from demeter.kernel import Commodity, Conflict, DemeterError, Denied, Invalid, NotFound, Unavailable
from demeter.runtime.database import Database, Role, Scope
from demeter.runtime.secrets import MasterKey

SECRET = "hunter2hunter2"


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the test run's logging as it is: the commands would bind it to a stream that is closed after them."""
    monkeypatch.setattr(root.logging, "configure", lambda *_, **__: None)


@pytest.fixture
def environment(database: Database, tmp_path: Path) -> dict[str, str]:
    MasterKey.from_file(tmp_path / "master.key", create=True)
    return {"DATABASE_URL": database.url, "DEMETER_DATA_DIR": str(tmp_path)}


@pytest.fixture
def society(database: Database) -> Scope:
    """One organization with one site whose name looks like markup, a unit and a meter."""
    scope = Scope.system(identity.create_organization(database, "Palm Court"), "test")
    with database.unit_of_work(scope) as work:
        site = estate.create_site(work, "Palm [/red] Court", "Asia/Kolkata")
        building = estate.create_building(work, site, "Tower A")
        unit = estate.create_unit(work, site, building, "A-1204")
        plan = estate.PointPlan(building, estate.PointRole.UNIT, Commodity.WATER, "A-1204", unit)
        point = estate.service_point(work, estate.create_service_point(work, site, plan))
        since = work.now() - timedelta(days=3)
        meter = estate.create_meter(work, site, estate.MeterPlan("W-1", Commodity.WATER, "dlms", since))
        estate.install(work, point, meter, since)
    return scope


def demeter(environment: dict[str, str], *words: str) -> Result:
    result = CliRunner().invoke(root.app, list(words), env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("x"), 3),
        (Denied("x"), 4),
        (Conflict("x"), 5),
        (Invalid("x"), 5),
        (Unavailable("x"), 6),
        (psycopg.OperationalError("x"), 6),
        (sqlalchemy.exc.OperationalError("x", None, Exception("x")), 6),
        (DemeterError("x"), 1),
        (PermissionError(13, "x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_kind_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    with pytest.raises(typer.Exit) as ended, output.helpful_errors():
        raise error
    assert ended.value.exit_code == code
    assert f"{code} " in (output.__doc__ or "")


def test_commands_end_with_the_code_of_what_went_wrong(environment: dict[str, str], society: Scope) -> None:
    for words, code, hint in (
        (["version"], 0, ""),
        (["nonsense"], 2, ""),
        (["explain", "--unit", "A-1204", "--commodity", "gas", "--month", "2026-10"], 2, "water"),
        (["explain", "--unit", "Z-9", "--commodity", "water", "--month", "2026-10"], 3, "Z-9"),
        (["explain", "--unit", "A-1204", "--commodity", "electricity", "--month", "2026-10"], 3, "electricity"),
        (["meter", "list", "--site", "Elsewhere"], 3, "Palm"),
        (["meter", "list", "--site", "99999999999"], 3, "Palm"),
        (["meter", "list", "--organization", "Nobody"], 3, "Nobody"),
        (["usage", "export", "--month", "2026-13"], 5, "YYYY-MM"),
        (["usage", "export", "--month", "october"], 5, "YYYY-MM"),
        (["usage", "export", "--month", "9999-12"], 5, "YYYY-MM"),
        (["usage", "export", "--month", "0001-01"], 5, "YYYY-MM"),
        (["usage", "export", "--month", "2026-10", "--format", "xml"], 5, "csv"),
        (["explain", "--unit", "A-1204", "--commodity", "water", "--month", "0001-01"], 5, "YYYY-MM"),
        (["user", "add", "--email", "nobody", "--name", "N"], 5, "nobody"),
        (["user", "add", "--email", "a@b.example", "--name", "N", "--role", "king"], 5, "auditor"),
        (["--log-level", "loud", "version"], 5, "warning"),
        (["--config", "/nonexistent.toml", "version"], 5, "/nonexistent.toml"),
        (["--data-dir", "/proc/demeter", "meter", "list"], 6, "DEMETER_DATA_DIR"),
        (["site", "add", "--name", "S", "--zone", "Mars/Phobos"], 5, "Asia/Kolkata"),
        (["site", "add", "--name", "Palm [/red] Court", "--zone", "Asia/Kolkata"], 5, "Palm"),
        (["estate", "import", "/nonexistent.csv"], 5, "/nonexistent.csv"),
        (["estate", "import", "/nonexistent.xls"], 5, ".csv or .json"),
    ):
        result = demeter(environment, *words)
        assert (words, result.exit_code) == (words, code), result.output
        assert hint in result.output, words


def test_two_sites_or_organizations_ask_which(environment: dict[str, str], society: Scope, database: Database) -> None:
    with database.unit_of_work(society) as work:
        estate.create_site(work, "Second", "Asia/Kolkata")
    result = demeter(environment, "meter", "list")
    assert (result.exit_code, "Second" in result.stderr) == (5, True)
    identity.create_organization(database, "Another")
    result = demeter(environment, "site", "list")
    assert (result.exit_code, "--organization" in result.stderr) == (5, True)


@pytest.mark.parametrize(
    "words",
    [
        ["site", "list"],
        ["meter", "list"],
        ["explain", "--unit", "A-1204", "--commodity", "water", "--month", "2026-10"],
        ["config", "show"],
        ["config", "show", "--origin"],
        ["doctor"],
        ["version"],
        ["estate", "columns"],
    ],
)
def test_data_is_told_as_text_and_as_one_json_document(
    environment: dict[str, str], society: Scope, words: list[str]
) -> None:
    text, document = demeter(environment, *words), demeter(environment, *words, "--json")
    assert text.exit_code == document.exit_code
    assert text.stdout.strip()
    assert isinstance(json.loads(document.stdout), dict | list)


def test_usage_is_exported_as_csv_and_json(environment: dict[str, str], society: Scope) -> None:
    assert demeter(environment, "usage", "export", "--month", "2026-10").stdout.startswith("site,service_point,")
    document = json.loads(demeter(environment, "usage", "export", "--month", "2026-10", "--format", "json").stdout)
    assert (document["month"], document["statements"]) == ("2026-10", [])


def test_a_hand_off_without_everybody_ends_as_partial_and_names_who_is_missing(
    environment: dict[str, str], society: Scope, database: Database
) -> None:
    with database.unit_of_work(society) as work:
        month = f"{work.now():%Y-%m}"
    for form in ("csv", "json"):
        result = demeter(environment, "usage", "export", "--month", month, "--format", form)
        assert result.exit_code == 7
        assert "A-1204 (water): the month is not over" in result.stderr
        assert "A-1204 (water)" not in result.stdout
    assert json.loads(result.stdout)["missing"][0]["reason"] == "running"
    assert demeter(environment, "usage", "export", "--month", "2019-01").exit_code == 0


def exchanged(environment: dict[str, str], *words: str, **changed: str) -> Result:
    given = {
        "unit": "A-1204",
        "commodity": "water",
        "at": (datetime.now(UTC) - timedelta(days=1)).isoformat(),
        "closing": "123.456",
        "new-meter": "W-2",
        "opening": "0.5",
        "reason": "stuck register",
        **changed,
    }
    options = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    return demeter(environment, "meter", "exchange", *options, *words)


def test_a_meter_exchange_is_entered_once_and_can_be_tried_first(
    environment: dict[str, str], society: Scope, database: Database
) -> None:
    def installed() -> list[estate.Installation]:
        with database.unit_of_work(society) as work:
            return estate.installations(work, estate.sites(work)[0].id)

    with database.unit_of_work(society) as work:
        plan = estate.MeterPlan("W-2", Commodity.WATER, "dlms", work.now() - timedelta(days=3))
        estate.create_meter(work, estate.sites(work)[0].id, plan)
    tried = exchanged(environment, "--dry-run", "--json")
    assert (tried.exit_code, json.loads(tried.stdout)["installation_id"], len(installed())) == (0, None, 1)
    assert exchanged(environment, multiplier="25/2").exit_code == 0
    old, new = installed()
    assert (old.closing_read, new.opening_read, new.starts_at) == (Decimal(123_456), Decimal(500), old.ends_at)
    assert (new.multiplier_num, new.multiplier_den) == (25, 2)
    assert exchanged(environment).exit_code == 5


@pytest.mark.parametrize(
    ("changed", "code", "hint"),
    [
        ({"at": "2026-10-15"}, 5, "+05:30"),
        ({"closing": "many"}, 5, "1234.567"),
        ({"multiplier": "1/0"}, 5, "25/2"),
        ({"new-meter": "W-9"}, 3, "W-9"),
        ({"unit": "Z-1"}, 3, "Z-1"),
    ],
)
def test_slips_in_a_meter_exchange_are_told(
    environment: dict[str, str], society: Scope, changed: dict[str, str], code: int, hint: str
) -> None:
    with_meter = {"new-meter": "W-1", **changed}
    result = exchanged(environment, **with_meter)
    assert (result.exit_code, hint in result.stderr) == (code, True), result.output


def test_a_name_that_looks_like_markup_is_shown_as_it_is(environment: dict[str, str], society: Scope) -> None:
    assert "Palm [/red] Court" in demeter(environment, "site", "list").stdout


def test_a_database_that_does_not_answer_is_told_with_code_6(tmp_path: Path) -> None:
    MasterKey.from_file(tmp_path / "master.key", create=True)
    away = {"DEMETER_DATA_DIR": str(tmp_path), "DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/demeter"}
    result = demeter(away, "site", "list")
    assert result.exit_code == 6
    assert SECRET not in result.output


@pytest.mark.parametrize(
    "url",
    [
        f"postgresq://u:{SECRET}@h/db",
        f"u:{SECRET}@h",
        f"postgresql://u:{SECRET}@[::1/db",
        f"postgresql://u:{SECRET}@h:port/db",
        f"host=127.0.0.1 password={SECRET}",
    ],
)
@pytest.mark.parametrize("words", [["doctor"], ["doctor", "--json"], ["site", "list"], ["config", "show", "--origin"]])
def test_a_database_url_with_a_slip_is_refused_without_repeating_its_password(
    tmp_path: Path, url: str, words: list[str]
) -> None:
    result = demeter({"DEMETER_DATA_DIR": str(tmp_path), "DATABASE_URL": url}, *words)
    assert result.exit_code == 5
    assert "environment DATABASE_URL" in result.output
    assert SECRET not in result.output


def test_a_correct_database_url_is_masked_wherever_settings_are_shown(tmp_path: Path) -> None:
    url = f"postgresql://u:{SECRET}@127.0.0.1:1/demeter"
    for words in (["config", "show"], ["config", "show", "--origin"], ["config", "show", "--json"], ["doctor"]):
        assert SECRET not in demeter({"DEMETER_DATA_DIR": str(tmp_path), "DATABASE_URL": url}, *words).output


def test_before_anything_is_set_up_commands_say_what_to_do_and_make_nothing(tmp_path: Path) -> None:
    place = {"DEMETER_DATA_DIR": str(tmp_path), "DATABASE_URL": ""}
    result = demeter(place, "site", "list")
    assert (result.exit_code, "demeter demo" in result.stderr) == (6, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"colour = 1", b"colour = ", b"\xff\xfe", b'log_level = "loud"', b"http_port = []"]
)
def test_a_configuration_file_with_a_slip_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "demeter.toml"
    file.write_bytes(content)
    result = demeter({}, "--config", str(file), "version")
    assert (result.exit_code, str(file) in result.stderr) == (5, True)


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999"])
def test_a_port_there_is_not_is_refused_before_anything_starts(tmp_path: Path, port: str) -> None:
    result = demeter({"DEMETER_DATA_DIR": str(tmp_path / "new"), "DATABASE_URL": ""}, "serve", "--port", port)
    assert (result.exit_code, "http_port" in result.stderr) == (5, True)
    assert not list((tmp_path / "new").glob("postgresql*"))


def commands() -> list[tuple[str, ...]]:
    """Every command there is, as the words that call it."""

    def below(command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        below_it = getattr(command, "commands", None)
        for name, one in (below_it or {}).items():
            yield from below(one, (*words, name))
        if below_it is None and command.callback.__module__.startswith("demeter.app."):  # not a plug-in's
            yield words

    return sorted(below(typer.main.get_command(root.app), ()))


WRITES = {("user", "add"), ("site", "add"), ("estate", "import"), ("db", "upgrade")}
RUNS = {("serve",), ("api",), ("acquisition",), ("worker",), ("demo",), ("simulate",)}


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_takes_the_flags_every_command_takes(words: tuple[str, ...]) -> None:
    command = typer.main.get_command(root.app)
    for word in words:
        command = command.commands[word]
    flags = {option for parameter in command.params for option in parameter.opts}
    assert flags >= {"--quiet", "--verbose", "--no-color"}
    assert words in RUNS or flags & {"--json", "--format"}
    assert words not in WRITES or "--dry-run" in flags


def test_quiet_says_nothing_but_what_was_asked_for(environment: dict[str, str], society: Scope) -> None:
    add = ["user", "add", "--email", "q@b.example", "--name", "Q"]
    for words in (["--quiet", *add[:2], *add[2:]], ["user", "add", "--quiet", "--email", "r@b.example", "--name", "R"]):
        told = demeter(environment, *words)
        assert (told.exit_code, told.stderr) == (0, "")
        assert len(told.stdout.strip()) >= 10, "the password is what was asked for"
    assert "already has an account" in demeter(environment, "--quiet", *add).stderr, "an error is no chatter"


def test_verbose_shows_where_an_error_came_from(environment: dict[str, str], society: Scope) -> None:
    quietly = demeter(environment, "meter", "list", "--site", "Elsewhere")
    at_length = CliRunner().invoke(root.app, ["meter", "list", "--site", "Elsewhere", "--verbose"], env=environment)
    assert "site_named" not in quietly.stderr
    assert "site_named" in at_length.stderr


def test_no_color_is_no_escape_sequence(environment: dict[str, str], society: Scope) -> None:
    forced = {**environment, "FORCE_COLOR": "1"}
    assert "\x1b[" in demeter(forced, "site", "list").stdout
    assert "\x1b[" not in demeter(forced, "site", "list", "--no-color").stdout
    assert "\x1b[" not in demeter(forced, "--no-color", "site", "list").stdout


def test_numbers_are_written_with_every_digit_and_no_exponent() -> None:
    assert output.plain({"a": Decimal("1.2E+4"), "b": Decimal("0.00000012")}) == {"a": "12000", "b": "0.00000012"}


def test_an_organization_is_made_only_when_asked_for_and_never_for_nobody(
    environment: dict[str, str], society: Scope, database: Database
) -> None:
    def named() -> list[str]:
        return identity.organization_names(database)

    add = ["user", "add", "--email", "t@b.example", "--name", "T", "--organization"]
    typed = demeter(environment, *add, "Palm Cort")
    assert (typed.exit_code, "Palm Court" in typed.stderr, named()) == (3, True, ["Palm Court"])
    for wrong in (["--role", "king"], ["--email", "nobody"], ["--name", " "]):
        refused = demeter(environment, *add, "New", "--create-organization", *wrong)
        assert (refused.exit_code, named()) == (5, ["Palm Court"]), wrong
    assert demeter(environment, *add, "Palm Court", "--create-organization").exit_code == 5
    rehearsed = demeter(environment, *add, "New", "--create-organization", "--dry-run", "--json")
    assert (json.loads(rehearsed.stdout)["password"], named()) == (None, ["Palm Court"])
    made = demeter(environment, *add, "New", "--create-organization", "--json")
    password = json.loads(made.stdout)["password"]
    assert named() == ["New", "Palm Court"]
    assert identity.scope_of(database, identity.login(database, "t@b.example", password)) is not None


@pytest.mark.parametrize("words", [["site", "list"], ["user", "add", "--email", "a@b.example", "--name", "A"]])
def test_a_database_that_is_not_set_up_is_told_before_anything_is_asked_of_it(
    environment: dict[str, str], database: Database, words: list[str]
) -> None:
    def said() -> str:
        result = demeter(environment, *words)
        assert result.exit_code == 6
        assert "demeter db upgrade" in result.stderr or "newer" in result.stderr
        return result.stderr

    with database.connect(Role.OWNER, autocommit=True) as owner:
        owner.execute("UPDATE runtime.alembic_version SET version_num = '0003_estate'")
        assert "0003_estate" in said()
        owner.execute("UPDATE runtime.alembic_version SET version_num = '9999_later'")
        assert "newer than this version" in said()
        owner.execute("DROP SCHEMA runtime CASCADE")
        assert "not been set up" in said()


def test_an_upgrade_can_be_rehearsed_and_told_as_json(environment: dict[str, str], database: Database) -> None:
    for words in (["db", "upgrade", "--json"], ["db", "upgrade", "--json", "--dry-run"]):
        told = json.loads(demeter(environment, *words).stdout)
        assert (told["before"] == told["after"], told["changed"]) == (True, False)


@pytest.mark.parametrize("words", [["site", "list"], ["doctor"], ["db", "upgrade", "--dry-run"]])
def test_looking_makes_no_directory(tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    demeter({"DATABASE_URL": "", "DEMETER_DATA_DIR": ""}, *words)
    assert list(tmp_path.iterdir()) == []
