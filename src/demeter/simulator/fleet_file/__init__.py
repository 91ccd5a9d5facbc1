"""Fleet files: YAML, JSON or TOML that say which meters to simulate; checked as a whole, with line and field."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from demeter.kernel import SystemClock
from demeter.simulator.fleet import FleetConfig
from demeter.simulator.fleet_file.checks import FleetFileError, Problem
from demeter.simulator.fleet_file.documents import parse_document, read_document
from demeter.simulator.fleet_file.examples import EXAMPLE
from demeter.simulator.fleet_file.expansion import expand

__all__ = ["EXAMPLE", "FleetFileError", "Problem", "load_fleet", "parse_fleet"]


def load_fleet(path: Path, now: datetime | None = None, folder: Path | None = None) -> FleetConfig:
    """Read a fleet file (``.yaml``, ``.yml``, ``.json``, ``.toml``).

    ``now``: what relative instants in it count from; the present by default. ``folder``: where recordings are looked
    for; beside the file by default.

    Raises:
        Unavailable: the file cannot be read.
        Invalid: it is not of its format; a :class:`FleetFileError` with everything in it that does not fit.
    """
    return expand(read_document(path), folder or path.parent, now or SystemClock().now())


def parse_fleet(text: str, suffix: str = ".yaml", now: datetime | None = None, folder: Path = Path()) -> FleetConfig:
    """Return the fleet a text describes; errors as :func:`load_fleet`."""
    return expand(parse_document(text, "the text", suffix), folder, now or SystemClock().now())
