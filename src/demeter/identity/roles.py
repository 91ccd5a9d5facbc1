"""Which role may do what: the one table that decides. Review a change here as you would review a change of locks.

A permission is ``<slice>.<verb>``. Roles not granted a permission here do not have it; unknown roles have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class RoleName(StrEnum):
    """The roles a user account may have."""

    ORGANIZATION_ADMINISTRATOR = "organization_administrator"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    CUSTOMER_USER = "customer_user"
    RESIDENT = "resident"


READ = frozenset({"estate.read", "metering.read", "metering.explain", "headend.read"})
COMMANDS = frozenset({"metering.self_read", "readings.edit", "headend.command", "headend.supply"})
ADMINISTRATION = frozenset({"estate.write", "identity.users", "headend.keys", "headend.firmware"})

# customer_user and resident see single customers and units. Until accounts are tied to those, they are given nothing
# that would show them somebody else's consumption: they can sign in and out.
PERMISSIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        RoleName.ORGANIZATION_ADMINISTRATOR: READ | COMMANDS | ADMINISTRATION,
        RoleName.OPERATOR: READ | COMMANDS,
        RoleName.AUDITOR: READ,
        RoleName.CUSTOMER_USER: frozenset(),
        RoleName.RESIDENT: frozenset(),
    }
)


def permissions_of(role: str) -> frozenset[str]:
    """Return what ``role`` grants; nothing for a role this table does not know."""
    return PERMISSIONS.get(role, frozenset())
