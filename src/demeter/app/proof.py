"""Gives the proof the keys it needs to open frames again: by meter and key version, inside the caller's scope."""

from __future__ import annotations

from collections.abc import Callable

from demeter.runtime.database import UnitOfWork
from demeter.runtime.secrets import SecretBox
from demeter.sdk import Credentials


def keys_of_meters(box: SecretBox, work: UnitOfWork) -> Callable[[int], Credentials]:
    """Return a function from meter id to its credentials (empty where the meter has no secrets)."""
    opened: dict[int, Credentials] = {}

    def of(meter_id: int) -> Credentials:
        if meter_id not in opened:
            subject = f"meter:{meter_id}"
            opened[meter_id] = Credentials(box.open_all(work, subject).get(subject, {}))
        return opened[meter_id]

    return of
