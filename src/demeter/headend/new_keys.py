"""The keys meters were to get: kept under a subject of their own, all of them, for ever."""

from __future__ import annotations

import json
from collections.abc import Mapping

from demeter.runtime.database import UnitOfWork
from demeter.runtime.secrets import SecretBox
from demeter.sdk import ROTATED, Credentials, key_sets

NEW_KEYS = "new-keys:"
SET = "set"
MOST_FALLBACKS = 6


def opened(content: bytes) -> dict[str, bytes]:
    """Return the keys of a secret that holds new keys."""
    return {name: bytes.fromhex(key) for name, key in json.loads(content).items()}


def put_in_force(work: UnitOfWork, secrets: SecretBox, meter_id: int, new: Mapping[str, bytes]) -> bool:
    """Seal keys as a meter's current ones where they are not; return whether anything changed."""
    changed = False
    subject = f"meter:{meter_id}"
    present = secrets.open_versions(work, subject)
    for name in ROTATED:
        if name in new and present.get(name, [b""])[0] != new[name]:
            secrets.seal(work, subject, name, new[name])
            changed = True
    return changed


def fallbacks(
    work: UnitOfWork, secrets: SecretBox, subjects: Mapping[str, Credentials]
) -> dict[str, tuple[Credentials, ...]]:
    """Return what else meters may answer under whose keys were ever to be changed, by subject (``meter:12``).

    ``subjects``: the credentials they are called with.
    """
    found = {}
    for name, kept in secrets.open_all(work, NEW_KEYS).items():
        subject = f"meter:{name.removeprefix(NEW_KEYS)}"
        stored = subjects.get(subject)
        if stored is not None:
            sets = key_sets(stored, opened(kept[SET]))
            found[subject] = tuple(each for each in sets if each.secrets != stored.secrets)[:MOST_FALLBACKS]
    return found
