"""The worked numbers of docs/algorithms/offline.md."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from demeter.metering.model import ALARM, SILENCE, Flag, FlagKind
from demeter.metering.offline import FailureReason, had_its_chance, read_failure, silences
from demeter.metering.views.flags import standing

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
COMMISSIONED = datetime(2026, 1, 1, tzinfo=UTC)


def ago(hours):
    return NOW - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("measured", "received", "reason"),
    [
        (ago(0.25), ago(0.2), None),
        (ago(24), ago(24), None),
        (ago(24.25), ago(24.2), FailureReason.SILENT),
        (ago(72), ago(1), FailureReason.OLD_DATA),
        (None, None, FailureReason.NEVER_READ),
    ],
)
def test_a_meter_is_a_read_failure_after_more_than_24_hours(measured, received, reason):
    signal = read_failure(NOW, measured, received, COMMISSIONED)
    assert (signal.reason if signal else None) == reason


def test_it_counts_from_the_newest_reading():
    signal = read_failure(NOW, ago(30), ago(29), COMMISSIONED)
    assert (signal.since, signal.silent_for) == (ago(30), timedelta(hours=30))


def test_a_meter_commissioned_an_hour_ago_is_no_failure():
    assert read_failure(NOW, None, None, ago(1)) is None
    assert read_failure(NOW, ago(500), ago(500), ago(1)) is None


def test_a_clock_that_runs_ahead_does_not_hide_the_future():
    assert read_failure(NOW, NOW + timedelta(days=3), NOW, COMMISSIONED) is None


def test_the_threshold_is_configurable():
    assert read_failure(NOW, ago(5), ago(5), COMMISSIONED, timedelta(hours=4)) is not None


def test_silences_are_what_no_reading_covers_and_vanish_when_filled():
    day = 86_400
    marks = np.array([0, day, 4 * day, 5 * day])
    assert silences(marks, 0, 5 * day, day) == [(day, 4 * day)]
    assert silences(np.append(marks, [2 * day, 3 * day]), 0, 5 * day, day) == []
    assert silences(np.array([], dtype=np.int64), 0, 5 * day, day) == [(0, 5 * day)]


@pytest.mark.parametrize(
    ("awaited_hours", "current", "others", "chance"),
    [
        (0, 0, 0, False),
        (0, 189, 200, False),
        (0, 190, 200, True),
        (24, 0, 200, False),
        (24.25, 0, 200, True),
    ],
)
def test_a_meter_entered_today_is_given_its_chance_to_be_read(awaited_hours, current, others, chance):
    assert had_its_chance(NOW, ago(awaited_hours), current, others) is chance


def flag(word, since, until=None):
    return Flag(7, date(2026, 3, 1), FlagKind.READ_FAILURE, word, since, since, until)


class TestWhatAMonthShows:
    """An alarm is what was known at the time; the month's silences are what its readings say now."""

    def test_an_alarm_that_readings_proved_wrong_is_history(self):
        assert standing([flag(ALARM, ago(400), ago(300))], ended=True) == []
        assert standing([flag(ALARM, ago(400), ago(300))], ended=False) == []

    def test_an_open_alarm_shows_in_the_running_month(self):
        alarm = flag(ALARM, ago(30))
        assert standing([alarm], ended=False) == [alarm]

    def test_an_open_alarm_shows_in_an_ended_month_only_where_its_readings_are_missing(self):
        alarm = flag(ALARM, ago(400))
        assert standing([alarm], ended=True) == []
        assert standing([flag(SILENCE, ago(400), ago(300)), alarm], ended=True) == [alarm]

    def test_an_earlier_silence_is_told_apart_from_the_alarm(self):
        earlier, alarm = flag(SILENCE, ago(900), ago(800)), flag(ALARM, ago(400))
        assert standing([alarm, earlier, flag(SILENCE, ago(400), ago(300))], ended=True) == [earlier, alarm]
