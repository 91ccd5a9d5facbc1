"""Which flag a service point's month shows, and where its reading goes next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from demeter.estate import PointRole
from demeter.metering.assess import NEEDS_CHECK, NOT_COMPUTABLE
from demeter.metering.evidence import DISAGREE
from demeter.metering.model import ALARM, SILENCE, Flag, FlagKind, MonthUse
from demeter.metering.views.balance import BalanceView
from demeter.metering.views.coverage import ENOUGH_PPM, percent
from demeter.metering.views.model import Destination, FlagCode, FlagView

KEPT_CODE = {
    FlagKind.LEAK: FlagCode.LEAK,
    FlagKind.READ_FAILURE: FlagCode.READ_FAILURE,
    FlagKind.NEEDS_CHECK: FlagCode.NEEDS_CHECK,
}
BY_HAND = "self_read"
"""The month's word for a number that rests on reads by a person."""

KEPT_WORD = {
    FlagKind.LEAK: "leak signal",
    FlagKind.READ_FAILURE: "read-failure",
    FlagKind.NEEDS_CHECK: "needs check",
}

GOES_TO = {
    FlagCode.NORMAL: (Destination("billing", "reading"),),
    FlagCode.LEAK: (Destination("helpdesk", "repair"), Destination("billing", "reading")),
    FlagCode.READ_FAILURE: (Destination("investigate", "meter does not answer"), Destination("self-read", "resident")),
    FlagCode.NO_READINGS: (Destination("investigate", "no readings"), Destination("self-read", "resident")),
    FlagCode.SELF_READ: (Destination("billing", "self-read"),),
    FlagCode.NEEDS_CHECK: (Destination("investigate", DISAGREE),),
    FlagCode.PARTIAL: (Destination("investigate", "gaps"), Destination("billing", "partial reading")),
}
PARTIAL_BY_HAND = (Destination("self-read", "resident"), Destination("billing", "partial reading"))
"""Nobody can read the gaps of a meter without a line; the next dial read closes them."""
COMMON = (Destination("billing", "reads"), Destination("accounting", "ledger"))


@dataclass(frozen=True, slots=True)
class Situation:
    """What a row's flag follows from. ``verdict``: of the building's reconciliation, for bulk and common points.

    ``kept``: what :func:`standing` leaves. ``incomplete``: the building is reconciled although some are left out.
    """

    role: PointRole
    ended: bool
    use: MonthUse | None
    coverage_ppm: int
    kept: Sequence[Flag]
    reconciled: bool = False
    verdict: str | None = None
    incomplete: bool = False


def situation(
    role: PointRole,
    ended: bool,
    month_use: MonthUse | None,
    coverage_ppm: int,
    kept: Sequence[Flag],
    balance: BalanceView | None,
) -> Situation:
    """Return a month's situation; the balance of its building speaks for bulk and common points only."""
    found = balance.balance if balance and role is not PointRole.UNIT else None
    if found is None:
        return Situation(role, ended, month_use, coverage_ppm, kept)
    incomplete = bool(found.excluded)
    return Situation(role, ended, month_use, coverage_ppm, kept, found.reconciled, found.sentence, incomplete)


def standing(found: Sequence[Flag], *, ended: bool) -> list[Flag]:
    """Return the flags a month shows, oldest first: what its readings say, whatever was raised at the time.

    An alarm that is over is history. One that is open speaks for the silence it began; in a month that has ended it
    shows only if that month's readings do leave such a silence.
    """
    open_alarms = [f for f in found if f.word == ALARM and f.until is None]
    silent = [f for f in found if f.word == SILENCE]
    if ended:
        open_alarms = [alarm for alarm in open_alarms if any(_began(alarm, one) for one in silent)]
    told = {id(one) for one in silent if any(_began(alarm, one) for alarm in open_alarms)}
    rest = [f for f in found if f.word != ALARM and id(f) not in told]
    return sorted([*rest, *open_alarms], key=lambda flag: (flag.since, flag.word))


def _began(alarm: Flag, silence: Flag) -> bool:
    return silence.until is None or alarm.since < silence.until


def kept_view(flag: Flag) -> FlagView:
    """Return a kept flag with its evidence."""
    return FlagView(KEPT_CODE[flag.kind], _word(flag), flag.since, _detail(flag), flag.until, dict(flag.evidence))


