"""The worked numbers of docs/algorithms/offline.md."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from demeter.metering.offline import FailureReason, read_failure, silences

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
