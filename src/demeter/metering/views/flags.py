"""Which flag a service point's month shows, and where its reading goes next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from demeter.estate import PointRole
from demeter.metering.assess import NOT_COMPUTABLE
from demeter.metering.model import Flag, FlagKind, MonthUse
from demeter.metering.views.model import PPM, Destination, FlagCode, FlagView

ENOUGH_PPM = 980_000
"""Coverage below which a month is shown as partial."""

KEPT_CODE = {FlagKind.LEAK: FlagCode.LEAK, FlagKind.READ_FAILURE: FlagCode.READ_FAILURE}
KEPT_WORD = {FlagKind.LEAK: "leak signal", FlagKind.READ_FAILURE: "read-failure"}

GOES_TO = {
    FlagCode.NORMAL: (Destination("billing", "reading"),),
    FlagCode.LEAK: (Destination("helpdesk", "repair"), Destination("billing", "reading")),
    FlagCode.READ_FAILURE: (Destination("investigate", "meter does not answer"), Destination("self-read", "resident")),
    FlagCode.NO_READINGS: (Destination("investigate", "no readings"), Destination("self-read", "resident")),
    FlagCode.SELF_READ: (Destination("billing", "self-read"),),
    FlagCode.PARTIAL: (Destination("investigate", "gaps"), Destination("billing", "partial reading")),
}
COMMON = (Destination("billing", "reads"), Destination("accounting", "ledger"))


@dataclass(frozen=True, slots=True)
class Situation:
    """What a row's flag follows from. ``verdict``: of the building's reconciliation, for bulk and common points."""

    role: PointRole
    ended: bool
    use: MonthUse | None
    coverage_ppm: int
    kept: Sequence[Flag]
    reconciled: bool = False
    verdict: str | None = None


def kept_view(flag: Flag) -> FlagView:
    """Return a kept flag with its evidence."""
    return FlagView(KEPT_CODE[flag.kind], _word(flag), flag.since, _detail(flag), flag.until, dict(flag.evidence))


def _word(flag: Flag) -> str:
    """Return the flag's word; a read failure says after how many hours it is one."""
    hours = flag.evidence.get("threshold_hours") if flag.kind is FlagKind.READ_FAILURE else None
    return KEPT_WORD[flag.kind] if hours is None else f"{KEPT_WORD[flag.kind]} > {hours} h"


def _detail(flag: Flag) -> str:
    evidence = flag.evidence
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
    if situation.ended and total is not None and "read_failure" in words and not total.complete:
        return FlagView(FlagCode.READ_FAILURE, KEPT_WORD[FlagKind.READ_FAILURE], detail="silent in this month")
    if total is None or total.amount is None:
        if NOT_COMPUTABLE in words:
            return FlagView(FlagCode.NO_READINGS, "not computable", detail="check multiplier and units of the meter")
        return FlagView(FlagCode.NO_READINGS, "no readings")
    return _of_known(situation, words)


def _of_known(situation: Situation, words: Sequence[str]) -> FlagView:
    if "self_read" in words:
        return FlagView(FlagCode.SELF_READ, "self-read")
    if situation.coverage_ppm < ENOUGH_PPM:
        percent = situation.coverage_ppm * 100 // PPM
        return FlagView(FlagCode.PARTIAL, f"partial, {percent} %", detail=f"{percent} % of the time is known")
    if situation.reconciled:
        return FlagView(FlagCode.RECONCILED, "reconciled", detail=situation.verdict)
    detail = situation.verdict or _over(situation.kept)
    return FlagView(FlagCode.NORMAL, "normal", detail=detail)


def _urgent(situation: Situation) -> Flag | None:
    """Return the open leak, else a read failure that stands; older leaks first."""
    open_leaks = [f for f in situation.kept if f.kind is FlagKind.LEAK and f.until is None]
    if open_leaks:
        return open_leaks[0]
    complete = situation.use is not None and situation.use.total.complete
    failures = [f for f in situation.kept if f.kind is FlagKind.READ_FAILURE]
    standing = [] if situation.ended and complete else [f for f in failures if situation.ended or f.until is None]
    return standing[-1] if standing else None


def _over(kept: Sequence[Flag]) -> str | None:
    leaks = [f for f in kept if f.kind is FlagKind.LEAK and f.until is not None]
    return f"leak signal until {leaks[-1].until:%Y-%m-%d}, over" if leaks else None


def goes_to(role: PointRole, flag: FlagView) -> tuple[Destination, ...]:
    """Return where the reading goes: metering proves it, others act on it."""
    if role is not PointRole.UNIT and flag.code in {FlagCode.NORMAL, FlagCode.RECONCILED, FlagCode.SELF_READ}:
        return COMMON
    if flag.code is FlagCode.RECONCILED:
        return COMMON
    return GOES_TO[flag.code]
