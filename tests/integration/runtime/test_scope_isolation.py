"""Row-level security: what a unit of work sees is decided by its scope, not by care."""

import psycopg
import pytest

from demeter.runtime.database import Database, Role, Scope


def test_a_scope_sees_only_its_own_organization(database: Database) -> None:
    with database.unit_of_work(Scope.system(1, "test")) as work:
        work.publish("topic", "key", {"n": 1})
    with database.unit_of_work(Scope.system(2, "test")) as work:
        assert work.raw.execute("SELECT count(*) FROM runtime.outbox").fetchone() == (0,)
    with database.unit_of_work(Scope.system(1, "test")) as work:
        assert work.raw.execute("SELECT count(*) FROM runtime.outbox").fetchone() == (1,)


def test_without_a_scope_nothing_is_visible(database: Database) -> None:
    with database.unit_of_work(Scope.system(1, "test")) as work:
        work.publish("topic", "key", {"n": 1})
    with database.connect(Role.APP) as connection:
        assert connection.execute("SELECT count(*) FROM runtime.outbox").fetchone() == (0,)


def test_writing_for_another_organization_is_refused(database: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.unit_of_work(Scope.system(1, "test")) as work:
        work.raw.execute(
            "INSERT INTO runtime.outbox (organization_id, topic, key, payload, created_at) VALUES (2, 't', 'k', '{}', now())"
        )


def test_the_ingest_role_reaches_neither_users_nor_secrets(database: Database) -> None:
    for table in ("identity.user_account", "runtime.secret", "runtime.audit"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.connect(Role.INGEST) as connection:
            connection.execute(f"SELECT * FROM {table}")
