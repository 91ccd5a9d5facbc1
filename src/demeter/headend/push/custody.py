"""What the owner of an installation does with quarantine: look, release, drop.

It acts beyond organizations, like the machine's owner it is made for; a person signed in sees only what row-level
security shows to their organization.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from demeter.headend.control import database_errors
from demeter.headend.model import Receipt
from demeter.headend.push import store
from demeter.headend.push.directory import Directory, Sender
from demeter.headend.push.handling import open_as
from demeter.headend.push.model import PushLimits, Quarantined, Released
from demeter.headend.push.store import CounterRow
from demeter.headend.push.windows import Window
from demeter.headend.service import READ
from demeter.kernel import NotFound
from demeter.runtime.database import Database, Role, Scope, UnitOfWork
from demeter.runtime.secrets import SecretBox
from demeter.sdk import Delivery, OpenedPush, Pushed, PushReceiver, PushRefusal

Store = Callable[[Sequence[Delivery]], Sequence[Receipt]]
"""Writes deliveries and returns their receipts once they are committed."""


def quarantined(work: UnitOfWork, limit: int = 200) -> list[Quarantined]:
    """Return the newest messages held that claim to be from the scope's organization.

    In an installation of one organization also those that nobody is known for.

    Raises:
        Denied: without the permission ``headend.read``.
    """
    work.scope.require(READ)
    return store.quarantined(work.raw, limit)


def held(database: Database, limit: int = 1000) -> list[Quarantined]:
    """Return the newest messages held, of the whole installation."""
    with database_errors(), database.connect(Role.OWNER) as connection:  # unscoped: for the installation's owner
        return store.quarantined(connection, limit)


def found(database: Database, ids: Sequence[int]) -> list[Quarantined]:
    """Return messages held by their ids, the oldest first.

    Raises:
        NotFound: one is not there.
    """
    with database_errors(), database.connect(Role.OWNER) as connection:  # unscoped: for the installation's owner
        entries = store.find(connection, ids)
    missing = sorted(set(ids) - {entry.id for entry in entries})
    if missing:
        raise NotFound(f"quarantine holds no message {missing[0]}", hint="See: demeter push quarantine list")
    return entries


def drop(database: Database, ids: Sequence[int]) -> int:
    """Remove messages from quarantine; return how many there were."""
    with database_errors(), database.connect(Role.OWNER) as connection:  # unscoped: for the installation's owner
        return store.remove(connection, ids)


def release(
    database: Database,
    secrets: SecretBox,
    receivers: Mapping[str, PushReceiver],
    save: Store,
    ids: Sequence[int],
    actor: str,
) -> list[Released]:
    """Decode messages again, with the meters and keys known by now, and store what they say.

    Counters do not stand in the way: a person vouches for the message, and one that is in the journal already is
    recognised. What is taken leaves quarantine, is noted in the meter's audit trail, and counts as seen.

    Raises:
        NotFound: a message is not there.
    """
    entries = found(database, ids)
    results = []
    for protocol in sorted({entry.protocol for entry in entries}):
        receiver = receivers.get(protocol)
        mine = [entry for entry in entries if entry.protocol == protocol]
        if receiver is None:
            results += [Released(entry.id, None, 0, f"no plug-in understands {protocol}") for entry in mine]
            continue
        directory = Directory(database, secrets, receiver)
        index = directory.read()
        for entry in mine:
            try:
                pushed = receiver.look(receiver.again(entry.payload))
                claimed = index.find(pushed, entry.source)
                sender, opened = open_as(pushed, claimed, partial(_open, receiver, pushed, entry))
            except PushRefusal as refusal:
                results.append(Released(entry.id, None, 0, str(refusal)))
            else:
                results.append(_save(database, save, entry, sender, opened, actor))
    return sorted(results, key=lambda result: result.id)


def _save(
    database: Database, save: Store, entry: Quarantined, sender: Sender, opened: OpenedPush, actor: str
) -> Released:
    (receipt,) = save([Delivery(sender.meter_id, opened.frame, opened.series)])
    if not receipt.accepted:
        return Released(entry.id, sender.meter_id, 0, "; ".join(str(each) for each in receipt.refusals))
    with database_errors(), database.unit_of_work(Scope.system(sender.organization_id, actor)) as work:
        _count(work, entry.title, sender, opened)
        work.audit("headend.push.release", f"meter:{sender.meter_id}", {"message": entry.id, "source": entry.source})
    drop(database, [entry.id])
    return Released(entry.id, sender.meter_id, sum(len(series.at_s) for series in opened.series))


def _open(receiver: PushReceiver, pushed: Pushed, entry: Quarantined, sender: Sender) -> OpenedPush:
    return receiver.open(pushed, sender.meter, entry.first_seen_at)


def _count(work: UnitOfWork, title: str, sender: Sender, opened: OpenedPush) -> None:
    """Note the numbers of a released message as taken, where that moves a window forward."""
    version = sender.meter.credentials.key_version
    known = {
        (row.title, row.series, row.key_version): Window(row.reached, row.taken)
        for row in store.counters(work, sender.site_id, sender.meter_id)
    }
    rows = []
    for series, number in opened.counters:
        window = known.get((title, series, version), Window())
        if number > window.reached:
            window.take(number, PushLimits().window)
            rows.append(
                CounterRow(sender.site_id, sender.meter_id, title, series, version, window.reached, window.taken)
            )
    store.save_counters(work, rows)
