"""What metering keeps, and what may be configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from demeter.kernel import Quality
from demeter.metering.offline import DEFAULT_THRESHOLD
from demeter.metering.rollup import Share, Total


class FlagKind(StrEnum):
    """What is kept open until it is over."""

    LEAK = "leak"
    READ_FAILURE = "read_failure"
    NEEDS_CHECK = "needs_check"


ALARM = "no reading"
"""Word of the read failure that is raised when it stands and closed when it is over: what was known at the time."""

SILENCE = "silence"
"""Word of the read failure of a computed month: what its readings say now, whenever they arrived."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an installation may set.

    ``offline_after``: silence that makes a read failure. A month that has ended is published at once when it is
    complete, else ``publish_grace`` after its end, when nothing has changed for ``publish_quiet``.
    """

    offline_after: timedelta = DEFAULT_THRESHOLD
    publish_grace: timedelta = timedelta(hours=6)
    publish_quiet: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class DayUse:
    """A service point's site-local day."""

    service_point_id: int
    day: date
    total: Total


@dataclass(frozen=True, slots=True)
class MonthUse:
    """A service point's month; ``opening`` and ``closing`` are ``contracts.usage.RegisterRead`` as data.

    ``offline_after_s`` is the threshold its flags were computed with, so that the proof uses the same.
    """

    service_point_id: int
    month: date
    total: Total
    interval_s: int
    offline_after_s: int
    flags: tuple[str, ...]
    opening: Mapping[str, object] | None
    closing: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Flag:
    """Something a person must see; ``until`` None: still open. All times aware UTC; evidence is JSON-ready."""

    service_point_id: int
    month: date
    kind: FlagKind
    word: str
    since: datetime
    raised_at: datetime
    until: datetime | None
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """The content of an ended month that is not published yet."""

    service_point_id: int
    month: date
    ended_at: datetime
    complete: bool
    content_hash: str
    document: str


@dataclass(frozen=True, slots=True)
class Published:
    """One revision of a statement as it was handed over; ``document`` is its JSON to the byte."""

    service_point_id: int
    month: date
    revision: int
    content_hash: str
    supersedes: str | None
    published_at: datetime
    document: str


def qualities_out(total: Total) -> dict[str, list[int]]:
    """Return a total's shares as they are stored."""
    return {quality.word: [share.amount, share.slots] for quality, share in sorted(total.qualities.items())}


BY_WORD = {quality.word: quality for quality in Quality}


def qualities_in(stored: Mapping[str, list[int]]) -> dict[Quality, Share]:
    """Return stored shares as they are computed with."""
    return {BY_WORD[word]: Share(amount, slots) for word, (amount, slots) in stored.items()}
