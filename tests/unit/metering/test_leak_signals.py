"""The worked numbers of docs/algorithms/leak.md."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from demeter.estate import PointRole, ServicePoint
from demeter.kernel import Commodity, Quality
from demeter.metering.assess import assess
from demeter.metering.consumption import place
from demeter.metering.index import Rules
from demeter.metering.leak import LeakKind, leaks
from demeter.sdk import ReadingKind, ReadingType
from tests.unit.metering.builders import DAY, channel, epoch, meter

START = epoch("2026-03-10T00:00")
LITRE = ReadingType("8.0.1.29.0.255", ReadingKind.INTERVAL, "L", 0, 900)
TEN_LITRES = ReadingType("8.0.1.29.0.255", ReadingKind.INTERVAL, "L", 1, 900)
WATER = Rules.of(Commodity.WATER)


def signals(amounts, *, missing=(), reading_type=LITRE):
    keep = np.setdiff1d(np.arange(len(amounts)), np.array(missing, dtype=int))
    amounts = np.array(amounts)
    days = -(-len(amounts) // 96)
    placed = place(
        [meter(channel(reading_type, START + 900 * (keep + 1), amounts[keep]))], START, START + days * DAY, WATER
    )
    hour = placed.slot_starts() % DAY // 3600
    return leaks(placed, (hour >= 2) & (hour < 5))


def household(days):
    """Water at breakfast and in the evening, stillness at night: 240 L a day."""
    day = np.zeros(96, dtype=int)
    day[28:32] = 30
    day[76:80] = 30
    return np.tile(day, days)


def test_an_ordinary_household_raises_nothing():
    assert signals(household(7)) == []


def test_the_running_toilet_of_b_0706_is_found_after_24_hours():
    # 66 L/h is 16.5 L in a quarter of an hour: 16 and 17 by turns
    leak = np.tile([16, 17], 48 * 4)
    leak[: 96 + 40] = 0
    (episode,) = signals(household(4) + leak)
    assert episode.kind is LeakKind.CONTINUOUS
    # the last slots before it were still, and 3 of them with the first of the flow make an hour above 1 L
    assert episode.since_s == START + (96 + 37) * 900
    assert episode.raised_s == episode.since_s + DAY
    assert episode.until_s is None
    assert episode.evidence["lowest_litres_per_hour"] == "16"
    assert episode.evidence["night_minimum_litres_per_hour"] == "66"


def test_ten_litre_pulses_show_it_too():
    amounts = np.diff((np.arange(97 * 3) * 33 // 2) // 10)
    (episode,) = signals(amounts, reading_type=TEN_LITRES)
    assert episode.evidence["lowest_litres_per_hour"] == "60"
    assert episode.evidence["resolution_litres"] == "10"


def test_one_still_hour_a_day_is_no_leak():
    amounts = np.full(96 * 3, 5)
    amounts[[12, 13, 14, 15, 104, 105, 106, 107, 196, 197, 198, 199]] = 0
    assert signals(amounts) == []


def test_missing_slots_neither_raise_nor_hide_a_standstill():
    amounts = np.full(96, 5)
    assert signals(amounts, missing=range(30, 50)) == []
    assert len(signals(amounts, missing=range(30, 38))) == 1


def test_it_clears_after_a_day_that_is_still_again_and_not_before():
    amounts = np.concatenate([np.full(96 * 2, 5), household(3)])
    assert [episode.until_s for episode in signals(amounts[: 96 * 3])] == [None]
    (episode,) = signals(amounts)
    # the last 24 h without a still hour began in slot 99; a whole day after it ended, its successor is still
    assert episode.until_s == START + (99 + 96 + 96) * 900


def test_a_single_still_hour_does_not_clear_it():
    amounts = np.full(96 * 5, 5)
    amounts[96 * 2 : 96 * 2 + 4] = 0
    (episode,) = signals(amounts)
    assert (episode.since_s, episode.until_s) == (START, None)


def test_silence_does_not_clear_it():
    amounts = np.full(96 * 4, 5)
    (episode,) = signals(amounts, missing=range(96 * 2, 96 * 4))
    assert episode.until_s is None


def test_burst_is_a_high_flow_for_half_an_hour():
    amounts = household(2)
    amounts[100:103] = 400
    (episode,) = signals(amounts)
    assert (episode.kind, episode.since_s, episode.until_s) == (
        LeakKind.BURST,
        START + 100 * 900,
        START + 103 * 900,
    )
    assert episode.evidence["litres"] == "1200"


def test_a_quarter_of_an_hour_is_no_burst():
    amounts = household(2)
    amounts[100] = 400
    assert signals(amounts) == []


@pytest.mark.parametrize("quality", [Quality.MEASURED, Quality.EDITED])
def test_less_than_a_day_decides_nothing(quality):
    placed = place([meter(channel(LITRE, [START + 900], [5], quality))], START, START + 3600, WATER)
    assert leaks(placed, np.zeros(4, dtype=bool)) == []


def test_a_burst_is_open_as_long_as_no_known_slot_follows():
    # 10:00 to 10:45 of the second day, and what comes after is not known yet
    amounts = household(2)
    amounts[96 + 40 : 96 + 43] = 400
    ahead = range(96 + 43, 2 * 96)
    (episode,) = signals(amounts, missing=ahead)
    assert (episode.kind, episode.until_s) == (LeakKind.BURST, None)
    assert episode.flow_end_s == START + (96 + 43) * 900
    amounts[96 + 43] = 5
    (episode,) = signals(amounts, missing=ahead[1:])
    assert episode.until_s == START + (96 + 43) * 900


def test_a_burst_followed_by_a_gap_is_over_once_anything_later_is_known():
    amounts = household(2)
    amounts[40:43] = 400
    (episode,) = signals(amounts, missing=range(43, 60))
    assert episode.until_s == START + 43 * 900


MARCH = date(2026, 3, 1)
FLAT = ServicePoint(1, 1, 1, "A", 1, PointRole.UNIT, Commodity.WATER, "A-1204")
MIDNIGHT_OF_APRIL = epoch("2026-04-01T00:00")


def month(month, until=None, **readings):
    """The leak episodes of a month, of a meter with 600 L in the last half-hour of March; ``after``: April's slots."""
    march = np.concatenate([household(30), [*household(1)[:94], 300, 300]])
    amounts = np.concatenate([march, readings.get("after", [])]).astype(int)
    at_s = epoch("2026-03-01T00:00") + 900 * np.arange(1, len(amounts) + 1)
    keep = (at_s > epoch("2026-03-29T00:00")) | (month == MARCH)
    return assess(FLAT, "UTC", month, [meter(channel(LITRE, at_s[keep], amounts[keep]))], until)


