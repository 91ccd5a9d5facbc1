"""What the database itself refuses: two meters at one place, a meter at two, readings of a meter of another site."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest

from demeter import estate, identity
from demeter.kernel import Commodity, Conflict, DemeterError
from demeter.runtime.database import Database, Scope, UnitOfWork
from demeter.runtime.secrets import MasterKey, SecretBox

START = datetime(2026, 10, 1, tzinfo=UTC)


def two_meters(database: Database) -> tuple[Scope, estate.ServicePoint, list[int]]:
    """An organization with one flat and two electricity meters on the shelf."""
    scope = Scope.system(identity.create_organization(database, "Palm Court"), "test")
    with database.unit_of_work(scope) as work:
        site = estate.create_site(work, "Palm Court", "Asia/Kolkata")
        tower = estate.create_building(work, site, "Tower A")
        unit = estate.create_unit(work, site, tower, "A-1204")
        plan = estate.PointPlan(tower, estate.PointRole.UNIT, Commodity.ELECTRICITY, "A-1204", unit)
        point = estate.service_point(work, estate.create_service_point(work, site, plan))
        made = [
            estate.create_meter(work, site, estate.MeterPlan(serial, Commodity.ELECTRICITY, "dlms", START))
            for serial in ("E1", "E2")
        ]
    return scope, point, made


def in_turn(database: Database, scope: Scope, act: Callable[[UnitOfWork], object]) -> list[str]:
    """Let two units of work do the same at the same time; return what became of the second."""
    told: list[str] = []

    def second() -> None:
        try:
            with database.unit_of_work(scope) as work:
                act(work)
            told.append("done")
        except DemeterError as error:
            told.append(type(error).__name__)

    with database.unit_of_work(scope) as work:
        act(work)
        other = threading.Thread(target=second)
        other.start()
        other.join(0.5)  # it cannot finish before this one commits
    other.join(20)
    return told


def test_two_meters_installed_at_the_same_moment_do_not_share_a_service_point(database: Database) -> None:
    scope, point, meters = two_meters(database)
    given = iter(meters)
    assert in_turn(database, scope, lambda work: estate.install(work, point, next(given), START)) == ["Conflict"]


def test_a_meter_installed_twice_at_the_same_moment_is_at_one_place(database: Database) -> None:
    scope, point, meters = two_meters(database)
    with database.unit_of_work(scope) as work:
        plan = estate.PointPlan(point.building_id, estate.PointRole.COMMON, Commodity.ELECTRICITY, "Lift")
        other = estate.service_point(work, estate.create_service_point(work, point.site_id, plan))
    points = iter([point, other])
    assert in_turn(database, scope, lambda work: estate.install(work, next(points), meters[0], START)) == ["Conflict"]


def test_what_is_there_already_is_a_conflict_in_words(database: Database) -> None:
    scope, point, _ = two_meters(database)
    plan = estate.PointPlan(point.building_id, point.role, point.commodity, point.label, point.unit_id)
    attempts = (
        lambda work: estate.create_building(work, point.site_id, "Tower A"),
        lambda work: estate.create_unit(work, point.site_id, point.building_id, "A-1204"),
        lambda work: estate.create_service_point(work, point.site_id, plan),
    )
    for attempt in attempts:
        with pytest.raises(Conflict, match="already"), database.unit_of_work(scope) as work:
            attempt(work)


OF_A_METER = {
    "readings.channel": {"obis": "1.0.1.8.0.255", "kind": "register", "unit": "Wh", "scaler": 0, "interval_s": 900},
    "headend.meter_state": {},
    "headend.profile_state": {"profile": "block", "period_s": 900},
    "headend.read_day": {"day": START, "received": 1},
    "headend.session_log": {
        "purpose": "due",
        "started_at": START,
        "ended_at": START,
        "outcome": "ok",
        "detail": "",
        "rows": 0,
        "frames": 0,
    },
    "headend.read_request": {"requested_by": "x", "created_at": START, "expires_at": START},
}


@pytest.mark.parametrize("table", OF_A_METER)
def test_nothing_can_speak_of_a_meter_at_a_site_it_is_not_of(database: Database, table: str) -> None:
    def put(work: UnitOfWork, site_id: int) -> None:
        row = {"site_id": site_id, "meter_id": meters[0], **OF_A_METER[table]}
        marks = ", ".join(["%s"] * len(row))
        work.raw.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))

    scope, point, meters = two_meters(database)
    with database.unit_of_work(scope) as work:
        elsewhere = estate.create_site(work, "Elsewhere", "Asia/Kolkata")
        put(work, point.site_id)
    with pytest.raises(psycopg.errors.ForeignKeyViolation), database.unit_of_work(scope) as work:
        put(work, elsewhere)


def test_a_secret_sealed_twice_at_the_same_moment_gets_two_versions(database: Database) -> None:
    scope, _, _ = two_meters(database)
    box = SecretBox(MasterKey(b"a" * 32))
    assert in_turn(database, scope, lambda work: box.seal(work, "meter:1", "password", b"x")) == ["done"]
    with database.unit_of_work(scope) as work:
        assert box.newest_versions(work, "meter:", "password") == {"meter:1": 2}
