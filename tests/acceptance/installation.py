"""A whole installation for acceptance tests: simulated meters, `demeter serve` and everything below it, on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from demeter import identity
from demeter.app import processes
from demeter.app.demo.provision import Society, provision
from demeter.app.wiring import Wiring
from demeter.runtime import config
from demeter.runtime.database import Database, Scope
from demeter.runtime.secrets import MasterKey, SecretBox
from demeter.simulator import FleetConfig, save_fleet

EMAIL = "operator@example.org"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Installation:
    """Handles of one running installation."""

    data_dir: Path
    fleet: FleetConfig
    society: Society
    wiring: Wiring
    scope: Scope
    port: int
    password: str
    supervisor: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.data_dir / "serve.log").open("ab") as log:
            self.supervisor = subprocess.Popen(
                [sys.executable, "-m", "demeter", "serve"],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )
        wait_for(self.healthy, 60, "the API to answer")

    def stop(self) -> None:
        if self.supervisor is not None:
            self.supervisor.terminate()
            self.supervisor.wait(timeout=60)

    def healthy(self) -> bool:
        try:
            return httpx.get(f"{self.address}/api/health", timeout=5).is_success
        except httpx.TransportError:
            return False

    def pid(self, part: str) -> int | None:
        """Return the process id of ``acquisition``, ``worker``, ``api`` or ``postgres``; None while it is down."""
        if part == "postgres":
            try:
                return int((processes.embedded(self.wiring.settings).cluster / "postmaster.pid").read_text().split()[0])
            except (FileNotFoundError, IndexError):
                return None
        assert self.supervisor is not None
        for child in children(self.supervisor.pid):
            if f"demeter\0{part}\0" in _command_line(child):
                return child
        return None

    def kill(self, part: str) -> None:
        pid = self.pid(part)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def wait_for(holds: Callable[[], object], seconds: float, what: str, pause: float = 0.1) -> float:
    """Wait until ``holds()``; return the seconds it took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds, f"waited {seconds} s in vain for {what}"
        time.sleep(pause)
    return time.monotonic() - begun


@contextmanager
def installed(
    data_dir: Path, fleet: FleetConfig, folder: Path | None = None, **settings: object
) -> Iterator[Installation]:
    """Set an installation up around a running simulator; the caller starts and stops `demeter serve`."""
    data_dir.chmod(0o711)
    save_fleet(fleet, data_dir / "fleet.json")
    with simulator(data_dir / "fleet.json", folder) as ready:
        placed = [replace(m, port=ready["meters"][m.name][1]) if m.smart else m for m in fleet.meters]
        fleet = replace(fleet, meters=tuple(placed), control_port=ready["control_port"])
        port = free_port()
        values = {"data_dir": str(data_dir), "http_port": str(port), **{k: str(v) for k, v in settings.items()}}
        environment = {f"DEMETER_{name.upper()}": value for name, value in values.items()}
        loaded = config.load({}, environment)
        server = processes.prepare(loaded)
        wiring = Wiring(loaded, Database(server.url), SecretBox(MasterKey.from_file(loaded.key_file, create=False)))
        organization = identity.create_organization(wiring.database, "Test")
        scope = Scope.system(organization, "test")
        society = provision(wiring, scope, fleet)
        password = identity.new_password()
        with wiring.database.unit_of_work(scope) as work:
            identity.create_user(work, EMAIL, "Operator", "organization_administrator", password)
        server.stop()
        running = Installation(data_dir, fleet, society, wiring, scope, port, password, environment=environment)
        try:
            yield running
        finally:
            running.stop()
            wiring.database.close()


@contextmanager
def simulator(fleet_file: Path, folder: Path | None = None) -> Iterator[dict]:
    """Run the simulator as a process of its own; yields what it says when ready."""
    command = [sys.executable, "-m", "demeter.simulator", "--fleet", str(fleet_file), "--until-stdin-closes"]
    command += ["--folder", str(folder)] if folder else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


@contextmanager
def demonstration(data_dir: Path) -> Iterator[tuple[str, str, str]]:
    """Run `demeter demo` for the browser; yields address, e-mail and one-time password once the history is there."""
    port = free_port()
    command = [sys.executable, "-m", "demeter", "--data-dir", str(data_dir), "demo", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            told = []
            for line in process.stderr:
                told.append(line)
                found = re.search(r"Sign in\s+(treasurer\S+)\s+one-time password: (\S+)", line)
                if found:
                    threading.Thread(target=process.stderr.read, daemon=True).start()
                    yield f"http://127.0.0.1:{port}", found[1], found[2]
                    break
            else:
                raise AssertionError("the demo ended before it was ready:\n" + "".join(told[-20:]))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
