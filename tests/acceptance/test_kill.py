"""Acknowledged means committed: processes and PostgreSQL are killed at random while meters are read.

What counts as acknowledged: every interval stamped at or before a meter's bookmark, and every self-read answered with
success. After each kill all of it must be there with the meter's own value; at the end everything the meters hold must
be there exactly once, every block and every month must equal its recomputation, and nothing may wait to be worked in.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from demeter import headend, metering, readings
from demeter.app.demo.client import ApiClient
from demeter.app.proof import frame_decoder
from demeter.kernel import Commodity, Span, day_start, local_day
from demeter.metering.gather import site_map
from demeter.metering.model import MonthUse
from demeter.metering.service import compute
from demeter.metering.store import use
from demeter.runtime.database import UnitOfWork
from demeter.simulator import Fault, FaultKind, FleetConfig, ask, housing_society
from tests.acceptance.installation import EMAIL, Installation, installed, wait_for

KILLS = 24
SEED = 20261120
BACK_WITHIN_S = 10
WORKED_IN_WITHIN_S = 10


def fleet(now: datetime) -> FleetConfig:
    """Forty meters that answer slowly and remember 45 days, so that killing meets them at work."""
    start = day_start("Asia/Kolkata", local_day("Asia/Kolkata", now - timedelta(days=45)))
    society = housing_society(3, start, now, entries=46 * 96)
    slow = (Fault(FaultKind.SLOW, delay_ms=400),)
    flats = [replace(m, faults=slow) for m in society.meters if m.smart and m.unit and not m.faults][:40]
    legacy = [m for m in society.meters if not m.smart][:1]
    return replace(society, meters=tuple(flats + legacy))


@pytest.mark.timeout(400)
def test_no_acknowledged_reading_is_lost_or_doubled(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    with installed(tmp_path, fleet(datetime.now(UTC))) as running:
        running.start()
        resident = Resident(running)
        resident.start()
        slowest = {"acquisition": 0.0, "worker": 0.0, "postgres": 0.0}
        for number in range(KILLS):
            time.sleep(dice.uniform(0.2, 1.5))
            part = ("acquisition", "postgres", "worker")[number % 3]
            before = running.pid(part)
            running.kill(part)
            back = wait_for(partial(back_again, running, part, before), BACK_WITHIN_S, f"{part} to run again")
            slowest[part] = max(slowest[part], back)
            if number % 6 == 5:
                check_acknowledged(running)
        resident.stop()
        for m in running.fleet.meters:
            if m.smart:
                ask(running.fleet.control_port, {"meter": m.name, "clear": "slow"})
        wait_for(lambda: complete(running), 120, "everything the meters hold to be collected", pause=1)
        electricity = [m for m in running.fleet.meters if m.smart and m.commodity is Commodity.ELECTRICITY]
        assert check_acknowledged(running) >= len(electricity) * 45 * 96
        check_self_reads(running, resident.acknowledged)
        with running.wiring.database.unit_of_work(running.scope, snapshot=True) as work:
            decode = frame_decoder(running.wiring, work)
            assert readings.verify_blocks(work, running.society.site_id, decode) == []
        worked_in = wait_for(lambda: not dirty(running), WORKED_IN_WITHIN_S, "everything to be worked in")
        check_months(running)
        print(
            f"{KILLS} kills, back within {slowest}, worked in after {worked_in:.1f} s, {len(resident.acknowledged)} self-reads acknowledged"
        )


def back_again(running: Installation, part: str, before: int | None) -> bool:
    pid = running.pid(part)
    return pid is not None and pid != before and running.healthy()


def complete(running: Installation) -> bool:
    with running.wiring.database.unit_of_work(running.scope) as work:
        progress = headend.progress(work, running.society.site_id)
    return progress.meters == progress.complete


def dirty(running: Installation) -> int:
    with running.wiring.database.unit_of_work(running.scope) as work:
        return readings.count_dirty(work)


def check_months(running: Installation) -> None:
    """Compute every ended month of every service point again and compare; the present one moves while we look."""
    with running.wiring.database.unit_of_work(running.scope) as work:
        site_id = running.society.site_id
        use.lock_site(work, site_id)
        where = site_map(work, site_id)
        present = local_day(where.site.zone, work.now()).replace(day=1)
        before = ended_months(work, site_id, present)
        smart = {m.serial for m in running.fleet.meters if m.smart}
        measured = {
            p for p in where.points if {where.meters[i.meter_id].serial for i in where.installations[p]} & smart
        }
        assert measured <= {point for point, _ in before}, "a meter was read, but its month was never computed"
        compute(work, where, before, metering.Policy())
        assert ended_months(work, site_id, present) == before


def ended_months(work: UnitOfWork, site_id: int, present: date) -> dict[tuple[int, date], MonthUse]:
    return {(u.service_point_id, u.month): u for u in use.months(work, site_id) if u.month < present}


def check_acknowledged(running: Installation) -> int:
    """Compare every interval up to each meter's bookmark with what the meter truly measured; return how many."""
    compared = 0
    with running.wiring.database.unit_of_work(running.scope) as work:
        site = running.society.site_id
        by_id = {row.meter_id: row for row in headend.meter_rows(work, site)}
        names = meter_names(running, work)
        for channel in readings.channels(work, site):
            energy = channel.reading_type.obis == "1.0.1.29.0.255"
            if not energy or by_id[channel.meter_id].read_until is None:
                continue
            start = datetime.fromtimestamp(running.fleet.history_start_s, UTC)
            span = Span(start, by_id[channel.meter_id].read_until)
            stored = readings.read(work, [channel], span)[channel.id]
            truth = ask(
                running.fleet.control_port,
                {
                    "meter": names[channel.meter_id],
                    "truth": {"since": int(span.start.timestamp()), "until": int(span.end.timestamp())},
                },
            )
            assert stored.at_s.tolist() == truth["end_s"], f"meter {names[channel.meter_id]}: intervals differ"
            assert stored.values.tolist() == truth["amounts"], f"meter {names[channel.meter_id]}: values differ"
            compared += len(stored.at_s)
    return compared


