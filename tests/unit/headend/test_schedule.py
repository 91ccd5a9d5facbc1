"""When meters are due, how long to wait after a failure, and how reads are counted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from demeter.headend.model import Limits, Received
from demeter.headend.schedule import back_off, midnight_due, next_due, reads_due, received_by_day, slices
from demeter.kernel import day_span

LIMITS = Limits()
INSTANTS = st.integers(1_577_836_800_000, 2_051_222_400_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC))
ZONES = st.sampled_from(["Asia/Kolkata", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"])


@given(meter_id=st.integers(1, 10**9), after=INSTANTS)
def test_a_meter_is_due_once_per_grid_step_at_its_own_moment(meter_id: int, after: datetime) -> None:
    due = next_due(meter_id, after, LIMITS)
    offset = due.timestamp() % 900
    assert timedelta(0) < due - after <= timedelta(seconds=900)
    assert LIMITS.settle_s <= offset < LIMITS.settle_s + LIMITS.jitter_s
    assert next_due(meter_id, due, LIMITS) - due == timedelta(seconds=900)


def test_meters_are_spread_over_the_jitter() -> None:
    after = datetime(2026, 3, 1, tzinfo=UTC)
    seconds = {next_due(meter_id, after, LIMITS).second for meter_id in range(2000)}
    assert len(seconds) == 60


@given(meter_id=st.integers(1, 10**6), failures=st.integers(1, 10_000))
def test_waiting_doubles_up_to_the_patience_within_a_quarter(meter_id: int, failures: int) -> None:
    plain = min(30 * 2 ** (failures - 1), 900) if failures < 20 else 900
    wait = back_off(meter_id, failures, "no answer", LIMITS).total_seconds()
    assert 0.75 * plain <= wait <= 1.25 * plain


def test_a_wrong_key_is_not_tried_again_soon() -> None:
    assert back_off(1, 1, "wrong key: tag check failed", LIMITS).total_seconds() >= 0.75 * LIMITS.sulk_s


@given(start=INSTANTS, hours=st.integers(1, 3000), rows=st.integers(1, 2000))
def test_slices_cover_the_span_without_overlap(start: datetime, hours: int, rows: int) -> None:
    parts = list(slices(start, start + timedelta(hours=hours), 900, rows))
    assert parts[0].start == start
    assert parts[-1].end == start + timedelta(hours=hours)
    assert all(one.end == two.start for one, two in pairwise(parts))
    assert all(part.seconds() <= 900 * rows for part in parts)


def test_days_of_daylight_saving_have_92_and_100_reads_due() -> None:
    long_ago, later = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    due = [reads_due("Europe/Berlin", day, 900, long_ago, later) for day in _march_and_october()]
    assert due == [92, 96, 100]


def _march_and_october() -> list[date]:
    return [date(2026, 3, 29), date(2026, 6, 1), date(2026, 10, 25)]


def test_only_reads_after_commissioning_and_up_to_now_are_due() -> None:
    day = date(2026, 3, 10)
    span = day_span("Asia/Kolkata", day)
    noon = span.start + timedelta(hours=12)
    assert reads_due("Asia/Kolkata", day, 900, span.start - timedelta(days=1), noon) == 48
    assert reads_due("Asia/Kolkata", day, 900, noon, span.end) == 48
    assert reads_due("Asia/Kolkata", day, 900, noon, noon - timedelta(hours=1)) == 0
    assert reads_due("Asia/Kolkata", day, 0, span.start, span.end) == 0


@given(zone=ZONES, start=st.integers(1_600_000_000, 1_900_000_000), count=st.integers(1, 500))
def test_a_full_series_receives_what_is_due_on_every_day(zone: str, start: int, count: int) -> None:
    first = start // 900 * 900
    stamps = first + 900 * np.arange(1, count + 1, dtype=np.int64)
    begun = datetime.fromtimestamp(first, UTC)
    until = datetime.fromtimestamp(int(stamps[-1]), UTC)
    received = received_by_day(zone, stamps, until)
    assert sum(each.received for each in received.values()) == count
    assert {day: each.received for day, each in received.items()} == {
        day: reads_due(zone, day, 900, begun, until) for day in received
    }
    whole = sum(received.values(), Received())
    assert (whole.within_15min, whole.within_4h, whole.within_24h) == (min(count, 2), min(count, 17), min(count, 97))


def test_the_row_of_the_last_midnight_is_due_until_it_is_there() -> None:
    now = datetime(2026, 3, 10, 6, tzinfo=UTC)
    midnight = datetime(2026, 3, 9, 18, 30, tzinfo=UTC)
    assert midnight_due("Asia/Kolkata", None, now)
    assert midnight_due("Asia/Kolkata", midnight - timedelta(days=1), now)
    assert not midnight_due("Asia/Kolkata", midnight, now)
