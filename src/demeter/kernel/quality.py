"""The quality every value and every total carries."""

from __future__ import annotations

from enum import IntEnum


class Quality(IntEnum):
    """How a value came about. The numbers are stored (one byte per slot) and must never change.

    A higher number outranks a lower one when two values meet in one slot, so the order of arrival does not matter.
    """

    MISSING = 0
    ESTIMATED = 10
    SUBSTITUTED = 20
    SELF_READ = 30
    MEASURED = 40
    SUSPECT = 50
    EDITED = 60

    @property
    def word(self) -> str:
        """Return the word people see, for example ``self-read``."""
        return self.name.lower().replace("_", "-")
