"""Gives the proof the keys it needs to open frames again: by meter and key version, inside the caller's scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
            subject = f"meter:{meter_id}"
            opened[meter_id] = Credentials(box.open_all(work, subject).get(subject, {}))
        return opened[meter_id]

    return of


def frame_decoder(wiring: Wiring, work: UnitOfWork) -> Callable[[JournalFrame], Sequence[Series]]:
    """Return a function that decodes a kept frame again, for ``readings.verify_blocks``."""
    decoders, keys = wiring.decoders(), keys_of_meters(wiring.secrets, work)

    def decode(frame: JournalFrame) -> Sequence[Series]:
        return decoders[frame.codec].decode(frame.frame(), keys(work.scope.organization_id, frame.meter_id))

    return decode