def meter_names(running: Installation, work: object) -> dict[int, str]:
    from demeter import estate

    serials = {m.serial: m.name for m in running.fleet.meters}
    return {m.id: serials[m.serial] for m in estate.meters(work, running.society.site_id) if m.serial in serials}


class Resident(threading.Thread):
    """Hands in self-reads of the legacy flat all the time; remembers those that were answered with success."""

    def __init__(self, running: Installation) -> None:
        super().__init__(name="resident", daemon=True)
        self.running = running
        self.acknowledged: list[tuple[datetime, int]] = []
        self._ended = threading.Event()

    def run(self) -> None:
        flat = next(m for m in self.running.fleet.meters if not m.smart)
        at = datetime.fromtimestamp(self.running.fleet.history_start_s, UTC) + timedelta(days=1)
        while not self._ended.is_set():
            try:
                with ApiClient(self.running.address, EMAIL, self.running.password) as client:
                    month = f"{at:%Y-%m}"
                    rows = client.get(f"/api/sites/{self.running.society.site_id}/units", month=month)["rows"]
                    point = next(r["service_point_id"] for r in rows if r["unit"] == flat.unit)
                    while not self._ended.wait(0.1):
                        at += timedelta(hours=1)
                        dial = ask(self.running.fleet.control_port, {"meter": flat.name, "dial": at.isoformat()})
                        register = f"{dial['index'] / 1000:.3f}"
                        body = {"at": at.isoformat(), "register": register, "note": ""}
                        answer = client.post(f"/api/service-points/{point}/self-reads", body)
                        if answer["outcome"].startswith("accepted"):
                            self.acknowledged.append((at, dial["index"]))
            except (httpx.HTTPError, OSError):
                self._ended.wait(0.2)

    def stop(self) -> None:
        self._ended.set()
        self.join(timeout=60)


def check_self_reads(running: Installation, acknowledged: list[tuple[datetime, int]]) -> None:
    assert len(acknowledged) > 10
    with running.wiring.database.unit_of_work(running.scope) as work:
        meter_id = next(iter(running.society.legacy.values()))
        channels = readings.channels(work, running.society.site_id, [meter_id])
        span = Span(acknowledged[0][0] - timedelta(days=2), acknowledged[-1][0] + timedelta(days=2))
        stored = readings.read(work, channels, span)
        columns = stored[channels[0].id]
        scale = 10 ** -channels[0].reading_type.scaler
        found = dict(zip(columns.at_s.tolist(), columns.values.tolist(), strict=True))
    for at, index in acknowledged:
        assert found[int(at.timestamp())] == index * scale, f"self-read of {at} is lost or changed"
