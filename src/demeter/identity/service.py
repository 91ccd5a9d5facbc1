"""Organizations, accounts, passwords and sessions.

Passwords are kept as argon2id hashes. A session token is 256 random bits that only its holder knows: the database
keeps its SHA-256, so a copy of the database opens no session.
"""

from __future__ import annotations

import secrets
import threading
from datetime import timedelta
from functools import cache
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from demeter.identity import store
from demeter.identity.limiter import LoginLimiter
from demeter.identity.model import Login, Organization, User
from demeter.identity.roles import PERMISSIONS, permissions_of
from demeter.kernel import Conflict, Denied, Invalid, NotFound
from demeter.runtime.database import Database, Role, Scope, UnitOfWork

__all__ = [
    "SESSION_LENGTH",
    "LoginLimiter",
    "check_account",
    "create_organization",
    "create_user",
    "login",
    "logout",
    "new_password",
    "organization_named",
    "organization_names",
    "scope_of",
    "set_password",
    "signed_in",
    "users",
]

SESSION_LENGTH = timedelta(hours=12)
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1024
# RFC 9106's second recommended option: 64 MiB, 3 passes. Two at a time, so that logins cannot exhaust the machine.
_hasher = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=2)
_hashing = threading.BoundedSemaphore(2)
# Before a login nobody acts for any organization: this scope sees no row of any table.
_NOBODY = Scope(0, "nobody", frozenset())


def create_organization(database: Database, name: str) -> int:
    """Create an organization and return its id.

    Raises:
        Conflict: the name is taken.
    """
    with database.connect(Role.OWNER) as connection:  # unscoped: the organization does not exist yet
        organization_id = store.insert_organization(connection, _some_name(name))
    if organization_id is None:
        raise Conflict(
            f"There is already an organization named {name}.", code="name_taken", hint="Choose another name."
        )
    return organization_id


def organization_named(database: Database, name: str) -> int | None:
    """Return the id of the organization with exactly this name, for commands run by the machine's owner."""
    with database.connect(Role.OWNER) as connection:  # unscoped: the machine's owner names the organization
        return store.organization_id(connection, name)


def organization_names(database: Database) -> list[str]:
    """Return all organizations' names, for commands run by the machine's owner."""
    with database.connect(Role.OWNER) as connection:  # unscoped: the machine's owner looks for the right name
        return store.organization_names(connection)


def create_user(uow: UnitOfWork, email: str, name: str, role: str, password: str) -> int:
    """Create an account in the scope's organization and return its id.

    Raises:
        Denied: the scope lacks ``identity.users``.
        Invalid: not an e-mail address, an unknown role, or a password of fewer than 10 characters.
        Conflict: the e-mail address is taken.
    """
    uow.scope.require("identity.users")
    address = _account(email, name, role)
    user_id = store.insert_user(uow, address, _some_name(name), role, hash_password(password))
    if user_id is None:
        raise _taken(address)
    uow.audit("identity.user_created", f"user:{user_id}", {"email": address, "role": role})
    return user_id


def check_account(database: Database, email: str, name: str, role: str) -> None:
    """Refuse what :func:`create_user` would refuse, before anything is made for the account.

    Raises:
        Invalid: not an e-mail address, an unknown role, no name.
        Conflict: the e-mail address is taken.
    """
    address = _account(email, name, role)
    with database.unit_of_work(_NOBODY) as uow:
        if store.find_login(uow, address) is not None:
            raise _taken(address)


def _account(email: str, name: str, role: str) -> str:
    """Return the e-mail address of an account that may be made."""
    address = email.strip()
    if "@" not in address[1:-1] or len(address) > 254:
        raise Invalid(f"{email!r} is not an e-mail address.", code="bad_email")
    if role not in PERMISSIONS:
        known = ", ".join(sorted(PERMISSIONS))
        raise Invalid(f"There is no role named {role}.", code="unknown_role", hint=f"Roles: {known}.")
    _some_name(name)
    return address


