"""`demeter demo --check`: a society read over DLMS from nothing, its cases hold; a second start resumes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.installation import free_port

SECONDS_ALLOWED = 180


@pytest.mark.timeout(500)
def test_the_demo_collects_its_history_in_time_and_its_cases_hold_also_when_resumed(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    first, second = (check(tmp_path) for _ in range(2))
    assert [case["case"] for case in first["cases"] if not case["holds"]] == []
    assert first["passed"]
    assert first["meters"] == 314
    assert first["readings"] > 5_000_000
    assert first["seconds"] <= SECONDS_ALLOWED
    assert second["passed"]
    assert second["sessions"] >= first["sessions"]
    assert [row for row in second["units"] if row not in first["units"] and row["last_read_at"] is None] == []


def check(data_dir: Path) -> dict:
    command = [sys.executable, "-m", "demeter", "--data-dir", str(data_dir), "demo", "--check"]
    done = subprocess.run(
        [*command, "--port", str(free_port())], capture_output=True, text=True, timeout=240, check=False
    )
    document = json.loads(done.stdout)
    assert (done.returncode == 0) == document["passed"], done.stderr[-2000:]
    return document
