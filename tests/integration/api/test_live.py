"""Live readings: from NOTIFY in the database to an event in a browser."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

import httpx
import pytest

from demeter.app import live
from demeter.metering.store import use
from demeter.runtime.database import Database, Role, Scope
from tests.integration.api.make import Serving, Society

AT = "2025-01-01T00:15:00+00:00"


def notify(database: Database, society: Society, *, at: str = AT, meter_id: int | None = None) -> None:
    payload = {
        "organization": society.organization_id,
        "site": society.site_id,
        "meter": meter_id or society.meter_id,
        "at": at,
    }
    with database.connect(Role.INGEST, autocommit=True) as connection:
        connection.execute("SELECT pg_notify('demeter_readings', %s)", (json.dumps(payload),))


@contextmanager
def listening(client: httpx.Client, site_id: int) -> Iterator[Queue[tuple[str, dict[str, str]]]]:
    """Collect a stream's events in a thread, as a browser's EventSource does."""
    events: Queue[tuple[str, dict[str, str]]] = Queue()
    with client.stream("GET", "/api/stream", params={"site": site_id}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"
        thread = threading.Thread(target=collect, args=(lines, events), daemon=True)
        thread.start()
        yield events


def collect(lines: Iterator[str], events: Queue[tuple[str, dict[str, str]]]) -> None:
    name = ""
    try:
        for line in lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.put((name, json.loads(line.removeprefix("data: "))))
    except httpx.HTTPError:
        pass
    events.put(("end", {}))


def ready(serving: Serving) -> None:
    assert serving.server.config.app.state.live.listening.wait(10)


def test_a_committed_reading_arrives_with_its_service_point(
    admin: httpx.Client, serving: Serving, database: Database, society: Society
):
    ready(serving)
    with listening(admin, society.site_id) as events:
        notify(database, society)
        expected = {"meter_id": str(society.meter_id), "service_point_id": str(society.service_point_id), "at": AT}
        assert events.get(timeout=5) == ("reading", expected)


def test_other_organizations_and_garbage_are_not_sent(
    admin: httpx.Client, serving: Serving, database: Database, society: Society, neighbours: Society
):
    ready(serving)
    with listening(admin, society.site_id) as events:
        notify(database, neighbours)
        with database.connect(Role.INGEST, autocommit=True) as connection:
            for garbage in ("", "[]", '{"organization": "x"}', "null"):
                connection.execute("SELECT pg_notify('demeter_readings', %s)", (garbage,))
        notify(database, society)
        assert events.get(timeout=5)[1]["meter_id"] == str(society.meter_id)
        assert events.empty()


def test_after_the_database_dropped_the_listener_the_page_is_told_to_load_again(
    admin: httpx.Client, serving: Serving, database: Database, society: Society
):
    ready(serving)
    with listening(admin, society.site_id) as events:
        with database.connect(Role.OWNER, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
        assert events.get(timeout=10) == ("resync", {})
        notify(database, society)
        assert events.get(timeout=5)[0] == "reading"


def test_stopping_the_server_ends_open_streams_at_once(admin: httpx.Client, serving: Serving, society: Society):
    ready(serving)
    with listening(admin, society.site_id) as events:
        serving.server.stop()
        assert events.get(timeout=3)[0] == "end"


def test_a_stream_ends_soon_after_its_session_even_while_readings_come(
    admin: httpx.Client, serving: Serving, database: Database, society: Society, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.3)
    ready(serving)
    with listening(admin, society.site_id) as events:
        with database.connect(Role.OWNER, autocommit=True) as connection:
            connection.execute("DELETE FROM identity.session")
        received = []
        while not received or received[-1] != "end":
            notify(database, society)
            received.append(events.get(timeout=5)[0])
            assert len(received) < 1000


def test_service_points_computed_anew_are_told_when_that_is_committed(
    admin: httpx.Client, serving: Serving, database: Database, society: Society, neighbours: Society
):
    ready(serving)
    with listening(admin, society.site_id) as events:
        for one in (neighbours, society):
            with database.unit_of_work(Scope.system(one.organization_id, "test")) as work:
                use.announce(work, one.site_id, [one.service_point_id])
        assert events.get(timeout=5) == ("usage", {"service_point_ids": [str(society.service_point_id)]})
        with contextlib.suppress(RuntimeError), database.unit_of_work(Scope.system(1, "test")) as work:
            use.announce(work, society.site_id, [society.service_point_id])
            raise RuntimeError  # rolled back: nothing is told
        notify(database, society)
        assert events.get(timeout=5)[0] == "reading"


def test_a_stream_ends_soon_after_the_role_that_may_see_it(
    admin: httpx.Client, serving: Serving, database: Database, society: Society, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.3)
    ready(serving)
    with listening(admin, society.site_id) as events:
        with database.connect(Role.OWNER, autocommit=True) as connection:
            connection.execute("UPDATE identity.user_account SET role = 'resident' WHERE email = %s", (society.email,))
        received = []
        while not received or received[-1] != "end":
            notify(database, society)
            received.append(events.get(timeout=5)[0])
            assert len(received) < 1000


def test_a_full_house_is_answered_before_the_stream_begins(
    admin: httpx.Client, society: Society, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "MOST_CLIENTS", 0)
    answer = admin.get("/api/stream", params={"site": society.site_id})
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_streams")
