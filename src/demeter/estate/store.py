"""The estate's SQL. Row-level security keeps every statement inside the scope's organization."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from psycopg.rows import class_row, dict_row

from demeter.estate.model import Building, Installation, Meter, MeterPlan, PointRole, ServicePoint, Site, Unit
from demeter.kernel import Commodity
from demeter.runtime.database import UnitOfWork

SITE = "SELECT id, organization_id, customer_id, name, zone, currency, locale FROM estate.site"
POINT = """SELECT p.id, p.site_id, p.building_id, b.name AS building, p.unit_id, p.role, p.commodity, p.label
  FROM estate.service_point p JOIN estate.building b ON b.id = p.building_id"""
METER = """SELECT id, organization_id, site_id, serial, commodity, maker, protocol, address, options, dials,
  commissioned_at, active FROM estate.meter"""
INSTALLATION = """SELECT id, site_id, service_point_id, meter_id, starts_at, ends_at, opening_read, closing_read,
  multiplier_num, multiplier_den FROM estate.installation"""


def sites(work: UnitOfWork, where: str = "", bound: Sequence[object] = ()) -> list[Site]:
    """Return the sites of the scope, by name."""
    with work.raw.cursor(row_factory=class_row(Site)) as cursor:
        return cursor.execute(f"{SITE} {where} ORDER BY name", bound).fetchall()


def buildings(work: UnitOfWork, site_id: int) -> list[Building]:
    """Return a site's buildings, by name."""
    with work.raw.cursor(row_factory=class_row(Building)) as cursor:
        return cursor.execute(
            "SELECT id, site_id, name FROM estate.building WHERE site_id = %s ORDER BY name", (site_id,)
        ).fetchall()


def units(work: UnitOfWork, site_id: int) -> list[Unit]:
    """Return a site's units, by label."""
    with work.raw.cursor(row_factory=class_row(Unit)) as cursor:
        return cursor.execute(
            "SELECT id, site_id, building_id, label, floor, area_dm2 FROM estate.unit"
            " WHERE site_id = %s ORDER BY label",
            (site_id,),
        ).fetchall()


def service_points(work: UnitOfWork, where: str, bound: Sequence[object]) -> list[ServicePoint]:
    """Return service points that fit ``where``, by building and label."""
    with work.raw.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"{POINT} {where} ORDER BY b.name, p.label, p.commodity", bound).fetchall()
    return [
        ServicePoint(**{**row, "role": PointRole(row["role"]), "commodity": Commodity(row["commodity"])})
        for row in rows
    ]


def meters(work: UnitOfWork, where: str, bound: Sequence[object]) -> list[Meter]:
    """Return meters that fit ``where``, by serial."""
    with work.raw.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"{METER} {where} ORDER BY serial", bound).fetchall()
    return [Meter(**{**row, "commodity": Commodity(row["commodity"])}) for row in rows]


def installations(work: UnitOfWork, where: str, bound: Sequence[object]) -> list[Installation]:
    """Return installations that fit ``where``, by service point and time."""
    with work.raw.cursor(row_factory=class_row(Installation)) as cursor:
        return cursor.execute(f"{INSTALLATION} {where} ORDER BY service_point_id, starts_at", bound).fetchall()


def insert(work: UnitOfWork, table: str, **values: object) -> int:
    """Insert one row of the scope's organization into ``estate.<table>`` and return its id."""
    row = {"organization_id": work.scope.organization_id, **values}
    columns, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    found = work.raw.execute(
        f"INSERT INTO estate.{table} ({columns}) VALUES ({marks}) RETURNING id", list(row.values())
    ).fetchone()
    assert found is not None
    return int(found[0])


def insert_meter(work: UnitOfWork, site_id: int, plan: MeterPlan) -> int:
    """Insert a meter and return its id."""
    values: dict[str, Any] = {
        "site_id": site_id,
        "serial": plan.serial,
        "commodity": plan.commodity.value,
        "maker": plan.maker,
        "protocol": plan.protocol,
        "address": plan.address,
        "options": json.dumps(dict(plan.options or {})),
        "dials": plan.dials,
        "commissioned_at": plan.commissioned_at,
    }
    return insert(work, "meter", **values)


DESCRIBED = ("protocol", "address", "maker", "options")
"""What may be told anew of a meter that is there: no number depends on it."""


def describe_meter(work: UnitOfWork, meter_id: int, plan: MeterPlan) -> None:
    """Tell anew how a meter is spoken to and who made it."""
    work.raw.execute(
        "UPDATE estate.meter SET protocol = %s, address = %s, maker = %s, options = %s WHERE id = %s",
        (plan.protocol, plan.address, plan.maker, json.dumps(dict(plan.options or {})), meter_id),
    )


def update_unit(work: UnitOfWork, unit_id: int, floor: str, area_dm2: int | None) -> None:
    """Replace a unit's floor and area."""
    work.raw.execute("UPDATE estate.unit SET floor = %s, area_dm2 = %s WHERE id = %s", (floor, area_dm2, unit_id))


def end_installation(work: UnitOfWork, installation_id: int, ends_at: object, closing_read: object) -> None:
    """Close an installation with its closing read."""
    work.raw.execute(
        "UPDATE estate.installation SET ends_at = %s, closing_read = %s WHERE id = %s",
        (ends_at, closing_read, installation_id),
    )
