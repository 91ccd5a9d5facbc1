"""The worked numbers of docs/algorithms/consumption.md, and the laws that hold for any set of readings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.kernel import Invalid, Quality
from demeter.metering.columns import settle
from demeter.metering.consumption import place
from demeter.metering.index import Source
from demeter.metering.registers import Step
from demeter.metering.rollup import Share, day_bounds, totals
from demeter.sdk import ReadingKind, ReadingType
from tests.unit.metering.builders import (
    BY_HAND,
    DAY,
    ELECTRIC,
    HOUR,
    INTERVAL,
    MIDNIGHT,
    REGISTER,
    WATER,
    channel,
    epoch,
    meter,
)

START = epoch("2026-03-10T00:00")
ENDS = START + 900 * np.arange(1, 97)
BOUNDS = START + 900 * np.arange(97)
QUARTER = [250] * 96  # 24.00 kWh
TRUE_WH = 24_000


def day_of(*meters, start=START):
    return totals(place(meters, start, start + DAY, ELECTRIC), [start, start + DAY])[0]


def load(at_s, values, quality=Quality.MEASURED):
    return meter(channel(INTERVAL, at_s, values, quality))


class TestNamedCases:
    """Whatever happens on the way, the day has its true 24.00 kWh."""

    def test_neighbours_swapped(self):
        at_s = ENDS.copy()
        at_s[[10, 11]] = at_s[[11, 10]]
        assert day_of(load(at_s, QUARTER)).amount == TRUE_WH

    def test_registers_with_neighbours_swapped(self):
        order = np.arange(97)
        order[[40, 41]] = order[[41, 40]]
        total = day_of(meter(channel(REGISTER, BOUNDS[order], (1_000_000 + 250 * np.arange(97))[order])))
        assert (total.amount, total.bridged, total.coverage_ppm) == (TRUE_WH, 0, 1_000_000)

    @pytest.mark.parametrize("backlog_hours", [3, 6])
    def test_backlog_arrives_after_everything_else(self, backlog_hours):
        late = slice(40, 40 + 4 * backlog_hours)
        order = np.concatenate([np.delete(np.arange(96), late), np.arange(96)[late]])
        assert day_of(load(ENDS[order], np.array(QUARTER)[order])).amount == TRUE_WH

    def test_twenty_duplicates(self):
        again = np.concatenate([np.arange(96), np.repeat(50, 20)])
        assert day_of(load(ENDS[again], np.array(QUARTER)[again])).amount == TRUE_WH

    def test_meter_exchanged_at_noon(self):
        noon = START + 12 * HOUR
        old = meter(channel(REGISTER, BOUNDS[:48], 880_000 + 250 * np.arange(48)), end=noon, closing="892000")
        new = meter(channel(REGISTER, BOUNDS[49:], 5 + 250 * np.arange(1, 49)), start=noon, opening="5", serial="M2")
        total = day_of(old, new)
        assert (total.amount, total.bridged, total.coverage_ppm) == (TRUE_WH, 0, 1_000_000)

    def test_meter_exchanged_between_two_reads(self):
        at = START + 12 * HOUR + 7 * 60
        old = meter(channel(REGISTER, BOUNDS[:49], 880_000 + 250 * np.arange(49)), end=at, closing="892117")
        new = meter(channel(REGISTER, BOUNDS[49:], 133 + 250 * np.arange(48)), start=at, opening="0", serial="M2")
        placed = place([old, new], START, START + DAY, ELECTRIC)
        assert placed.amounts[48] == 117 + 133
        assert totals(placed, [START, START + DAY])[0].amount == TRUE_WH
        assert [part.serial for part in placed.registers.parts] == ["M1", "M2"]

    def test_meter_exchanged_at_noon_with_intervals_only(self):
        noon = START + 12 * HOUR
        old = meter(channel(INTERVAL, ENDS[:48], QUARTER[:48]), end=noon)
        new = meter(channel(INTERVAL, ENDS[48:], QUARTER[48:]), start=noon, serial="M2")
        assert day_of(old, new).amount == TRUE_WH


class TestGaps:
    def test_gap_inside_known_registers_is_bridged_not_zero_and_not_spread(self):
        keep = np.r_[0:40, 48:97]
        placed = place([meter(channel(REGISTER, BOUNDS[keep], 250 * keep))], START, START + DAY, ELECTRIC)
        total = totals(placed, [START, START + DAY])[0]
        assert list(placed.quality[39:48]) == [Quality.MISSING] * 9
        assert (total.amount, total.bridged, total.bridged_slots) == (TRUE_WH, 9 * 250, 9)
        assert total.coverage_ppm == 1_000_000
        assert total.qualities == {Quality.MEASURED: Share(TRUE_WH, 96)}

    def test_gap_without_registers_is_missing(self):
        keep = np.r_[0:40, 48:96]
        total = day_of(load(ENDS[keep], np.array(QUARTER)[keep]))
        assert (total.amount, total.bridged) == (88 * 250, 0)
        assert total.coverage_ppm == 88 * 1_000_000 // 96
        assert total.qualities == {Quality.MEASURED: Share(22_000, 88), Quality.MISSING: Share(0, 8)}

    def test_nothing_known_is_none_and_never_zero(self):
        total = day_of(meter())
        assert (total.amount, total.coverage_ppm, total.qualities) == (None, 0, {Quality.MISSING: Share(0, 96)})

    def test_register_at_midnights_proves_a_day_with_a_hole_in_its_intervals(self):
        keep = np.r_[0:40, 48:96]
        total = day_of(
            meter(
                channel(INTERVAL, ENDS[keep], np.array(QUARTER)[keep]),
                channel(MIDNIGHT, [START, START + DAY], [7_000, 7_000 + TRUE_WH]),
            )
        )
        assert (total.amount, total.bridged, total.bridged_slots, total.complete) == (TRUE_WH, 2_000, 8, True)

    def test_nearest_inside_registers_and_loose_intervals_add_up(self):
        # registers from 02:00 to 22:00, intervals the whole day: 20 h by register, 4 h by interval
        total = day_of(
            meter(
                channel(INTERVAL, ENDS, QUARTER),
                channel(MIDNIGHT, [START + 2 * HOUR, START + 22 * HOUR], [100, 20_100]),
            )
        )
        assert (total.amount, total.bridged, total.complete) == (TRUE_WH, 0, True)

    def test_a_gap_over_midnight_belongs_to_neither_day_but_to_the_month(self):
        at = np.r_[0:88, 104:193]
        placed = place([meter(channel(REGISTER, START + 900 * at, 250 * at))], START, START + 2 * DAY, ELECTRIC)
        days = totals(placed, [START, START + DAY, START + 2 * DAY])
        both = totals(placed, [START, START + 2 * DAY])[0]
        assert [day.amount for day in days] == [87 * 250, 88 * 250]
        assert [day.complete for day in days] == [False, False]
        assert (both.amount, both.complete) == (2 * TRUE_WH, True)

    def test_slots_before_the_first_installation_are_not_due(self):
        noon = START + 12 * HOUR
        total = day_of(meter(channel(INTERVAL, ENDS[48:], QUARTER[48:]), start=noon))
        assert (total.due, total.complete, total.amount) == (48, True, 12_000)


class TestRegisterSteps:
    def register(self, values, **other):
        at = START + 900 * np.arange(len(values))
        placed = place([meter(channel(REGISTER, at, values), **other)], START, START + DAY, ELECTRIC)
        return placed, totals(placed, [START, START + DAY])[0]

    def test_rollover_of_a_six_digit_register(self):
        placed, total = self.register([999_700, 999_950, 200, 450], dials=6)
        assert list(placed.amounts[:3]) == [250, 250, 250]
        assert [found.step for found in placed.registers.found] == [Step.ROLLOVER]
        assert total.amount == 750

    def test_fall_far_from_the_last_digit_is_a_reset_and_breaks_the_index(self):
        placed, total = self.register([500_000, 500_250, 0, 250], dials=6)
        assert [found.step for found in placed.registers.found] == [Step.RESET]
        assert placed.quality[1] == Quality.MISSING
        assert total.amount == 500

    def test_one_read_too_low_is_left_out_and_its_neighbours_bridge_it(self):
        placed, total = self.register([1_000, 1_250, 17, 1_750, 2_000])
        assert [found.step for found in placed.registers.found] == [Step.WRONG_READ]
        assert (total.amount, total.bridged, total.bridged_slots) == (1_000, 500, 2)

    def test_reads_too_high_for_a_while_are_left_out(self):
        placed, total = self.register([1_000, 1_250, 91_250, 91_500, 2_000, 2_250, 2_500])
        assert [found.step for found in placed.registers.found] == [Step.WRONG_READ] * 2
        assert (total.amount, total.bridged) == (1_500, 750)

    def test_impossible_jump_is_not_consumption(self):
        placed, total = self.register([1_000, 1_250, 90_000_000_000, 90_000_000_250])
        assert [found.step for found in placed.registers.found] == [Step.IMPLAUSIBLE]
        assert total.amount == 500

    def test_suspect_register_proves_nothing(self):
        at = START + 900 * np.arange(4)
        codes = [Quality.MEASURED, Quality.SUSPECT, Quality.MEASURED, Quality.MEASURED]
        total = day_of(meter(channel(REGISTER, at, [0, 900, 500, 750], codes)))
        assert (total.amount, total.bridged_slots) == (750, 2)

    def test_multiplier_applies_to_differences_only(self):
        placed, total = self.register([1_000, 1_001, 1_003], multiplier_num=25, multiplier_den=2)
        assert placed.scaler == -1
        assert list(placed.amounts[:2]) == [125, 250]
        assert placed.registers.parts[0].opening.value == 10_000
        assert total.amount == 375

    def test_multiplier_without_an_exact_decimal_is_refused(self):
        with pytest.raises(Invalid, match="no exact decimal"):
            self.register([0, 1], multiplier_num=1, multiplier_den=3)

    def test_finest_channel_sets_the_scaler(self):
        fine = ReadingType("1.0.1.29.0.255", ReadingKind.INTERVAL, "Wh", -2, 900)
        coarse = ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "kWh", -1, 86400)
        placed = place(
            [meter(channel(fine, ENDS, [25_000] * 96), channel(coarse, [START, START + DAY], [10, 250]))],
            START,
            START + DAY,
            ELECTRIC,
        )
        total = totals(placed, [START, START + DAY])[0]
        assert (placed.scaler, total.amount, total.bridged) == (-2, 2_400_000, 0)

    def test_water_in_cubic_metres_becomes_litres(self):
        total = day_of(meter(channel(WATER, BOUNDS, 77_000 + 5 * np.arange(97))))
        assert (total.amount, total.scaler) == (480, 0)


class TestQualities:
    def test_shares_add_up_to_the_amount_and_to_the_slots(self):
        codes = [Quality.MEASURED] * 90 + [Quality.EDITED] * 2 + [Quality.ESTIMATED] * 4
        total = day_of(load(ENDS, QUARTER, codes))
        assert total.qualities == {
            Quality.ESTIMATED: Share(1_000, 4),
            Quality.MEASURED: Share(22_500, 90),
            Quality.EDITED: Share(500, 2),
        }

    def test_a_measured_register_difference_stands_against_a_suspect_interval(self):
        codes = [Quality.MEASURED] * 95 + [Quality.SUSPECT]
        placed = place(
            [
                meter(
                    channel(INTERVAL, ENDS, [250] * 95 + [9], codes),
                    channel(REGISTER, BOUNDS[-2:], [100, 350]),
                )
            ],
            START,
            START + DAY,
            ELECTRIC,
        )
        assert (placed.amounts[95], placed.quality[95]) == (250, Quality.MEASURED)

    def test_different_measured_values_leave_the_smaller_as_suspect_in_any_order(self):
        for values in ([5, 7, 3], [3, 5, 7], [7, 3, 5]):
            at_s, value, quality = settle(np.array([9, 9, 9]), np.array(values), np.full(3, 40, dtype=np.uint8))
            assert (list(at_s), list(value), list(quality)) == ([9], [3], [Quality.SUSPECT])

    def test_conflicting_self_reads_still_give_way_to_a_measured_value(self):
        _at_s, value, quality = settle(np.array([9, 9, 9]), np.array([3, 5, 8]), np.array([30, 30, 40], dtype=np.uint8))
        assert (list(value), list(quality)) == ([8], [Quality.MEASURED])


class TestRegistersAgainstIntervals:
    """What a register proves and what fully known intervals say must agree; what does not is suspect."""

    HALF = START + 12 * HOUR

    def placed(self, amounts, *registers, start=START, days=1, **other):
        ends = start + 900 * np.arange(1, len(amounts) + 1)
        return place(
            [meter(channel(INTERVAL, ends, amounts), *registers, **other)], start, start + days * DAY, ELECTRIC
        )

    def test_a_standing_register_beside_12_kwh_of_intervals_is_suspect_and_bills_nobody_silently(self):
        placed = self.placed(QUARTER[:48], channel(MIDNIGHT, [START, self.HALF], [7_000, 7_000]))
        total = totals(placed, [START, START + DAY])[0]
        (found,) = placed.contradictions
        assert (found.first, found.last, found.registers, found.intervals, found.allowed) == (0, 48, 0, 12_000, 48)
        assert (total.amount, total.bridged) == (0, -12_000)
        assert total.qualities == {Quality.SUSPECT: Share(0, 48), Quality.MISSING: Share(0, 48)}

    def test_ten_percent_off_is_found(self):
        placed = self.placed(QUARTER, channel(MIDNIGHT, [START, START + DAY], [0, 26_400]))
        (found,) = placed.contradictions
        assert (found.registers, found.intervals, found.allowed) == (26_400, 24_000, 132)

    def test_a_standing_register_is_found_among_quarter_hour_registers(self):
        index = np.concatenate([np.zeros(49, dtype=int), 250 * np.arange(1, 49)])
        (found,) = self.placed(QUARTER, channel(REGISTER, BOUNDS, index)).contradictions
        assert (found.registers, found.intervals) == (12_000, 24_000)

    def test_half_a_percent_is_allowed(self):
        at = [START, START + DAY]
        assert self.placed(QUARTER, channel(MIDNIGHT, at, [0, TRUE_WH + 120])).contradictions == ()
        assert self.placed(QUARTER, channel(MIDNIGHT, at, [0, TRUE_WH + 121])).contradictions != ()

    def test_a_register_read_a_moment_late_is_made_good_by_the_next(self):
        index = 250 * np.arange(97)
        index[40] += 30
        assert self.placed(QUARTER, channel(REGISTER, BOUNDS, index)).contradictions == ()

    def test_a_steady_difference_too_small_for_a_day_shows_in_the_month(self):
        coarse = ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "kWh", 0, 86400)  # whole kWh: 2 are allowed
        at = START + DAY * np.arange(31)
        placed = self.placed(QUARTER * 30, channel(coarse, at, 25 * np.arange(31)), days=30)
        (found,) = placed.contradictions
        assert (found.first, found.last, found.registers, found.intervals) == (0, 30 * 96, 750_000, 720_000)

    def test_intervals_with_a_gap_contradict_nothing(self):
        keep = np.r_[0:40, 48:96]
        total = day_of(
            meter(
                channel(INTERVAL, ENDS[keep], np.array(QUARTER)[keep]),
                channel(MIDNIGHT, [START, START + DAY], [0, 40_000]),
            )
        )
        assert (total.amount, Quality.SUSPECT in total.qualities) == (40_000, False)

    def test_a_read_by_hand_contradicts_nothing(self):
        by_hand = channel(BY_HAND, [START, START + DAY], [1, 31], Quality.SELF_READ)
        assert self.placed(QUARTER, by_hand).contradictions == ()

    @given(st.lists(st.integers(0, 900), min_size=96, max_size=96), st.sets(st.integers(0, 96)))
    def test_what_agrees_changes_nothing(self, steps, register_at):
        index = np.concatenate([[0], np.cumsum(steps)])
        at = sorted(register_at)
        placed = self.placed(steps, channel(REGISTER, BOUNDS[at], index[at]))
        alone = self.placed(steps)
        assert placed.contradictions == ()
        assert placed.amounts.tobytes() == alone.amounts.tobytes()
        assert placed.quality.tobytes() == alone.quality.tobytes()
        assert totals(placed, [START, START + DAY])[0] == totals(alone, [START, START + DAY])[0]


class TestFirstAndLastRead:
    def part(self, *reads, **other):
        at, values = [at for at, _ in reads], [value for _, value in reads]
        placed = place([meter(channel(REGISTER, at, values), **other)], START, START + DAY, ELECTRIC)
        (part,) = placed.registers.parts
        return part

    def test_a_meter_never_read_has_the_recorded_opening_and_no_closing(self):
        part = self.part(start=START, opening="6180190")
        assert (part.opening.value, part.opening.source, part.closing) == (6_180_190, Source.INSTALLED, None)

    def test_a_single_read_stands_at_the_end_it_is_nearer_to(self):
        late = self.part((START + 20 * HOUR, 500))
        assert (late.opening, late.closing.value, late.closing.source) == (None, 500, Source.READING)

    def test_two_reads_are_the_first_and_the_last(self):
        part = self.part((START, 100), (START + DAY, 500))
        assert (part.opening.value, part.closing.value) == (100, 500)

    def test_a_read_at_the_removal_is_told_as_such(self):
        part = self.part((START, 100), end=START + 12 * HOUR, closing="300")
        assert (part.closing.value, part.closing.source) == (300, Source.REMOVED)


class TestReadsByHand:
    MARCH = (epoch("2026-03-01T00:00"), epoch("2026-04-01T00:00"))

    def month(self, *reads, manual=True):
        at = [epoch(at) for at, _ in reads]
        codes = [Quality.SELF_READ] * len(reads)
        return place([meter(channel(BY_HAND, at, [v for _, v in reads], codes), manual=manual)], *self.MARCH, ELECTRIC)

    def test_reads_near_the_bounds_are_the_reads_at_the_bounds_and_keep_their_dates(self):
        placed = self.month(("2026-02-27T18:30", 4_100), ("2026-04-02T08:15", 4_275))
        total = totals(placed, self.MARCH)[0]
        assert (total.amount, total.scaler) == (175, 3)
        assert total.complete
        assert total.qualities[Quality.SELF_READ].amount == 175
        opening = placed.registers.parts[0].opening
        assert (opening.at_s, opening.value) == (epoch("2026-02-27T18:30"), 4_100)

    def test_reads_farther_away_prove_only_the_time_between_them(self):
        placed = self.month(("2026-03-05T10:07", 4_100), ("2026-03-25T10:07", 4_200))
        total = totals(placed, self.MARCH)[0]
        assert (total.amount, total.complete) == (100, False)
        assert total.bridged_slots == 20 * 96 - 1
        assert total.known == total.bridged_slots

    def test_neighbouring_months_share_the_read_between_them(self):
        reads = [("2026-01-31T09:00", 100), ("2026-03-01T09:00", 190), ("2026-03-31T20:00", 260)]
        february = (epoch("2026-02-01T00:00"), epoch("2026-03-01T00:00"))
        at = [epoch(at) for at, _ in reads]
        by_hand = meter(channel(BY_HAND, at, [v for _, v in reads], Quality.SELF_READ), manual=True)
        months = [totals(place([by_hand], *bounds, ELECTRIC), bounds)[0] for bounds in (february, self.MARCH)]
        assert [month.amount for month in months] == [90, 70]

    def test_self_read_of_a_dead_smart_meter_bridges_from_its_last_own_read(self):
        died = 20 * 96
        at = self.MARCH[0] + 900 * np.arange(died)
        smart = meter(
            channel(REGISTER, at, 10 * np.arange(died)),
            channel(BY_HAND, [epoch("2026-03-31T10:07")], [25], Quality.SELF_READ),
        )
        placed = place([smart], *self.MARCH, ELECTRIC)
        total = totals(placed, self.MARCH)[0]
        assert (total.amount, total.complete) == (25_000, True)
        assert total.qualities[Quality.MEASURED].slots == died - 1
        assert total.qualities[Quality.SELF_READ].amount == 25_000 - 10 * (died - 1)


class TestDays:
    @pytest.mark.parametrize(
        ("zone", "month", "day", "slots"),
        [
            ("Europe/Berlin", 3, 29, 92),
            ("Europe/Berlin", 10, 25, 100),
            ("Europe/Berlin", 6, 1, 96),
            ("Asia/Kolkata", 3, 29, 96),
            ("Australia/Lord_Howe", 4, 5, 98),
            ("America/Havana", 3, 8, 92),
        ],
    )
    def test_a_local_day_has_the_slots_its_zone_gives_it(self, zone, month, day, slots):
        bounds = day_bounds(zone, 2026, month)
        ends = np.arange(bounds[0], bounds[-1], 900) + 900
        placed = place([load(ends, np.full(len(ends), 3))], int(bounds[0]), int(bounds[-1]), ELECTRIC)
        days = totals(placed, bounds)
        assert days[day - 1].amount == 3 * slots
        assert all(one.complete for one in days)
        assert sum(one.amount for one in days) == totals(placed, bounds[[0, -1]])[0].amount


some_bounds = st.lists(st.integers(0, 96), unique=True, min_size=0, max_size=97)
some_slots = st.lists(st.integers(0, 95), unique=True, max_size=8)
amounts = st.lists(st.integers(0, 900), min_size=96, max_size=96)
ON_DEMAND = ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "Wh", 0, 0)


@given(some_bounds, some_bounds, some_slots, st.randoms(use_true_random=False), amounts)
def test_total_never_depends_on_order_or_repeats_and_always_adds_up(register_at, interval_at, off_grid, random, steps):
    index = np.concatenate([[0], np.cumsum(steps)])
    intervals = [k for k in interval_at if k]
    between = sorted(off_grid)
    on_demand = channel(ON_DEMAND, BOUNDS[between] + 420, [int(index[k]) + steps[k] // 2 for k in between])
    plain = meter(
        on_demand,
        channel(REGISTER, BOUNDS[sorted(register_at)], index[sorted(register_at)]),
        channel(INTERVAL, BOUNDS[sorted(intervals)], [steps[k - 1] for k in sorted(intervals)]),
    )
    shuffled_registers = register_at * 2
    random.shuffle(shuffled_registers)
    random.shuffle(intervals)
    mixed = meter(
        channel(INTERVAL, BOUNDS[intervals * 3], [steps[k - 1] for k in intervals * 3]),
        channel(REGISTER, BOUNDS[shuffled_registers], index[shuffled_registers]),
        on_demand,
    )
    edges = [START, START + 7 * HOUR, START + DAY]
    one, two = (place([m], START, START + DAY, ELECTRIC) for m in (plain, mixed))
    assert one.amounts.tobytes() == two.amounts.tobytes()
    assert one.quality.tobytes() == two.quality.tobytes()
    assert totals(one, edges) == totals(two, edges)
    for total, (first, last) in zip(totals(one, edges), [(0, 28), (28, 96)], strict=True):
        shown = int(one.amounts[first:last].sum())
        assert sum(share.slots for share in total.qualities.values()) == total.due == last - first
        assert sum(share.amount for share in total.qualities.values()) == (total.amount or 0)
        assert shown + total.bridged == (total.amount or 0)
        if total.complete:
            assert total.amount == sum(steps[first:last])
        assert (total.amount or 0) <= sum(steps[first:last])