@pytest.mark.parametrize(
    ("after", "over"),
    [
        ([], None),  # nothing is known of April
        ([5], MIDNIGHT_OF_APRIL),
        ([400, 5], MIDNIGHT_OF_APRIL + 900),
        ([400, 400], None),  # it goes on as far as is known
    ],
)
def test_a_burst_at_the_end_of_a_month_is_closed_by_the_days_after_it(after, over):
    (episode,) = month(MARCH, after=after).leaks
    assert (episode.since_s, episode.until_s) == (MIDNIGHT_OF_APRIL - 1800, over)


def test_the_days_after_a_month_add_no_signal_to_it():
    found = month(MARCH, after=np.full(96, 400))
    assert [(e.kind, e.until_s) for e in found.leaks] == [(LeakKind.BURST, None)]
    assert found.flags == ("leak",)


def test_a_burst_before_a_month_shows_in_it_only_while_it_may_be_going_on():
    april = date(2026, 4, 1)
    (episode,) = month(april, until=datetime(2026, 4, 1, 1, tzinfo=UTC)).leaks
    assert (episode.kind, episode.until_s) == (LeakKind.BURST, None)
    assert month(april).leaks == ()
    assert month(april, until=datetime(2026, 4, 1, 1, tzinfo=UTC), after=[5]).leaks == ()
