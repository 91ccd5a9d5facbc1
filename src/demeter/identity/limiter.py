"""How often a login may fail before the door stays shut for a while.

Kept in the memory of the process that answers logins, bounded, and counted before the password is looked at, so that
parallel attempts cannot slip through. Counted per address-and-account (guessing one password) and per address
(trying one password on many accounts). Not per account alone: that would let anybody lock anybody out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from demeter.kernel import Clock, Denied

WINDOW = timedelta(minutes=5)
PER_ACCOUNT = 5
PER_ADDRESS = 50
KEYS_KEPT = 10_000


class LoginLimiter:
    """Counts failed logins of the last five minutes. Thread-safe."""

    def __init__(self, clock: Clock, *, per_account: int = PER_ACCOUNT, per_address: int = PER_ADDRESS) -> None:
        """Start with nothing counted; ``clock`` tells when failures are old enough to be forgotten."""
        self._clock = clock
        self._limits = (per_account, per_address)
        self._failures: OrderedDict[tuple[str, ...], deque[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def attempt(self, email: str, address: str) -> Iterator[None]:
        """Count the enclosed login as failed unless it succeeds.

        Raises:
            Denied: ``too_many_attempts``; the enclosed login is not tried.
        """
        keys = ((address, email.strip().lower()), (address,))
        at = self._clock.now()
        with self._lock:
            for key, limit in zip(keys, self._limits, strict=True):
                self._refuse_beyond(key, limit, at)
            for key in keys:
                self._failures.setdefault(key, deque()).append(at)
                self._failures.move_to_end(key)
            while len(self._failures) > KEYS_KEPT:
                self._failures.popitem(last=False)
        yield
        with self._lock:
            self._failures.pop(keys[0], None)
            self._forget(keys[1], at)

    def _refuse_beyond(self, key: tuple[str, ...], limit: int, at: datetime) -> None:
        times = self._failures.get(key)
        while times and times[0] <= at - WINDOW:
            times.popleft()
        if times and len(times) >= limit:
            minutes = -(-int((times[0] + WINDOW - at).total_seconds()) // 60) or 1
            raise Denied(
                "There were too many failed attempts to sign in.",
                code="too_many_attempts",
                hint=f"Wait {minutes} minute{'s' if minutes > 1 else ''} and try again.",
            )

    def _forget(self, key: tuple[str, ...], at: datetime) -> None:
        times = self._failures.get(key)
        if times and at in times:
            times.remove(at)
