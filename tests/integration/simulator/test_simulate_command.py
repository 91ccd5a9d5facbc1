"""``demeter simulate`` as a person runs it: a file, a table, credentials that fit, Ctrl-C."""

import asyncio
import csv
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import typer
from typer.testing import CliRunner

from demeter.app.cli import simulate
from demeter.drivers.dlms import DlmsDriver
from demeter.kernel import SystemClock
from demeter.sdk import Credentials, Endpoint
from demeter.simulator import EXAMPLE, ask

FLEET = """
zone: Asia/Kolkata
seed: 3
history_days: 2
groups:
  - {name: flat, count: 3}
  - {name: ecdsa, security: {suite: 1, mechanism: hls-ecdsa}}
  - {name: big, security: {suite: 2}}
  - {name: md5, security: {mechanism: hls-md5, plain: true}}
  - {name: datagrams, transport: wrapper-udp, kind: water}
  - {name: bus, count: 2, transport: hdlc, port: PORT, one_port: true, physical_address: 20}
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def fleet(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET.replace("PORT", str(free_port())))
    return path


def command(*words):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return {
        "args": [sys.executable, "-m", "demeter", "simulate", *map(str, words)],
        "env": environment | {"COLUMNS": "240"},
        "text": True,
    }


def run(*words):
    """Run the command in this process, without the settings the root of the command line would read."""
    alone = typer.Typer()
    alone.command()(simulate.simulate)
    return CliRunner().invoke(alone, [str(word) for word in words], env={"COLUMNS": "240"})


@contextmanager
def simulating(*words):
    with subprocess.Popen(**command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def secrets_of(record):
    texts = {"password"}
    return {
        name: value.encode() if name in texts else bytes.fromhex(value) for name, value in record["secrets"].items()
    }


async def serial_of(record):
    endpoint = Endpoint(record["address"], {"answer_s": 5, **record["options"]})
    session = await DlmsDriver(SystemClock()).open(endpoint, Credentials(secrets_of(record)))
    try:
        return (await session.nameplate()).serial
    finally:
        await session.close()


def test_what_the_command_writes_down_is_enough_to_read_every_meter(fleet, tmp_path):
    with simulating(fleet, "--json", "--credentials", tmp_path / "keys.csv") as process:
        ready = json.loads(process.stdout.readline())
        assert [record["name"] for record in ready["meters"]] == [
            *("flat-0001", "flat-0002", "flat-0003", "ecdsa", "big", "md5", "datagrams", "bus-0001", "bus-0002")
        ]
        for record in ready["meters"]:
            assert asyncio.run(serial_of(record)) == record["serial"]
        truth = ask(
            ready["control_port"],
            {"meter": "flat-0001", "truth": {"since": int(time.time()) - 7200, "until": int(time.time())}},
        )
        assert truth["closing"] > truth["opening"]
        written = list(csv.DictReader((tmp_path / "keys.csv").read_text().splitlines()))
        assert [row["serial"] for row in written] == [record["serial"] for record in ready["meters"]]
        assert written[0]["encryption_key"] == ready["meters"][0]["secrets"]["encryption_key"]
        assert stat.S_IMODE((tmp_path / "keys.csv").stat().st_mode) == 0o600
    assert process.returncode == 0, "Ctrl-C is how it ends"


def test_a_person_gets_a_table_of_addresses_and_keys(fleet):
    with simulating(fleet) as process:
        table = [process.stdout.readline() for _ in range(13)]
        assert "9 simulated meters" in table[0]
        assert "127.0.0.1:" in "".join(table)
        assert "bus-0002" in "".join(table)
        assert "All meters listen" in process.stderr.readline()


def test_checking_says_what_is_there_or_what_is_wrong_and_runs_nothing(fleet):
    checked = run(fleet, "--check")
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert "is fine: 9 meters (8 single-phase, 1 water)" in checked.stdout
    fleet.write_text("groups:\n  - name: a\n    kind: gas\n")
    wrong = run(fleet, "--check")
    assert wrong.exit_code == 5
    assert f"{fleet}:3: groups[0].kind: 'gas' is none of" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_the_example_it_prints_passes_its_own_check(tmp_path):
    printed = run("--example")
    assert printed.stdout == EXAMPLE
    (tmp_path / "fleet.yaml").write_text(printed.stdout)
    assert run(tmp_path / "fleet.yaml", "--check").exit_code == 0


def test_a_port_in_use_is_named_with_its_meter(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "fleet.yaml").write_text(f"groups: [{{name: house, port: {port}}}]")
        refused = subprocess.run(**command(tmp_path / "fleet.yaml"), capture_output=True, timeout=60, check=False)
    assert refused.returncode == 6
    assert f"cannot listen on 127.0.0.1:{port} for meter 'house': Address already in use" in refused.stderr
    assert "base_port" in refused.stderr


def test_no_file_is_asked_for():
    asked = run()
    assert asked.exit_code == 2
    assert "--example" in asked.stderr
