"""Sites and meters for tests that need a place for readings but not an estate."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from demeter.runtime.database import Database, Role, Scope

_serial = count(1)


@dataclass(frozen=True)
class Place:
    organization_id: int
    site_id: int
    zone: str

    @property
    def scope(self) -> Scope:
        return Scope.system(self.organization_id, "test")


def place(database: Database, zone: str = "Europe/Berlin", organization: str = "One") -> Place:
    """A new site of an organization, which is made if it is not there."""
    with database.connect(Role.OWNER) as connection:
        connection.execute(
            "INSERT INTO identity.organization (name) VALUES (%s) ON CONFLICT DO NOTHING", (organization,)
        )
        (owner,) = connection.execute(
            "SELECT id FROM identity.organization WHERE name = %s", (organization,)
        ).fetchone()
        (customer,) = connection.execute(
            "INSERT INTO estate.customer (organization_id, name) VALUES (%s, 'Society') RETURNING id", (owner,)
        ).fetchone()
        (site,) = connection.execute(
            "INSERT INTO estate.site (organization_id, customer_id, name, zone, currency, locale)"
            " VALUES (%s, %s, %s, %s, 'EUR', 'en') RETURNING id",
            (owner, customer, f"Site {next(_serial)}", zone),
        ).fetchone()
    return Place(owner, site, zone)


def meter(database: Database, at: Place, how_many: int = 1) -> int:
    """New meters at a place; return the first one's id, the others follow."""
    with database.connect(Role.OWNER) as connection:
        rows = connection.execute(
            "INSERT INTO estate.meter (organization_id, site_id, serial, commodity, protocol, commissioned_at)"
            " SELECT %s, %s, %s || '-' || i, 'electricity', 'dlms', '2020-01-01Z' FROM generate_series(1, %s) i"
            " RETURNING id",
            (at.organization_id, at.site_id, f"E{next(_serial)}", how_many),
        ).fetchall()
    return rows[0][0]
