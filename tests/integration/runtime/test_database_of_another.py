"""A PostgreSQL somebody else administers: what its user needs is what the documents say, and a refusal says the rest."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from demeter import estate, identity
from demeter.kernel import Unavailable
from demeter.runtime.database import Database, EmbeddedPostgres, Role, Scope, newest_revision, present_revision, upgrade


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server that has never seen Demeter: roles belong to the whole server."""
    home = Path(tempfile.mkdtemp(prefix="demeter-other-"))
    home.chmod(0o711)
    made = EmbeddedPostgres(home, os.environ.get("DEMETER_TEST_POSTGRES", ""))
    made.start()
    yield made
    made.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def administrator(server: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.url.replace("@/demeter?", "@/postgres?"), autocommit=True) as connection:
        yield connection
        connection.execute("DROP ROLE IF EXISTS demeter_app")
        connection.execute("DROP ROLE IF EXISTS demeter_ingest")


@pytest.fixture(params=["", "CREATEROLE"], ids=["no rights", "may create roles"])
def plain(request, server: EmbeddedPostgres, administrator: psycopg.Connection) -> Iterator[Database]:
    """The database of an ordinary user, who owns it and nothing else."""
    administrator.execute(f"CREATE ROLE plain LOGIN NOSUPERUSER {request.param} PASSWORD 'open'")
    administrator.execute("CREATE DATABASE theirs OWNER plain")
    _, _, place = server.url.partition("@")
    database = Database(f"postgresql://plain:open@{place}".replace("@/demeter?", "@/theirs?"))
    yield database
    database.close()
    administrator.execute("DROP DATABASE theirs WITH (FORCE)")
    administrator.execute("DROP OWNED BY plain CASCADE")
    administrator.execute("DROP ROLE plain")


def test_the_hint_of_the_refusal_is_all_an_administrator_has_to_run(
    plain: Database, administrator: psycopg.Connection
) -> None:
    with pytest.raises(Unavailable, match="plain") as refused:
        upgrade(plain)
    _, _, statements = refused.value.hint.partition(": ")
    for statement in statements.split(";"):
        if statement.strip():
            administrator.execute(statement)
    upgrade(plain)
    assert present_revision(plain) == newest_revision()
    scope = Scope.system(identity.create_organization(plain, "Theirs"), "test")
    with plain.unit_of_work(scope) as work:
        estate.create_site(work, "Lakeview", "Asia/Kolkata")
    with plain.connect(Role.INGEST) as connection:
        assert connection.execute("SELECT rolbypassrls FROM pg_roles WHERE rolname = current_user").fetchone() == (
            True,
        )


def test_a_role_that_cannot_write_readings_is_refused_with_the_remedy(
    plain: Database, administrator: psycopg.Connection
) -> None:
    administrator.execute("CREATE ROLE demeter_app; CREATE ROLE demeter_ingest")
    administrator.execute("GRANT demeter_app, demeter_ingest TO plain")
    with pytest.raises(Unavailable) as refused:
        upgrade(plain)
    assert "ALTER ROLE demeter_ingest BYPASSRLS" in refused.value.hint


def test_a_user_who_may_not_make_schemas_is_told_so(plain: Database, administrator: psycopg.Connection) -> None:
    administrator.execute("ALTER DATABASE theirs OWNER TO demeter")
    with pytest.raises(Unavailable, match="permission denied") as refused:
        upgrade(plain)
    assert "OWNER TO" in refused.value.hint
