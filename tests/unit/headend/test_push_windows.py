"""Replay windows take each number once, within the window in any order, and give back what was not stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.headend.push.rates import Rates
from demeter.headend.push.windows import Window
from demeter.sdk import PushRefusal

SIZE = 8


def attempt(window: Window, number: int) -> bool:
    try:
        window.check(number, SIZE)
    except PushRefusal:
        return False
    window.take(number, SIZE)
    return True


@given(st.lists(st.integers(0, 40), max_size=80))
def test_a_window_takes_what_a_set_of_all_numbers_would_take(numbers: list[int]) -> None:
    window, taken, highest = Window(), set(), -1
    for number in numbers:
        fits = number not in taken and number > highest - SIZE
        assert attempt(window, number) is fits
        if fits:
            taken.add(number)
            highest = max(highest, number)
        window = Window(window.reached, window.taken)  # as after a restart
        assert window.taken < 1 << SIZE


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_numbers_of_any_size_cost_no_more(numbers: list[int]) -> None:
    window = Window()
    for number in numbers:
        attempt(window, number)
        assert not attempt(window, number)
        assert window.taken < 1 << SIZE


@pytest.mark.parametrize("others", [[], [6], [4], [3, 4, 6]])
def test_a_number_given_back_may_come_again_and_no_other(others: list[int]) -> None:
    window = Window()
    for number in (*others, 5):
        assert attempt(window, number)
    window.give_back(5)
    assert not any(attempt(window, number) for number in others)
    assert attempt(window, 5)
    assert not attempt(window, 5)


def test_a_source_has_a_burst_and_then_its_rate() -> None:
    rates = Rates(rate=10, burst=3)
    assert [rates.take("a", now=0) for _ in range(4)] == [0, 0, 0, 0.1]
    assert rates.take("b", now=0) == 0
    assert rates.take("a", now=0.05) == pytest.approx(0.05)
    assert rates.take("a", now=0.1) == 0
    # who waits takes his turn at once, and the next one waits longer
    assert rates.take("a", wait=True, now=0.1) == pytest.approx(0.1)
    assert rates.take("a", wait=True, now=0.1) == pytest.approx(0.2)
    assert [rates.take("a", now=100) for _ in range(4)] == [0, 0, 0, 0.1]


def test_the_number_of_sources_remembered_is_bounded() -> None:
    rates = Rates(rate=1, burst=1)
    for number in range(20_000):
        rates.take(str(number), now=0)
    assert len(rates._buckets) == 10_000
