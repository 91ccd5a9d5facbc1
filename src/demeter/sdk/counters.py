"""What a driver must not forget about the counters that keep ciphered messages apart, wherever it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Counted:
    """What is known under one key.

    ``sent``: the highest counter reserved, by the sender's title; ``seen``: the highest accepted, by the meter's.
    """

    sent: Mapping[bytes, int] = field(default_factory=dict)
    seen: Mapping[bytes, int] = field(default_factory=dict)


class CounterStore(Protocol):
    """Keeps counters for every driver of an installation (drivers are made with ``counters=``).

    A counter used twice under one title and key gives the key away, so a reservation is durable before it is returned
    and is never given twice, to whatever process. Keys are named by a fingerprint that does not tell them.
    All methods raise :class:`demeter.kernel.Unavailable` when what is kept cannot be reached.
    """

    async def title(self) -> bytes:
        """Return the title (8 octets) this installation sends under: made once, by chance, and kept."""
        ...

    async def counted(self, fingerprint: bytes) -> Counted:
        """Return what is known under a key."""
        ...

    async def reserve(self, title: bytes, fingerprint: bytes, least: int, count: int) -> int:
        """Reserve ``count`` counters in a row, none below ``least`` nor reserved before; return the first."""
        ...

    async def saw(self, title: bytes, fingerprint: bytes, counter: int) -> None:
        """Remember the highest counter accepted from the meter of that title; may be written a little later."""
        ...
