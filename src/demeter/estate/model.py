"""The estate tree, its service points, and the equipment installed there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from demeter.kernel import Commodity

MANUAL = "manual"  # the protocol word of a meter that a person reads


class PointRole(StrEnum):
    """What a service point serves: one unit, a whole building (bulk), or the building's common area."""

    UNIT = "unit"
    BULK = "bulk"
    COMMON = "common"


@dataclass(frozen=True, slots=True)
class Site:
    """A place with one IANA time zone, currency (ISO 4217) and locale."""

    id: int
    organization_id: int
    customer_id: int
    name: str
    zone: str
    currency: str
    locale: str


@dataclass(frozen=True, slots=True)
class Building:
    """A building (tower) of a site."""

    id: int
    site_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A flat, shop or office. ``area_dm2`` is its floor area in hundredths of a square metre, where known."""

    id: int
    site_id: int
    building_id: int
    label: str
    floor: str
    area_dm2: int | None


@dataclass(frozen=True, slots=True)
class ServicePoint:
    """Where one commodity is delivered. ``building`` is the building's name; ``label`` the unit's or a name."""

    id: int
    site_id: int
    building_id: int
    building: str
    unit_id: int | None
    role: PointRole
    commodity: Commodity
    label: str


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter. ``dials``: digits of its register in the register's own steps (0: never rolls over)."""

    id: int
    organization_id: int
    site_id: int
    serial: str
    commodity: Commodity
    maker: str
    protocol: str
    address: str
    options: Mapping[str, object]
    dials: int
    commissioned_at: datetime
    active: bool


@dataclass(frozen=True, slots=True)
class Installation:
    """A meter at a service point in ``[starts_at, ends_at)``.

    Reads are register values in base units (Wh, L); ``opening_read`` None: the first read taken counts.
    The multiplier (CT/VT ratio, pulse weight) is the fraction num/den.
    """

    id: int
    site_id: int
    service_point_id: int
    meter_id: int
    starts_at: datetime
    ends_at: datetime | None
    opening_read: Decimal | None
    closing_read: Decimal | None
    multiplier_num: int
    multiplier_den: int


@dataclass(frozen=True, slots=True)
class MeterPlan:
    """What provisioning needs to know of a new meter."""

    serial: str
    commodity: Commodity
    protocol: str
    commissioned_at: datetime
    address: str = ""
    maker: str = ""
    options: Mapping[str, object] | None = None
    dials: int = 0
