"""Meter events and firmware over HTTP: filters, pages, other organizations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from demeter import headend
from demeter.runtime.database import Database, Scope
from demeter.sdk import EventValue, MeterEvent, MeterEventKind
from tests.integration.api.make import Society

AT = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
LOG = "0.0.99.98.2.255"


@pytest.fixture
def noted(database: Database, society: Society) -> Society:
    voltage = EventValue("1.0.12.7.0.255", 2301, -1, "V")
    failed = MeterEvent(LOG, AT, 101, MeterEventKind.OCCURRENCE, "power", "Power failure", 102, values=(voltage,))
    restored = MeterEvent(LOG, AT + timedelta(minutes=7), 102, MeterEventKind.RESTORATION, "power", "Power back", 101)
    magnet = MeterEvent(
        "0.0.99.98.4.255", AT + timedelta(hours=1), 201, MeterEventKind.OCCURRENCE, "other", "Magnet", 202
    )
    with database.unit_of_work(Scope.system(society.organization_id, "test")) as work:
        headend.take_in(work, society.meter_id, [failed, restored, magnet], None, AT)
    return society


def codes(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [event["code"] for event in answer.json()["events"]]


def test_events_are_listed_newest_first_with_their_ends(admin: httpx.Client, noted: Society) -> None:
    answer = admin.get(f"/api/meters/{noted.meter_id}/events")
    assert codes(answer) == [201, 102, 101]
    magnet, _, failed = answer.json()["events"]
    assert (failed["until"], failed["open"]) == ("2026-11-20T06:37:00+00:00", False)
    assert failed["values"] == [{"obis": "1.0.12.7.0.255", "value": 2301, "scaler": -1, "unit": "V"}]
    assert (magnet["until"], magnet["open"]) == (None, True)
    assert codes(admin.get(f"/api/sites/{noted.site_id}/events")) == [201, 102, 101]


def test_events_are_filtered_and_paged(admin: httpx.Client, noted: Society) -> None:
    place = f"/api/sites/{noted.site_id}/events"
    assert codes(admin.get(place, params={"open": "true"})) == [201]
    assert codes(admin.get(place, params={"group": "power", "kind": "occurrence"})) == [101]
    assert codes(admin.get(place, params={"since": "2026-11-20T12:05:00+05:30", "code": 102})) == [102]
    first = admin.get(place, params={"limit": 2})
    assert codes(first) == [201, 102]
    assert codes(admin.get(place, params={"before": first.json()["events"][-1]["id"]})) == [101]
    assert admin.get(place, params={"since": "2026-11-20T12:05:00"}).status_code == 422


def test_others_see_nothing_of_it(admin: httpx.Client, noted: Society, neighbours: Society, database: Database) -> None:
    with database.unit_of_work(Scope.system(neighbours.organization_id, "test")) as work:
        headend.keep_firmware(work, b"their firmware", "9.9")
    assert admin.get(f"/api/meters/{neighbours.meter_id}/events").status_code == 404
    assert admin.get(f"/api/sites/{neighbours.site_id}/events").status_code == 404
    assert admin.get("/api/firmware").json() == {"images": []}
    with database.unit_of_work(Scope.system(noted.organization_id, "test")) as work:
        kept = headend.keep_firmware(work, b"our firmware", "1.0")
    (image,) = admin.get("/api/firmware").json()["images"]
    assert (image["image"], image["version"], image["size"]) == (kept.sha256, "1.0", 12)
