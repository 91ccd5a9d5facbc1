"""From frames that were delivered to what the pages and billing are sent: a month of a small site, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pytest

from demeter import estate, identity, metering
from demeter.estate import MANUAL, PointRole, ServicePoint
from demeter.kernel import Commodity, Span, month_span
from demeter.metering.api.access import FrameAccess
from demeter.runtime.database import Database, UnitOfWork
from demeter.sdk import Credentials
from tests.integration.api.make import PASSWORD, WRITE, serve, sign_in
from tests.integration.metering import rig

MONTH = "2026-03"


@dataclass(frozen=True)
class Tower:
    """A-1204 electricity with 312 kWh in March and a gap; B-0101 water read by hand; signed in."""

    client: httpx.Client
    site: rig.Site
    span: Span
    flat: ServicePoint
    legacy: ServicePoint

    def get(self, path: str, **query: str) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def at(self, point: ServicePoint, path: str = "", **query: str) -> Any:
        return self.get(f"/api/service-points/{point.id}{path}", **query)

    def self_read(self, point: ServicePoint, days: int, register: str, note: str = "") -> httpx.Response:
        body = {"at": (self.span.start + timedelta(days=days)).isoformat(), "register": register, "note": note}
        return self.client.post(f"/api/service-points/{point.id}/self-reads", json=body, headers=WRITE)


def rows_decoded(work: UnitOfWork) -> FrameAccess:
    decoders = {decoder.codec: decoder for decoder in (rig.RowDecoder(), metering.SelfReadDecoder())}
    return FrameAccess(decoders, lambda _organization_id, _meter_id: Credentials({}))


@pytest.fixture
def tower(database: Database) -> Iterator[Tower]:
    site = rig.build(database)
    span = month_span(site.zone, 2026, 3)
    flat = site.point("A-1204", Commodity.ELECTRICITY)
    meter_id = site.meter(flat, "E1", span.start - timedelta(days=1))
    amounts = np.full(31 * 96, 104)
    amounts[: 312_000 - 104 * 31 * 96] += 1
    days = [span.start + timedelta(days=day) for day in range(31)]
    site.deliver(
        meter_id, *({rig.ENERGY: rig.quarters(day, a)} for day, a in zip(days, amounts.reshape(31, 96), strict=True))
    )
    legacy = site.point("B-0101", Commodity.WATER)
    site.meter(legacy, "HAND-1", span.start - timedelta(days=1), protocol=MANUAL, opening="100000")
    with site.work() as work:
        identity.create_user(work, "operator@lakeview.example", "Operator", "operator", PASSWORD)
    metering.refresh(database)
    with serve(database, frame_access=rows_decoded) as serving, httpx.Client(base_url=serving.address) as client:
        assert sign_in(client, "operator@lakeview.example").status_code == 200
        yield Tower(client, site, span, flat, legacy)


def test_the_units_page_says_what_was_used_and_where_the_reading_goes(tower: Tower):
    page = tower.get(f"/api/sites/{tower.site.site_id}/units", month=MONTH)
    assert (page["month"], page["zone"], page["complete"]) == (MONTH, "Asia/Kolkata", True)
    flat = next(row for row in page["rows"] if row["unit"] == "A-1204")
    assert (flat["consumption"], flat["consumption_unit"], flat["coverage"]) == ("312.000", "kWh", 1.0)
    assert flat["quality"] == {"measured": {"amount": "312.000", "slots": 2976}}
    assert flat["flag"]["code"] == "normal"
    assert flat["goes_to"][0]["to"] == "billing"
    assert flat["revision"] == 1
    assert flat["last_read_at"] == tower.span.end.isoformat()
    legacy = next(row for row in page["rows"] if row["unit"] == "B-0101")
    assert (legacy["consumption"], legacy["flag"]["code"]) == (None, "no_readings")
    assert (page["summary"]["units"], page["summary"]["no_readings"], page["summary"]["partial"]) == (2, 1, 0)


def test_the_unit_page_shows_total_meters_and_channels(tower: Tower):
    page = tower.at(tower.flat, month=MONTH)
    assert page["service_point"]["unit"] == "A-1204"
    assert page["total"]["consumption"] == "312.000"
    assert page["meters"][0]["from"] == (tower.span.start - timedelta(days=1)).isoformat()
    assert page["meters"][0]["to"] is None
    assert [flag["code"] for flag in page["flags"]] == ["normal"]
    assert page["channels"][0] == {
        "id": page["channels"][0]["id"],
        "meter_id": page["meters"][0]["id"],
        "code": "1.0.1.29.0.255",
        "kind": "interval",
        "unit": "Wh",
        "scaler": 0,
        "interval_s": 900,
    }


def test_intervals_add_up_to_the_month_and_a_gap_is_null(tower: Tower):
    start, end = tower.span.start.isoformat(), (tower.span.end + timedelta(hours=1)).isoformat()
    series = tower.at(tower.flat, "/intervals", start=start, end=end)
    assert (series["start_s"], series["interval_s"]) == (int(tower.span.start.timestamp()), 900)
    assert series["values"][-4:] == [None] * 4
    assert series["quality"][-4:] == [0] * 4
    exact = sum(value for value in series["values"] if value is not None) * Decimal(10) ** (series["scaler"] - 3)
    assert exact == Decimal("312.000")


def test_days_and_months_add_up(tower: Tower):
    days = tower.at(tower.flat, "/days", month=MONTH)
    assert (days["unit"], len(days["days"])) == ("kWh", 31)
    assert sum(Decimal(day["consumption"]) for day in days["days"]) == Decimal("312.000")
    months = tower.at(tower.flat, "/months")["months"]
    assert [(m["month"], m["consumption"]) for m in months if m["consumption"]] == [(MONTH, "312.000")]


def test_usage_statements_are_sent_as_they_were_published(tower: Tower):
    answer = tower.get(f"/api/sites/{tower.site.site_id}/usage", month=MONTH)
    with tower.site.work() as work:
        found = metering.usage(work, tower.site.site_id, date(2026, 3, 1))
    assert (answer["month"], answer["statements"]) == (MONTH, list(found.documents))
    (missing,) = answer["missing"]
    assert (missing["service_point"], missing["commodity"], missing["reason"]) == ("B-0101", "water", "not_computed")
    assert [statement["schema"] for statement in answer["statements"]] == ["usage/1"]


def test_a_month_is_proved_from_its_raw_frames(tower: Tower):
    proof = tower.at(tower.flat, "/explain", month=MONTH)
    assert (proof["state"], proof["matches"], proof["differences"]) == ("matches", True, [])
    assert (proof["consumption"], proof["rederived"]) == ("312.000", "312.000")
    assert len(proof["frames"]) == 31
    assert all(len(frame["sha256"]) == 64 for frame in proof["frames"])
    assert all(day["matches"] and day["frames"] for day in proof["days"])


def test_self_reads_become_a_months_number_after_they_were_committed(tower: Tower):
    for days, register, note in ((0, "101.5", "first"), (31, "115.75", "last")):
        answer = tower.self_read(tower.legacy, days, register, note)
        assert (answer.status_code, answer.json()["outcome"]) == (200, "accepted"), answer.text
    metering.refresh(tower.site.database)
    page = tower.get(f"/api/sites/{tower.site.site_id}/units", month=MONTH)
    legacy = next(row for row in page["rows"] if row["unit"] == "B-0101")
    assert (Decimal(legacy["consumption"]), legacy["flag"]["code"]) == (Decimal("14.25"), "self_read")
    assert tower.at(tower.legacy, "/explain", month=MONTH)["matches"] is True


def test_an_implausible_self_read_is_answered_with_the_reason(tower: Tower):
    assert tower.self_read(tower.legacy, 2, "101.5").json()["outcome"] == "accepted"
    answer = tower.self_read(tower.legacy, 3, "101.4").json()
    assert answer["outcome"] == "rejected"
    assert "lower" in answer["reason"]


def test_a_self_read_of_a_meter_that_reads_itself_is_a_conflict(tower: Tower):
    with tower.site.work() as work:
        (meter,) = [meter for meter in estate.meters(work, tower.site.site_id) if meter.serial == "E1"]
    tower.site.deliver(meter.id, {rig.INDEX: rig.register(tower.span.start, 100_000, [104] * 4)})
    answer = tower.self_read(tower.flat, 0, "101.4")
    assert (answer.status_code, answer.json()["code"]) == (409, "meter_reads_itself")
    assert answer.json()["hint"]


def test_a_register_that_is_no_plain_decimal_is_refused(tower: Tower):
    wrong = [(register, "") for register in ("-1", "1e3", "", "12,5", "1.1234567", "9" * 13, "Infinity")]
    for register, note in [*wrong, ("101.5", "a note with a NUL \0")]:
        answer = tower.self_read(tower.legacy, 2, register, note)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_request"), register


def test_a_time_without_a_zone_is_refused(tower: Tower):
    body = {"at": "2026-03-02T00:00:00", "register": "1"}
    answer = tower.client.post(f"/api/service-points/{tower.legacy.id}/self-reads", json=body, headers=WRITE)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
    path = f"/api/service-points/{tower.flat.id}/intervals"
    assert tower.client.get(path, params={"start": "2026-03-02", "end": "2026-03-03"}).status_code == 422


def test_times_no_calendar_reaches_are_refused(tower: Tower):
    path = f"/api/service-points/{tower.flat.id}/intervals"
    for start, end in (("0001-01-01", "0001-01-02"), ("9999-12-30", "9999-12-31"), ("1969-12-31", "1970-01-01")):
        span = {"start": f"{start}T00:00:00Z", "end": f"{end}T00:00:00-11:00"}
        assert tower.client.get(path, params=span).json()["code"] == "bad_request"
    body = {"at": "0001-01-01T00:00:00+14:00", "register": "1"}
    answer = tower.client.post(f"/api/service-points/{tower.legacy.id}/self-reads", json=body, headers=WRITE)
    assert answer.json()["code"] == "bad_request"
    for month in ("1970-01", "2199-12"):
        assert tower.at(tower.flat, month=month)["total"]["consumption"] is None
        assert tower.get(f"/api/sites/{tower.site.site_id}/units", month=month)["rows"]
        assert tower.client.get(f"/api/service-points/{tower.flat.id}/days", params={"month": month}).status_code == 200
        assert tower.at(tower.flat, "/explain", month=month)["consumption"] is None


def test_a_span_beyond_400_days_or_of_nothing_is_refused(tower: Tower):
    path = f"/api/service-points/{tower.flat.id}/intervals"
    for end in ("2026-03-02T00:00:00Z", "2029-03-02T00:00:00Z"):
        answer = tower.client.get(path, params={"start": "2026-03-02T00:00:00Z", "end": end})
        assert (answer.status_code, answer.json()["code"]) == (422, "span")


def test_the_reconciliation_of_a_tower_is_sent_with_its_shares(tower: Tower):
    site = tower.site
    bulk = site.point("Tower A bulk", Commodity.ELECTRICITY, PointRole.BULK)
    common = site.point("Tower A lift", Commodity.ELECTRICITY, PointRole.COMMON)
    for point, serial, amount in ((bulk, "BULK", 130), (common, "LIFT", 20)):
        meter_id = site.meter(point, serial, tower.span.start - timedelta(days=1))
        site.deliver(meter_id, {rig.ENERGY: rig.quarters(tower.span.start, [amount] * 31 * 96)})
    metering.refresh(site.database)
    answer = tower.get(f"/api/sites/{site.site_id}/reconciliation", month=MONTH)
    (row,) = [row for row in answer["rows"] if row["commodity"] == "electricity"]
    assert (row["bulk"], row["units"], row["common"]) == ("386.880", "312.000", "59.520")
    assert row["loss"] == "15.360"
    assert (row["verdict"], row["verdict_code"], row["attention"]) == ("technical loss", "technical_loss", False)
    assert (row["by_self_read"], row["self_read_points"]) == (None, [])
    assert sum(Decimal(share["amount"]) for share in row["shares"]) == Decimal("59.520")
