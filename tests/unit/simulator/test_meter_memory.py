from datetime import UTC, datetime, timedelta

import numpy as np

from demeter.kernel import FixedClock
from demeter.simulator.faults import Fault, FaultKind
from demeter.simulator.fleet import FleetConfig, LoadConfig, MeterConfig, MeterKind
from demeter.simulator.meter import build_meters

NOW = datetime(2026, 11, 20, 13, 7, 3, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
START_S = NOW_S - 40 * 86_400


def one(load, clock=None, **more):
    meter = MeterConfig("m", "1", MeterKind.SINGLE_PHASE, load, **more)
    return build_meters(FleetConfig("Asia/Kolkata", START_S, (meter,)), clock or FixedClock(NOW))["m"]


def test_rows_are_stamped_at_interval_ends_and_the_last_one_has_passed():
    rows = one(LoadConfig("steady", per_hour=1000)).block_rows()
    assert rows.stamps[-1] == NOW_S // 900 * 900
    assert rows.stamps[0] > START_S
    assert set(np.diff(rows.stamps)) == {900}


def test_only_the_newest_entries_are_held():
    meter = one(LoadConfig("steady", per_hour=1000), entries=100)
    assert len(meter.block_rows()) == 100
    assert meter.block_amounts(meter.block_rows()).tolist() == [250] * 100


def test_a_new_row_appears_when_its_interval_has_passed():
    clock = FixedClock(NOW)
    meter = one(LoadConfig("steady", per_hour=1000), clock, entries=6400)
    before = len(meter.block_rows())
    clock.advance(timedelta(minutes=8))
    assert len(meter.block_rows()) == before + 1


def test_a_fast_clock_shows_rows_early():
    meter = one(LoadConfig("steady", per_hour=1000), faults=(Fault(FaultKind.DRIFT, seconds=600),))
    assert meter.now_s() == NOW_S + 600
    assert meter.block_rows().stamps[-1] == NOW_S // 900 * 900 + 900


def test_an_outage_leaves_a_gap():
    outage = Fault(FaultKind.OUTAGE, NOW_S - 7200, NOW_S - 3600)
    stamps = one(LoadConfig("steady", per_hour=1000), faults=(outage,)).block_rows().stamps
    assert np.diff(stamps).max() == 6 * 900


def test_daily_rows_stand_at_local_midnight():
    rows = one(LoadConfig("steady", per_hour=1000), entries=6400).daily_rows()
    assert len(rows) == 40
    assert set(rows.stamps % 86_400) == {18 * 3600 + 1800}


def test_a_billing_row_stands_at_each_start_of_a_local_month():
    rows = one(LoadConfig("steady", per_hour=1000), entries=6400).billing_rows()
    assert [datetime.fromtimestamp(at_s, UTC).isoformat() for at_s in rows.stamps] == ["2026-10-31T18:30:00+00:00"]


def test_a_replayed_file_is_the_meters_memory(tmp_path):
    (tmp_path / "house.csv").write_text(
        "start,value\n2012-01-03 00:00:00,0.142\n2012-01-03 00:30:00,0.0910001\n2012-01-03 00:30:00,0.5\n"
    )
    meter = MeterConfig("m", "1", MeterKind.SINGLE_PHASE, LoadConfig("replay", file="house.csv"), interval_s=1800)
    built = build_meters(FleetConfig("UTC", 0, (meter,)), FixedClock(NOW), tmp_path)["m"]
    rows = built.block_rows()
    assert built.block_amounts(rows).tolist() == [1_420_000, 910_001, 5_000_000]
    assert built.block_amounts(rows[-1:]).tolist() == [5_000_000]
    assert np.diff(rows.stamps).tolist() == [1800, 0]
    assert (built.scaler, built.period_s) == (-4, 1800)
    assert built.register.index(rows.stamps[-1:]).tolist() == [2_330_001]
