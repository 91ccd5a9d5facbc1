"""Blocks from columns: the same readings give the same bytes, whatever their order, repeats and split."""

import struct
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demeter.kernel import Quality
from demeter.readings.blocks import BlockSet, assemble
from demeter.readings.encoding import _tuple, copy_blocks, rows
from demeter.readings.lattice import EDITED, NO_VALUE, State, join
from demeter.readings.model import Block, Channel
from demeter.readings.screening import screen
from demeter.readings.slots import Grid
from demeter.readings.writing import Contribution, gather
from demeter.sdk import ReadingKind, ReadingType, Series

INT8 = 2**63
AROUND = {
    "Europe/Berlin": [datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 3, tzinfo=UTC), datetime(2026, 10, 2, tzinfo=UTC)],
    "Asia/Kolkata": [datetime(2026, 3, 27, tzinfo=UTC)],
}
places = st.sampled_from([(zone, start) for zone, starts in AROUND.items() for start in starts])
kinds = st.sampled_from([ReadingKind.REGISTER, ReadingKind.INTERVAL])
intervals = st.sampled_from([900, 1800])
qualities = st.sampled_from([40, 40, 40, 40, 10, 30, 50])
values = st.one_of(
    st.integers(-100, 5000), st.sampled_from([2**31, -(2**31), 2**62, -INT8 + 1, INT8 - 1, 2**52, 10**8])
)


