"""A fleet of meters, a tenth of them dead, read by one head-end; people who ask meanwhile are answered at once."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles

import pytest

from demeter import estate, headend
from demeter.app.demo.client import ApiClient
from demeter.simulator import FleetConfig, LoadConfig, MeterConfig, MeterKind
from demeter.simulator.faults import Fault, FaultKind
from tests.acceptance.installation import EMAIL, Installation, installed, wait_for

METERS = int(os.environ.get("DEMETER_FLEET_METERS", "500"))
"""`make bench` takes 2,000."""

DEAD = METERS // 10
HISTORY = timedelta(hours=25)
ASKED = 40
SWITCHED = 20
ROOM = 1 if os.environ.get("DEMETER_FLEET_ROOM") == "none" else 3
"""Machines that run all tests are shared and noisy: `make bench` gives no room, elsewhere wall times have some."""

FIGURES = Path(os.environ.get("DEMETER_FLEET_FIGURES", "build/fleet.json"))


def meter(number: int) -> MeterConfig:
    """Every tenth is dead: half of those refuse the connection, half never answer."""
    dead = number % 10 == 0
    fault = Fault(FaultKind.OFFLINE, mode="closed" if number % 20 else "silent")
    return MeterConfig(
        f"m{number}",
        f"FL{number:05}",
        MeterKind.SINGLE_PHASE,
        LoadConfig("steady", per_hour=400 + number % 7 * 4),
        building="F",
        unit=f"F-{number:04}",
        system_title=f"{0x444D540000000000 + number:016x}",
        encryption_key=f"{number:032x}",
        authentication_key=f"{number + 7:032x}",
        password="secret",
        entries=120,
        faults=(fault,) if dead else (),
    )


def fleet() -> FleetConfig:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HISTORY
    return FleetConfig("Asia/Kolkata", int(start.timestamp()), tuple(meter(n) for n in range(METERS)))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("fleet"), fleet()) as running:
        yield running


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def meter_ids(running: Installation) -> dict[int, int]:
    """Meter ids by the number in their serials."""
    with running.wiring.database.unit_of_work(running.scope) as work:
        return {int(m.serial[2:]): m.id for m in estate.meters(work, running.society.site_id)}


def progress(running: Installation) -> headend.CollectionProgress:
    with running.wiring.database.unit_of_work(running.scope) as work:
        return headend.progress(work, running.society.site_id)


def everybody_asked(running: Installation) -> bool:
    now = progress(running)
    return now.contacted == METERS and now.complete == METERS - DEAD


def p95(seconds: list[float]) -> float:
    return quantiles(seconds, n=20)[-1]


class Asking(threading.Thread):
    """Somebody who reads meters on demand while the fleet is being collected."""

    def __init__(self, running: Installation, meters: list[int]) -> None:
        super().__init__()
        self.installation = running
        self.meters = meters
        self.seconds: list[float] = []
        self.failed: list[str] = []

    def run(self) -> None:
        with ApiClient(self.installation.address, EMAIL, self.installation.password) as client:
            for meter_id in self.meters:
                begun = time.monotonic()
                answer = client.post(f"/api/meters/{meter_id}/read", {})
                self.seconds.append(time.monotonic() - begun)
                if answer["outcome"] != "ok":
                    self.failed.append(answer["message"])


@pytest.mark.timeout(300)
def test_a_fleet_is_read_in_time_and_on_demand_reads_do_not_wait(running: Installation) -> None:
    running.start()
    live = [meter_id for number, meter_id in meter_ids(running).items() if number % 10]
    begun = time.monotonic()
    acquisition = running.pid("acquisition")
    before = cpu_s(acquisition)
    asking = Asking(running, random.Random(7).sample(live, ASKED))
    asking.start()
    wait_for(lambda: everybody_asked(running), 60 * ROOM + 5, "the fleet to be read", pause=0.25)
    wall, cpu = time.monotonic() - begun, cpu_s(acquisition) - before
    asking.join(60)
    figures = {
        "meters": METERS,
        "dead": DEAD,
        "seconds": round(wall, 1),
        "reader CPU seconds": round(cpu, 1),
        "reader CPU, share of a core over 15 minutes": round(cpu / 900, 4),
        "on-demand read, p95 seconds meanwhile": round(p95(asking.seconds), 3),
        "rows": progress(running).received,
    }
    note(figures)
    assert progress(running).received >= (METERS - DEAD) * 96
    assert not asking.failed
    assert wall < 60 * ROOM, figures
    assert cpu < 0.5 * 60 * ROOM, figures
    assert p95(asking.seconds) < 1 * ROOM, figures


@pytest.mark.timeout(120)
def test_supplies_are_switched_and_shown_to_be_while_the_fleet_is_read(running: Installation) -> None:
    live = [meter_id for number, meter_id in meter_ids(running).items() if number % 10]
    seconds: list[float] = []
    with ApiClient(running.address, EMAIL, running.password) as client:
        for meter_id in random.Random(8).sample(live, SWITCHED):
            for kind in ("disconnect", "connect"):
                begun = time.monotonic()
                asked = client.post(f"/api/meters/{meter_id}/commands", {"kind": kind}, key=f"{kind}-{meter_id}")
                ended = client.get(f"/api/commands/{asked['id']}", wait_s=30)
                seconds.append(time.monotonic() - begun)
                assert ended["state"] == "confirmed", ended
    note({"relay confirmed by read-back, p95 seconds": round(p95(seconds), 3)})
    assert p95(seconds) < 2 * ROOM


def note(figures: dict[str, float]) -> None:
    FIGURES.parent.mkdir(exist_ok=True)
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps(known | figures, indent=1))
    print(figures)
