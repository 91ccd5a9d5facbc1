"""Validation names what looks wrong and leaves the values alone."""

import numpy as np

from demeter.metering.consumption import place
from demeter.metering.vee import Check, validate
from tests.unit.metering.builders import DAY, ELECTRIC, INTERVAL, MIDNIGHT, channel, epoch, meter

START = epoch("2026-03-10T00:00")
ENDS = START + 900 * np.arange(1, 97)
VARIED = 200 + (np.arange(96) * 37) % 90


def checks(amounts, *others, **installed):
    placed = place([meter(channel(INTERVAL, ENDS, amounts), *others, **installed)], START, START + DAY, ELECTRIC)
    return [finding.check for finding in validate(placed, ELECTRIC)]


def changed(**at):
    amounts = VARIED.copy()
    for slot, value in at.items():
        amounts[int(slot[1:])] = value
    return amounts


def test_ordinary_day_has_no_findings():
    assert checks(VARIED) == []


def test_negative_amount():
    assert checks(changed(s5=-3)) == [Check.NEGATIVE]


def test_spike_over_the_third_highest():
    assert checks(changed(s40=900)) == [Check.SPIKE]
    assert checks(changed(s40=700)) == []


def test_more_than_the_connection_can_carry():
    assert sorted(checks(changed(s40=2_600_000))) == sorted([Check.CAP, Check.SPIKE])


def test_a_whole_day_of_zeros():
    assert checks(np.zeros(96, dtype=int)) == [Check.ZERO_RUN]


def test_frozen_value():
    amounts = VARIED.copy()
    amounts[30:38] = 222
    assert checks(amounts) == [Check.FROZEN]


def test_intervals_against_the_register():
    total = int(VARIED.sum())
    assert checks(VARIED, channel(MIDNIGHT, [START, START + DAY], [0, total + total // 100])) == [Check.SUM]
    assert checks(VARIED, channel(MIDNIGHT, [START, START + DAY], [0, total + total // 300])) == []


def test_register_steps_are_findings_too():
    at = [START, START + 900, START + DAY]
    assert checks(VARIED, channel(MIDNIGHT, at, [999_900, 100, 30_000]), dials=6) == [Check.SUM, Check.REGISTER]
