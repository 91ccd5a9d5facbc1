"""What a demo remembers between two starts, in its data directory: the fleet (with keys) and who may sign in."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from demeter.kernel import Unavailable, day_start, local_day
from demeter.simulator import FleetConfig, housing_society, load_fleet, save_fleet

ZONE = "Asia/Kolkata"
SEED = 2026
HISTORY_DAYS = 35
FIRST_PORT, LAST_PORT = 21_000, 29_000
ADMINISTRATOR, READER = "treasurer@palmcourt.example", "auditor@palmcourt.example"


@dataclass(frozen=True, slots=True)
class DemoState:
    """Ids of what was set up at the first start."""

    organization_id: int
    site_id: int
    legacy_meters: dict[str, int]
    self_reads_done: bool = False


class DemoFiles:
    """The demo's own files below the data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._state = data_dir / "demo.json"
        self.fleet_file = data_dir / "fleet.json"

    def load(self) -> DemoState | None:
        """Return what an earlier start set up, or None at the first."""
        return DemoState(**json.loads(self._state.read_text())) if self._state.exists() else None

    def save(self, state: DemoState) -> None:
        """Remember what was set up."""
        self._state.write_text(json.dumps(asdict(state)))

    def fleet(self, now: datetime) -> FleetConfig:
        """Return the fleet of an earlier start, else a new society with at least 35 days behind it."""
        if self.fleet_file.exists():
            fleet = load_fleet(self.fleet_file)
            _ports_free(fleet)
            return fleet
        start = history_start(now)
        count = len(housing_society(SEED, start, now, ZONE).meters)
        fleet = housing_society(SEED, start, now, ZONE, base_port=_free_ports(count + 1) + 1)
        fleet = replace(fleet, control_port=fleet.meters[0].port - 1)
        save_fleet(fleet, self.fleet_file)
        return fleet


def history_start(now: datetime) -> datetime:
    """Return local midnight of the first of a month at least 35 days before ``now``."""
    first = local_day(ZONE, now - timedelta(days=HISTORY_DAYS)).replace(day=1)
    return day_start(ZONE, first)


def _free_ports(count: int) -> int:
    """Return the first port of ``count`` free ones in a row.

    Raises:
        Unavailable: there is no such row.
    """
    free = 0
    for port in range(FIRST_PORT, LAST_PORT):
        free = free + 1 if _is_free(port) else 0
        if free == count:
            return port - count + 1
    raise Unavailable(f"no {count} free ports between {FIRST_PORT} and {LAST_PORT} for the simulated meters")


def _ports_free(fleet: FleetConfig) -> None:
    taken = [meter.port for meter in fleet.meters if meter.smart and not _is_free(meter.port)]
    if taken:
        raise Unavailable(
            f"the ports of {len(taken)} simulated meters are taken (first: {taken[0]})",
            hint="Is the demo running already? Otherwise delete its data directory (.demo) to start afresh.",
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
