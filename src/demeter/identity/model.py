"""Organizations and the people who sign in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Organization:
    """Whoever operates a portfolio of sites: the boundary no data crosses."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account in one organization; ``role`` is a key of :data:`demeter.identity.roles.PERMISSIONS`."""

    id: int
    organization_id: int
    email: str
    name: str
    role: str
    active: bool


@dataclass(frozen=True, slots=True)
class Login:
    """What is known about an e-mail address before anyone is signed in."""

    user_id: int
    organization_id: int
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionOwner:
    """Whose a valid session token is."""

    user_id: int
    organization_id: int
    role: str
