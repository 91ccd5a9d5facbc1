"""Which meters there are to read, with addresses and keys, and what is remembered of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from demeter import estate
from demeter.headend import store
from demeter.headend.control import database_errors
from demeter.headend.events import store as event_store
from demeter.headend.model import MeterState, ProfileState, Target
from demeter.headend.new_keys import fallbacks
from demeter.headend.recorder import ACTOR
from demeter.runtime.database import Database, Scope, UnitOfWork
from demeter.runtime.secrets import SecretBox
from demeter.sdk import Credentials, Endpoint, LogMark, Profile


@dataclass(slots=True)
class Contact:
    """All the collector knows of one meter. ``lock``: one session at a time, whoever asks for it.

    ``absent``: profiles the meter said it does not have; forgotten when the meter's record changes. ``queued``: it
    waits in a lane. ``retired``: it is no longer to be read. ``searched``: up to where a turn that ran out of slices
    found nothing beyond the mark, so that a gap longer than a turn is crossed. ``slice_rows``: how many rows it is
    asked for at a time, where that is less than usual because more did not come through. ``awaited``: commands wait for
    the lock; a session that has time lets them go first. ``logs``: how far its event logs are collected, ``events_at``:
    when this process last looked at them.
    """

    target: Target
    state: MeterState
    profiles: dict[Profile, ProfileState]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    absent: set[Profile] = field(default_factory=set)
    searched: dict[Profile, datetime] = field(default_factory=dict)
    slice_rows: dict[Profile, int] = field(default_factory=dict)
    queued: bool = False
    retired: bool = False
    awaited: int = 0
    logs: dict[str, LogMark] = field(default_factory=dict)
    events_at: datetime | None = None


def load(database: Database, secrets: SecretBox, protocols: Collection[str]) -> list[Contact]:
    """Return every active meter of every organization whose protocol has a driver, with what is remembered of it.

    A secret that does not open is its meter's trouble alone.
    """
    found: list[Contact] = []
    with database_errors():
        for organization_id in database.organization_ids():
            with database.unit_of_work(Scope.system(organization_id, ACTOR)) as work:
                keys, closed = secrets.open_each(work, "meter:")
                versions = secrets.newest_versions(work, "meter:", "encryption_key")
                for site in estate.sites(work):
                    found += _of_site(work, site, protocols, keys, versions)
                called = {f"meter:{contact.target.meter_id}": contact.target.credentials for contact in found}
                others = fallbacks(work, secrets, called)
                for contact in found if others else ():
                    known = others.get(f"meter:{contact.target.meter_id}", contact.target.fallbacks)
                    contact.target = replace(contact.target, fallbacks=known)
                for contact in found if closed else ():
                    name = closed.get(f"meter:{contact.target.meter_id}")
                    if name is not None:
                        trouble = f"the {name} of this meter does not open; enter it again or restore it from a backup"
                        contact.target = replace(contact.target, trouble=trouble)
    return found


def _of_site(
    work: UnitOfWork,
    site: estate.Site,
    protocols: Collection[str],
    keys: Mapping[str, Mapping[str, bytes]],
    versions: Mapping[str, int],
) -> list[Contact]:
    states = store.meter_states(work, site.id)
    profiles = store.profile_states(work, site.id)
    logs = event_store.marks(work, site.id)
    contacts = []
    for meter in estate.meters(work, site.id):
        if not meter.active or meter.protocol not in protocols:
            continue
        subject = f"meter:{meter.id}"
        credentials = Credentials(keys.get(subject, {}), versions.get(subject, 1))
        target = target_of(meter, site, credentials)
        mine = {profile: state for (meter_id, profile), state in profiles.items() if meter_id == meter.id}
        state = states.get(meter.id, MeterState(site.id, meter.id))
        contacts.append(Contact(target, state, mine, logs=logs.get(meter.id, {})))
    return contacts


def target_of(meter: estate.Meter, site: estate.Site, credentials: Credentials) -> Target:
    """Return a meter as the head-end speaks to it; site and commodity are options unless its own options say else."""
    options = {"zone": site.zone, "commodity": str(meter.commodity), **meter.options}
    return Target(
        meter.id,
        site.id,
        site.organization_id,
        meter.serial,
        meter.protocol,
        site.zone,
        meter.commissioned_at,
        Endpoint(meter.address, options),
        credentials,
    )
