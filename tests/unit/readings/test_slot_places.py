"""Instants become local days and slots, and back, in every zone and over every change of the clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.kernel import day_span, slots_in_day
from demeter.readings.slots import DAY_S, Grid, day_number, number_day
from demeter.sdk import ReadingKind

ZONES = ["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"]
KINDS = [ReadingKind.REGISTER, ReadingKind.INTERVAL]
INTERVALS = [60, 300, 900, 1800, 3600, DAY_S]
seconds = st.integers(
    int(datetime(2010, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2040, 1, 1, tzinfo=UTC).timestamp())
)


@given(
    st.sampled_from(ZONES),
    st.sampled_from(KINDS),
    st.sampled_from(INTERVALS),
    st.lists(seconds, min_size=1, max_size=20),
)
def test_what_is_on_the_grid_comes_back_at_its_instant(zone, kind, interval_s, at_s) -> None:
    grid = Grid(zone, interval_s, kind)
    stamps = np.array(at_s, np.int64) // 60 * 60
    place = grid.place(stamps)
    on = place.on_grid
    assert grid.stamps(place.day[on], place.slot[on]).tolist() == stamps[on].tolist()
    for day, slot in zip(place.day[on].tolist(), place.slot[on].tolist(), strict=True):
        assert 0 <= slot < grid.slots(day)


@given(st.sampled_from(ZONES), st.sampled_from(KINDS), st.sampled_from([300, 900, 1800, 3600]), seconds)
def test_the_day_of_a_reading_is_the_local_day_of_its_beginning(zone, kind, interval_s, at_s) -> None:
    place = Grid(zone, interval_s, kind).place(np.array([at_s], np.int64))
    begin = at_s - (interval_s if kind is ReadingKind.INTERVAL else 0)
    assert number_day(place.day[0]) == datetime.fromtimestamp(begin, ZoneInfo(zone)).date()


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 92),
        ("Europe/Berlin", date(2026, 10, 25), 100),
        ("Europe/Berlin", date(2026, 6, 1), 96),
        ("Asia/Kolkata", date(2026, 3, 29), 96),
        ("Australia/Lord_Howe", date(2026, 4, 5), 98),
        ("Australia/Lord_Howe", date(2026, 10, 4), 94),
    ],
)
def test_a_day_has_as_many_quarter_hours_as_it_is_long(zone, day, count) -> None:
    grid = Grid(zone, 900, ReadingKind.REGISTER)
    assert grid.slots(day_number(day)) == slots_in_day(zone, day, 900) == count
    start = int(day_span(zone, day).start.timestamp())
    place = grid.place(start + 900 * np.arange(count, dtype=np.int64))
    assert place.slot.tolist() == list(range(count))
    assert set(place.day.tolist()) == {day_number(day)}
    assert place.on_grid.all()


@pytest.mark.parametrize("zone", ZONES)
def test_a_daily_channel_has_one_slot_from_midnight_to_midnight(zone) -> None:
    days = [date(2026, 3, 20) + timedelta(days=i) for i in range(30)]
    ends = np.array([int(day_span(zone, day).end.timestamp()) for day in days], np.int64)
    amounts = Grid(zone, DAY_S, ReadingKind.INTERVAL).place(ends)
    assert amounts.on_grid.all()
    assert [number_day(d) for d in amounts.day] == days
    registers = Grid(zone, DAY_S, ReadingKind.REGISTER).place(ends)
    assert registers.on_grid.all()
    assert [number_day(d) for d in registers.day] == [day + timedelta(days=1) for day in days]
    assert not Grid(zone, DAY_S, ReadingKind.REGISTER).place(ends + 1).on_grid.any()


@pytest.mark.parametrize("interval_s", [0, 59, 420])
def test_an_interval_that_does_not_divide_the_day_has_no_slots(interval_s) -> None:
    grid = Grid("UTC", interval_s, ReadingKind.REGISTER)
    assert not grid.regular
    assert not grid.place(np.array([0, 420, 86_400], np.int64) + 10**9).on_grid.any()


def test_a_reading_between_slots_is_not_moved_onto_one() -> None:
    place = Grid("Europe/Berlin", 900, ReadingKind.REGISTER).place(np.array([1_772_319_601], np.int64))
    assert not place.on_grid[0]