@st.composite
def days_of_readings(draw, numbers=values):
    zone, start = draw(places)
    kind, interval_s = draw(kinds), draw(intervals)
    count = draw(st.integers(1, 4 * 86_400 // interval_s))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    at_s = int(start.timestamp()) + interval_s * rng.integers(0, 4 * 86_400 // interval_s, count)
    pool = np.array(draw(st.lists(numbers, min_size=1, max_size=6)), np.int64)
    grades = np.array(draw(st.lists(qualities, min_size=1, max_size=4)), np.uint8)
    reading_type = ReadingType("1.0.1.8.0.255", kind, "Wh", 0, interval_s)
    return zone, Series(reading_type, at_s.astype(np.int64), rng.choice(pool, count), rng.choice(grades, count))


def channel(series: Series, number: int = 7) -> Channel:
    return Channel(number, 3, 5, series.reading_type)


def assembled(zone: str, *parts: Series) -> BlockSet:
    given_parts = [Contribution(channel(p), zone, i, datetime(2027, 1, 1, tzinfo=UTC), p) for i, p in enumerate(parts)]
    (points,) = gather(given_parts)
    return assemble(points)[0]


def octets(blocks: BlockSet) -> bytes:
    return b"".join(sorted(_tuple(row) for row in rows(blocks)))


def pick(series: Series, order) -> Series:
    return replace(series, at_s=series.at_s[order], values=series.values[order], quality=series.quality[order])


@settings(max_examples=300, deadline=None)
@given(days_of_readings(), st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_any_order_repeat_and_split_gives_the_same_blocks(given_days, seed, repeats) -> None:
    zone, series = given_days
    rng = np.random.default_rng(seed)
    once = assembled(zone, series)
    order = np.concatenate([np.arange(len(series.at_s)), rng.integers(0, len(series.at_s), repeats)])
    rng.shuffle(order)
    cuts = np.sort(rng.integers(0, len(order) + 1, 3))
    parts = [pick(series, part) for part in np.split(order, cuts) if len(part)]
    assert octets(assembled(zone, *parts)) == octets(once)
    one_by_one: dict[int, State] = {}
    for part in parts:
        block = assembled(zone, part)
        for i, day in enumerate(block.day.tolist()):
            width = block.grid.slots(day)
            row = State(block.state.values[i, :width], block.state.quality[i, :width])
            one_by_one[day] = row if day not in one_by_one else join(one_by_one[day], row)
    for i, day in enumerate(once.day.tolist()):
        width = once.grid.slots(day)
        assert one_by_one[day].values.tolist() == once.state.values[i, :width].tolist()
        assert one_by_one[day].quality.tolist() == once.state.quality[i, :width].tolist()


@settings(max_examples=300, deadline=None)
@given(days_of_readings(), st.integers(0, 2**32 - 1))
def test_the_vector_path_encodes_exactly_as_the_plain_one(given_days, seed) -> None:
    zone, series = given_days
    blocks = assembled(zone, series)
    rng = np.random.default_rng(seed)
    gone = rng.random(blocks.state.values.shape) < 0.05
    blocks.state.values[gone], blocks.state.quality[gone] = NO_VALUE, EDITED
    clipped = list(blocks.by_slot_count())
    found = b"".join(b"".join(copy_blocks(part)) for part in clipped)
    narrow_first = [
        _tuple(row) for part in clipped for row in sorted(rows(part), key=lambda row: (not _vectored(row), row.day))
    ]
    assert sorted(_split(found)) == sorted(narrow_first)


def _vectored(row: Block) -> bool:
    return row.wide is None


def _split(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        begin, at = at, at + 2
        for _ in range(struct.unpack_from(">h", data, begin)[0]):
            length = struct.unpack_from(">i", data, at)[0]
            at += 4 + max(length, 0)
        found.append(data[begin:at])
    return found


def block_of(kind: ReadingKind, *numbers: int) -> Block:
    at_s = int(datetime(2026, 6, 1, 22, tzinfo=UTC).timestamp()) + 900 * np.arange(1, len(numbers) + 1)
    reading_type = ReadingType("1.0.1.8.0.255", kind, "Wh", 0, 900)
    series = Series(reading_type, at_s, np.array(numbers, np.int64), np.full(len(numbers), 40, np.uint8))
    (row,) = rows(assembled("Europe/Berlin", series))
    return row


def test_a_register_is_counted_from_its_first_reading_of_the_day() -> None:
    row = block_of(ReadingKind.REGISTER, 1000, 1004, 1010)
    assert (row.base, row.sum, row.min, row.max, row.n) == (1000, 10, 0, 10, 3)
    assert row.vals[:5] == (None, 0, 4, 10, None)
    assert (row.first_slot, row.last_slot, row.min_slot, row.max_slot) == (1, 3, 1, 3)
    assert (row.quality, row.wide) == (None, None)


def test_a_rollover_and_a_step_back_are_kept_as_they_are() -> None:
    row = block_of(ReadingKind.REGISTER, 99_999_990, 5, 99_999_980)
    assert row.vals[1:4] == (0, -99_999_985, -10)
    assert (row.sum, row.min, row.max) == (-10, -99_999_985, 0)


def test_an_interval_block_has_no_base_and_sums_its_amounts() -> None:
    row = block_of(ReadingKind.INTERVAL, 3, 0, 5)
    assert (row.base, row.sum, row.min, row.max, row.n, row.min_slot, row.max_slot) == (None, 8, 0, 5, 3, 1, 2)


def test_a_day_that_does_not_fit_32_bits_is_wide_as_a_whole() -> None:
    row = block_of(ReadingKind.REGISTER, 1, 2**31 + 1)
    assert row.vals is None
    assert row.wide[1:3] == (1, 2**31 + 1)
    assert (row.base, row.min, row.max, row.sum) == (None, None, None, 2**31)
    assert block_of(ReadingKind.REGISTER, 1, 2**31).wide is None


def test_a_sum_beyond_64_bits_is_left_out_rather_than_wrong() -> None:
    assert block_of(ReadingKind.INTERVAL, 2**62, 2**62).sum is None


def test_blocks_of_one_set_are_sorted_and_as_wide_as_their_day() -> None:
    start = int(datetime(2026, 3, 27, 23, tzinfo=UTC).timestamp())
    at_s = start + 900 * np.arange(1, 300, dtype=np.int64)
    reading_type = ReadingType("1.0.1.29.0.255", ReadingKind.INTERVAL, "Wh", 0, 900)
    series = Series(reading_type, at_s, np.arange(299, dtype=np.int64), np.full(299, 40, np.uint8))
    found = {row.day.day: len(row.vals) for row in rows(assembled("Europe/Berlin", series))}
    assert found == {28: 96, 29: 92, 30: 96, 31: 96}
    grid = Grid("Europe/Berlin", 900, ReadingKind.INTERVAL)
    assert {part.state.values.shape[1] for part in assembled("Europe/Berlin", series).by_slot_count()} == {92, 96}
    assert grid.regular


RECEIVED = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "value", "quality", "reason"),
    [
        (datetime(2026, 6, 2, 0, 0, 1, tzinfo=UTC), 1, Quality.MEASURED, "in the future"),
        (datetime(1999, 12, 31, tzinfo=UTC), 1, Quality.MEASURED, "before 2000"),
        (datetime(2026, 5, 1, tzinfo=UTC), -INT8, Quality.MEASURED, "value out of range"),
        (datetime(2026, 5, 1, tzinfo=UTC), 1, Quality.EDITED, "quality not from a meter"),
        (datetime(2026, 5, 1, tzinfo=UTC), 1, 41, "quality not from a meter"),
    ],
)
def test_what_cannot_be_a_reading_is_left_out_with_its_reason(at, value, quality, reason) -> None:
    reading_type = ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "Wh", 0, 900)
    good = int(RECEIVED.timestamp())
    series = Series(
        reading_type,
        np.array([good, int(at.timestamp())], np.int64),
        np.array([5, value], np.int64),
        np.array([40, quality], np.uint8),
    )
    found = screen(series, RECEIVED)
    assert found.refused == ((reason, 1),)
    assert found.series.at_s.tolist() == [good]
