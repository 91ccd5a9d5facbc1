"""The worked numbers of docs/algorithms/reconciliation.md."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.kernel import Invalid
from demeter.metering.reconciliation import BalanceRules, PointUse, Verdict, apportion, reconcile


def point(number, role, days, *, complete=None, whole="sum", label=""):
    days = np.array(days, dtype=np.int64)
    complete = np.ones(len(days), dtype=bool) if complete is None else np.array(complete, dtype=bool)
    whole = (int(days.sum()) if complete.all() else None) if whole == "sum" else whole
    return PointUse(number, label or f"P{number}", role, days, complete, whole)


TOWER = [
    point(1, "bulk", [103_000] * 10),
    point(2, "unit", [40_000] * 10),
    point(3, "unit", [45_000] * 10),
    point(4, "common", [15_000] * 10),
]


LEGACY = replace(point(3, "unit", [0] * 10, complete=[0] * 10, whole=450_000, label="B-0803"), by_hand=True)


def test_bulk_minus_units_minus_common_is_the_loss():
    balance = reconcile(TOWER)
    assert (balance.bulk, balance.units, balance.common, balance.loss) == (1_030_000, 850_000, 150_000, 30_000)
    assert (balance.loss_ppm, balance.verdict, balance.window) == (29_126, Verdict.TECHNICAL_LOSS, "period")
    assert balance.uncertainty == 12_024  # 1 % of each meter: sqrt(10300² + 4000² + 4500² + 1500²)
    assert balance.reconciled


def test_only_days_on_which_every_included_meter_is_complete_are_compared():
    gap = [1, 1, 1, 0, 1, 1, 1, 1, 1, 1]
    balance = reconcile([*TOWER[:3], point(4, "common", [15_000] * 10, complete=gap)])
    assert (balance.window, balance.aligned_days, balance.coverage_ppm) == ("days", 9, 900_000)
    assert (balance.bulk, balance.loss) == (927_000, 27_000)
    assert balance.excluded == ()


def test_a_dead_meter_is_excluded_and_named_and_the_verdict_says_so():
    dead = point(3, "unit", [45_000] * 10, complete=[0] * 10, label="C-0302")
    balance = reconcile([TOWER[0], TOWER[1], dead, TOWER[3]])
    assert balance.excluded == ((3, "C-0302", "no complete day"),)
    assert (balance.verdict, balance.reconciled, balance.attention) == (Verdict.INCONCLUSIVE, False, True)
    assert balance.sentence == "inconclusive: the loss includes the use of C-0302"


def test_a_loss_within_expectation_says_whose_use_it_includes():
    # 103,000 - 85,000 - 10,000 = 8,000 a day is 7.77 %, but C-0302's use is part of it
    dead = [point(n, "unit", [0] * 10, complete=[0] * 10, label=label) for n, label in ((5, "C-0302"), (6, "C-1001"))]
    balance = reconcile([*TOWER[:3], point(4, "common", [10_000] * 10), *dead])
    assert (balance.loss_ppm, balance.verdict, balance.window) == (77_669, Verdict.INCOMPLETE, "period")
    assert (balance.reconciled, balance.attention) == (True, True)
    assert balance.sentence == "within expectation, incomplete: the loss includes the use of C-0302, C-1001"


def test_a_whole_balance_that_explains_itself_needs_no_person():
    assert (reconcile(TOWER).attention, reconcile(TOWER).sentence) == (False, "technical loss")


def test_the_meter_with_the_fewest_days_goes_first():
    weak = point(3, "unit", [45_000] * 10, complete=[1, 1, 1, 0, 0, 0, 0, 0, 0, 0], label="C-0302")
    balance = reconcile([TOWER[0], TOWER[1], weak, TOWER[3]])
    assert balance.excluded == ((3, "C-0302", "only 3 of 10 days complete"),)
    assert balance.aligned_days == 10


@pytest.mark.parametrize(
    ("bulk", "verdict"),
    [
        (100_500, Verdict.WITHIN_CLASS_ERROR),
        (99_500, Verdict.WITHIN_CLASS_ERROR),
        (103_000, Verdict.TECHNICAL_LOSS),
        (130_000, Verdict.SUSPICIOUS),
        (90_000, Verdict.NEGATIVE),
    ],
)
def test_the_verdict_says_what_the_loss_means(bulk, verdict):
    assert reconcile([point(1, "bulk", [bulk] * 10), *TOWER[1:]]).verdict is verdict


def test_a_self_read_flat_is_compared_when_its_whole_month_is_known():
    balance = reconcile([TOWER[0], TOWER[1], LEGACY, TOWER[3]])
    assert (balance.window, balance.loss, balance.excluded) == ("period", 30_000, ())
    assert (balance.by_hand, balance.hand_read) == (450_000, ("B-0803",))


def test_a_self_read_flat_counts_beside_a_dead_meter():
    dead = point(5, "unit", [0] * 10, complete=[0] * 10, label="C-0302")
    balance = reconcile([TOWER[0], TOWER[1], LEGACY, TOWER[3], dead])
    assert (balance.window, balance.loss, balance.by_hand) == ("period", 30_000, 450_000)
    assert balance.excluded == ((5, "C-0302", "no complete day"),)


def test_a_self_read_flat_is_left_out_by_name_where_only_days_can_be_compared():
    gap = [1, 1, 1, 0, 1, 1, 1, 1, 1, 1]
    balance = reconcile([TOWER[0], point(2, "unit", [40_000] * 10, complete=gap), LEGACY, TOWER[3]])
    assert (balance.window, balance.aligned_days, balance.by_hand) == ("days", 9, 0)
    assert balance.excluded == ((3, "B-0803", "read by hand, for the month only"),)


def test_without_a_bulk_meter_there_is_nothing_to_compare():
    assert reconcile(TOWER[1:]).verdict is Verdict.NOT_POSSIBLE


def test_accuracy_class_is_a_rule():
    assert reconcile(TOWER, BalanceRules(class_ppm=30_000)).verdict is Verdict.WITHIN_CLASS_ERROR


def test_shares_of_the_common_area_by_floor_area():
    # 100 Wh over 50, 70 and 75 m²: 25.64, 35.90, 38.46; the two left go to the largest remainders
    assert apportion(100, [50, 70, 75], [1, 2, 3]) == [26, 36, 38]


def test_equal_shares_give_the_odd_unit_to_the_smallest_id():
    assert apportion(10, [1, 1, 1], [30, 10, 20]) == [3, 4, 3]


def test_shares_need_a_weight():
    with pytest.raises(Invalid):
        apportion(10, [0, 0], [1, 2])


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**6), min_size=1, max_size=60).filter(any))
def test_shares_always_add_up_and_never_miss_by_a_whole_step(total, weights):
    shares = apportion(total, weights, list(range(len(weights))))
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * sum(weights) - total * weight) < sum(weights)
