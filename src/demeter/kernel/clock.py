"""The only place that reads the machine's clock; everything else is handed a :class:`Clock`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant, aware and in UTC."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands until it is moved: for tests and for replaying history."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            message = f"an aware datetime is needed, got {at!r}"
            raise ValueError(message)
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        """Return the instant the clock was last set to."""
        return self._at

    def advance(self, step: timedelta) -> None:
        """Move the clock forward by ``step``."""
        self._at += step
