"""The flags that follow from a month's readings, with their evidence: leaks, silences, contradictions. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from demeter.estate import ServicePoint
from demeter.kernel import display
from demeter.metering.assess import Assessment
from demeter.metering.leak import LeakEpisode
from demeter.metering.model import SILENCE, Flag, FlagKind

HOUR_S = 3600
DISAGREE = "registers and intervals disagree"


def computed_flags(point: ServicePoint, result: Assessment) -> Iterator[Flag]:
    """Yield a month's flags.

    In a running month a silence that lasts until now is left to the alarm, which knows when the meter was last read.
    """
    for episode in result.leaks:
        yield _leak(point.id, result, episode)
    running = result.until_s < result.placed.end_s
    for since_s, until_s in result.silences:
        if not (running and until_s >= result.until_s):
            yield _silence(point.id, result, since_s, until_s)
    if result.placed.contradictions:
        yield _contradiction(point, result)


def _leak(point_id: int, result: Assessment, episode: LeakEpisode) -> Flag:
    return Flag(
        point_id,
        result.month,
        FlagKind.LEAK,
        episode.kind.value,
        _instant(episode.since_s),
        _instant(episode.raised_s),
        None if episode.until_s is None else _instant(episode.until_s),
        episode.evidence,
    )


def _silence(point_id: int, result: Assessment, since_s: int, until_s: int) -> Flag:
    evidence: dict[str, object] = {
        "reason": "no readings",
        "silent_hours": (until_s - since_s) // HOUR_S,
        "threshold_hours": result.offline_after_s // HOUR_S,
    }
    since, raised = _instant(since_s), _instant(since_s + result.offline_after_s)
    return Flag(point_id, result.month, FlagKind.READ_FAILURE, SILENCE, since, raised, _instant(until_s), evidence)


def _contradiction(point: ServicePoint, result: Assessment) -> Flag:
    placed, found = result.placed, result.placed.contradictions
    start_s = placed.start_s + found[0].first * placed.interval_s
    end_s = min(placed.start_s + found[-1].last * placed.interval_s, placed.end_s)

    def amount(steps: int) -> str:
        return f"{display(steps, placed.scaler):f} {point.commodity.display_unit}"

    evidence: dict[str, object] = {
        "rule": DISAGREE,
        "window_start": _instant(start_s).isoformat(),
        "window_end": _instant(end_s).isoformat(),
        "registers": amount(sum(one.registers for one in found)),
        "intervals": amount(sum(one.intervals for one in found)),
        "stretches": len(found),
    }
    since, until = _instant(start_s), _instant(end_s)
    return Flag(point.id, result.month, FlagKind.NEEDS_CHECK, DISAGREE, since, until, None, evidence)


def _instant(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
