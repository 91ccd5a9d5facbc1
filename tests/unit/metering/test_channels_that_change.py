"""A meter whose scaler or period is changed goes on in another channel: nothing of the month is lost."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.kernel import Quality
from demeter.metering.consumption import place
from demeter.metering.rollup import totals
from demeter.sdk import ReadingKind, ReadingType
from tests.unit.metering.builders import DAY, ELECTRIC, INTERVAL, channel, epoch, meter

START = epoch("2026-03-01T00:00")
END = epoch("2026-04-01T00:00")
CHANGE = epoch("2026-03-15T00:00")
TENTHS = ReadingType("1.0.1.29.0.255", ReadingKind.INTERVAL, "Wh", -1, 900)
HALF_HOURS = ReadingType("1.0.1.29.0.255", ReadingKind.INTERVAL, "Wh", 0, 1800)


def steady(kind, amount, start=START, end=END, **other):
    """Return a channel with one amount in every interval from start to end."""
    at_s = np.arange(start, end, kind.interval_s) + kind.interval_s
    return channel(kind, at_s, np.full(len(at_s), amount), **other)


def month(*channels):
    placed = place([meter(*channels)], START, END, ELECTRIC)
    return placed, totals(placed, [START, END])[0]


def shown(total):
    return Decimal(total.amount).scaleb(total.scaler)


def test_a_scaler_changed_on_the_15th_leaves_no_slot_out():
    placed, total = month(steady(INTERVAL, 100, end=CHANGE), steady(TENTHS, 1005, CHANGE))
    assert (placed.interval_s, total.complete) == (900, True)
    assert shown(total) == 14 * 96 * 100 + 17 * 96 * Decimal("100.5")


def test_a_period_changed_on_the_15th_gives_the_coarser_grid_and_leaves_no_slot_out():
    placed, total = month(steady(INTERVAL, 100, end=CHANGE), steady(HALF_HOURS, 210, CHANGE))
    assert (placed.interval_s, placed.slots, total.complete) == (1800, 31 * 48, True)
    assert total.amount == 14 * 48 * 200 + 17 * 48 * 210


def test_a_change_outside_the_month_leaves_its_grid_alone():
    later = steady(HALF_HOURS, 210, END, END + 3 * DAY)
    earlier = steady(HALF_HOURS, 210, START - 3 * DAY, START)
    placed, total = month(earlier, steady(INTERVAL, 100), later)
    assert (placed.interval_s, total.amount, total.complete) == (900, 31 * 96 * 100, True)
    finer = steady(INTERVAL, 100, START - 3 * DAY, START)
    placed, total = month(finer, steady(HALF_HOURS, 210))
    assert (placed.interval_s, total.amount, total.complete) == (1800, 31 * 48 * 210, True)


def test_two_profiles_side_by_side_have_the_grid_of_the_finer_one():
    placed, total = month(steady(INTERVAL, 100), steady(HALF_HOURS, 210))
    assert (placed.interval_s, total.amount) == (900, 31 * 96 * 100)
    # one read of the finer one is still under way
    placed, _ = month(steady(INTERVAL, 100, end=END - 3600), steady(HALF_HOURS, 210))
    assert placed.interval_s == 900


@pytest.mark.parametrize(("tenths", "amount", "quality"), [(129, 129, Quality.MEASURED), (131, 120, Quality.SUSPECT)])
def test_of_two_channels_that_agree_the_finer_stands_and_of_others_the_smaller_is_suspect(tenths, amount, quality):
    placed, _ = month(steady(INTERVAL, 12, end=CHANGE), steady(TENTHS, tenths))
    assert (placed.scaler, placed.amounts[0], placed.quality[0]) == (-1, amount, quality)
    assert (placed.amounts[-1], placed.quality[-1]) == (tenths, Quality.MEASURED)


def test_the_more_trusted_of_two_channels_stands_and_an_edit_above_both():
    doubtful = steady(TENTHS, 500, quality=int(Quality.SUSPECT))
    placed, _ = month(steady(INTERVAL, 12), doubtful)
    assert (placed.amounts[0], placed.quality[0]) == (120, Quality.MEASURED)
    edited = steady(INTERVAL, 70, quality=int(Quality.EDITED))
    placed, _ = month(edited, steady(TENTHS, 500))
    assert (placed.amounts[0], placed.quality[0]) == (700, Quality.EDITED)


@given(st.lists(st.booleans(), min_size=96, max_size=96))
def test_however_readings_are_divided_between_two_channels_the_day_is_that_of_one(side):
    at_s, amounts, left = START + 900 * np.arange(1, 97), np.arange(96) % 97, np.array(side)

    def day(*channels):
        placed = place([meter(*channels)], START, START + DAY, ELECTRIC)
        return [Decimal(amount).scaleb(placed.scaler) for amount in placed.amounts.tolist()], placed.quality.tolist()

    whole = day(channel(TENTHS, at_s, amounts * 10))
    assert day(channel(TENTHS, at_s[left], amounts[left] * 10), channel(INTERVAL, at_s[~left], amounts[~left])) == whole
