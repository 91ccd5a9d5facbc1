"""The pages of a society of 150 flats with their real history: how long the API takes, at the 95th percentile."""

from __future__ import annotations

import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from demeter import headend, readings
from demeter.app.demo.client import ApiClient
from demeter.app.demo.state import ZONE, history_start
from demeter.kernel import month_span
from demeter.simulator import housing_society
from tests.acceptance.installation import EMAIL, Installation, installed, wait_for

ROUNDS = 60


def measure() -> dict[str, float]:
    """Return figures by name: milliseconds at the 95th percentile, and the bare health call as the yardstick."""
    now = datetime.now(UTC)
    fleet = housing_society(2026, history_start(now), now, ZONE)
    with tempfile.TemporaryDirectory() as folder, installed(Path(folder), fleet) as running:
        running.start()
        wait_for(lambda: ready(running), 240, "the history to be collected", pause=1)
        with ApiClient(running.address, EMAIL, running.password) as client:
            site, month = running.society.site_id, fleet.named_month
            rows = client.get(f"/api/sites/{site}/units", month=month)["rows"]
            point = next(r["service_point_id"] for r in rows if r["unit"] == "A-1204")
            span = month_span(ZONE, int(month[:4]), int(month[5:]))
            path = f"/api/service-points/{point}"
            return {
                "pages: health, ms p95 (yardstick)": p95(lambda: client.get("/api/health")),
                "pages: units page of 318 service points, ms p95": p95(
                    lambda: client.get(f"/api/sites/{site}/units", month=month)
                ),
                "pages: unit page with its month of 15-minute values, ms p95": p95(
                    lambda: (
                        client.get(path, month=month),
                        client.get(f"{path}/intervals", start=span.start.isoformat(), end=span.end.isoformat()),
                        client.get(f"{path}/days", month=month),
                        client.get(f"{path}/months"),
                    )
                ),
                "pages: meters page, ms p95": p95(lambda: client.get(f"/api/sites/{site}/meters")),
            }


def ready(running: Installation) -> bool:
    with running.wiring.database.unit_of_work(running.scope) as work:
        state = headend.progress(work, running.society.site_id)
        worked_in = readings.count_dirty(work) == 0
    return worked_in and state.contacted == state.meters and state.complete >= state.meters - state.failing


def p95(ask: object) -> float:
    ask()
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - begun) * 1000)
    return round(statistics.quantiles(taken, n=20)[18], 1)
