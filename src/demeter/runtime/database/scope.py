"""Who acts, for which organization, with which permissions: required to open any unit of work."""

from __future__ import annotations

from dataclasses import dataclass

from demeter.kernel import Denied


@dataclass(frozen=True, slots=True)
class Scope:
    """An actor inside one organization.

    ``actor`` is what the audit trail shows (``user:7``, ``job:metering.refresh``, ``cli:root``). ``permissions`` are
    words such as ``metering.read``; ``*`` grants all and is for the system's own work.
    """

    organization_id: int
    actor: str
    permissions: frozenset[str]

    @classmethod
    def system(cls, organization_id: int, actor: str) -> Scope:
        """Return the scope of Demeter's own jobs inside one organization."""
        return cls(organization_id, actor, frozenset({"*"}))

    def allows(self, permission: str) -> bool:
        """Tell whether the scope grants ``permission``."""
        return "*" in self.permissions or permission in self.permissions

    def require(self, permission: str) -> None:
        """Refuse unless the scope grants ``permission``.

        Raises:
            Denied: with the missing permission named.
        """
        if not self.allows(permission):
            raise Denied(
                f"{self.actor} lacks the permission {permission}",
                hint="Ask an organization administrator for a role that includes it.",
            )
