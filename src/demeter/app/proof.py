"""Gives the proof the keys it needs to open frames again: a meter's present and former ones, in the caller's scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

from demeter.app.wiring import Wiring
from demeter.readings import JournalFrame
from demeter.runtime.database import UnitOfWork
from demeter.runtime.secrets import SecretBox
from demeter.sdk import Credentials, Series


def keys_of_meters(box: SecretBox, work: UnitOfWork) -> Callable[[int, int], Credentials]:
    """Return a function from (organization, meter) to the meter's credentials, empty where it has no secrets."""
    opened: dict[int, Credentials] = {}

    def of(_organization_id: int, meter_id: int) -> Credentials:
        if meter_id not in opened:
            newest, *earlier = _sets(box.open_versions(work, f"meter:{meter_id}"))
            opened[meter_id] = Credentials(newest, earlier=tuple(earlier))
        return opened[meter_id]

    return of


def _sets(versions: Mapping[str, Sequence[bytes]]) -> list[dict[str, bytes]]:
    """Return every set of keys a meter can have had, the newest of all first: one key may change without the other."""
    names, values = list(versions), list(versions.values())
    return [dict(zip(names, chosen, strict=True)) for chosen in product(*values)]


def frame_decoder(wiring: Wiring, work: UnitOfWork) -> Callable[[JournalFrame], Sequence[Series]]:
    """Return a function that decodes a kept frame again, for ``readings.verify_blocks``."""
    decoders, keys = wiring.decoders(), keys_of_meters(wiring.secrets, work)

    def decode(frame: JournalFrame) -> Sequence[Series]:
        return decoders[frame.codec].decode(frame.frame(), keys(work.scope.organization_id, frame.meter_id))

    return decode
