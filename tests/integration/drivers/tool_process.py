"""The tools as the processes they are, and a simulated fleet to point them at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demeter.protocols.dlms.security import Suite, new_private_key, public_key

SRC = Path(__file__).parents[3] / "src"
EK, AK, PASSWORD = bytes(range(16)), bytes(range(0xD0, 0xE0)), "reader"
TITLE = "444d540000000001"

METER_SIGNING, OUR_SIGNING = new_private_key(Suite.TWO), new_private_key(Suite.TWO)
LONG_EK, LONG_AK = bytes(range(32)), bytes(range(0x40, 0x60))

FLEET = {
    "zone": "Asia/Kolkata",
    "history_start": "2026-03-01T00:00:00+05:30",
    "meters": [
        {
            "name": name,
            "serial": serial,
            "kind": kind,
            "system_title": title,
            "encryption_key": EK.hex(),
            "authentication_key": AK.hex(),
            "password": PASSWORD,
            "load": {"shape": "steady", "per_hour": 4000},
            **more,
        }
        for name, serial, kind, title, more in (
            ("house", "DM1", "single-phase", TITLE, {"row_format": "delta"}),
            ("hdlc", "DM2", "three-phase", "444d540000000002", {"transport": "hdlc", "physical_address": 17}),
            ("udp", "DM3", "single-phase", "444d540000000003", {"transport": "wrapper-udp", "row_format": "compact"}),
            ("water", "DM4", "water", "444d540000000004", {}),
            (
                "signing",
                "DM5",
                "single-phase",
                "444d540000000005",
                {
                    "encryption_key": LONG_EK.hex(),
                    "authentication_key": LONG_AK.hex(),
                    "security": {
                        "suite": 2,
                        "mechanism": "hls-ecdsa",
                        "signed": True,
                        "signing_key": METER_SIGNING.hex(),
                        "client_signing_key": public_key(Suite.TWO, OUR_SIGNING).hex(),
                    },
                },
            ),
        )
    ],
}

KEY_FILE = f"""
encryption_key = "{EK.hex()}"
authentication_key = "{AK.hex(" ")}"
password = "{PASSWORD}"
[options]
zone = "Asia/Kolkata"
answer_s = 5
"""

SIGNING_KEY_FILE = f"""
encryption_key = "{LONG_EK.hex()}"
authentication_key = "{LONG_AK.hex()}"
signing_key = "{OUR_SIGNING.hex()}"
meter_signing_key = "{public_key(Suite.TWO, METER_SIGNING).hex()}"
[options]
suite = "2"
mechanism = "hls-ecdsa"
signed = true
"""


@dataclass(frozen=True)
class Ran:
    """How a process ended."""

    code: int
    out: str
    err: str
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    """A process's environment: nothing of Demeter's installation, but where its code is."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("DEMETER", "DATABASE", "COLUMNS"))
    }
    paths = [str(SRC), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "60", **more}


def dlms(*words: object, cwd: Path, stdin: bytes = b"", **more: str) -> Ran:
    """Run ``demeter dlms …`` in a folder of its own."""
    command = [sys.executable, "-m", "demeter.drivers.dlms.cli", *map(str, words)]
    done = subprocess.run(
        command, input=stdin, capture_output=True, timeout=60, cwd=cwd, env=environment(**more), check=False
    )
    ran = Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode(), done.stdout)
    assert "Traceback" not in ran.err, ran.err
    return ran


@contextmanager
def fleet(folder: Path) -> Iterator[dict[str, str]]:
    """Run the simulator as a process; gives the address of each meter."""
    file = folder / "fleet.json"
    file.write_text(json.dumps(FLEET))
    command = [sys.executable, "-m", "demeter.simulator", "--fleet", str(file), "--until-stdin-closes"]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    assert running.stdin is not None
    assert running.stdout is not None
    try:
        ready = json.loads(running.stdout.readline())
        yield {name: f"{host}:{port}" for name, (host, port, _) in ready["meters"].items()}
    finally:
        running.stdin.close()
        running.wait(10)
        running.stdout.close()
