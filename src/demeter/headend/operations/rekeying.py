"""The keys of a key change: sealed before anything is sent, current once the meter has proved that it has them.

New keys are kept, all versions of them, under a subject of their own; nothing of it is ever deleted. The version of
that secret is the ``version`` in the command's arguments. Whatever becomes of the command, the keys a meter may have
are there: the present ones, those that were to come, and those it had before.
"""

from __future__ import annotations

import json
import secrets as randomness
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from demeter import estate
from demeter.headend.new_keys import NEW_KEYS, SET, opened, put_in_force
from demeter.headend.operations import store
from demeter.headend.operations.model import Command, Order
from demeter.kernel import Conflict, Invalid, NotFound
from demeter.runtime.database import UnitOfWork
from demeter.runtime.secrets import SecretBox
from demeter.sdk import FORMER, OTHER_MASTER, ROTATED, Credentials, OperationKind, key_sets

Materials = Mapping[str, bytes]

MOST_MASTERS = 4


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """What keys a meter is to get. ``given``: new keys by name; the others are made. ``master``: also a master key."""

    given: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    master: bool = False
    reason: str = ""
    idempotency_key: str = ""
    expires_in: timedelta | None = None


def keep_new_keys(work: UnitOfWork, secrets: SecretBox, meter_id: int, wanted: KeyOrder) -> int:
    """Seal the keys a meter is to get, with those it has now; return their version. Nothing is in force by that.

    Raises:
        NotFound: no such meter in the scope. Invalid: it has no keys, no master key, or a given key does not fit.
        Conflict: another key change of it has not ended.
    """
    meter = estate.meter(work, meter_id)
    if any(each.kind is OperationKind.CHANGE_KEYS for each in store.unended(work, meter.site_id, meter_id)):
        raise Conflict(f"a key change of meter {meter.serial} has not ended", code="key_change_open")
    stored = {name: versions[0] for name, versions in secrets.open_versions(work, f"meter:{meter_id}").items()}
    missing = [name for name in ROTATED if not stored.get(name)]
    if missing:
        named = " and no ".join(missing)
        raise Invalid(
            f"no {named} of meter {meter.serial} is stored", hint="New keys travel wrapped with the master key."
        )
    size = len(stored["encryption_key"])
    names = [name for name in ROTATED if name != "master_key" or wanted.master or name in wanted.given]
    new = {name: wanted.given.get(name) or randomness.token_bytes(size) for name in names}
    for name, key in new.items():
        if len(key) != size or key == stored[name]:
            raise Invalid(f"the new {name} must be another key of {size} octets", code="bad_key")
    kept = {**new, **{FORMER + name: stored[name] for name in ROTATED}, **_masters(work, secrets, meter_id)}
    content = json.dumps({name: key.hex() for name, key in kept.items()}).encode()
    return secrets.seal(work, f"{NEW_KEYS}{meter_id}", SET, content)


def _masters(work: UnitOfWork, secrets: SecretBox, meter_id: int) -> dict[str, bytes]:
    """Return every master key a meter may ever have had, for one that is not where it should be."""
    had = secrets.open_versions(work, f"meter:{meter_id}").get("master_key", [])
    kept = [opened(each) for each in secrets.open_versions(work, f"{NEW_KEYS}{meter_id}").get(SET, [])]
    every = dict.fromkeys([*had[1:], *(each["master_key"] for each in kept if "master_key" in each)])
    return {f"{OTHER_MASTER}{number}": key for number, key in enumerate(list(every)[:MOST_MASTERS])}


def order_of(wanted: KeyOrder, version: int) -> Order:
    """Return the order that goes with keys that are kept."""
    arguments = {"version": version}
    return Order(OperationKind.CHANGE_KEYS, arguments, wanted.reason, wanted.idempotency_key, None, wanted.expires_in)


def materials(work: UnitOfWork, secrets: SecretBox, command: Command) -> Materials:
    """Return the keys a command names; nothing where there are none of that version."""
    try:
        return opened(secrets.open(work, f"{NEW_KEYS}{command.meter_id}", SET, command.arguments["version"]))
    except NotFound:
        return {}


def credentials(_command: Command, stored: Credentials, found: Materials) -> Sequence[Credentials]:
    """Return what to call the meter with: what is stored, and then whatever it may have got meanwhile."""
    if not found:
        return (stored,)
    others = [each for each in key_sets(stored, found) if each.secrets != stored.secrets]
    return (stored, *others)


def renewed(stored: Credentials, found: Materials) -> Credentials:
    """Return the secrets of a meter that has the new keys."""
    new = {name: found[name] for name in ROTATED if name in found}
    return replace(stored, secrets={**stored.secrets, **new}, key_version=stored.key_version + 1)


def make_current(work: UnitOfWork, secrets: SecretBox, command: Command) -> None:
    """Make the new keys the meter's keys; what they were stays for the frames of that time."""
    put_in_force(work, secrets, command.meter_id, materials(work, secrets, command))
