"""The simulated meters foreign clients read, and what a client must know of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demeter.protocols.dlms.security import Suite, new_private_key, public_key
from demeter.simulator import FleetConfig, LoadConfig, MeterConfig, MeterKind, SecurityConfig, fleet_record
from demeter.simulator.fleet import Transport
from tests.interop.matrix import Case

ZONE = "Asia/Kolkata"
TITLE = b"DMT00001"
CLIENT_TITLE = b"FRN00001"
SECRET = "sixteen octets!!"
PASSWORD = "read me"
PER_HOUR = 1000
SAPS = {"none": 16, "lls": 32}
UNTIL = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
SIGNING = {suite: (new_private_key(suite), new_private_key(suite)) for suite in (Suite.ONE, Suite.TWO)}


def keys(suite: int) -> tuple[bytes, bytes]:
    """Return the encryption and the authentication key of all meters of a suite."""
    size = Suite(suite).key_size
    return bytes(range(size)), bytes(range(size, 2 * size))


def meter_of(case: Case) -> MeterConfig:
    """Return the meter a case is for."""
    encryption, authentication = keys(case.suite)
    pairs = {}
    if case.suite:
        own, client = SIGNING[Suite(case.suite)]
        pairs = {"signing_key": own.hex(), "client_signing_key": public_key(Suite(case.suite), client).hex()}
    mechanism = case.mechanism if case.mechanism.startswith("hls") else "hls-gmac"
    return MeterConfig(
        case.meter,
        "DM1",
        MeterKind.SINGLE_PHASE,
        load=LoadConfig("steady", per_hour=PER_HOUR),
        system_title=TITLE.hex(),
        encryption_key=encryption.hex(),
        authentication_key=authentication.hex(),
        password=PASSWORD,
        transport=Transport(case.transport),
        security=SecurityConfig(
            suite=case.suite, mechanism=mechanism, plain=True, protection=case.policy, hls_secret=SECRET, **pairs
        ),
    )


@contextmanager
def simulated(cases: Sequence[Case], folder: Path) -> Iterator[dict[str, tuple[str, int]]]:
    """Run a simulator process with a meter of its own for each case; give addresses by the case's name."""
    meters = tuple({case.name: meter_of(case) for case in cases}.items())
    named = tuple(_renamed(config, name) for name, config in meters)
    fleet = FleetConfig(ZONE, int((UNTIL - timedelta(days=2)).timestamp()), named)
    path = folder / "fleet.json"
    path.write_text(json.dumps(fleet_record(fleet)), encoding="utf-8")
    command = [sys.executable, "-m", "demeter.simulator", "--fleet", str(path), "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield {name: (place[0], place[1]) for name, place in ready["meters"].items()}
        process.stdin.close()


def _renamed(config: MeterConfig, name: str) -> MeterConfig:
    from dataclasses import replace

    return replace(config, name=name)


def job(case: Case, place: tuple[str, int], steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what a foreign client is told: where, as whom, with which keys, to do what."""
    encryption, authentication = keys(case.suite)
    told = {
        "host": place[0],
        "port": place[1],
        "transport": case.transport,
        "client_sap": SAPS.get(case.mechanism, 48),
        "server_sap": 1,
        "mechanism": case.mechanism,
        "password": {"none": None, "lls": PASSWORD}.get(case.mechanism, SECRET),
        "client_title": CLIENT_TITLE.hex(),
        "meter_title": TITLE.hex(),
        "suite": case.suite,
        "security": case.protection,
        "encryption_key": encryption.hex(),
        "authentication_key": authentication.hex(),
        "counter": 1 << 30,  # beyond what a meter says it has received
        "max_pdu": case.max_pdu,
        "steps": list(steps),
    }
    if case.dedicated:
        told["dedicated_key"] = bytes(range(100, 100 + len(encryption))).hex()
    if case.suite:
        own, client = SIGNING[Suite(case.suite)]
        told |= {"signing_key": client.hex(), "meter_signing_key": public_key(Suite(case.suite), own).hex()}
    return told


def run(python: Path, peer: str, told: dict[str, Any], patience_s: float = 60) -> dict[str, Any]:
    """Run a foreign client with a job; give what it answers.

    Raises:
        AssertionError: it ended with an error; the message is what it said.
    """
    script = Path(__file__).parent / "peers" / peer
    done = subprocess.run(
        [python, script], input=json.dumps(told), capture_output=True, text=True, timeout=patience_s, check=False
    )
    assert done.returncode == 0, f"{peer}: {done.stderr[-1500:]}"
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
