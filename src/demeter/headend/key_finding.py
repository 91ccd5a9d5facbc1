"""A meter that does not know the keys it is called with: it may have those of a key change whose end nobody saw."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from demeter.headend.control import database_errors
from demeter.headend.model import Target
from demeter.headend.new_keys import put_in_force
from demeter.headend.recorder import ACTOR
from demeter.headend.targets import Contact
from demeter.runtime import logging
from demeter.runtime.database import Database, Scope
from demeter.runtime.secrets import SecretBox
from demeter.sdk import Credentials, Driver, FailureKind, MeterSession, ReadFailure

log = logging.get("headend")


@dataclass(frozen=True, slots=True)
class KeyFinder:
    """Tries what else a meter may answer under, and makes it the meter's keys once it is proved."""

    database: Database
    secrets: SecretBox

    async def open(self, driver: Driver, contact: Contact, failure: ReadFailure) -> MeterSession:
        """Open a session with the first of the fallbacks that this very meter knows.

        Raises:
            ReadFailure: ``failure``, when it knows none of them; WRONG_METER; others as on opening.
            Unavailable: the database does not answer.
        """
        target = contact.target
        for credentials in target.fallbacks:
            try:
                session = await driver.open(target.endpoint, credentials)
            except ReadFailure as another:
                if another.kind is not FailureKind.WRONG_KEY:
                    raise
                continue
            try:
                await _identify(session, target)
                renewed = await asyncio.to_thread(self._put_in_force, target, credentials)
                if contact.target is target:
                    contact.target = replace(target, credentials=renewed, fallbacks=())
            except BaseException:
                await session.close()
                raise
            return session
        raise failure

    def _put_in_force(self, target: Target, credentials: Credentials) -> Credentials:
        subject = f"meter:{target.meter_id}"
        with database_errors(), self.database.unit_of_work(Scope.system(target.organization_id, ACTOR)) as work:
            if put_in_force(work, self.secrets, target.meter_id, credentials.secrets):
                work.audit("headend.keys.found", subject, {"keys": "those of a key change whose end was not seen"})
                log.warning("a meter has other keys than it should, which were kept", meter=target.serial)
            version = self.secrets.newest_versions(work, subject, "encryption_key").get(subject, 1)
        return Credentials(credentials.secrets, version)


async def _identify(session: MeterSession, target: Target) -> None:
    serial = await session.serial()
    if serial != target.serial:
        raise ReadFailure(FailureKind.WRONG_METER, f"{target.serial} was called, {serial} answered")
