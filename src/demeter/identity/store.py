"""The SQL of identity. Before a login there is no scope; the two ``find_`` functions of the schema answer then."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from demeter.identity.model import Login, Organization, SessionOwner, User
from demeter.runtime.database import UnitOfWork

USER = "SELECT id, organization_id, email, name, role, active FROM identity.user_account"


def insert_organization(connection: psycopg.Connection[Any], name: str) -> int | None:
    """Insert an organization as the owner role; None if the name is taken."""
    row = connection.execute(
        "INSERT INTO identity.organization (name) VALUES (%s) ON CONFLICT (name) DO NOTHING RETURNING id", (name,)
    ).fetchone()
    return int(row[0]) if row else None


def organization_id(connection: psycopg.Connection[Any], name: str) -> int | None:
    """Return the id of the organization with this name, as the owner role."""
    row = connection.execute("SELECT id FROM identity.organization WHERE name = %s", (name,)).fetchone()
    return int(row[0]) if row else None


def organization_names(connection: psycopg.Connection[Any]) -> list[str]:
    """Return all organizations' names in order, as the owner role."""
    return [str(row[0]) for row in connection.execute("SELECT name FROM identity.organization ORDER BY name")]


def organization(uow: UnitOfWork) -> Organization | None:
    """Return the scope's own organization."""
    with uow.raw.cursor(row_factory=class_row(Organization)) as cursor:
        return cursor.execute(
            "SELECT id, name FROM identity.organization WHERE id = %s", (uow.scope.organization_id,)
        ).fetchone()


def insert_user(uow: UnitOfWork, email: str, name: str, role: str, password_hash: str) -> int | None:
    """Insert a user account; None if the e-mail address is taken (in any organization)."""
    row = uow.raw.execute(
        "INSERT INTO identity.user_account (organization_id, email, name, role, password_hash)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id",
        (uow.scope.organization_id, email, name, role, password_hash),
    ).fetchone()
    return int(row[0]) if row else None


def user(uow: UnitOfWork, user_id: int) -> User | None:
    """Return one user of the scope's organization."""
    with uow.raw.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(f"{USER} WHERE id = %s", (user_id,)).fetchone()


def users(uow: UnitOfWork) -> list[User]:
    """Return the organization's users by e-mail address."""
    with uow.raw.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(f"{USER} ORDER BY lower(email)").fetchall()


def find_login(uow: UnitOfWork, email: str) -> Login | None:
    """Return the active account of an e-mail address, in whichever organization it is."""
    with uow.raw.cursor(row_factory=class_row(Login)) as cursor:
        return cursor.execute(
            "SELECT user_id, organization_id, password_hash FROM identity.find_login(%s)", (email,)
        ).fetchone()


def find_session(uow: UnitOfWork, token_hash: bytes, at: datetime) -> SessionOwner | None:
    """Return whose the session is, if it is valid at ``at`` and its account active."""
    with uow.raw.cursor(row_factory=class_row(SessionOwner)) as cursor:
        return cursor.execute(
            "SELECT user_id, organization_id, role FROM identity.find_session(%s, %s)", (token_hash, at)
        ).fetchone()


def insert_session(uow: UnitOfWork, token_hash: bytes, user_id: int, expires_at: datetime) -> None:
    """Start a session, and forget the organization's expired ones."""
    uow.raw.execute("DELETE FROM identity.session WHERE expires_at <= %s", (uow.now(),))
    uow.raw.execute(
        "INSERT INTO identity.session (token_hash, organization_id, user_id, created_at, expires_at)"
        " VALUES (%s, %s, %s, %s, %s)",
        (token_hash, uow.scope.organization_id, user_id, uow.now(), expires_at),
    )


def delete_session(uow: UnitOfWork, token_hash: bytes) -> None:
    """End a session."""
    uow.raw.execute("DELETE FROM identity.session WHERE token_hash = %s", (token_hash,))


def delete_sessions_of(uow: UnitOfWork, user_id: int) -> None:
    """End all sessions of a user."""
    uow.raw.execute("DELETE FROM identity.session WHERE user_id = %s", (user_id,))


def update_password(uow: UnitOfWork, user_id: int, password_hash: str) -> bool:
    """Replace a user's password hash; False if there is no such user."""
    return bool(
        uow.raw.execute(
            "UPDATE identity.user_account SET password_hash = %s WHERE id = %s", (password_hash, user_id)
        ).rowcount
    )
