"""The laws of what a slot holds: order, repeats and grouping of readings do not matter."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from demeter.kernel import Quality
from demeter.readings.lattice import State, differs, join, join_groups

METER_QUALITIES = [Quality.ESTIMATED, Quality.SUBSTITUTED, Quality.SELF_READ, Quality.MEASURED, Quality.SUSPECT]
readings = st.tuples(st.integers(-3, 3), st.sampled_from(METER_QUALITIES))
slots = st.one_of(st.just((0, Quality.MISSING)), readings, st.tuples(st.integers(-3, 3), st.just(Quality.EDITED)))


def state(*cells: tuple[int, int]) -> State:
    return State(np.array([c[0] for c in cells], np.int64), np.array([c[1] for c in cells], np.uint8))


def cell(found: State) -> tuple[int, int]:
    return (int(found.values[0]), int(found.quality[0]))


def same(left: State, right: State) -> bool:
    return not differs(left, right).any()


@given(slots, slots, slots)
def test_join_is_associative(a, b, c) -> None:
    assert same(join(join(state(a), state(b)), state(c)), join(state(a), join(state(b), state(c))))


@given(slots.filter(lambda s: s[1] != Quality.EDITED), slots)
def test_join_is_commutative_but_for_two_edits(a, b) -> None:
    assert same(join(state(a), state(b)), join(state(b), state(a)))


@given(slots)
def test_join_with_itself_or_with_nothing_changes_nothing(a) -> None:
    assert same(join(state(a), state(a)), state(a))
    assert same(join(state(a), state((0, 0))), state(a))
    assert same(join(state((0, 0)), state(a)), state(a))


@given(st.lists(st.tuples(st.integers(0, 3), readings), min_size=1, max_size=30), st.randoms())
def test_joining_a_group_at_once_equals_joining_one_by_one_in_any_order(given_readings, random) -> None:
    one_by_one: dict[int, State] = {}
    shuffled = list(given_readings)
    random.shuffle(shuffled)
    for slot, reading in shuffled:
        one_by_one[slot] = join(one_by_one.get(slot, state((0, 0))), state(reading))
    ordered = sorted(given_readings, key=lambda entry: entry[0])
    slot = np.array([entry[0] for entry in ordered], np.int64)
    distinct, joined = join_groups(slot, state(*(entry[1] for entry in ordered)))
    assert distinct.tolist() == sorted(one_by_one)
    for i, number in enumerate(distinct.tolist()):
        assert same(one_by_one[number], State(joined.values[i : i + 1], joined.quality[i : i + 1]))


def test_two_different_measured_readings_are_suspect_with_the_smaller_value() -> None:
    found = join(state((7, Quality.MEASURED)), state((5, Quality.MEASURED)))
    assert cell(found) == (5, Quality.SUSPECT)
    assert cell(join(found, state((3, Quality.MEASURED)))) == (3, Quality.SUSPECT)
    assert cell(join(found, state((9, Quality.MEASURED)))) == (5, Quality.SUSPECT)


def test_a_measured_reading_outranks_an_estimate_however_late_it_comes() -> None:
    assert cell(join(state((9, Quality.ESTIMATED)), state((5, Quality.MEASURED)))) == (5, Quality.MEASURED)
    assert cell(join(state((5, Quality.MEASURED)), state((9, Quality.ESTIMATED)))) == (5, Quality.MEASURED)


def test_nothing_a_meter_sends_outranks_an_edit() -> None:
    edited = state((1, Quality.EDITED))
    for quality in METER_QUALITIES:
        assert cell(join(edited, state((0, quality)))) == (1, Quality.EDITED)
        assert cell(join(state((0, quality)), edited)) == (1, Quality.EDITED)
