"""Organizations, people, passwords, sessions and roles: who may act, for whom."""

from demeter.identity.limiter import LoginLimiter
from demeter.identity.model import Organization, User
from demeter.identity.roles import PERMISSIONS, RoleName, permissions_of
from demeter.identity.service import (
    SESSION_LENGTH,
    check_account,
    create_organization,
    create_user,
    login,
    logout,
    new_password,
    organization_named,
    organization_names,
    scope_of,
    set_password,
    signed_in,
    users,
)

__all__ = [
    "PERMISSIONS",
    "SESSION_LENGTH",
    "LoginLimiter",
    "Organization",
    "RoleName",
    "User",
    "check_account",
    "create_organization",
    "create_user",
    "login",
    "logout",
    "new_password",
    "organization_named",
    "organization_names",
    "permissions_of",
    "scope_of",
    "set_password",
    "signed_in",
    "users",
]
