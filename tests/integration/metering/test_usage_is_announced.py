"""What is computed anew is announced by the transaction that stores it, so that a page asks no earlier and no later."""

import json
from datetime import timedelta

import pytest

from demeter import metering
from demeter.kernel import Commodity, month_span
from demeter.metering.store import use
from demeter.runtime.database import Role
from tests.integration.metering import rig


@pytest.fixture
def site(database):
    return rig.build(database)


@pytest.fixture
def ear(site):
    with site.database.connect(Role.APP, autocommit=True) as connection:
        connection.execute("LISTEN demeter_usage")
        yield connection


def told(ear):
    """Return what was announced so far."""
    return [json.loads(one.payload) for one in ear.notifies(timeout=0.5)]


def test_a_reading_is_announced_when_its_consumption_is_stored(site, ear):
    span = month_span(site.zone, 2026, 3)
    point = site.point("A-1204", Commodity.ELECTRICITY)
    site.point("A-1205", Commodity.ELECTRICITY)
    meter_id = site.meter(point, "E1", span.start)
    site.deliver(meter_id, {rig.ENERGY: rig.quarters(span.start, [7] * 96)})
    assert told(ear) == []
    with site.work() as work:
        metering.refresh_dirty(work)
        assert told(ear) == []  # not before it is committed
    assert told(ear) == [{"organization": 1, "site": site.site_id, "service_points": [point.id]}]
    metering.refresh(site.database)
    assert told(ear) == []


def test_a_revision_and_an_alarm_are_announced(site, ear):
    span = month_span(site.zone, 2026, 3)
    point = site.point("A-1204", Commodity.ELECTRICITY)
    meter_id = site.meter(point, "E1", span.start)
    site.deliver(meter_id, {rig.ENERGY: rig.quarters(span.start, [7] * 96)})
    metering.refresh(site.database)
    told(ear)
    site.clock.advance(timedelta(minutes=11))
    metering.refresh(site.database)  # publishes
    assert [one["service_points"] for one in told(ear)] == [[point.id]]
    metering.watch_offline(site.database)  # silent since the 2nd of March
    assert [one["service_points"] for one in told(ear)] == [[point.id]]


def test_a_whole_estate_is_announced_in_payloads_that_postgresql_takes(site, ear):
    points = range(2_000_000_000, 2_000_001_201)
    with site.work() as work:
        use.announce(work, site.site_id, points)
        use.announce(work, site.site_id, [])
    found = told(ear)
    assert len(found) == 3
    assert sorted(point for one in found for point in one["service_points"]) == list(points)
