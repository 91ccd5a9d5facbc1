"""A meter exchange entered for last month: its multiplier counts, and the published month gets its next revision."""

import json
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from demeter import estate, metering
from demeter.estate import Exchange, MeterPlan
from demeter.kernel import Commodity, Conflict, Denied, Invalid, month_span
from demeter.metering.store import hand_off
from demeter.runtime.database import Scope
from tests.integration.metering import rig

MARCH = date(2026, 3, 1)


@pytest.fixture
def site(database):
    return rig.build(database)


@pytest.fixture
def span(site):
    return month_span(site.zone, 2026, 3)


@pytest.fixture
def shop(site, span):
    """A shop behind current transformers 40:1; 15 days of 96 x 100 Wh as the meter shows, published incomplete."""
    point = site.point("A-1204", Commodity.ELECTRICITY)
    old = site.meter(point, "OLD", span.start, opening="0")
    with site.work() as work:
        work.raw.execute("UPDATE estate.installation SET multiplier_num = 40")
    site.deliver(old, {rig.INDEX: rig.register(span.start, 0, np.full(15 * 96, 100))})
    publish(site)
    return point


def publish(site):
    metering.refresh(site.database)
    metering.watch_offline(site.database)
    site.clock.advance(timedelta(minutes=11))
    metering.watch_offline(site.database)


def march(site):
    with site.work() as work:
        return [json.loads(one.document) for one in hand_off.newest_statements(work, site.site_id, MARCH)]


def new_meter(site, span, commodity=Commodity.ELECTRICITY, serial="NEW"):
    with site.work() as work:
        return estate.create_meter(work, site.site_id, MeterPlan(serial, commodity, "dlms", span.start))


def exchange(site, point, scope=None, **changed):
    fields = {"closing_read": Decimal(144_000), "opening_read": Decimal(500), "reason": "burnt", "multiplier": None}
    with site.database.unit_of_work(scope or site.scope) as work:
        return metering.exchange_meter(work, point, Exchange(**{**fields, **changed}))


def test_the_new_meter_keeps_the_multiplier_and_the_month_becomes_revision_two(site, span, shop):
    (before,) = march(site)
    at = span.start + timedelta(days=15)
    assert (before["revision"], before["amount"], "meter_exchange" in before["flags"]) == (1, 15 * 96 * 100 * 40, False)
    new = new_meter(site, span)
    exchange(site, shop, at=at, new_meter_id=new)
    publish(site)
    (entered,) = march(site)
    assert (entered["revision"], entered["flags"].count("meter_exchange")) == (2, 1)
    assert [part["multiplier"] for part in entered["parts"]] == ["40", "40"]
    site.deliver(new, {rig.INDEX: rig.register(at, 500, np.full(16 * 96, 10))})
    publish(site)
    (after,) = march(site)
    assert (after["revision"], after["amount"]) == (3, (15 * 96 * 100 + 16 * 96 * 10) * 40)


def test_a_new_multiplier_counts_from_the_exchange_on(site, span, shop):
    at, new = span.start + timedelta(days=15), new_meter(site, span)
    exchange(site, shop, at=at, new_meter_id=new, multiplier=(25, 2))
    site.deliver(new, {rig.INDEX: rig.register(at, 500, np.full(16 * 96, 10))})
    publish(site)
    (after,) = march(site)
    assert Decimal(after["amount"]).scaleb(after["scaler"]) == 15 * 96 * 100 * 40 + 16 * 96 * 125
    with site.work() as work:
        (told,) = work.raw.execute("SELECT detail FROM runtime.audit WHERE action = 'meter.exchange'").fetchone()
    told = json.loads(told)
    assert (told["multiplier"], told["reason"]) == ("25/2", "burnt")


def test_what_cannot_be_an_exchange_is_refused_and_changes_nothing(site, span, shop):
    at, new = span.start + timedelta(days=15), new_meter(site, span)
    water = new_meter(site, span, Commodity.WATER, "W")
    with pytest.raises(Invalid, match="is a water meter"):
        exchange(site, shop, at=at, new_meter_id=water)
    with pytest.raises(Invalid, match="has not happened yet"):
        exchange(site, shop, at=site.clock.now() + timedelta(hours=1), new_meter_id=new)
    with pytest.raises(Invalid, match="multiplier"):
        exchange(site, shop, at=at, new_meter_id=new, multiplier=(0, 1))
    with pytest.raises(Conflict, match="no meter was installed"):
        exchange(site, shop, at=span.start - timedelta(days=1), new_meter_id=new)
    with pytest.raises(Denied):
        exchange(site, shop, Scope(1, "user:7", frozenset({"metering.read"})), at=at, new_meter_id=new)
    with site.work() as work:
        (only,) = estate.installations_at(work, shop.id)
    assert only.ends_at is None