def _taken(address: str) -> Conflict:
    return Conflict(f"{address} already has an account.", code="email_taken", hint="Use another address.")


def set_password(uow: UnitOfWork, user_id: int, password: str) -> None:
    """Replace a user's password and end all their sessions.

    Raises:
        Denied: the scope lacks ``identity.users``.
        Invalid: the password is too short.
        NotFound: there is no such user in the organization.
    """
    uow.scope.require("identity.users")
    if not store.update_password(uow, user_id, hash_password(password)):
        raise NotFound("There is no such user.")
    store.delete_sessions_of(uow, user_id)
    uow.audit("identity.password_set", f"user:{user_id}")


def users(uow: UnitOfWork) -> list[User]:
    """Return the organization's users."""
    uow.scope.require("identity.users")
    return store.users(uow)


def new_password() -> str:
    """Return a one-time password a person can read out: 4 groups of 5 letters and digits, about 96 bits."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


def login(database: Database, email: str, password: str) -> str:
    """Check a password, start a session and return its token, which is shown nowhere else.

    Raises:
        Denied: ``wrong_credentials``, the same for an unknown address and a wrong password, and as slow.
    """
    with database.unit_of_work(_NOBODY) as uow:
        found = store.find_login(uow, email.strip())
    if not _password_fits(found, password) or found is None:
        raise Denied(
            "The e-mail address or the password is wrong.",
            code="wrong_credentials",
            hint="Check both; an organization administrator can set a new password.",
        )
    token = secrets.token_urlsafe(32)
    scope = Scope(found.organization_id, f"user:{found.user_id}", frozenset())
    with database.unit_of_work(scope) as uow:
        store.insert_session(uow, _token_hash(token), found.user_id, uow.now() + SESSION_LENGTH)
        uow.audit("identity.signed_in", f"user:{found.user_id}")
    return token


def scope_of(database: Database, token: str) -> Scope | None:
    """Return the scope of a session's owner; None if the token is unknown or expired or the account is inactive."""
    with database.unit_of_work(_NOBODY) as uow:
        owner = store.find_session(uow, _token_hash(token), uow.now())
    if owner is None:
        return None
    return Scope(owner.organization_id, f"user:{owner.user_id}", permissions_of(owner.role))


def logout(database: Database, token: str) -> None:
    """End a session; nothing happens if there is none."""
    scope = scope_of(database, token)
    if scope is not None:
        with database.unit_of_work(scope) as uow:
            store.delete_session(uow, _token_hash(token))
            uow.audit("identity.signed_out", scope.actor)


def signed_in(uow: UnitOfWork) -> tuple[User, Organization]:
    """Return the person whose scope this is, and their organization.

    Raises:
        NotFound: the scope is not a person's.
    """
    kind, _, number = uow.scope.actor.partition(":")
    person = store.user(uow, int(number)) if kind == "user" and number.isdigit() else None
    organization = store.organization(uow)
    if person is None or organization is None:
        raise NotFound(f"{uow.scope.actor} is not a person with an account.")
    return person, organization


def hash_password(password: str) -> str:
    """Return the argon2id hash of an acceptable password.

    Raises:
        Invalid: shorter than 10 or longer than 1024 characters.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Invalid(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.",
            code="bad_password",
            hint="Some words in a row make a good password.",
        )
    with _hashing:
        return _hasher.hash(password)


@cache
def _hash_of_no_password() -> str:
    return hash_password(secrets.token_urlsafe(16))


def _password_fits(found: Login | None, password: str) -> bool:
    # An unknown address costs the same time as a wrong password: nobody learns who has an account.
    expected = found.password_hash if found else _hash_of_no_password()
    try:
        with _hashing:
            return _hasher.verify(expected, password) and found is not None
    except (VerificationError, InvalidHashError):
        return False


def _token_hash(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _some_name(name: str) -> str:
    shown = name.strip()
    if not shown or len(shown) > 200:
        raise Invalid("A name has 1 to 200 characters.", code="bad_name")
    return shown
