"""``demeter serve`` and what it supervises."""

from __future__ import annotations

from collections.abc import Callable

from demeter.app.supervisor import Child, Supervisor
from demeter.app.wiring import embedded, opened
from demeter.runtime.config import Settings
from demeter.runtime.database import Database, EmbeddedPostgres, upgrade
from demeter.runtime.secrets import MasterKey

PARTS = ("api", "acquisition", "worker")


def prepare(settings: Settings) -> EmbeddedPostgres | None:
    """Start the private PostgreSQL if there is one, bring the schema up to date and make the master key."""
    server = embedded(settings)
    database = Database(server.start() if server else settings.database_url)
    try:
        upgrade(database)
    finally:
        database.close()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    MasterKey.from_file(settings.key_file, create=True)
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


def serve(settings: Settings, *, on_ready: Callable[[], None] = lambda: None) -> None:
    """Run everything on this machine until Ctrl-C or SIGTERM."""
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
