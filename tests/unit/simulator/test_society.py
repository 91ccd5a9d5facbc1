import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from demeter.kernel import Commodity, FixedClock, Invalid, month_span
from demeter.simulator.faults import FaultKind
from demeter.simulator.fleet import (
    FleetConfig,
    LoadConfig,
    MeterConfig,
    MeterKind,
    Role,
    fleet_from_record,
    fleet_record,
    save_fleet,
)
from demeter.simulator.fleet_file import load_fleet
from demeter.simulator.loads import amounts
from demeter.simulator.meter import build_meters
from demeter.simulator.society import housing_society

NOW = datetime(2026, 11, 20, 13, 7, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def fleet():
    return housing_society(11, NOW - timedelta(days=66), NOW, base_port=21_000)


@pytest.fixture(scope="module")
def meters(fleet):
    return build_meters(fleet, FixedClock(NOW))


def october(meter):
    span = month_span("Asia/Kolkata", 2026, 10)
    bounds = np.arange(int(span.start.timestamp()), int(span.end.timestamp()) + 1, 900)
    return amounts(meter.load, bounds)


def test_the_society_has_150_flats_in_three_towers_and_two_of_them_are_legacy(fleet):
    units = {meter.unit: meter.building for meter in fleet.meters if meter.role is Role.UNIT}
    assert Counter(units.values()) == {"A": 52, "B": 48, "C": 50}
    assert {"A-1204", "B-0706", "C-0302"} <= set(units)
    assert len({meter.unit for meter in fleet.meters if not meter.smart}) == 2
    assert sum(meter.smart for meter in fleet.meters) == 296 + 6 + 12
    assert fleet.named_month == "2026-10"


@pytest.mark.parametrize(
    ("name", "total"),
    [("A-1204/electricity", 312_000), ("A-1204/water", 14_200), ("B-0706/water", 61_800)],
)
def test_the_named_cases_come_to_their_totals(meters, name, total):
    assert october(meters[name]).sum() == total


def test_the_leaking_flat_never_stands_still_in_its_month_and_its_neighbour_does_every_night(meters):
    assert october(meters["B-0706/water"]).min() >= 15
    still = october(meters["A-1204/water"]) == 0
    assert all(still[day * 96 : day * 96 + 16].any() for day in range(31))


def test_one_electricity_meter_is_offline_from_the_beginning(meters):
    offline = [name for name, meter in meters.items() if meter.book.of(FaultKind.OFFLINE)]
    assert offline == ["C-0302/electricity"]


@pytest.mark.parametrize("commodity", list(Commodity))
def test_a_bulk_meter_exceeds_the_sum_of_its_parts_by_one_to_two_percent(meters, fleet, commodity):
    for tower in "ABC":
        parts = [m for m in fleet.meters if m.building == tower and m.commodity is commodity and m.role != Role.BULK]
        summed = sum(int(october(meters[part.name]).sum()) for part in parts)
        bulk = int(october(meters[f"{tower}/bulk-{commodity}"]).sum())
        assert 1.0099 < bulk / summed < 1.02


def test_every_meter_has_keys_a_title_and_a_port_of_its_own(fleet):
    for column in ("name", "serial", "system_title", "encryption_key", "authentication_key", "port"):
        assert len({getattr(meter, column) for meter in fleet.meters}) == len(fleet.meters)
    assert all(len(bytes.fromhex(meter.encryption_key)) == 16 for meter in fleet.meters)
    assert all(len(bytes.fromhex(meter.system_title)) == 8 for meter in fleet.meters)


def test_a_fleet_survives_its_file(fleet, tmp_path):
    save_fleet(fleet, tmp_path / "fleet.json")
    assert load_fleet(tmp_path / "fleet.json") == fleet
    assert (tmp_path / "fleet.json").stat().st_mode & 0o077 == 0
    assert fleet_from_record(json.loads(json.dumps(fleet_record(fleet)))) == fleet


def test_a_fleet_can_be_written_by_hand_in_toml(tmp_path):
    path = tmp_path / "fleet.toml"
    path.write_text(
        'zone = "Europe/Berlin"\nhistory_start = 2026-03-01T00:00:00+01:00\n'.replace("= 2026", '= "2026').replace(
            "+01:00", '+01:00"'
        )
        + '[[meters]]\nname = "m"\nserial = "1"\nkind = "water"\n[meters.load]\nshape = "steady"\nper_hour = 40\n'
        + '[[meters.faults]]\nfault = "leak"\nlitres_per_hour = 60\n'
    )
    fleet = load_fleet(path)
    assert fleet.meters[0].faults[0].litres_per_hour == 60
    assert fleet.history_start_s == 1_772_319_600


@pytest.mark.parametrize("record", [{}, {"zone": "UTC", "history_start_s": 0, "moon": 1}])
def test_a_record_that_is_no_fleet_is_refused(record):
    with pytest.raises(Invalid):
        fleet_from_record(record)


def test_parts_that_do_not_exist_are_refused():
    meter = MeterConfig("bulk", "1", MeterKind.WATER, LoadConfig("bulk", parts=("gone",)))
    with pytest.raises(Invalid):
        build_meters(FleetConfig("UTC", 0, (meter,)), FixedClock(NOW))
