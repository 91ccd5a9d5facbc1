"""The hand-off to billing names whose statement is missing, and never hands over a document that was altered."""

import csv
import io
import json
from datetime import date, timedelta

import pytest

from demeter import metering
from demeter.kernel import Commodity, month_span
from demeter.runtime.database import Role
from tests.integration.metering import rig

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


@pytest.fixture
def site(database):
    """A-1 is complete, A-2 has one day so far, A-3 was never read, A-4 got its meter in April."""
    site = rig.build(database)
    span = month_span(site.zone, 2026, 3)
    site.clock.advance(span.end + timedelta(hours=1) - site.clock.now())
    for label, days in (("A-1", 31), ("A-2", 1), ("A-3", 0)):
        meter_id = site.meter(site.point(label, Commodity.ELECTRICITY), label, span.start)
        if days:
            site.deliver(meter_id, {rig.ENERGY: rig.quarters(span.start, [10] * 96 * days)})
    site.meter(site.point("A-4", Commodity.ELECTRICITY), "A-4", span.end)
    metering.refresh(site.database)
    return site


def usage(site, month=MARCH):
    with site.work() as work:
        return metering.usage(work, site.site_id, month)


def missing(found):
    return {one.point.label: one.reason.value for one in found.missing}


def test_service_points_without_a_statement_are_named_with_why(site):
    found = usage(site)
    assert [document["service_point"] for document in found.documents] == ["A-1"]
    assert missing(found) == {"A-2": "not_published", "A-3": "not_computed"}
    content = json.loads(metering.usage_json(found))
    assert [(one["service_point"], one["reason"]) for one in content["missing"]] == [
        ("A-2", "not_published"),
        ("A-3", "not_computed"),
    ]
    assert [row["service_point"] for row in csv.DictReader(io.StringIO(metering.usage_csv(found)))] == ["A-1"]


def test_nothing_of_a_running_month_is_ready(site):
    assert missing(usage(site, APRIL)) == dict.fromkeys(("A-1", "A-2", "A-3", "A-4"), "running")


def test_once_everything_is_published_nothing_is_missing(site):
    for pause in (timedelta(days=2), timedelta(minutes=11), timedelta(0)):
        metering.watch_offline(site.database)
        site.clock.advance(pause)
    found = usage(site)
    assert (len(found.documents), missing(found)) == (3, {})


@pytest.mark.parametrize(
    "change",
    [
        "document = replace(document, '\"amount\":29760', '\"amount\":29761')",
        "document = '{'",
        "content_hash = repeat('0', 64)",
    ],
)
def test_an_altered_document_is_not_handed_over(site, change):
    with site.database.connect(Role.OWNER) as connection:
        connection.execute(f"UPDATE metering.statement SET {change}")
    found = usage(site)
    assert (list(found.documents), missing(found)["A-1"]) == ([], "altered")
