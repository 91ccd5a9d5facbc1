"""A real household's three years as a meter's load profile, read over DLMS: sums equal the file's to the last digit."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from demeter import headend, readings
from demeter.app.demo.client import ApiClient
from demeter.simulator import FleetConfig, LoadConfig, MeterConfig, MeterKind
from tests.acceptance.installation import EMAIL, Installation, installed, wait_for

FOLDER = Path(__file__).parents[3] / "shared" / "data"
FILE = "household-electricity-uk.csv.gz"
HALF_HOUR = timedelta(minutes=30)

pytestmark = pytest.mark.skipif(
    not (FOLDER / FILE).exists(), reason=f"the recording {FILE} lies beside the project, and that folder is absent here"
)


def recording() -> dict[datetime, Decimal]:
    """Return kWh by start of the half hour; the 24 repeated rows repeat their value and count once."""
    with gzip.open(FOLDER / FILE, "rt") as file:
        rows = [
            (datetime.fromisoformat(r["start"]).replace(tzinfo=UTC), Decimal(r["value"])) for r in csv.DictReader(file)
        ]
    values: dict[datetime, Decimal] = {}
    for start, value in rows:
        assert values.setdefault(start, value) == value
    return values


def fleet(first: datetime) -> FleetConfig:
    load = LoadConfig("replay", file=FILE)
    keys = {"system_title": "444d545245414c31", "encryption_key": "11" * 16, "authentication_key": "22" * 16}
    meter = MeterConfig(
        "real", "REAL0001", MeterKind.SINGLE_PHASE, load, building="H", unit="H-0001",
        interval_s=1800, entries=40_000, password="secret", **keys,
    )  # fmt: skip
    return FleetConfig("UTC", int(first.timestamp()), (meter,))


@pytest.mark.timeout(180)
def test_months_and_years_equal_the_files_sums_and_gaps_show_as_gaps(tmp_path: Path) -> None:
    values = recording()
    months: dict[str, Decimal] = defaultdict(Decimal)
    counts: dict[str, int] = defaultdict(int)
    for start, value in values.items():
        months[f"{start:%Y-%m}"] += value
        counts[f"{start:%Y-%m}"] += 1
    first = min(values).replace(day=1)
    with installed(tmp_path, fleet(first), folder=FOLDER) as running:
        running.start()
        wait_for(lambda: collected(running, len(values)), 100, "three years to be collected", pause=0.5)
        with ApiClient(running.address, EMAIL, running.password) as client:
            point = client.get(f"/api/sites/{running.society.site_id}/units", month="2012-06")["rows"][0]
            path = f"/api/service-points/{point['service_point_id']}"
            for month, wanted in sorted(months.items()):
                assert total(client, path, month) == wanted, f"{month}: {total(client, path, month)} is not {wanted}"
            assert sum(total(client, path, m) for m in months if m.startswith("2013")) == sum(
                wanted for m, wanted in months.items() if m.startswith("2013")
            )
            check_gaps(client, path, values)
            assert client.get(f"{path}/explain", month="2013-02")["matches"]


def collected(running: Installation, rows: int) -> bool:
    with running.wiring.database.unit_of_work(running.scope) as work:
        received = headend.progress(work, running.society.site_id).received
        return received >= rows and readings.count_dirty(work) == 0


def total(client: ApiClient, path: str, month: str) -> Decimal | None:
    found = client.get(path, month=month)["total"]["consumption"]
    return None if found is None else Decimal(found)


def check_gaps(client: ApiClient, path: str, values: dict[datetime, Decimal]) -> None:
    """Every slot of a year is either the file's value or a gap; never zero for missing."""
    start = datetime(2013, 1, 1, tzinfo=UTC)
    end = datetime(2014, 1, 1, tzinfo=UTC)
    answer = client.get(f"{path}/intervals", start=start.isoformat(), end=end.isoformat())
    assert answer["interval_s"] == 1800
    scale = Decimal(1).scaleb(answer["scaler"] - 3)
    at = datetime.fromtimestamp(answer["start_s"], UTC)
    gaps = 0
    for value in answer["values"]:
        wanted = values.get(at)
        assert (None if value is None else value * scale) == wanted, at
        gaps += wanted is None
        at += HALF_HOUR
    assert gaps > 0