def _word(flag: Flag) -> str:
    """Return the flag's word; a read failure says after how many hours it is one."""
    hours = flag.evidence.get("threshold_hours") if flag.kind is FlagKind.READ_FAILURE else None
    return KEPT_WORD[flag.kind] if hours is None else f"{KEPT_WORD[flag.kind]} > {hours} h"


def _detail(flag: Flag) -> str:
    evidence = flag.evidence
    if flag.word == SILENCE:
        return f"no readings for {evidence.get('silent_hours')} h"
    if flag.kind is FlagKind.NEEDS_CHECK:
        return f"{flag.word}: {evidence.get('registers')} against {evidence.get('intervals')}"
    if flag.kind is FlagKind.READ_FAILURE:
        return f"{evidence.get('reason')}, more than {evidence.get('threshold_hours')} h"
    if "lowest_litres_per_hour" in evidence:
        return f"{flag.word}, at least {evidence['lowest_litres_per_hour']} L/h"
    return flag.word


def flag_of(situation: Situation) -> FlagView:
    """Return the one flag to show, the most urgent first."""
    kept = _urgent(situation)
    if kept is not None:
        return kept_view(kept)
    use, total = situation.use, situation.use.total if situation.use else None
    words = use.flags if use else ()
    if total is None or total.amount is None:
        if NOT_COMPUTABLE in words:
            return FlagView(FlagCode.NO_READINGS, "not computable", detail="check multiplier and units of the meter")
        return FlagView(FlagCode.NO_READINGS, "no readings")
    return _of_known(situation, words)


def _of_known(situation: Situation, words: Sequence[str]) -> FlagView:
    by_hand = BY_HAND in words
    if situation.coverage_ppm < ENOUGH_PPM:
        known = percent(situation.coverage_ppm)
        word = f"self-read, partial, {known} %" if by_hand else f"partial, {known} %"
        return FlagView(FlagCode.PARTIAL, word, detail=f"{known} % of the time is known")
    if by_hand:
        return FlagView(FlagCode.SELF_READ, "self-read")
    if situation.reconciled:
        word = "reconciled, incomplete" if situation.incomplete else "reconciled"
        return FlagView(FlagCode.RECONCILED, word, detail=situation.verdict)
    detail = situation.verdict or _over(situation.kept)
    return FlagView(FlagCode.NORMAL, "normal", detail=detail)


def _urgent(situation: Situation) -> Flag | None:
    """Return the open leak, else a read failure that stands, else what needs a check; older leaks first."""
    open_leaks = [f for f in situation.kept if f.kind is FlagKind.LEAK and f.until is None]
    if open_leaks:
        return open_leaks[0]
    complete = situation.use is not None and situation.use.total.complete
    failures = [f for f in situation.kept if f.kind is FlagKind.READ_FAILURE]
    failing = [] if situation.ended and complete else [f for f in failures if situation.ended or f.until is None]
    doubtful = [f for f in situation.kept if f.kind is FlagKind.NEEDS_CHECK]
    return failing[-1] if failing else next(iter(doubtful), None)


def _over(kept: Sequence[Flag]) -> str | None:
    leaks = [f for f in kept if f.kind is FlagKind.LEAK and f.until is not None]
    return f"leak signal until {leaks[-1].until:%Y-%m-%d}, over" if leaks else None


def goes_to(role: PointRole, flag: FlagView, words: Sequence[str] = ()) -> tuple[Destination, ...]:
    """Return where the reading goes: metering proves it, others act on it.

    ``words``: the month's own flags. What needs a check goes to nobody's bill, whatever else is flagged.
    """
    if NEEDS_CHECK in words:
        others = [goal for goal in GOES_TO.get(flag.code, ()) if goal.to != "billing"]
        return tuple(dict.fromkeys((*others, *GOES_TO[FlagCode.NEEDS_CHECK])))
    if role is not PointRole.UNIT and flag.code in {FlagCode.NORMAL, FlagCode.RECONCILED, FlagCode.SELF_READ}:
        return COMMON
    if flag.code is FlagCode.RECONCILED:
        return COMMON
    if flag.code is FlagCode.PARTIAL and BY_HAND in words:
        return PARTIAL_BY_HAND
    return GOES_TO[flag.code]
