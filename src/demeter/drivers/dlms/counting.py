"""Which invocation counters a session may use: those its installation reserved, above all it ever sent.

What a meter says of its own counter is only a hint: the public association is not protected, so whoever is on the line
may say anything. Too low, and a counter would be used twice, which gives the key away; too high, and the key would be
used up. Counters are reserved durably, many at a time, so that most sessions cost no visit to the store.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from hmac import digest
from typing import Final

from demeter.protocols.dlms.association import MAX_LEAP
from demeter.protocols.dlms.client import Client
from demeter.sdk import CounterStore, FailureKind, ReadFailure

STEP: Final = 1000
"""Counters reserved at a time; what is left of them when the process ends stays unused."""

ALLOTTED: Final = 64
"""Counters given to a session at a time."""

MARGIN: Final = 8
"""More than what one APDU can use (a transaction id, its key's counter, a proof of HLS)."""

NEARLY_USED_UP: Final = 0xF000_0000
"""A meter told to be as far at the first contact is not believed: the rest of the key would be spent on a guess."""


def fingerprint_of(key: bytes, epoch: int = 0) -> bytes:
    """Return the 16 octets that name a key without telling it. ``epoch``: how often its meter began to count anew."""
    return digest(key, b"demeter invocation counters" + (b"" if not epoch else b" %d" % epoch), sha256)[:16]


@dataclass(slots=True)
class Range:
    """Counters of one title that are reserved and unused: ``[unused, end)``. ``ours``: the highest known reserved."""

    ours: int | None
    unused: int = 0
    end: int = 0


class Book:
    """The counters under one key, in this process."""

    def __init__(self, store: CounterStore, fingerprint: bytes, seen_as: bytes) -> None:
        self._store = store
        self._fingerprint = fingerprint
        self._seen_as = seen_as
        self._ranges: dict[bytes, Range] | None = None
        self._seen: dict[bytes, int] = {}
        self._lock = asyncio.Lock()

    async def allot(self, title: bytes, told: int, at_least: int) -> Allotment:
        """Give a session its first counters, above ``told`` and everything sent.

        ``at_least``: what a person vouches for.

        Raises:
            ReadFailure: IMPLAUSIBLE_COUNTER, when ``told`` is too far ahead to be believed.
            Unavailable: the store cannot be reached.
        """
        async with self._lock:
            ranges = await self._opened()
            known = ranges.setdefault(title, Range(None))
            check_leap(told, known.ours, at_least)
            first = await self._take(title, known, max(told + 1, at_least))
        return Allotment(self, title, first, first + ALLOTTED)

    async def more(self, allotment: Allotment) -> int:
        """Return the first of further counters for a session."""
        async with self._lock:
            return await self._take(allotment.title, (await self._opened())[allotment.title], allotment.end)

    def give_back(self, allotment: Allotment, unused: int) -> None:
        """Take back what a session did not use, if nothing behind it was given away."""
        known = (self._ranges or {}).get(allotment.title)
        if known is not None and known.unused == allotment.end and unused < allotment.end:
            known.unused = unused

    def seen(self, title: bytes) -> int:
        """Return the highest counter accepted from the meter of that title (-1: none)."""
        return self._seen.get(title, -1)

    async def saw(self, title: bytes, counter: int) -> None:
        """Remember the highest counter accepted from a meter."""
        if counter > self.seen(title):
            self._seen[title] = counter
            await self._store.saw(title, self._seen_as, counter)

    async def _opened(self) -> dict[bytes, Range]:
        if self._ranges is None:
            counted = await self._store.counted(self._fingerprint)
            seen = counted
            if self._seen_as != self._fingerprint:
                seen = await self._store.counted(self._seen_as)
            for title, counter in seen.seen.items():
                self._seen[title] = max(counter, self.seen(title))
            self._ranges = {title: Range(sent) for title, sent in counted.sent.items()}
        return self._ranges

    async def _take(self, title: bytes, known: Range, least: int) -> int:
        first = max(least, known.unused)
        if first + ALLOTTED > known.end:
            first = await self._store.reserve(title, self._fingerprint, first, STEP)
            known.end = first + STEP
            known.ours = known.end - 1
        known.unused = first + ALLOTTED
        return first


class Allotment:
    """The counters of one session: ``[first, end)``, and more as they are used."""

    def __init__(self, book: Book, title: bytes, first: int, end: int) -> None:
        self._book = book
        self.title = title
        self.first = first
        self.end = end

    async def provide(self, client: Client) -> None:
        """Make sure that the next APDU's counters are reserved.

        Raises:
            Unavailable: the store cannot be reached.
            Replayed: another session with this key has meanwhile gone too far ahead.
        """
        if client.invocation_counter + MARGIN <= self.end:
            return
        first = await self._book.more(self)
        if first != self.end:  # others took what followed
            client.resynchronise(first - 1)
        self.end = first + ALLOTTED

    def close(self, client: Client) -> None:
        """Give back what was not used."""
        self._book.give_back(self, client.invocation_counter)

    async def remember(self, client: Client) -> None:
        """Keep the highest counter that came from the meter."""
        if client.server_title is not None and client.server_counter >= 0:
            await self._book.saw(client.server_title, client.server_counter)


class Books:
    """The counters under all keys, in this process."""

    def __init__(self, store: CounterStore) -> None:
        self.store = store
        self._books: dict[tuple[bytes, int], Book] = {}
        self._title: bytes | None = None

    async def title(self) -> bytes:
        """Return the installation's title, asked for once."""
        if self._title is None:
            self._title = await self.store.title()
        return self._title

    def of(self, key: bytes, epoch: int) -> Book:
        """Return the counters under a key."""
        place = fingerprint_of(key), epoch
        if place not in self._books:
            self._books[place] = Book(self.store, place[0], fingerprint_of(key, epoch))
        return self._books[place]


def check_leap(told: int, ours: int | None, at_least: int) -> None:
    """Refuse a number that would use up the key.

    Raises:
        ReadFailure: IMPLAUSIBLE_COUNTER.
    """
    known = max(at_least, -1 if ours is None else ours)
    if told - known <= MAX_LEAP or (ours is None and told < NEARLY_USED_UP):
        return
    since = "is nearly used up" if ours is None else f"is more than {MAX_LEAP} above {ours}, the last one known here"
    message = (
        f"the meter is said to be at {told}, which {since}; nobody proved it, so nothing was sent."
        f" If it is true, set the option counter_at_least to {told} or change the keys"
    )
    raise ReadFailure(FailureKind.IMPLAUSIBLE_COUNTER, message)
