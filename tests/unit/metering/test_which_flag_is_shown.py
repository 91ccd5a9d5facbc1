"""The one flag of a service point's month, and where its reading goes."""

from datetime import date

import pytest

from demeter.estate import PointRole
from demeter.kernel import Quality
from demeter.metering.model import MonthUse
from demeter.metering.rollup import Share, Total
from demeter.metering.views.flags import Situation, flag_of, goes_to

MARCH = date(2026, 3, 1)


def of_coverage(ppm, *words):
    """Return flag and destinations of a unit's month with a number, known for a part of the time."""
    total = Total(100, 0, 0, 0, 2976, 2976 * ppm // 1_000_000, {Quality.MEASURED: Share(100, 10)})
    month = MonthUse(1, MARCH, total, 900, 86_400, words, None, None)
    flag = flag_of(Situation(PointRole.UNIT, True, month, ppm, ()))
    return flag.code.value, flag.word, [goal.to for goal in goes_to(PointRole.UNIT, flag, words)]


@pytest.mark.parametrize(
    ("ppm", "words", "shown"),
    [
        (1_000_000, (), ("normal", "normal", ["billing"])),
        (1_000_000, ("self_read",), ("self_read", "self-read", ["billing"])),
        (640_000, (), ("partial", "partial, 64 %", ["investigate", "billing"])),
        (640_000, ("partial", "self_read"), ("partial", "self-read, partial, 64 %", ["self-read", "billing"])),
    ],
)
def test_a_number_for_a_part_of_the_time_is_called_partial_whoever_read_it(ppm, words, shown):
    assert of_coverage(ppm, *words) == shown
