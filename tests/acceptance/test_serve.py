"""`demeter serve`: one per installation, on an address of its own, back after any death, gone when told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from demeter.runtime.database import EmbeddedPostgres
from tests.acceptance.installation import children, free_port, wait_for

PREFER = os.environ.get("DEMETER_TEST_POSTGRES", "")


@dataclass
class Place:
    """A data directory and a port for `demeter serve`."""

    data_dir: Path
    port: int

    def serve(self, data_dir: Path | None = None, command: str = "serve") -> subprocess.Popen[bytes]:
        environment = {
            "DEMETER_DATA_DIR": str(data_dir or self.data_dir),
            "DEMETER_HTTP_PORT": str(self.port),
            "DEMETER_POSTGRES": PREFER,
        }
        with (self.data_dir / "serve.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "demeter", command],
                env={**os.environ, **environment},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def refused(self, data_dir: Path | None = None, command: str = "serve") -> tuple[int, str]:
        """Serve, which must end by itself; return the exit code and what was said last."""
        before = len(self.told())
        with self.serve(data_dir, command) as process:
            code = process.wait(40)
        return code, self.told()[before:]

    def told(self) -> str:
        return (self.data_dir / "serve.log").read_text() if (self.data_dir / "serve.log").exists() else ""

    def healthy(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/api/health", timeout=5).is_success
        except httpx.TransportError:
            return False


@pytest.fixture
def place() -> Iterator[Place]:
    made = Path(tempfile.mkdtemp(prefix="demeter-serve-"))
    made.chmod(0o711)
    yield Place(made, free_port())
    EmbeddedPostgres(made, PREFER).stop(adopted=True)
    shutil.rmtree(made, ignore_errors=True)


def test_one_at_a_time_on_its_own_address_and_back_after_kill_9(place: Place) -> None:
    first = place.serve()
    wait_for(place.healthy, 60, "the API to answer")
    password = (place.data_dir / "database-password").read_bytes()
    key = (place.data_dir / "master.key").read_bytes().strip()
    for child in [first.pid, *children(first.pid)]:
        for file in ("cmdline", "environ"):
            content = Path(f"/proc/{child}/{file}").read_bytes()
            assert password not in content, (child, file)
            assert key not in content, (child, file)

    code, told = place.refused()
    assert (code, f"already runs on {place.data_dir} (process {first.pid})" in told) == (5, True), told
    elsewhere = place.data_dir / "elsewhere"
    code, told = place.refused(elsewhere)
    assert (code, f"port {place.port} of 127.0.0.1 is taken" in told) == (5, True), told
    assert not list(elsewhere.glob("postgresql*")), "refused before anything was made"
    code, told = place.refused(place.data_dir, "api")
    assert (code, f"port {place.port} of 127.0.0.1 is taken" in told) == (5, True), told
    assert place.healthy()

    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    second = place.serve()
    wait_for(lambda: place.told().count("Demeter runs at") == 2 and place.healthy(), 30, "the API to answer again")
    assert "Traceback" not in place.told()
    second.send_signal(signal.SIGTERM)
    assert second.wait(40) == 0
    assert not EmbeddedPostgres(place.data_dir, PREFER).answers(), "the PostgreSQL of the killed one was adopted"
    assert not place.healthy()
