from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demeter.kernel import month_span
from demeter.simulator.load_shapes import SHAPES
from demeter.simulator.loads import BulkLoad, Calibration, ShapedLoad, SteadyLoad, amounts
from demeter.simulator.slots import slots

IST = "Asia/Kolkata"
ORIGIN_S = int(datetime(2026, 9, 15, tzinfo=UTC).timestamp())
GRID = ORIGIN_S + 900 * np.arange(66 * 96 + 1)


def october(amount):
    span = month_span(IST, 2026, 10)
    return Calibration(int(span.start.timestamp()), int(span.end.timestamp()), amount)


@pytest.mark.parametrize(
    ("shape", "amount"), [("household-electricity", 312_000), ("household-water", 14_200), ("lift", 900_000)]
)
def test_a_calibrated_month_comes_to_its_total_exactly(shape, amount):
    wanted = october(amount)
    load = ShapedLoad(SHAPES[shape], 7, ORIGIN_S, IST, wanted)
    bounds = np.arange(wanted.since_s, wanted.until_s + 1, 900)
    assert amounts(load, bounds).sum() == amount
    assert amounts(load, bounds).min() >= 0


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_the_same_seed_gives_the_same_past_whatever_was_asked_first(shape):
    whole = ShapedLoad(SHAPES[shape], 3, ORIGIN_S, IST, None).total(GRID)
    piecewise = ShapedLoad(SHAPES[shape], 3, ORIGIN_S, IST, None)
    parts = [piecewise.total(GRID[i : i + 50]) for i in range(0, len(GRID), 50)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(ShapedLoad(SHAPES[shape], 4, ORIGIN_S, IST, None).total(GRID), whole)


def test_an_uncalibrated_household_uses_what_households_use():
    for seed in range(20):
        power = ShapedLoad(SHAPES["household-electricity"], seed, ORIGIN_S, IST, None)
        water = ShapedLoad(SHAPES["household-water"], seed, ORIGIN_S, IST, None)
        days = (GRID[-1] - GRID[0]) / 86_400
        assert 3_000 < power.total(GRID)[-1] / days < 20_000, "Wh a day"
        assert 150 < water.total(GRID)[-1] / days < 1_200, "litres a day"


def test_a_flat_without_a_leak_stands_still_every_night():
    water = amounts(ShapedLoad(SHAPES["household-water"], 5, ORIGIN_S, IST, october(14_200)), GRID)
    columns = slots(IST, ORIGIN_S // 900, len(water))
    night = (columns.quarter >= 3) & (columns.quarter < 16)
    assert water[night].sum() == 0
    assert water[~night].sum() > 0


def test_slots_show_the_local_clock_over_a_dst_change():
    first = int(datetime(2026, 3, 28, 23, 0, tzinfo=UTC).timestamp()) // 900
    columns = slots("Europe/Berlin", first, 92)
    assert list(columns.quarter[:12]) == [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15]
    assert len(set(columns.day.tolist())) == 1
    assert columns.weekend.all()


def test_a_bulk_meter_sees_the_sum_of_its_parts_and_the_loss():
    parts = [ShapedLoad(SHAPES["household-water"], seed, ORIGIN_S, IST, None) for seed in range(5)]
    bulk = BulkLoad(parts, 15, ORIGIN_S)
    summed = sum(part.total(GRID) for part in parts)
    assert np.array_equal(bulk.total(GRID), summed + summed * 15 // 1000)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 66 * 86_400), st.integers(0, 66 * 86_400))
def test_totals_never_decrease_between_any_two_instants(one, other):
    early, late = ORIGIN_S + min(one, other), ORIGIN_S + max(one, other)
    load = ShapedLoad(SHAPES["household-electricity"], 1, ORIGIN_S, IST, october(312_000))
    before, after = load.total(np.array([early, late]))
    assert 0 <= before <= after


def test_a_steady_load_is_exact():
    load = SteadyLoad(1000, ORIGIN_S)
    assert amounts(load, GRID[:97]).sum() == 24_000
