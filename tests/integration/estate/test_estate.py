"""Provisioning an estate and exchanging a meter."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from demeter import estate
from demeter.kernel import Commodity, Conflict, Invalid, NotFound
from demeter.runtime.database import Database, Role, Scope

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def scope(database: Database) -> Scope:
    with database.connect(Role.OWNER) as connection:
        connection.execute("INSERT INTO identity.organization (name) VALUES ('One'), ('Two')")
    return Scope.system(1, "test")


def plan(serial: str) -> estate.MeterPlan:
    return estate.MeterPlan(serial, Commodity.WATER, "dlms", datetime(2026, 10, 1, tzinfo=UTC), dials=8)


def test_a_meter_exchange_ends_one_installation_and_begins_the_next(database: Database, scope: Scope) -> None:
    with database.unit_of_work(scope) as work:
        site = estate.create_site(work, "Palm Court", "Asia/Kolkata")
        tower = estate.create_building(work, site, "A")
        unit = estate.create_unit(work, site, tower, "A-1204", area_dm2=9000)
        point_plan = estate.PointPlan(tower, estate.PointRole.UNIT, Commodity.WATER, "A-1204", unit)
        point = estate.service_point(work, estate.create_service_point(work, site, point_plan))
        old, new = estate.create_meter(work, site, plan("W1")), estate.create_meter(work, site, plan("W2"))
        estate.install(work, point, old, datetime(2026, 10, 1, tzinfo=UTC), opening_read=Decimal(0))
        with pytest.raises(Conflict):
            estate.install(work, point, new, NOON)
        estate.exchange_meter(work, point, estate.Exchange(NOON, Decimal(12000), new, Decimal(5), "stuck register"))
        first, second = estate.installations_at(work, point.id)
        assert (first.meter_id, first.ends_at, first.closing_read) == (old, NOON, Decimal(12000))
        assert (second.meter_id, second.starts_at, second.opening_read) == (new, NOON, Decimal(5))
        assert estate.service_point_of(work, "a-1204", Commodity.WATER).id == point.id


def test_mistakes_get_clear_errors(database: Database, scope: Scope) -> None:
    with database.unit_of_work(scope) as work, pytest.raises(Invalid, match="no IANA time zone"):
        estate.create_site(work, "X", "India/Delhi")
    with database.unit_of_work(scope) as work:
        site = estate.create_site(work, "Palm Court", "Asia/Kolkata")
        estate.create_meter(work, site, plan("W1"))
    with pytest.raises(Conflict, match="already a meter W1"), database.unit_of_work(scope) as work:
        estate.create_meter(work, site, plan("W1"))
    with pytest.raises(NotFound), database.unit_of_work(Scope.system(2, "test")) as work:
        estate.site(work, site)
