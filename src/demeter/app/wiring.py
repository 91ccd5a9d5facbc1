"""Puts the parts together for one process: settings → database, secrets, drivers, decoders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from demeter.headend import DatabaseCounters
from demeter.kernel import Unavailable
from demeter.runtime import outbox, plugins
from demeter.runtime.config import Settings
from demeter.runtime.database import Database, EmbeddedPostgres, Scope, UnitOfWork, present_revision, require_schema
from demeter.runtime.secrets import MasterKey, SecretBox, in_use
from demeter.sdk import CounterStore, Decoder, Driver, PushReceiver

CONSUMERS: outbox.Consumers = {}
"""Who is told of what, by topic. Nobody yet: usage statements wait in the outbox for billing."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What every process of an installation works with."""

    settings: Settings
    database: Database
    secrets: SecretBox

    def drivers(self, counters: CounterStore | None = None) -> dict[str, Driver]:
        """Return one instance of every installed driver, by protocol word.

        All keep their invocation counters in one place: the database, unless another is named.
        """
        counters = counters or DatabaseCounters(self.database)
        return {name: made(counters=counters) for name, made in plugins.load_all("demeter.drivers").items()}

    def push_receivers(self, counters: CounterStore | None = None) -> dict[str, PushReceiver]:
        """Return one instance of everything that understands pushes, by protocol; as :meth:`drivers`."""
        counters = counters or DatabaseCounters(self.database)
        return {name: made(counters=counters) for name, made in plugins.load_all("demeter.pushes").items()}

    def decoders(self) -> dict[str, Decoder]:
        """Return one instance of every installed decoder, by codec name."""
        loaded: dict[str, Any] = plugins.load_all("demeter.decoders")
        return {name: made() for name, made in loaded.items()}


def embedded(settings: Settings) -> EmbeddedPostgres | None:
    """Return the private PostgreSQL of this installation, or None where ``database_url`` names another."""
    if settings.database_url:
        return None
    return EmbeddedPostgres(settings.data_dir, settings.postgres)


def make_data_dir(settings: Settings) -> None:
    """Make the data directory if it is not there.

    Raises:
        Unavailable: it cannot be made, or nothing can be written there.
    """
    place = settings.data_dir.resolve()
    try:
        place.mkdir(parents=True, exist_ok=True)
        writable = os.access(place, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise Unavailable(
            f"the data directory {place} cannot be written",
            code="data_dir",
            hint="Make it writable for this user, or set data_dir (--data-dir, DEMETER_DATA_DIR).",
        )


@contextmanager
def opened(settings: Settings, *, setting_up: bool = False) -> Iterator[Wiring]:
    """Open the installation for one command or process; the database must be running (``demeter serve`` runs it).

    Where the embedded PostgreSQL is not running, it is started for the time of the command. With ``setting_up`` the
    data directory, the database and the master key are made where they are missing, and the schema may be any.

    Raises:
        Unavailable: there is nothing yet, or its schema is not this version's; the hint says what to do.
    """
    server = embedded(settings)
    if setting_up:
        make_data_dir(settings)
    elif not (server.made if server else settings.key_file.exists() or settings.data_dir.exists()):
        raise Unavailable(
            f"nothing is set up in {settings.data_dir.resolve()} yet",
            code="not_set_up",
            hint="Set it up with demeter db upgrade or demeter serve, look around with demeter demo,"
            " or name another data directory (--data-dir, DEMETER_DATA_DIR).",
        )
    database = Database(server.start() if server else settings.database_url)
    try:
        if not setting_up:
            require_schema(database)
        create = setting_up and not in_use(database)
        yield Wiring(settings, database, SecretBox(MasterKey.from_file(settings.key_file, create=create)))
    finally:
        database.close()
        if server:
            server.stop()  # only if this process started it


def schema_of(settings: Settings) -> str | None:
    """Return the schema's revision as it stands, None where there is none; nothing is set up to find out."""
    server = embedded(settings)
    if server and not server.made:
        return None
    database = Database(server.start() if server else settings.database_url)
    try:
        return present_revision(database)
    finally:
        database.close()
        if server:
            server.stop()


@contextmanager
def writing(database: Database, scope: Scope, *, dry_run: bool) -> Iterator[UnitOfWork]:
    """Open a unit of work whose changes are all taken back at the end of a dry run."""
    with suppress(_TakenBackError), database.unit_of_work(scope) as work:
        yield work
        if dry_run:
            raise _TakenBackError


class _TakenBackError(Exception):
    """Ends a dry run's transaction without a trace."""
