"""What a meter has and what it noted, from the command line, against simulated meters."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from demeter import headend
from demeter.app.cli import discover, events, root, upkeep  # noqa: F401 - they register their commands
from demeter.runtime.database import Database
from demeter.runtime.secrets import MasterKey, SecretBox
from demeter.sdk import MeterEvent, MeterEventKind
from demeter.simulator import FleetConfig, Simulation
from tests.integration.headend.rig import Rig, make_rig
from tests.integration.headend.test_commands_simulated import single_phase


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root.logging, "configure", lambda *_, **__: None)


@pytest.fixture
def environment(database: Database, tmp_path: Path) -> dict[str, str]:
    MasterKey.from_file(tmp_path / "master.key", create=True)
    return {"DATABASE_URL": database.url, "DEMETER_DATA_DIR": str(tmp_path)}


@pytest.fixture
def rig(database: Database, environment: dict[str, str], tmp_path: Path) -> Rig:
    made = make_rig(database)
    made.secrets = SecretBox(MasterKey.from_file(tmp_path / "master.key", create=False))
    return made


@pytest.fixture
def address() -> Iterator[str]:
    """A simulated meter in a thread of its own: the command line runs an event loop itself."""
    ready, stop = threading.Event(), threading.Event()
    place: list[str] = []

    async def serve() -> None:
        since = int((datetime.now(UTC) - timedelta(hours=6)).timestamp())
        async with Simulation(FleetConfig("Asia/Kolkata", since, (single_phase(1),))) as simulation:
            where = simulation.addresses["m1"]
            place.append(f"{where.host}:{where.port}")
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    yield place[0]
    stop.set()
    thread.join()


def run(environment: dict[str, str], *words: str) -> Result:
    result = CliRunner().invoke(root.app, ["meter", *words], env={"COLUMNS": "200", **environment})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def known_meter(rig: Rig, address: str) -> int:
    config = single_phase(1)
    keys = {
        "encryption_key": bytes.fromhex(config.encryption_key),
        "authentication_key": bytes.fromhex(config.authentication_key),
    }
    return rig.add_meter("DM1", address, keys=keys, server_sap=1)


def test_a_meter_of_the_estate_is_looked_at_and_kept(environment: dict[str, str], rig: Rig, address: str) -> None:
    meter_id = known_meter(rig, address)
    shown = run(environment, "discover", "DM1")
    assert shown.exit_code == 0, shown.stderr
    assert "Most like is15959-2-single-phase" in shown.stdout
    assert "; 1.0.1.29.0.255: interval, Wh, scaler 0" in shown.stdout
    found = json.loads(run(environment, "discover", "DM1", "--save", "--json").stdout)
    assert found["nameplate"]["serial"] == "DM1"
    with rig.database.unit_of_work(rig.scope) as work:
        assert headend.kept_discovery(work, meter_id).found["fits"] == found["fits"]


def test_an_address_is_looked_at_with_keys_from_a_file(
    environment: dict[str, str], rig: Rig, address: str, tmp_path: Path
) -> None:
    config = single_phase(1)
    key_file = tmp_path / "meter.toml"
    key_file.write_text(
        f'encryption_key = "{config.encryption_key}"\nauthentication_key = "{config.authentication_key}"\n'
        "[options]\nserver_sap = 1\n"
    )
    found = json.loads(run(environment, "discover", address, "--key-file", str(key_file), "--json").stdout)
    assert found["fits"][0]["meter_profile"] == "is15959-2-single-phase"
    public = json.loads(run(environment, "discover", address, "--option", "server_sap=1", "--json").stdout)
    assert len(public["objects"]) < len(found["objects"])
    assert run(environment, "discover", address, "--save").exit_code == 5
    assert run(environment, "discover", "127.0.0.1:9", "--option", "server_sap=1").exit_code == 6


def test_what_a_meter_noted_is_listed_in_the_sites_time(environment: dict[str, str], rig: Rig) -> None:
    meter_id = rig.add_meter("DM1", "127.0.0.1:9")
    at = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
    log = "0.0.99.98.2.255"
    failed = MeterEvent(log, at, 101, MeterEventKind.OCCURRENCE, "power", "Power failure", 102)
    restored = MeterEvent(log, at + timedelta(minutes=7), 102, MeterEventKind.RESTORATION, "power", "Power back", 101)
    tampered = MeterEvent(log, at + timedelta(hours=1), 201, MeterEventKind.OCCURRENCE, "other", "Magnet", 202)
    with rig.database.unit_of_work(rig.scope) as work:
        assert headend.take_in(work, meter_id, [failed, restored, tampered], None, at) == 3
    shown = run(environment, "events", "DM1").stdout
    assert "2026-11-20 12:00:00" in shown
    assert "2026-11-20 12:07:00" in shown
    assert "still" in shown
    still = json.loads(run(environment, "events", "DM1", "--open", "--json").stdout)
    assert [(each["code"], each["until"]) for each in still] == [(201, None)]
    early = json.loads(run(environment, "events", "DM1", "--until", "2026-11-20T12:05+0530", "--json").stdout)
    assert [(each["code"], each["until"]) for each in early] == [(101, restored.at and restored.at.isoformat())]


def test_new_keys_and_firmware_are_asked_for_after_a_yes(environment: dict[str, str], rig: Rig, tmp_path: Path) -> None:
    keys = {"encryption_key": b"E" * 16, "authentication_key": b"A" * 16, "master_key": b"M" * 16}
    rig.add_meter("DM1", "127.0.0.1:9", keys=keys)
    image = tmp_path / "DMT-2.0.0.bin"
    image.write_bytes(b"firmware" * 100)
    assert run(environment, "change-keys", "DM1").exit_code == 1, "nobody said yes"
    assert json.loads(run(environment, "commands", "DM1", "--json").stdout) == []
    asked = json.loads(run(environment, "change-keys", "DM1", "--yes", "--reason", "yearly", "--json").stdout)
    assert (asked["kind"], asked["state"], asked["arguments"]) == ("change-keys", "waiting", {"version": 1})
    assert run(environment, "change-keys", "DM1", "--yes").exit_code == 5, "one is open"
    at = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0).isoformat()
    words = ("upgrade", "DM1", "--image", str(image), "--activate", at, "--yes", "--json")
    upgrade = json.loads(run(environment, *words).stdout)
    assert (upgrade["arguments"]["version"], upgrade["arguments"]["size"]) == ("DMT-2.0.0", 800)
    assert upgrade["arguments"]["activate_at"] == at
    assert run(environment, "upgrade", "DM1", "--image", str(image), "--activate", "soon", "--yes").exit_code == 5
    assert run(environment, "upgrade", "DM1", "--image", str(tmp_path / "none.bin"), "--yes").exit_code == 1
