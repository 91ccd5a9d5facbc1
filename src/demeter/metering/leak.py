"""Leak signals for water: continuous flow and burst, with the evidence a person can check.

Continuous flow: no standstill of one hour within 24 hours. A standstill is an hour of known slots that together show
no more than the meter's resolution. Worked numbers: docs/algorithms/leak.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

import numpy as np

from demeter.metering.columns import Bools, Ints
from demeter.metering.consumption import Placed

HOUR_S = 3600


class LeakKind(StrEnum):
    """What the flow looked like."""

    CONTINUOUS = "continuous flow"
    BURST = "burst"


@dataclass(frozen=True, slots=True)
class LeakRules:
    """Thresholds. A day with less than ``known_percent`` decides nothing; ``burst_per_hour`` in litres (0: off)."""

    window_s: int = 86_400
    known_percent: int = 90
    burst_per_hour: int = 1_000
    burst_s: int = 1_800


@dataclass(frozen=True, slots=True)
class LeakEpisode:
    """One leak signal: flow ``since_s``, signalled at ``raised_s``, over at ``until_s`` (None: still open).

    ``flow_end_s``: the end of the last slot that shows the flow, whether it is over or not.
    ``evidence`` is JSON-ready; rates are exact decimals in litres per hour, as text.
    """

    kind: LeakKind
    since_s: int
    raised_s: int
    until_s: int | None
    flow_end_s: int
    evidence: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Hours:
    """Sums over every hour that starts at a slot; ``still``: a proved standstill."""

    sums: Ints
    known: Bools
    still: Bools
    slots: int


def leaks(placed: Placed, night: Bools, rules: LeakRules | None = None) -> list[LeakEpisode]:
    """Return the leak episodes inside ``placed``, in order of their beginning.

    ``night``: bool[slots], true from 02:00 to 05:00 site time, for the night minimum in the evidence.
    """
    rules = rules or LeakRules()
    found = _continuous(placed, night, rules) + _bursts(placed, rules)
    return sorted(found, key=lambda episode: (episode.since_s, episode.kind))


def _hours(placed: Placed) -> _Hours:
    slots = max(HOUR_S // placed.interval_s, 1)
    sums = _moving(placed.amounts, slots)
    known = _moving(placed.known().astype(np.int64), slots) == slots
    return _Hours(sums, known, known & (sums <= placed.resolution), slots)


def _moving(values: Ints, width: int) -> Ints:
    """Return the sums of ``width`` neighbours, starting at each of the first n-width+1 slots."""
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values)])
    return total[width:] - total[:-width] if len(values) >= width else np.zeros(0, dtype=np.int64)


def _continuous(placed: Placed, night: Bools, rules: LeakRules) -> list[LeakEpisode]:
    width = rules.window_s // placed.interval_s
    if placed.slots < width:
        return []
    hours = _hours(placed)
    # windows by their first slot; a window of width w contains w - hour + 1 whole hours
    stills = _moving(hours.still.astype(np.int64), width - hours.slots + 1)
    enough = _moving(placed.known().astype(np.int64), width) * 100 >= rules.known_percent * width
    flowing = np.flatnonzero((stills == 0) & enough)
    episodes: list[LeakEpisode] = []
    while len(flowing):
        first = int(flowing[0])
        last, cleared = _end_of_flow(flowing, stills, width)
        episodes.append(_episode(placed, night, hours, (first, last + width), cleared and last + 2 * width))
        flowing = flowing[flowing > last] if cleared else flowing[:0]
    return episodes


def _end_of_flow(flowing: Ints, stills: Ints, width: int) -> tuple[int, bool]:
    """Return the last window of the episode that begins with the first, and whether a clear day followed it."""
    following = [*flowing[1:], len(stills) + width]
    for window, after in zip(flowing, following, strict=True):
        clear = int(window) + width
        # a whole day later, and that later day has a standstill of its own
        if clear < after and clear < len(stills) and stills[clear] > 0:
            return int(window), True
    return int(flowing[-1]), False


def _episode(placed: Placed, night: Bools, hours: _Hours, flow: tuple[int, int], cleared_slot: int) -> LeakEpisode:
    window, stop = flow
    # slots before the first known one are not flow, only not standstill
    first = window + int(placed.known()[window:].argmax())
    inside = slice(first, stop - hours.slots + 1)
    known = hours.known[inside]
    lowest = int(hours.sums[inside][known].min())
    at_night = hours.sums[inside][known & night[inside]]
    width = 86_400 // placed.interval_s
    seconds = (stop - first) * placed.interval_s
    evidence: dict[str, object] = {
        "rule": "no standstill of 1 h within 24 h",
        "window_start": _iso(placed, max(first, stop - width)),
        "window_end": _iso(placed, stop),
        "flow_start": _iso(placed, first),
        "flow_hours": str(Decimal(seconds) / HOUR_S),
        "lowest_litres_per_hour": _litres(lowest, placed.scaler),
        "night_minimum_litres_per_hour": _litres(int(at_night.min()), placed.scaler) if len(at_night) else None,
        "at_least_litres": _litres(lowest * seconds // HOUR_S, placed.scaler),
        "known_slots": int(placed.known()[first:stop].sum()),
        "slots": stop - first,
        "resolution_litres": _litres(placed.resolution, placed.scaler),
    }
    start, step = placed.start_s, placed.interval_s
    raised = start + (window + width) * step
    until = start + cleared_slot * step if cleared_slot else None
    return LeakEpisode(LeakKind.CONTINUOUS, start + first * step, raised, until, start + stop * step, evidence)


def _bursts(placed: Placed, rules: LeakRules) -> list[LeakEpisode]:
    if rules.burst_per_hour <= 0:
        return []
    fast = _fast(placed, rules)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], fast.astype(np.int8), [0]])))
    episodes = []
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if (stop - first) * placed.interval_s < rules.burst_s:
            continue
        amounts = placed.amounts[first:stop]
        evidence: dict[str, object] = {
            "rule": f"more than {rules.burst_per_hour} L/h for {rules.burst_s // 60} min",
            "window_start": _iso(placed, first),
            "window_end": _iso(placed, stop),
            "litres": _litres(int(amounts.sum()), placed.scaler),
            "lowest_litres_per_hour": _litres(int(amounts.min()) * HOUR_S // placed.interval_s, placed.scaler),
        }
        # what is not known is no end: only a known slot can show that the flow is over
        over = bool(placed.known()[stop:].any())
        since, end = placed.start_s + first * placed.interval_s, placed.start_s + stop * placed.interval_s
        raised = since + rules.burst_s
        episodes.append(LeakEpisode(LeakKind.BURST, since, raised, end if over else None, end, evidence))
    return episodes


def _fast(placed: Placed, rules: LeakRules) -> Bools:
    # flow per slot above which a slot is fast, compared without division: amount x 3600 > rate x interval
    rate = rules.burst_per_hour * 10 ** max(-placed.scaler, 0) // 10 ** max(placed.scaler, 0)
    fast: Bools = placed.known() & (placed.amounts * HOUR_S > rate * placed.interval_s)
    return fast


def over_later(burst: LeakEpisode, after: Placed, rules: LeakRules | None = None) -> LeakEpisode:
    """Return an open burst as the slots ``after`` its period show it: over, where one of them is known and not fast."""
    fast = _fast(after, rules or LeakRules())
    run = int(np.argmin(fast)) if not fast.all() else after.slots
    if burst.flow_end_s < after.start_s:
        run = 0  # something between them is unknown: what flows after it is another episode
    if not after.known()[run:].any():
        return burst
    return replace(burst, until_s=burst.flow_end_s + run * after.interval_s)


def _iso(placed: Placed, slot: int) -> str:
    return datetime.fromtimestamp(placed.start_s + slot * placed.interval_s, UTC).isoformat()


def _litres(amount: int, scaler: int) -> str:
    return format(Decimal(amount).scaleb(scaler), "f")
