"""Turns a simulated society into an estate: site, towers, units, service points, meters with sealed keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from demeter import estate
from demeter.app.wiring import Wiring
from demeter.estate import PointPlan, PointRole
from demeter.runtime.database import Scope, UnitOfWork
from demeter.simulator import FleetConfig, MeterConfig

SITE_NAME = "Palm Court Housing Society"
PURPOSES = {"lift": "lift", "pump": "pump", "lighting": "lighting", "common-water": "common water"}


@dataclass
class Society:
    """Ids of what was provisioned."""

    site_id: int
    buildings: dict[str, int] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    legacy: dict[str, int] = field(default_factory=dict)  # label of a legacy flat → its manual electricity meter


def provision(wiring: Wiring, scope: Scope, fleet: FleetConfig) -> Society:
    """Create the whole estate of the fleet in one transaction."""
    with wiring.database.unit_of_work(scope) as work:
        society = Society(estate.create_site(work, SITE_NAME, fleet.zone))
        for meter in fleet.meters:
            _place(work, society, meter)
            meter_id = estate.create_meter(work, society.site_id, _meter_plan(fleet, meter))
            point = estate.service_point(work, _service_point(work, society, meter))
            starts_at = datetime.fromtimestamp(fleet.history_start_s, UTC)
            estate.install(work, point, meter_id, starts_at, opening_read=Decimal(meter.opening))
            if meter.smart:
                for name, value in _secrets(meter):
                    wiring.secrets.seal(work, f"meter:{meter_id}", name, value)
            else:
                society.legacy[f"{meter.unit}/{meter.commodity.value}"] = meter_id
        work.audit("estate.provision", f"site:{society.site_id}", {"meters": len(fleet.meters)})
    return society


def _place(work: UnitOfWork, society: Society, meter: MeterConfig) -> None:
    """Create the building and unit of a meter the first time they are met."""
    if meter.building not in society.buildings:
        name = f"Tower {meter.building}"
        society.buildings[meter.building] = estate.create_building(work, society.site_id, name)
    if meter.unit and meter.unit not in society.units:
        building, number = meter.unit.split("-")
        society.units[meter.unit] = estate.create_unit(
            work,
            society.site_id,
            society.buildings[building],
            meter.unit,
            floor=number[:2],
            area_dm2=7_800 + 650 * (int(number[2:]) % 4),  # four flat sizes, 78.0 to 97.5 m²
        )


def _service_point(work: UnitOfWork, society: Society, meter: MeterConfig) -> int:
    label = meter.unit or f"Tower {meter.building} {PURPOSES.get(meter.purpose, meter.purpose)}"
    plan = PointPlan(
        building_id=society.buildings[meter.building],
        role=PointRole(meter.role.value),
        commodity=meter.commodity,
        label=label,
        unit_id=society.units.get(meter.unit),
    )
    return estate.create_service_point(work, society.site_id, plan)


def _meter_plan(fleet: FleetConfig, meter: MeterConfig) -> estate.MeterPlan:
    commissioned = datetime.fromtimestamp(fleet.history_start_s, UTC)
    if not meter.smart:
        return estate.MeterPlan(
            f"LEGACY-{meter.unit}-{meter.commodity.value[0].upper()}",
            meter.commodity,
            estate.MANUAL,
            commissioned,
            maker="dial register",
            dials=meter.dial_digits,
        )
    return estate.MeterPlan(
        meter.serial,
        meter.commodity,
        "dlms",
        commissioned,
        address=f"{fleet.host}:{meter.port}",
        maker="Demeter simulator",
        options={
            "zone": fleet.zone,
            "commodity": meter.commodity.value,
            "server_sap": meter.server_sap,
            "connect_s": 2,
            "answer_s": 20,
        },
        dials=meter.dial_digits,
    )


def _secrets(meter: MeterConfig) -> Iterator[tuple[str, bytes]]:
    yield "encryption_key", bytes.fromhex(meter.encryption_key)
    yield "authentication_key", bytes.fromhex(meter.authentication_key)
    yield "password", meter.password.encode()
    if meter.security.master_key:
        yield "master_key", bytes.fromhex(meter.security.master_key)
