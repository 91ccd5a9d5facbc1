"""Who may push: every active meter of every organization, by system title, by name, by address."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from demeter.headend.model import MeterState, Target
from demeter.headend.targets import Contact, load
from demeter.kernel import Unavailable
from demeter.runtime import logging
from demeter.runtime.database import Database
from demeter.runtime.secrets import SecretBox
from demeter.sdk import Profile, Pushed, PushIdentity, PushMeter, PushReceiver, PushRefusal

log = logging.get("push")

MOST_CANDIDATES = 16
"""Meters whose keys are tried on one message that names none (they share an address)."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A meter that may push, and whose it is."""

    meter_id: int
    site_id: int
    organization_id: int
    meter: PushMeter


@dataclass(slots=True)
class Index:
    """Senders by each way in which they are known."""

    titles: dict[str, list[Sender]] = field(default_factory=lambda: defaultdict(list))
    names: dict[str, list[Sender]] = field(default_factory=lambda: defaultdict(list))
    hosts: dict[str, list[Sender]] = field(default_factory=lambda: defaultdict(list))
    trusted: dict[str, list[Sender]] = field(default_factory=lambda: defaultdict(list))

    def add(self, sender: Sender, identity: PushIdentity) -> None:
        """Enter a meter."""
        entries: Iterable[tuple[dict[str, list[Sender]], frozenset[str]]] = (
            (self.titles, identity.titles),
            (self.names, identity.names),
            (self.hosts, identity.hosts),
            (self.trusted, identity.trusted),
        )
        for known, words in entries:
            for word in words:
                known[word].append(sender)

    def find(self, pushed: Pushed, source: str) -> list[Sender]:
        """Return the meters a message may be from, by the surest thing it says.

        A title decides, then names; a protected message with neither may be from whoever is called at its address,
        because keys prove it. An unprotected one that names nobody is believed only where a record says so.
        """
        if pushed.title:
            return self.titles.get(pushed.title, [])
        if pushed.names:
            named = chain.from_iterable(self.names.get(name, ()) for name in pushed.names)
            return list({sender.meter_id: sender for sender in named}.values())
        return (self.hosts if pushed.protected else self.trusted).get(source, [])[:MOST_CANDIDATES]


class Directory:
    """The index, read anew every ``every_s`` seconds, and at once (but not within ``least_s``) for somebody unknown."""

    def __init__(
        self, database: Database, secrets: SecretBox, receiver: PushReceiver, every_s: float = 30, least_s: float = 5
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._receiver = receiver
        self._every_s = every_s
        self._least_s = least_s
        self._index = Index()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._complained: set[int] = set()

    async def find(self, pushed: Pushed, source: str) -> list[Sender]:
        """Return the meters a message may be from.

        Raises:
            Unavailable: nothing was read yet, and the database does not answer.
        """
        found = self._index.find(pushed, source)
        if found or asyncio.get_running_loop().time() - self._read_at < self._least_s:
            return found
        async with self._reading:
            if asyncio.get_running_loop().time() - self._read_at >= self._least_s:
                await self.refresh()
        return self._index.find(pushed, source)

    async def refresh(self) -> None:
        """Read who there is.

        Raises:
            Unavailable: the database does not answer.
        """
        self._index = await asyncio.to_thread(self.read)
        self._read_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Keep the index fresh for ever; without an answer the former one stays."""
        while True:
            try:
                async with self._reading:
                    await self.refresh()
            except Unavailable as error:
                log.warning("meters could not be looked up, trying again", reason=str(error))
            await asyncio.sleep(self._every_s)

    def read(self) -> Index:
        """Read all meters from the database; raises ``Unavailable``."""
        index = Index()
        for contact in load(self._database, self._secrets, self._receiver.protocols):
            sender = sender_of(contact)
            index.add(sender, self._identity(sender))
        return index

    def _identity(self, sender: Sender) -> PushIdentity:
        try:
            return self._receiver.identity(sender.meter)
        except PushRefusal as refusal:
            if sender.meter_id not in self._complained:
                self._complained.add(sender.meter_id)
                log.warning("a meter's record does not do for pushes", meter=sender.meter.serial, reason=str(refusal))
            return PushIdentity(names=frozenset((sender.meter.serial,)))


def sender_of(contact: Contact) -> Sender:
    """Return a meter as it may push."""
    target, state = contact.target, contact.state
    block = contact.profiles.get(Profile.BLOCK)
    return Sender(
        target.meter_id,
        target.site_id,
        target.organization_id,
        push_meter(target, state, None if block is None else block.period_s),
    )


def push_meter(target: Target, state: MeterState, period_s: int | None) -> PushMeter:
    """Return what of a meter's record and state its pushes need."""
    objects: Mapping[str, list[str]] = json.loads(state.push_objects) if state.push_objects else {}
    return PushMeter(
        target.serial,
        target.endpoint.address,
        target.endpoint.options,
        target.credentials,
        state.system_title or "",
        period_s,
        objects,
    )
