"""How pushes are bounded, and what is kept of those that were not taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PushLimits:
    """Bounds of the listener; whoever exceeds one waits or is refused, nothing grows without end.

    ``connections`` in all and ``source_connections`` of one address; a connection is closed after ``idle_s`` without
    octets, or when a message is not whole within ``message_s``. ``outstanding`` messages of a connection are in work at
    once, ``queued`` datagrams may wait. A source may send ``source_rate`` messages per second, in bursts of
    ``source_burst``: connections then wait, datagrams are dropped. ``window``: how many counters below the highest may
    still come late. Quarantine holds ``kept_frames`` and ``kept_octets`` in all and of one source; the oldest go first.
    """

    connections: int = 4000
    source_connections: int = 1000
    idle_s: float = 300
    message_s: float = 60
    commit_s: float = 60
    outstanding: int = 32
    queued: int = 4096
    source_rate: int = 1000
    source_burst: int = 5000
    window: int = 64
    refresh_s: float = 30
    refresh_least_s: float = 5
    flush_s: float = 0.02
    quarantine_flush_s: float = 0.5
    kept_frames: int = 20_000
    kept_octets: int = 64 * MEBIBYTE
    source_kept_frames: int = 200
    source_kept_octets: int = 2 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that was not taken, once. ``organization_id`` and ``meter_id``: whom it claims to be from."""

    protocol: str
    source: str
    title: str
    names: str
    reason: str
    detail: str
    payload: bytes = field(repr=False)
    organization_id: int | None = None
    meter_id: int | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message as quarantine has it. ``title``: the system title it names, hexadecimal; ``names``: those in its body.

    The same message from the same source for the same reason is one entry that counts.
    """

    id: int
    organization_id: int | None
    meter_id: int | None
    protocol: str
    source: str
    title: str
    names: str
    reason: str
    detail: str
    payload: bytes = field(repr=False)
    size: int
    first_seen_at: datetime
    last_seen_at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Released:
    """What became of a message that was to be released: ``reason`` is empty when it was taken."""

    id: int
    meter_id: int | None
    readings: int
    reason: str = ""
