"""Two thousand meters, a tenth of them dead: the acceptance test of the fleet, and the figures it notes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

FIGURES = Path("build/fleet.json")


def measure() -> dict[str, float]:
    """Run the test and return what it measured; it fails if an aim is missed."""
    FIGURES.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "tests/acceptance/test_fleet.py"]
    strictly = {**os.environ, "DEMETER_FLEET_METERS": "2000", "DEMETER_FLEET_ROOM": "none"}
    subprocess.run(command, check=True, stdout=sys.stderr, env=strictly)
    figures: dict[str, float] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return {f"fleet: {name}": value for name, value in figures.items()}
