"""Use cases of the estate: look up, provision, exchange."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg

from demeter.estate import store
from demeter.estate.model import Building, Installation, Meter, MeterPlan, PointRole, ServicePoint, Site, Unit
from demeter.kernel import Commodity, Conflict, Invalid, NotFound
from demeter.runtime.database import UnitOfWork

T = TypeVar("T")


def sites(work: UnitOfWork) -> list[Site]:
    """Return the sites of the scope, by name."""
    return store.sites(work)


def site(work: UnitOfWork, site_id: int) -> Site:
    """Return one site.

    Raises:
        NotFound: no such site in the scope.
    """
    return _only(store.sites(work, "WHERE id = %s", (site_id,)), f"site {site_id}")


def site_named(work: UnitOfWork, name: str) -> Site:
    """Return the site with this name (or id in digits).

    Raises:
        NotFound: no such site; the hint lists those there are.
    """
    found = [s for s in store.sites(work) if name in {s.name, str(s.id)}]
    if not found:
        known = ", ".join(s.name for s in store.sites(work)) or "none yet"
        raise NotFound(f"no site {name!r}", hint=f"Sites: {known}")
    return found[0]


def buildings(work: UnitOfWork, site_id: int) -> list[Building]:
    """Return a site's buildings, by name."""
    return store.buildings(work, site_id)


def units(work: UnitOfWork, site_id: int) -> list[Unit]:
    """Return a site's units, by label."""
    return store.units(work, site_id)


def service_points(work: UnitOfWork, site_id: int) -> list[ServicePoint]:
    """Return a site's service points, by building and label."""
    return store.service_points(work, "WHERE p.site_id = %s", (site_id,))


def service_point(work: UnitOfWork, service_point_id: int) -> ServicePoint:
    """Return one service point.

    Raises:
        NotFound: no such service point in the scope.
    """
    found = store.service_points(work, "WHERE p.id = %s", (service_point_id,))
    return _only(found, f"service point {service_point_id}")


def service_point_of(work: UnitOfWork, label: str, commodity: Commodity, site_id: int | None = None) -> ServicePoint:
    """Return the service point of a unit (or named point) and commodity.

    Raises:
        NotFound: no such service point in the scope.
        Conflict: several sites have that label; name the site.
    """
    found = store.service_points(
        work,
        "WHERE lower(p.label) = lower(%s) AND p.commodity = %s AND p.site_id = coalesce(%s, p.site_id)",
        (label, commodity.value, site_id),
    )
    if len(found) > 1:
        raise Conflict(f"several sites have {label} ({commodity.value})", hint="Name the site with --site.")
    return _only(found, f"{commodity.value} service point {label}")


def meter_with_serial(work: UnitOfWork, serial: str) -> Meter:
    """Return the meter with this serial; serials are unique in an organization.

    Raises:
        NotFound: no such meter in the scope.
    """
    return _only(store.meters(work, "WHERE serial = %s", (serial,)), f"meter {serial!r}")


def meters(work: UnitOfWork, site_id: int) -> list[Meter]:
    """Return a site's meters, by serial."""
    return store.meters(work, "WHERE site_id = %s", (site_id,))


def meter(work: UnitOfWork, meter_id: int) -> Meter:
    """Return one meter.

    Raises:
        NotFound: no such meter in the scope.
    """
    return _only(store.meters(work, "WHERE id = %s", (meter_id,)), f"meter {meter_id}")


def installations(work: UnitOfWork, site_id: int) -> list[Installation]:
    """Return a site's installations, by service point and time."""
    return store.installations(work, "WHERE site_id = %s", (site_id,))


def installations_at(work: UnitOfWork, service_point_id: int) -> list[Installation]:
    """Return the exchange history of one service point, oldest first."""
    return store.installations(work, "WHERE service_point_id = %s", (service_point_id,))


