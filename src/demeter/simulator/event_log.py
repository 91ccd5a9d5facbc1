"""What a meter noticed, in the seven logs of IS 15959: bounded, numbered, oldest first (reference clause 4.4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

POWER_FAILED, POWER_RESTORED = 101, 102
CLOCK_SET, BILLING_SCHEDULE, CALENDAR, FIRMWARE, LOAD_LIMIT = 151, 154, 155, 157, 158
LIMIT_ON, LIMIT_OFF, GLOBAL_KEYS, DEMAND_RESET, IMAGE_SCHEDULE = 159, 160, 164, 166, 169
OVERLOAD, OVERLOAD_ENDED = 215, 216
"""Event codes of IS 15959 that this meter raises by itself."""

ENTRIES = {0: 70, 1: 70, 2: 40, 3: 20, 4: 60, 5: 10, 6: 25}
"""How many rows each log holds: voltage, current, power, transaction, other, non-rollover, control."""

TRANSACTION = 3
_TAMPERS = (0, 1, 4, 5)
_FIRST_CODES = {0: 1, 1: 51, 2: 101, 3: 151, 4: 201, 5: 251, 6: 301}
_ROLLS_OVER = {group: group != 5 for group in ENTRIES}


def event_group(code: int) -> int:
    """Return the number of the log an event code belongs to."""
    return max(group for group, first in _FIRST_CODES.items() if code >= first)


def is_occurrence(code: int) -> bool:
    """Tell whether a code says that something begins (odd) and not that it ends; meaningful outside transactions."""
    return code % 2 == 1


@dataclass(frozen=True, slots=True)
class MeterEvent:
    """Something the meter noticed: UTC epoch seconds of its clock, the code, and its number in its log, from 1."""

    at_s: int
    code: int
    sequence: int = 0


class EventLog:
    """The logs of one meter. ``listeners`` are told of every event as it is noted."""

    def __init__(self) -> None:
        self._rows = {group: deque[MeterEvent](maxlen=most) for group, most in ENTRIES.items()}
        self._counts = dict.fromkeys(ENTRIES, 0)
        self._tampers = 0
        self.listeners: list[Callable[[MeterEvent], None]] = []

    def note(self, at_s: int, code: int) -> None:
        """Note an event at an instant of the meter's clock."""
        group = event_group(code)
        self._counts[group] += 1
        self._tampers += group in _TAMPERS and is_occurrence(code)
        event = MeterEvent(at_s, code, self._counts[group])
        rows = self._rows[group]
        if _ROLLS_OVER[group] or len(rows) < ENTRIES[group]:
            rows.append(event)
        for listener in self.listeners:
            listener(event)

    def of_group(self, group: int) -> list[MeterEvent]:
        """Return what a log still holds, oldest first."""
        return list(self._rows[group])

    def all(self) -> list[MeterEvent]:
        """Return what all logs hold, by time."""
        every = [event for rows in self._rows.values() for event in rows]
        return sorted(every, key=lambda event: event.at_s)

    def count(self, group: int) -> int:
        """Return how many events a log has taken so far: the sequence number of the newest."""
        return self._counts[group]

    @property
    def tampers(self) -> int:
        """How often somebody meddled with the meter or its supply was out of order."""
        return self._tampers
