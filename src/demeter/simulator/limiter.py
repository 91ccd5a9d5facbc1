"""The load limiter of a meter: cuts the supply when the load stays over the limit, closes it again where it may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.classes.control import EmergencyProfile
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.simulator.event_log import OVERLOAD, OVERLOAD_ENDED
from demeter.simulator.relay import Note, Relay
from demeter.simulator.slots import SLOT_S

NO_LIMIT: Final = 0xFFFF_FFFF
"""The threshold of a meter whose load is not limited, in W."""

_NO_EMERGENCY: Final = EmergencyProfile(0, CosemDateTime(), 0)


@dataclass(slots=True)
class Limits:
    """What a limiter goes by: thresholds in W, durations in seconds. Written by the head-end at any moment.

    ``emergency_at_s``: when the emergency profile begins, UTC epoch seconds; None: it does not.
    """

    normal: int = NO_LIMIT
    emergency: int = NO_LIMIT
    over_s: int = 60
    under_s: int = 60
    emergency_profile: EmergencyProfile = _NO_EMERGENCY
    emergency_groups: tuple[int, ...] = ()
    emergency_at_s: int | None = None

    def emergency_active(self, at_s: int) -> bool:
        """Tell whether the emergency threshold applies at an instant."""
        profile = self.emergency_profile
        if self.emergency_at_s is None or profile.identifier not in self.emergency_groups:
            return False
        return self.emergency_at_s <= at_s < self.emergency_at_s + profile.duration

    def active(self, at_s: int) -> int:
        """Return the threshold in force at an instant, in W."""
        return self.emergency if self.emergency_active(at_s) else self.normal

    def bounds(self) -> list[int]:
        """Return the instants at which the threshold in force changes by itself."""
        if self.emergency_at_s is None:
            return []
        return [self.emergency_at_s, self.emergency_at_s + self.emergency_profile.duration]


class Limiter:
    """Watches the power of one meter. ``advance`` may be called as late as one likes: it catches up exactly.

    The power of a simulated load is constant within a quarter-hour, so nothing between two steps is missed.
    """

    def __init__(self, power_w: Callable[[int], int], relay: Relay, note: Note, since_s: int) -> None:
        self._power_w = power_w
        self._relay = relay
        self._note = note
        self._seen_s = since_s
        self._over_since: int | None = None
        self._under_since: int | None = since_s
        self._tripped = False
        self.limits = Limits()

    @property
    def idle(self) -> bool:
        """Whether there is no limit to watch over."""
        limits = self.limits
        return limits.normal == limits.emergency == NO_LIMIT and not self._tripped

    def advance(self, now_s: int) -> None:
        """Do everything that was due until ``now_s``."""
        if self.idle:
            self._seen_s, self._over_since, self._under_since = max(now_s, self._seen_s), None, None
            return
        while self._seen_s < now_s:
            self._step(now_s)

    def _step(self, now_s: int) -> None:
        """Go on to the next instant at which anything may change."""
        at_s = self._seen_s
        bounds = [now_s, (at_s // SLOT_S + 1) * SLOT_S, *(b for b in self.limits.bounds() if b > at_s)]
        over = self._power_w(at_s) > self.limits.active(at_s)
        if over:
            self._under_since = None
            self._over_since = at_s if self._over_since is None else self._over_since
            due = max(self._over_since + self.limits.over_s, at_s)
            if not self._tripped and due <= now_s and due <= min(bounds):
                self._trip(due)
                bounds.append(max(due, at_s))
        else:
            self._over_since = None
            self._under_since = at_s if self._under_since is None else self._under_since
            due = max(self._under_since + self.limits.under_s, at_s)
            if self._tripped and due <= now_s and due <= min(bounds):
                self._settle(due)
                bounds.append(due)
        self._seen_s = min(bounds)

    def _trip(self, at_s: int) -> None:
        self._tripped = True
        self._over_since = None
        self._note(at_s, OVERLOAD)
        self._relay.local_disconnect(at_s)

    def _settle(self, at_s: int) -> None:
        self._tripped = False
        self._under_since = None
        self._note(at_s, OVERLOAD_ENDED)
        self._relay.local_reconnect(at_s)
