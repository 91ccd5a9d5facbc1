"""Looking at all a meter shows: for the person who sets it up. Changes nothing; the result is kept where asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from demeter import estate
from demeter.headend import store
from demeter.headend.service import COMMAND, READ
from demeter.headend.targets import target_of
from demeter.kernel import Invalid, NotFound, Unavailable
from demeter.runtime.database import UnitOfWork
from demeter.runtime.secrets import SecretBox
from demeter.sdk import Credentials, DiscoveringSession, Driver, Endpoint, MeterDiscovery, ReadFailure


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: a meter of the estate as it is called (``serial``), or any address."""

    protocol: str
    endpoint: Endpoint
    credentials: Credentials
    serial: str = ""


@dataclass(frozen=True, slots=True)
class KeptDiscovery:
    """What was found of a meter when; ``found`` is the JSON of a :class:`demeter.sdk.MeterDiscovery`."""

    meter_id: int
    discovered_at: datetime
    discovered_by: str
    found: Mapping[str, Any]


def place_of(work: UnitOfWork, secrets: SecretBox, meter_id: int) -> Place:
    """Return how a meter of the estate is called.

    Raises:
        Denied: without the permission ``headend.command``. NotFound: no such meter in the scope.
        Invalid: a person reads this meter.
    """
    work.scope.require(COMMAND)
    meter = estate.meter(work, meter_id)
    if meter.protocol == estate.MANUAL:
        raise Invalid(f"meter {meter.serial} cannot be called", hint="A driver must speak to it.")
    subject = f"meter:{meter_id}"
    credentials = Credentials(
        secrets.open_all(work, subject).get(subject, {}),
        secrets.newest_versions(work, subject, "encryption_key").get(subject, 1),
    )
    target = target_of(meter, estate.site(work, meter.site_id), credentials)
    return Place(meter.protocol, target.endpoint, credentials, meter.serial)


async def discover(driver: Driver, place: Place) -> MeterDiscovery:
    """Call a meter and look at all it shows.

    Raises:
        Unavailable: it was not reached, refused, or another meter answered; with the reason a person understands.
        Invalid: its driver cannot look around.
    """
    try:
        session = await driver.open(place.endpoint, place.credentials)
        try:
            if not isinstance(session, DiscoveringSession):
                raise Invalid(f"the driver {place.protocol} cannot list what a meter has")
            found = await session.discover()
        finally:
            await session.close()
    except ReadFailure as failure:
        raise Unavailable(
            str(failure), code="meter_failed", hint="See docs/drivers/dlms.md for what it means."
        ) from failure
    if place.serial and found.nameplate.serial != place.serial:
        message = f"{place.serial} was called, {found.nameplate.serial} answered"
        raise Unavailable(message, code="wrong_meter", hint="Correct the meter's address, or its serial.")
    return found


def keep_discovery(work: UnitOfWork, meter_id: int, found: MeterDiscovery) -> None:
    """Keep what was found of a meter, in place of what was kept before. How it is read does not change by that.

    Raises:
        Denied: without the permission ``headend.command``. NotFound: no such meter in the scope.
    """
    work.scope.require(COMMAND)
    site_id = estate.meter(work, meter_id).site_id
    store.save_discovery(work, (site_id, meter_id), json.dumps(asdict(found)))
    work.audit("headend.discovery", f"meter:{meter_id}", {"objects": len(found.objects), "tables": len(found.tables)})


def kept_discovery(work: UnitOfWork, meter_id: int) -> KeptDiscovery:
    """Return what was kept of a meter.

    Raises:
        Denied: without the permission ``headend.read``. NotFound: no such meter in the scope, or nothing was kept.
    """
    work.scope.require(READ)
    site_id = estate.meter(work, meter_id).site_id
    row = store.discovery(work, (site_id, meter_id))
    if row is None:
        raise NotFound(f"nothing is kept of meter {meter_id}", hint="Try: demeter meter discover METER --save.")
    return KeptDiscovery(meter_id, *row)
