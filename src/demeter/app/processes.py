"""``demeter serve`` and what it supervises."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from demeter.app.listening import listening_socket
from demeter.app.supervisor import Child, Supervisor
from demeter.app.wiring import embedded, make_data_dir, opened
from demeter.kernel import Conflict
from demeter.runtime.config import Settings
from demeter.runtime.database import Database, EmbeddedPostgres, upgrade
from demeter.runtime.secrets import MasterKey, in_use

PARTS = ("api", "acquisition", "worker")
CHILDREN_END_WITHIN_S = 8  # they look for their supervisor every second; open requests get five more


def prepare(settings: Settings) -> EmbeddedPostgres | None:
    """Start the private PostgreSQL if there is one, bring the schema up to date and make the master key.

    Raises:
        Unavailable: the database was set up with a master key that is not here any more.
    """
    make_data_dir(settings)
    server = embedded(settings)
    database = Database(server.start() if server else settings.database_url)
    try:
        upgrade(database)
        MasterKey.from_file(settings.key_file, create=not in_use(database))
    finally:
        database.close()
    return server


def children(settings: Settings, parts: tuple[str, ...] = PARTS) -> list[Child]:
    """Return the supervised processes, with this process's settings handed down by environment."""
    environment = {
        f"DEMETER_{name.upper()}": str(value)
        for name, value in (
            (name, getattr(settings, name)) for name, _, origin in settings.shown() if origin != "default"
        )
        if name not in {"data_dir", "master_key_file", "database_url"} and str(value)
    }
    environment["DEMETER_DATA_DIR"] = str(settings.data_dir.resolve())
    environment["DEMETER_MASTER_KEY_FILE"] = str(settings.key_file.resolve())
    if settings.database_url:
        environment["DATABASE_URL"] = settings.database_url
    return [Child(name, ("-m", "demeter", name), environment=environment) for name in parts]


@contextmanager
def sole(settings: Settings) -> Iterator[None]:
    """Be the only one who runs this installation, on an address nobody else has, for as long as the context is open.

    The kernel gives the lock back however this process ends.

    Raises:
        Conflict: another ``demeter serve`` or ``demo`` runs on the data directory, or the web address is taken.
    """
    make_data_dir(settings)
    with (settings.data_dir / "serve.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Conflict(
                f"Demeter already runs on {settings.data_dir.resolve()} (process {lock.read().strip() or 'unknown'})",
                code="already_running",
                hint="Stop it first, or give this one a data directory and a port of its own.",
            ) from None
        lock.seek(0)
        was_killed = bool(lock.read())
        _require_free_address(settings, CHILDREN_END_WITHIN_S if was_killed else 0)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
        lock.truncate(0)


def _require_free_address(settings: Settings, wait_s: float) -> None:
    """Refuse an address somebody else has; children of a killed supervisor are given some seconds to end."""
    until = time.monotonic() + wait_s
    while True:
        try:
            listening_socket(settings.http_host, settings.http_port).close()
        except Conflict:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def serve(settings: Settings, *, on_ready: Callable[[], None] = lambda: None) -> None:
    """Run everything on this machine until Ctrl-C or SIGTERM.

    Raises:
        Conflict: it runs already, or its web address is taken.
    """
    with sole(settings):
        supervisor = Supervisor(prepare(settings), children(settings))
        supervisor.stop_on_signals()
        supervisor.run(on_ready=on_ready)


def run_part(name: str, settings: Settings) -> None:
    """Run one process of an installation whose database is up already (the supervisor's, or a server's)."""
    with opened(settings) as wiring:
        if name == "api":
            from demeter.app.server import serve as serve_api

            serve_api(wiring)
        elif name == "acquisition":
            from demeter.app.acquisition import main

            main(wiring)
        else:
            from demeter.app.worker import main as work

            work(wiring)