def create_site(
    work: UnitOfWork, name: str, zone: str, *, currency: str = "INR", locale: str = "en-IN", customer: str = ""
) -> int:
    """Create a site (and its customer, named as the site unless given) and return its id.

    Raises:
        Invalid: ``zone`` is no IANA time zone.
        Conflict: the organization has a site of that name.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Invalid(f"{zone!r} is no IANA time zone", hint="For example Asia/Kolkata.") from error
    customer_id = store.insert(work, "customer", name=customer or name)
    with _unless_there(f"there is already a site {name!r}"):
        return store.insert(
            work, "site", customer_id=customer_id, name=name, zone=zone, currency=currency, locale=locale
        )


def create_building(work: UnitOfWork, site_id: int, name: str) -> int:
    """Create a building and return its id.

    Raises:
        Conflict: the site has a building of that name.
    """
    with _unless_there(f"there is already a building {name!r}"):
        return store.insert(work, "building", site_id=site_id, name=name)


def create_unit(
    work: UnitOfWork, site_id: int, building_id: int, label: str, *, floor: str = "", area_dm2: int | None = None
) -> int:
    """Create a unit and return its id.

    Raises:
        Conflict: the site has a unit of that label.
    """
    with _unless_there(f"there is already a unit {label}"):
        return store.insert(
            work, "unit", site_id=site_id, building_id=building_id, label=label, floor=floor, area_dm2=area_dm2
        )


@dataclass(frozen=True, slots=True)
class PointPlan:
    """What provisioning needs to know of a new service point."""

    building_id: int
    role: PointRole
    commodity: Commodity
    label: str
    unit_id: int | None = None


def create_service_point(work: UnitOfWork, site_id: int, plan: PointPlan) -> int:
    """Create a service point and return its id.

    Raises:
        Conflict: the site has one of that label and commodity.
    """
    with _unless_there(f"there is already a service point {plan.label} ({plan.commodity.value})"):
        return store.insert(
            work,
            "service_point",
            site_id=site_id,
            building_id=plan.building_id,
            unit_id=plan.unit_id,
            role=plan.role.value,
            commodity=plan.commodity.value,
            label=plan.label,
        )


def create_meter(work: UnitOfWork, site_id: int, plan: MeterPlan) -> int:
    """Create a meter and return its id.

    Raises:
        Conflict: the organization has a meter with that serial.
    """
    with _unless_there(f"there is already a meter {plan.serial}", "Serials are unique."):
        return store.insert_meter(work, site_id, plan)


def install(
    work: UnitOfWork,
    point: ServicePoint,
    meter_id: int,
    starts_at: datetime,
    *,
    opening_read: Decimal | None = None,
    multiplier: tuple[int, int] = (1, 1),
) -> int:
    """Install a meter at a service point from ``starts_at`` (aware) on; ``opening_read`` in base units.

    Raises:
        Conflict: another meter is still installed there, or this one elsewhere.
    """
    there = store.installations(
        work,
        "WHERE (service_point_id = %s OR meter_id = %s) AND (ends_at IS NULL OR ends_at > %s)",
        (point.id, meter_id, starts_at),
    )
    if there:
        raise Conflict(
            f"{point.label} ({point.commodity.value}) or the meter is still part of installation {there[0].id}",
            hint="End that installation with its closing read first (meter exchange).",
        )
    taken = f"{point.label} ({point.commodity.value}) or the meter is part of an installation made this moment"
    with _unless_there(taken, "Look at it again."):
        return store.insert(
            work,
            "installation",
            site_id=point.site_id,
            service_point_id=point.id,
            meter_id=meter_id,
            starts_at=starts_at,
            opening_read=opening_read,
            multiplier_num=multiplier[0],
            multiplier_den=multiplier[1],
        )


@dataclass(frozen=True, slots=True)
class Exchange:
    """A meter exchange: both reads in base units, taken at the aware instant ``at``.

    ``multiplier`` of the new installation, as numerator and denominator; None: the present installation's.
    """

    at: datetime
    closing_read: Decimal
    new_meter_id: int
    opening_read: Decimal
    reason: str
    multiplier: tuple[int, int] | None = None


def exchange_meter(work: UnitOfWork, point: ServicePoint, exchange: Exchange) -> int:
    """End the present installation and begin the next at the same instant; return the new installation's id.

    Raises:
        Conflict: nothing is installed there, it began after ``exchange.at``, or the new meter is installed elsewhere.
        NotFound: no such meter in the scope.
        Invalid: the new meter measures another commodity or stands on another site; ``exchange.at`` is ahead; a
            multiplier that is not positive.
    """
    new = meter(work, exchange.new_meter_id)
    _check_exchange(work, point, exchange, new)
    present = [i for i in installations_at(work, point.id) if i.ends_at is None]
    if not present or present[0].starts_at >= exchange.at:
        raise Conflict(f"no meter was installed at {point.label} at {exchange.at.isoformat()}")
    if present[0].meter_id == new.id:
        raise Conflict(f"meter {new.serial} is installed there already", hint="Name the meter that took its place.")
    multiplier = exchange.multiplier or (present[0].multiplier_num, present[0].multiplier_den)
    store.end_installation(work, present[0].id, exchange.at, exchange.closing_read)
    work.audit(
        "meter.exchange",
        f"service_point:{point.id}",
        {
            "at": exchange.at.isoformat(),
            "old_meter": present[0].meter_id,
            "closing_read": str(exchange.closing_read),
            "new_meter": exchange.new_meter_id,
            "opening_read": str(exchange.opening_read),
            "multiplier": f"{multiplier[0]}/{multiplier[1]}",
            "reason": exchange.reason,
        },
    )
    return install(work, point, new.id, exchange.at, opening_read=exchange.opening_read, multiplier=multiplier)


def _check_exchange(work: UnitOfWork, point: ServicePoint, exchange: Exchange, new: Meter) -> None:
    if (new.commodity, new.site_id) != (point.commodity, point.site_id):
        raise Invalid(
            f"meter {new.serial} is a {new.commodity.value} meter of site {new.site_id}",
            hint=f"{point.label} takes a {point.commodity.value} meter of site {point.site_id}.",
        )
    if exchange.at > work.now():
        raise Invalid(f"an exchange at {exchange.at.isoformat()} has not happened yet", hint="Enter it afterwards.")
    if min(exchange.closing_read, exchange.opening_read) < 0 or min(exchange.multiplier or (1, 1)) < 1:
        raise Invalid("reads must not be negative, and a multiplier must be positive")


@contextmanager
def _unless_there(taken: str, hint: str = "Choose another name.") -> Iterator[None]:
    """Turn the database's refusal of a second one into a conflict; the unit of work is lost with it."""
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        raise Conflict(taken, hint=hint) from error


def _only(found: list[T], what: str) -> T:
    if not found:
        raise NotFound(f"no {what}")
    return found[0]
