"""``demeter doctor``: what is well, what is not, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

import httpx
import psycopg

import demeter
from demeter import readings
from demeter.app.listening import listening_socket
from demeter.app.wiring import CONSUMERS, embedded
from demeter.kernel import Conflict, DemeterError, Invalid
from demeter.runtime import jobs, plugins
from demeter.runtime.config import Settings
from demeter.runtime.database import Database, find_binaries, health, newest_revision, present_revision
from demeter.runtime.secrets import MasterKey

LOW_DISK_BYTES = 2 << 30
CLOCK_SKEW_S = 5
ANSWER_WITHIN_S = 3


class Verdict(StrEnum):
    """How one line of the doctor's report reads."""

    OK = "OK"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it stands, and the fix where one is needed."""

    subject: str
    verdict: Verdict
    detail: str
    fix: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield every finding; a check that breaks is itself a failure, never an exception."""
    for check in CHECKS:
        try:
            yield from check(settings)
        except (DemeterError, OSError, psycopg.Error, ImportError, AttributeError) as error:
            name = check.__name__.replace("_", " ").strip()
            yield Finding(name, Verdict.FAIL, str(error), getattr(error, "hint", ""))


def _versions(_settings: Settings) -> Iterator[Finding]:
    detail = f"Demeter {demeter.__version__}, Python {platform.python_version()}, {platform.system()}"
    yield Finding("versions", Verdict.OK, detail)


def _configuration(settings: Settings) -> Iterator[Finding]:
    changed = [name for name, _, origin in settings.shown() if origin != "default"]
    yield Finding("configuration", Verdict.OK, f"{len(changed)} settings changed: {', '.join(changed) or 'none'}")


def _data_directory(settings: Settings) -> Iterator[Finding]:
    place = settings.data_dir.resolve()
    existing = place
    while not existing.exists():
        existing = existing.parent
    if not os.access(existing, os.W_OK):
        yield Finding(
            "data directory", Verdict.FAIL, f"{place} cannot be written", "Change its owner, or set data_dir."
        )
        return
    free = shutil.disk_usage(existing).free
    detail = f"{place}, {free / (1 << 30):.1f} GiB free"
    low = free < LOW_DISK_BYTES
    yield Finding("disk", Verdict.WARN if low else Verdict.OK, detail, "Free space or move data_dir." if low else "")


def _database(settings: Settings) -> Iterator[Finding]:
    server = embedded(settings)
    if server and not (server.cluster / "PG_VERSION").exists():
        found = find_binaries(settings.postgres)
        yield Finding("database", Verdict.OK, f"not set up yet; will use PostgreSQL {found.major} from {found.folder}")
        return
    if server and not server.answers():
        yield Finding("database", Verdict.WARN, "the embedded PostgreSQL is not running", "Start it: demeter serve")
        return
    database = Database(server.url if server else settings.database_url)
    yield from _schema(database)
    yield from _clock(database)
    yield from _queue(database)
    yield from _metering(database)


def _schema(database: Database) -> Iterator[Finding]:
    present, newest = present_revision(database), newest_revision()
    if present == newest:
        yield Finding("schema", Verdict.OK, f"at {present}")
    else:
        yield Finding("schema", Verdict.FAIL, f"at {present}, this version needs {newest}", "Run: demeter db upgrade")
    off = health.unsafe_settings(database)
    fix = f"Turn on {' and '.join(off)}; without it an acknowledged reading can be lost." if off else ""
    detail = "off: " + ", ".join(off) if off else "fsync and data checksums on"
    yield Finding("durability", Verdict.WARN if off else Verdict.OK, detail, fix)


def _clock(database: Database) -> Iterator[Finding]:
    skew = health.clock_skew_s(database)
    bad = skew > CLOCK_SKEW_S
    fix = "Set up time synchronisation (chrony or systemd-timesyncd) on both machines." if bad else ""
    yield Finding("clock", Verdict.WARN if bad else Verdict.OK, f"{skew} s between this machine and database", fix)


