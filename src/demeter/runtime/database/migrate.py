"""Brings a database to the newest schema; one Alembic chain for all slices."""

from __future__ import annotations

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import ProgrammingError

from demeter.kernel import Unavailable
from demeter.runtime.database.engine import Database, Role, sqlalchemy_url

MIGRATE_LOCK = 0x0DE0_0002


def alembic_config(url: str) -> Config:
    """Return the configuration of the chain for the database at ``url``."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # configparser reads % as interpolation, and libpq URLs escape socket paths with it
    config.set_main_option("sqlalchemy.url", sqlalchemy_url(url).replace("%", "%%"))
    return config


def upgrade(database: Database) -> None:
    """Run every migration that is not in the database yet; a lock lets only one process do so at a time.

    Raises:
        Unavailable: the database user lacks a right; the hint is what an administrator has to run.
    """
    with database.connect(Role.OWNER, autocommit=True) as guard:
        guard.execute("SELECT pg_advisory_lock(%s)", (MIGRATE_LOCK,))
        try:
            command.upgrade(alembic_config(database.url), "head")
        except ProgrammingError as error:
            if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
                raise _lacking(error.orig, guard.info) from error
            raise


def _lacking(error: psycopg.Error, guard: psycopg.ConnectionInfo) -> Unavailable:
    owner = f"Let an administrator of the server run: ALTER DATABASE {guard.dbname} OWNER TO {guard.user}"
    return Unavailable(
        error.diag.message_primary or str(error), code="database_rights", hint=error.diag.message_hint or owner
    )


def newest_revision() -> str:
    """Return the newest revision this code knows."""
    head = ScriptDirectory.from_config(alembic_config("postgresql://")).get_current_head()
    assert head is not None
    return head


def present_revision(database: Database) -> str | None:
    """Return the revision the database is at, or None for an empty one."""
    with database.connect(Role.OWNER, autocommit=True) as connection:
        try:
            row = connection.execute("SELECT version_num FROM runtime.alembic_version").fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return None
    return str(row[0]) if row else None


def require_schema(database: Database) -> None:
    """Refuse a database that is not at this version's schema: its tables would be missing or of another shape.

    Raises:
        Unavailable: it is empty, older or newer; the hint says what to do.
    """
    present, newest = present_revision(database), newest_revision()
    if present == newest:
        return
    if present is not None and present not in _revisions():
        raise Unavailable(
            f"the database's schema {present} is newer than this version's, {newest}",
            code="schema",
            hint="Run the version of Demeter that brought the database there, or a newer one.",
        )
    found = f"is at {present}, this version needs {newest}" if present else "has not been set up"
    raise Unavailable(
        f"the database {found}", code="schema", hint="Run: demeter db upgrade (demeter serve does it too)."
    )


def _revisions() -> set[str]:
    script = ScriptDirectory.from_config(alembic_config("postgresql://"))
    return {found.revision for found in script.walk_revisions()}
