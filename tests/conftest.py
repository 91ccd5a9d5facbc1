"""A real PostgreSQL for every test run: one private server, migrated once, a database per test from that template."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from demeter.runtime.database import Database, EmbeddedPostgres, launcher, upgrade

# Machines that run this are shared: how long one example takes says nothing, what it does says everything.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("shared"), max_examples=15)  # for `make check`
settings.load_profile(os.environ.get("DEMETER_PROPERTIES", "shared"))

_number = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """Run the PostgreSQL named by DEMETER_TEST_POSTGRES (``machine``, ``wheel`` or a folder; default: what is found)."""
    home = Path(tempfile.mkdtemp(prefix="demeter-test-"))
    home.chmod(0o711)
    server = EmbeddedPostgres(home, os.environ.get("DEMETER_TEST_POSTGRES", ""))
    with pytest.MonkeyPatch.context() as patch:  # nothing in it outlives the run; a killed process loses nothing by it
        patch.setitem(launcher.SETTINGS, "fsync", "off")
        server.start()
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """Migrate the server's own database once; the others are copies of it."""
    database = Database(postgres.url)
    upgrade(database)
    database.close()
    return postgres


@pytest.fixture
def database(template: EmbeddedPostgres) -> Iterator[Database]:
    """A migrated, empty database of its own."""
    name = f"test_{next(_number)}"
    with psycopg.connect(template.url.replace("@/demeter?", "@/postgres?"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE demeter STRATEGY file_copy")
        opened = Database(template.url.replace("@/demeter?", f"@/{name}?"))
        yield opened
        opened.close()
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
