"""Billing periods: when they ended, by the meter's own schedule or by a command."""

from __future__ import annotations

from demeter.simulator.schedules import FIRST_OF_MONTH, Times, occurrences

PERIODS_KEPT = 13


class BillingPeriods:
    """The ends of one meter's billing periods, UTC epoch seconds, ascending.

    They are a function of the schedule and of the resets by command. A new schedule is in force from when it was set:
    periods that ended before stay as they were.
    """

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._schedules: list[tuple[int | None, Times]] = [(None, (FIRST_OF_MONTH,))]
        self._resets: list[int] = []
        self._known: tuple[int, int, int, list[int]] | None = None
        self._changes = 0

    @property
    def times(self) -> Times:
        """The schedule in force."""
        return self._schedules[-1][1]

    def reschedule(self, times: Times, at_s: int) -> None:
        """Take another schedule from an instant on."""
        self._schedules.append((at_s, times))
        self._changes += 1

    def reset(self, at_s: int) -> None:
        """End the present period now."""
        self._resets.append(at_s)
        self._changes += 1

    def ends(self, first_s: int, last_s: int) -> list[int]:
        """Return the ends of periods in ``[first_s, last_s]``; every reset counts, also two in one second."""
        key = (first_s, last_s // 60, self._changes)
        if self._known is None or self._known[:3] != key:
            self._known = (*key, self._computed(first_s, last_s // 60 * 60 + 59))
        found = self._known[3]
        return found if not found or found[-1] <= last_s else [end for end in found if end <= last_s]

    @property
    def resets(self) -> int:
        """How many periods were ended by command."""
        return len(self._resets)

    @property
    def newest_reset_s(self) -> int:
        """The last reset by command; 0: there was none."""
        return self._resets[-1] if self._resets else 0

    def _computed(self, first_s: int, last_s: int) -> list[int]:
        found = [at_s for at_s in self._resets if first_s <= at_s <= last_s]
        for place, (since_s, times) in enumerate(self._schedules):
            until_s = self._schedules[place + 1][0] if place + 1 < len(self._schedules) else None
            start = first_s if since_s is None else max(first_s, since_s + 1)
            stop = last_s if until_s is None else min(last_s, until_s)
            found += occurrences(times, self._zone, start, stop)
        return sorted(found)
