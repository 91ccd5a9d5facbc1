"""Signing in and out over a real socket."""

from __future__ import annotations

from hashlib import sha256

import httpx
import psycopg
import pytest

from demeter import identity
from demeter.kernel import Conflict, Denied, Invalid, NotFound
from demeter.runtime.database import Database, Role, Scope
from tests.integration.api.make import PASSWORD, WRITE, Society, sign_in


def test_signing_in_answers_who_one_is_and_sets_a_cookie_scripts_cannot_read(visitor: httpx.Client, society: Society):
    answer = sign_in(visitor, society.email.upper())
    assert answer.json() == {
        "user": {"name": "Admin of Ceres", "email": society.email, "role": "organization_administrator"},
        "organization": {"id": str(society.organization_id), "name": "Ceres"},
    }
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert visitor.get("/api/session").json() == answer.json()


def test_signing_out_ends_the_session_even_for_a_copied_token(admin: httpx.Client, society: Society):
    token = admin.cookies["demeter_session"]
    assert admin.delete("/api/session", headers=WRITE).status_code == 204
    assert "demeter_session" not in admin.cookies
    answer = admin.get("/api/session", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "no_session")


def test_signing_out_without_a_session_is_harmless(visitor: httpx.Client):
    assert visitor.delete("/api/session", headers=WRITE).status_code == 204


def test_a_program_may_carry_its_token_as_a_bearer(visitor: httpx.Client, database: Database, society: Society):
    token = identity.login(database, society.email, PASSWORD)
    answer = visitor.get("/api/sites", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(visitor: httpx.Client, society: Society):
    wrong = sign_in(visitor, society.email, "not the password")
    unknown = sign_in(visitor, "nobody@example.org", PASSWORD)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    assert wrong.json() == unknown.json()


def test_an_address_with_a_nul_is_refused_as_input(visitor: httpx.Client):
    answer = sign_in(visitor, "a\0b@example.org")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")


def test_after_five_failures_even_the_right_password_waits(visitor: httpx.Client, society: Society):
    for _ in range(5):
        assert sign_in(visitor, society.email, "not the password").status_code == 401
    answer = sign_in(visitor, society.email)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert "minutes" in answer.json()["hint"]


def test_the_database_knows_tokens_and_passwords_by_hash_only(database: Database, society: Society):
    token = identity.login(database, society.email, PASSWORD)
    with database.connect(Role.OWNER) as connection:
        hashes = [bytes(row[0]) for row in connection.execute("SELECT token_hash FROM identity.session")]
        passwords = [row[0] for row in connection.execute("SELECT password_hash FROM identity.user_account")]
    assert hashes == [sha256(token.encode()).digest()]
    assert all(kept.startswith("$argon2id$") for kept in passwords)


def test_a_session_expires(database: Database, society: Society):
    token = identity.login(database, society.email, PASSWORD)
    with database.connect(Role.OWNER) as connection:
        connection.execute("UPDATE identity.session SET expires_at = now() - interval '1 second'")
    assert identity.scope_of(database, token) is None


def test_an_account_switched_off_loses_its_sessions_and_cannot_sign_in(database: Database, society: Society):
    token = identity.login(database, society.email, PASSWORD)
    with database.connect(Role.OWNER) as connection:
        connection.execute("UPDATE identity.user_account SET active = false")
    assert identity.scope_of(database, token) is None
    with pytest.raises(Denied):
        identity.login(database, society.email, PASSWORD)


def test_a_new_password_ends_all_sessions(database: Database, society: Society):
    token = identity.login(database, society.email, PASSWORD)
    with database.unit_of_work(Scope.system(society.organization_id, "test")) as work:
        (person,) = identity.users(work)
        identity.set_password(work, person.id, identity.new_password())
    assert identity.scope_of(database, token) is None


def test_signing_in_and_out_is_in_the_audit_trail_without_secrets(database: Database, society: Society):
    identity.logout(database, identity.login(database, society.email, PASSWORD))
    with database.connect(Role.OWNER) as connection:
        rows = connection.execute("SELECT action, detail FROM runtime.audit ORDER BY id").fetchall()
    assert [row[0] for row in rows] == ["identity.user_created", "identity.signed_in", "identity.signed_out"]
    assert not any(PASSWORD in row[1] for row in rows)


@pytest.mark.parametrize(
    ("email", "role", "password", "code"),
    [
        ("no-address", "auditor", PASSWORD, "bad_email"),
        ("x@example.org", "emperor", PASSWORD, "unknown_role"),
        ("x@example.org", "auditor", "short", "bad_password"),
    ],
)
def test_an_account_that_makes_no_sense_is_refused(
    database: Database, society: Society, email: str, role: str, password: str, code: str
):
    with (
        pytest.raises(Invalid) as refused,
        database.unit_of_work(Scope.system(society.organization_id, "test")) as work,
    ):
        identity.create_user(work, email, "X", role, password)
    assert refused.value.code == code


def test_an_address_has_one_account_in_the_whole_installation(
    database: Database, society: Society, neighbours: Society
):
    with pytest.raises(Conflict), database.unit_of_work(Scope.system(neighbours.organization_id, "test")) as work:
        identity.create_user(work, society.email.upper(), "X", "auditor", PASSWORD)
    with pytest.raises(Conflict):
        identity.create_organization(database, "Ceres")
    assert identity.organization_named(database, "Ceres") == society.organization_id


def test_only_administrators_make_accounts(database: Database, society: Society):
    scope = Scope(society.organization_id, "user:1", identity.permissions_of("operator"))
    with pytest.raises(Denied), database.unit_of_work(scope) as work:
        identity.create_user(work, "x@example.org", "X", "auditor", PASSWORD)


def test_a_system_scope_is_nobody_who_signed_in(database: Database, society: Society):
    with (
        pytest.raises(NotFound),
        database.unit_of_work(Scope.system(society.organization_id, "job:x")) as work,
    ):
        identity.signed_in(work)


def test_the_application_role_cannot_list_other_peoples_sessions(database: Database, society: Society):
    identity.login(database, society.email, PASSWORD)
    with database.unit_of_work(Scope(0, "nobody", frozenset())) as work:
        assert work.raw.execute("SELECT count(*) FROM identity.session").fetchone() == (0,)
        assert work.raw.execute("SELECT count(*) FROM identity.user_account").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            work.raw.execute("UPDATE identity.session SET expires_at = now()")
