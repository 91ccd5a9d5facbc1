"""Puts the parts together for one process: settings → database, secrets, drivers, decoders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from demeter.kernel import Unavailable
from demeter.runtime import plugins
from demeter.runtime.config import Settings
from demeter.runtime.database import Database, EmbeddedPostgres
from demeter.runtime.secrets import MasterKey, SecretBox
from demeter.sdk import CounterStore, Decoder, Driver


@dataclass(frozen=True, slots=True)
class Wiring:
    """What every process of an installation works with."""

    settings: Settings
    database: Database
    secrets: SecretBox

    def drivers(self, counters: CounterStore) -> dict[str, Driver]:
        """Return one instance of every installed driver, by protocol word; all keep their counters in one place."""
        return {name: made(counters=counters) for name, made in plugins.load_all("demeter.drivers").items()}

    def decoders(self) -> dict[str, Decoder]:
        """Return one instance of every installed decoder, by codec name."""
        loaded: dict[str, Any] = plugins.load_all("demeter.decoders")
        return {name: made() for name, made in loaded.items()}


def embedded(settings: Settings) -> EmbeddedPostgres | None:
    """Return the private PostgreSQL of this installation, or None where ``database_url`` names another."""
    if settings.database_url:
        return None
    make_data_dir(settings)
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
def opened(settings: Settings, *, create_key: bool = False) -> Iterator[Wiring]:
    """Open the installation for one command or process; the database must be running (``demeter serve`` runs it).

    Where the embedded PostgreSQL is not running, it is started for the time of the command.
    """
    server = embedded(settings)
    if server and not create_key and not server.made:
        raise Unavailable(
            f"nothing is set up in {settings.data_dir.resolve()} yet",
            code="not_set_up",
            hint="Try: demeter demo, demeter serve, or name another data directory with --data-dir.",
        )
    url = server.start() if server else settings.database_url
    make_data_dir(settings)
    database = Database(url)
    try:
        yield Wiring(settings, database, SecretBox(MasterKey.from_file(settings.key_file, create=create_key)))
    finally:
        database.close()
        if server:
            server.stop()  # only if this process started it
