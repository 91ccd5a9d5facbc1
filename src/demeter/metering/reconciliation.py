"""Bulk meter − sum of units − metered common area = loss; and the common area's use shared out to the last unit.

Compared only on aligned windows, where every included meter is complete. Worked numbers:
docs/algorithms/reconciliation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isqrt

import numpy as np

from demeter.kernel import Invalid
from demeter.metering.columns import Bools, Ints

PPM = 1_000_000
NAMED = 5
"""Service points left out that a sentence names; the rest it counts."""


class Verdict(StrEnum):
    """What the loss says."""

    WITHIN_CLASS_ERROR = "within class error"
    TECHNICAL_LOSS = "technical loss"
    SUSPICIOUS = "suspicious loss"
    NEGATIVE = "negative loss: check wiring, multiplier or mapping"
    INCOMPLETE = "within expectation, incomplete"
    INCONCLUSIVE = "inconclusive"
    NOT_POSSIBLE = "not possible: no aligned window"


@dataclass(frozen=True, slots=True)
class PointUse:
    """One service point in the comparison; all points at one scaler.

    ``days``: int64[d] amounts; ``complete``: bool[d]; ``whole``: the period's total if it is complete, else None;
    ``by_hand``: that total rests on reads by hand, so it says nothing about days.
    """

    service_point_id: int
    label: str
    role: str
    days: Ints
    complete: Bools
    whole: int | None
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class BalanceRules:
    """``class_ppm``: the meters' accuracy class. ``suspicious_ppm``: loss of the bulk amount beyond which to look."""

    class_ppm: int = 10_000
    suspicious_ppm: int = 100_000
    least_aligned_percent: int = 50


@dataclass(frozen=True, slots=True)
class Balance:
    """The comparison. Amounts are integers at the common scaler; ``uncertainty`` is one standard deviation.

    ``window``: ``period``, or ``days`` with ``aligned_days`` of ``days``. ``excluded``: (service point id, label, why).
    ``by_hand``: the part of ``units`` and ``common`` that rests on reads by hand, of the service points ``hand_read``.
    """

    verdict: Verdict
    window: str
    bulk: int | None
    units: int | None
    common: int | None
    loss: int | None
    uncertainty: int | None
    aligned_days: int
    days: int
    aligned: tuple[bool, ...]
    included: int
    excluded: tuple[tuple[int, str, str], ...]
    by_hand: int = 0
    hand_read: tuple[str, ...] = ()

    @property
    def loss_ppm(self) -> int | None:
        """Return the loss per million of the bulk amount, rounded toward zero; None where there is no bulk amount."""
        if self.loss is None or not self.bulk:
            return None
        size = abs(self.loss) * PPM // abs(self.bulk)
        return size if (self.loss < 0) == (self.bulk < 0) else -size

    @property
    def coverage_ppm(self) -> int:
        """Return the share of the period's days that could be compared."""
        return self.aligned_days * PPM // self.days if self.days else 0

    @property
    def reconciled(self) -> bool:
        """Tell whether the loss is within expectation; it may include the use of those left out."""
        return self.verdict in {Verdict.WITHIN_CLASS_ERROR, Verdict.TECHNICAL_LOSS, Verdict.INCOMPLETE}

    @property
    def attention(self) -> bool:
        """Tell whether a person should look: everything but a whole balance that explains itself."""
        return self.verdict not in {Verdict.WITHIN_CLASS_ERROR, Verdict.TECHNICAL_LOSS}

    @property
    def sentence(self) -> str:
        """Return the verdict in words, with whose use the loss includes."""
        if not self.excluded:
            return self.verdict.value
        labels = [label for _, label, _ in self.excluded]
        named = ", ".join(labels[:NAMED]) + (f" and {len(labels) - NAMED} more" if len(labels) > NAMED else "")
        if self.verdict in {Verdict.INCOMPLETE, Verdict.INCONCLUSIVE}:
            return f"{self.verdict.value}: the loss includes the use of {named}"
        return f"{self.verdict.value}; left out: {named}"