def _queue(database: Database) -> Iterator[Finding]:
    waiting, age = health.outbox_waiting(database, list(CONSUMERS))
    late = age > 300
    fix = "Is the worker running? demeter worker" if late else ""
    yield Finding("outbox", Verdict.WARN if late else Verdict.OK, f"{waiting} messages waiting, oldest {age} s", fix)


def _metering(database: Database) -> Iterator[Finding]:
    waiting, age = readings.dirty_waiting(database)
    stopped = age > 300
    fix = "Is the worker running? demeter worker; its log says what fails." if stopped else ""
    detail = f"{waiting} changes to work in, oldest {age} s"
    yield Finding("metering", Verdict.WARN if stopped else Verdict.OK, detail, fix)
    stuck = jobs.late(database)
    fix = "Is the worker running? demeter worker" if stuck else ""
    yield Finding("jobs", Verdict.WARN if stuck else Verdict.OK, f"late: {', '.join(stuck) or 'none'}", fix)


def _master_key(settings: Settings) -> Iterator[Finding]:
    path = settings.key_file
    if not path.exists():
        yield Finding(
            "master key", Verdict.WARN, f"none yet at {path}", "It is made at the first start; then back it up."
        )
        return
    MasterKey.from_file(path, create=False)
    loose = path.stat().st_mode & 0o077
    fix = f"chmod 600 {path}" if loose else ""
    detail = f"{path} can be read by others" if loose else f"{path}, readable by its owner only"
    yield Finding("master key", Verdict.FAIL if loose else Verdict.OK, detail, fix)


def _port(settings: Settings) -> Iterator[Finding]:
    where = f"{settings.http_host}:{settings.http_port}"
    try:
        listening_socket(settings.http_host, settings.http_port).close()
    except Conflict:
        if _answers_as_demeter(where):
            yield Finding("web address", Verdict.OK, f"Demeter answers at {where}")
        else:
            fix = "Stop that program, or set http_port to another port."
            yield Finding("web address", Verdict.WARN, f"{where} is taken by another program", fix)
    except Invalid as error:
        yield Finding("web address", Verdict.FAIL, str(error), error.hint)
    else:
        yield Finding("web address", Verdict.OK, f"{where} is free")


def _answers_as_demeter(where: str) -> bool:
    try:
        told = httpx.get(f"http://{where}/api/health", timeout=ANSWER_WITHIN_S).json()
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(told, dict) and {"healthy", "version"} <= told.keys()


def _time_zones(_settings: Settings) -> Iterator[Finding]:
    known = zoneinfo.available_timezones()
    missing = [zone for zone in ("Asia/Kolkata", "Europe/Berlin") if zone not in known]
    if missing:
        yield Finding("time zones", Verdict.FAIL, f"no {' and no '.join(missing)} here", "pip install tzdata")
    else:
        yield Finding("time zones", Verdict.OK, f"{len(known)} IANA zones")


def _web_pages(_settings: Settings) -> Iterator[Finding]:
    built = files("demeter.app").joinpath("static", "index.html").is_file()
    fix = "" if built else "Build them: make ui"
    detail = "web pages built" if built else "web pages are not built; the API works without them"
    yield Finding("web pages", Verdict.OK if built else Verdict.WARN, detail, fix)


def _plugins(_settings: Settings) -> Iterator[Finding]:
    drivers = ", ".join(plugins.load_all("demeter.drivers"))
    fix = "" if drivers else "Install Demeter itself (pip install .): plug-ins are found by entry point."
    yield Finding("drivers", Verdict.OK if drivers else Verdict.FAIL, drivers or "no driver is installed", fix)


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _versions,
    _configuration,
    _data_directory,
    _database,
    _master_key,
    _port,
    _time_zones,
    _web_pages,
    _plugins,
)
