"""Operating a meter from the command line, against a head-end that runs and a meter that is switched."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from demeter.app.cli import data, meter, root  # noqa: F401 - data and meter register their commands
from demeter.app.cli.meter import duration
from demeter.kernel import Invalid
from demeter.runtime.database import Database
from demeter.runtime.secrets import MasterKey
from tests.integration.drivers.peer import listening
from tests.integration.headend.operated import OperatedMeter
from tests.integration.headend.rig import QUIET, Rig, make_rig, running
from tests.integration.headend.test_commands import BRISK, CALENDAR


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root.logging, "configure", lambda *_, **__: None)


@pytest.fixture
def environment(database: Database, tmp_path: Path) -> dict[str, str]:
    MasterKey.from_file(tmp_path / "master.key", create=True)
    return {"DATABASE_URL": database.url, "DEMETER_DATA_DIR": str(tmp_path)}


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def run(environment: dict[str, str], *words: str, says: str = "") -> Result:
    result = CliRunner().invoke(root.app, ["meter", *words], env=environment, input=says)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_supply_is_cut_only_after_a_yes(environment: dict[str, str], rig: Rig) -> None:
    rig.add_meter("PEER-1", "127.0.0.1:9")
    refused = run(environment, "disconnect", "PEER-1", says="n\n")
    assert (refused.exit_code, "will be cut" in refused.stderr) == (1, True)
    assert json.loads(run(environment, "commands", "PEER-1", "--json").stdout) == []
    asked = run(environment, "disconnect", "PEER-1", "--reason", "moved out", says="y\n")
    assert (asked.exit_code, "is waiting" in asked.stdout) == (0, True)
    (listed,) = json.loads(run(environment, "commands", "PEER-1", "--json").stdout)
    assert (listed["kind"], listed["state"], listed["reason"]) == ("disconnect", "waiting", "moved out")
    assert listed["requested_by"].startswith("cli:")
    assert "moved out" in run(environment, "commands", "PEER-1").stdout
    cancelled = run(environment, "cancel", str(listed["id"]))
    assert (cancelled.exit_code, "cancelled" in cancelled.stdout) == (0, True)
    assert run(environment, "cancel", str(listed["id"])).exit_code == 0


def test_a_dry_run_shows_and_does_nothing(environment: dict[str, str], rig: Rig) -> None:
    rig.add_meter("PEER-1", "127.0.0.1:9")
    shown = run(environment, "load-limit", "PEER-1", "5000.0", "--over", "60", "--dry-run")
    assert (shown.exit_code, '"limit": "5000"' in shown.stdout) == (0, True)
    as_json = json.loads(run(environment, "disconnect", "PEER-1", "--dry-run", "--json").stdout)
    assert (as_json["meter"], as_json["kind"], as_json["asked"]) == ("PEER-1", "disconnect", False)
    assert json.loads(run(environment, "commands", "PEER-1", "--json").stdout) == []


def test_waiting_ends_with_the_code_of_how_it_ended(environment: dict[str, str], rig: Rig, tmp_path: Path) -> None:
    tariff = tmp_path / "tariff.json"
    tariff.write_text(json.dumps(CALENDAR))

    async def story() -> None:
        peer = OperatedMeter()
        async with listening(peer) as address:
            rig.add_meter("PEER-1", address)
            rig.add_meter("DEAD-1", "127.0.0.1:9")
            async with running(rig.collector(QUIET, BRISK)):
                for words, code, says in (
                    (["disconnect", "PEER-1", "--yes"], 0, "disconnected"),
                    (["arm", "PEER-1", "--yes"], 0, "armed"),
                    (["connect", "PEER-1", "--yes"], 1, "control mode 3"),
                    (["connect", "PEER-1", "--yes", "--control-mode", "4"], 0, "connected"),
                    (["set-clock", "PEER-1"], 0, "drift_s"),
                    (["billing-reset", "PEER-1"], 0, "resets 8"),
                    (["calendar", "PEER-1", str(tariff)], 0, "TOU1"),
                    (["load-limit", "PEER-1", "3000", "--yes"], 0, "limit 3000"),
                    (["disconnect", "DEAD-1", "--yes", "--expires", "2s"], 6, "expired"),
                ):
                    result = await asyncio.to_thread(run, environment, *words, "--wait")
                    assert (words, result.exit_code) == (words, code), result.output
                    assert says in result.stdout, words

    asyncio.run(story())


def test_what_cannot_be_understood_is_told_before_anybody_is_asked(
    environment: dict[str, str], rig: Rig, tmp_path: Path
) -> None:
    rig.add_meter("PEER-1", "127.0.0.1:9")
    days = tmp_path / "days.json"
    days.write_text('{"days": {"2026-02-30": 1}}')
    for words, code, says in (
        (["disconnect", "NOBODY"], 3, "NOBODY"),
        (["disconnect", "PEER-1", "--expires", "soon"], 5, "15m"),
        (["load-limit", "PEER-1", "much"], 5, "limit"),
        (["special-days", "PEER-1", str(days)], 5, "2026-02-30"),
        (["calendar", "PEER-1", str(tmp_path / "none.json")], 1, "none.json"),
        (["disconnect", "PEER-1", "--control-mode", "9"], 2, "6"),
        (["cancel", "4711"], 3, "4711"),
    ):
        result = run(environment, *words, says="y\n")
        assert (words, result.exit_code) == (words, code), result.output
        assert says in result.stderr, words
    same = [run(environment, "set-clock", "PEER-1", "--key", "k-1", "--json") for _ in range(2)]
    assert json.loads(same[0].stdout)["id"] == json.loads(same[1].stdout)["id"]
    assert run(environment, "billing-reset", "PEER-1", "--key", "k-1").exit_code == 5


def test_durations() -> None:
    assert [duration(text) for text in ("90s", "15m", "2h", "1d")] == [
        timedelta(seconds=90),
        timedelta(minutes=15),
        timedelta(hours=2),
        timedelta(days=1),
    ]
    for text in ("", "15", "m", "-1s", "1.5h", "1w"):
        with pytest.raises(Invalid):
            duration(text)