def reconcile(points: Sequence[PointUse], rules: BalanceRules | None = None) -> Balance:
    """Compare the bulk meters among ``points`` with the units and common-area meters."""
    rules = rules or BalanceRules()
    bulk = [p for p in points if p.role == "bulk"]
    others = [p for p in points if p.role != "bulk"]
    days = len(points[0].days) if points else 0
    here = np.logical_and.reduce([p.complete for p in bulk]) if bulk else np.zeros(days, dtype=np.bool_)
    included, aligned = _align(others, here, rules.least_aligned_percent)
    kept = {p.service_point_id for p in included}
    excluded = tuple((p.service_point_id, p.label, _why(p, here)) for p in others if p.service_point_id not in kept)
    whole = [p for p in points if p.whole is not None]
    present = _ids(whole)
    # nobody is lost by comparing the whole period: those without it would be left out of the days as well
    lost = [p for p in points if p.service_point_id not in present and (p.role == "bulk" or p.service_point_id in kept)]
    if bulk and not lost:
        return _of_period(whole, days, tuple(one for one in excluded if one[0] not in present), rules)
    if not aligned.any():
        none = tuple(bool(day) for day in aligned)
        return Balance(Verdict.NOT_POSSIBLE, "days", None, None, None, None, None, 0, days, none, 0, excluded)
    compared = [*bulk, *included]
    sums = {p.service_point_id: int(p.days[aligned].sum()) for p in compared}
    return _balance(compared, sums, aligned, "days", excluded, rules)


def _ids(points: Sequence[PointUse]) -> set[int]:
    return {p.service_point_id for p in points}


def _of_period(
    points: Sequence[PointUse], days: int, excluded: tuple[tuple[int, str, str], ...], rules: BalanceRules
) -> Balance:
    sums = {p.service_point_id: p.whole or 0 for p in points}
    balance = _balance(points, sums, np.ones(days, dtype=np.bool_), "period", excluded, rules)
    hand_read = [p for p in points if p.by_hand and p.role != "bulk"]
    return replace(
        balance,
        by_hand=sum(p.whole or 0 for p in hand_read),
        hand_read=tuple(p.label for p in hand_read),
    )


def _align(others: Sequence[PointUse], here: Bools, least_percent: int) -> tuple[list[PointUse], Bools]:
    """Leave out the meters with the fewest complete days until enough days are left that all the others share."""
    included = [p for p in others if bool((p.complete & here).any())]
    while True:
        aligned = np.logical_and.reduce([here, *(p.complete for p in included)])
        if not included or int(aligned.sum()) * 100 >= least_percent * int(here.sum()):
            return included, aligned
        weakest = min(included, key=lambda p: (int((p.complete & here).sum()), -p.service_point_id))
        included.remove(weakest)


def _why(point: PointUse, here: Bools) -> str:
    if point.by_hand and point.whole is not None:
        return "read by hand, for the month only"
    days = int((point.complete & here).sum())
    return "no complete day" if days == 0 else f"only {days} of {int(here.sum())} days complete"


def _balance(
    points: Sequence[PointUse],
    sums: dict[int, int],
    aligned: Bools,
    window: str,
    excluded: tuple[tuple[int, str, str], ...],
    rules: BalanceRules,
) -> Balance:
    def role(name: str) -> int:
        return sum(sums[p.service_point_id] for p in points if p.role == name)

    bulk, units, common = role("bulk"), role("unit"), role("common")
    loss = bulk - units - common
    # independent errors add as squares; integers throughout, rounded down at the very end
    uncertainty = isqrt(sum((rules.class_ppm * amount) ** 2 for amount in sums.values())) // PPM
    return Balance(
        _verdict(loss, bulk, uncertainty, bool(excluded), rules),
        window,
        bulk,
        units,
        common,
        loss,
        uncertainty,
        int(aligned.sum()),
        len(aligned),
        tuple(bool(day) for day in aligned),
        len(points),
        excluded,
    )


def _verdict(loss: int, bulk: int, uncertainty: int, excluded: bool, rules: BalanceRules) -> Verdict:
    if abs(loss) <= uncertainty:
        return Verdict.INCOMPLETE if excluded else Verdict.WITHIN_CLASS_ERROR
    if loss < 0:
        return Verdict.NEGATIVE
    if loss * PPM <= rules.suspicious_ppm * bulk or loss <= 3 * uncertainty:
        return Verdict.INCOMPLETE if excluded else Verdict.TECHNICAL_LOSS
    return Verdict.INCONCLUSIVE if excluded else Verdict.SUSPICIOUS


def apportion(total: int, weights: Sequence[int], ids: Sequence[int]) -> list[int]:
    """Share ``total`` by ``weights`` so that the shares add up to it exactly (largest remainder; ties: smaller id).

    Raises:
        Invalid: a weight or the total is negative, or all weights are zero.
    """
    whole = sum(weights)
    if total < 0 or whole <= 0 or min(weights) < 0 or len(weights) != len(ids):
        raise Invalid("shares need a total and weights that are not negative, and one weight above zero", code="shares")
    shares = [total * weight // whole for weight in weights]
    rest = [total * weight % whole for weight in weights]
    by_need = sorted(range(len(ids)), key=lambda i: (-rest[i], ids[i]))
    for i in by_need[: total - sum(shares)]:
        shares[i] += 1
    return shares
