"""Walking the router: an id of another organization and an id of nobody get the same answer, on every route."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi.routing import RouteContext, iter_route_contexts

from demeter import headend
from demeter.app.server import create_app
from demeter.runtime.database import Database, Scope
from demeter.sdk import OperationKind
from tests.integration.api.make import WRITE, Society

NOBODYS = 2_000_000_000
IDS = ("site_id", "service_point_id", "meter_id")
OF_PATH = {name: name for name in (*IDS, "command_id")}
OF_QUERY = {"site": "site_id"}
QUERY = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-02T00:00:00Z"}
BODIES = {"self_read": {"at": "2025-01-01T00:00:00Z", "register": "1"}, "request_command": {"kind": "disconnect"}}
HEADERS = {**WRITE, "Idempotency-Key": "walk-0001"}


def routes_with_ids() -> list[tuple[str, RouteContext]]:
    found = []
    for route in iter_route_contexts(create_app(Database("postgresql://")).routes):
        parameters = {p.name for p in route.dependant.path_params} | {
            p.alias for p in route.dependant.query_params if p.alias in OF_QUERY
        }
        if route.path.startswith("/api/") and parameters:
            found += [(method, route) for method in sorted(route.methods)]
    return found


def asked(method: str, route: RouteContext, ids: dict[str, int]) -> tuple[str, str, dict[str, object]]:
    path = route.path
    for name in re.findall(r"\{(\w+)\}", route.path):
        path = path.replace(f"{{{name}}}", str(ids[OF_PATH[name]]))
    query = {p.alias: QUERY.get(p.alias) for p in route.dependant.query_params if p.alias in QUERY}
    query |= {name: ids[of] for name, of in OF_QUERY.items() if name in {p.alias for p in route.dependant.query_params}}
    return method, path, {"params": query, "json": BODIES.get(route.operation_id), "headers": HEADERS}


def ids_of(database: Database, society: Society) -> dict[str, int]:
    with database.unit_of_work(Scope.system(society.organization_id, "test")) as work:
        asked = headend.request_command(work, society.meter_id, headend.Order(OperationKind.SET_CLOCK))
    return {**{name: getattr(society, name) for name in IDS}, "command_id": asked.id}


@pytest.fixture
def theirs(database: Database, neighbours: Society) -> dict[str, int]:
    return ids_of(database, neighbours)


def answers(client: httpx.Client, ids: dict[str, int]) -> Iterator[tuple[str, int, dict[str, str]]]:
    for method, route in routes_with_ids():
        verb, path, rest = asked(method, route, ids)
        answer = client.request(verb, path, **rest)
        yield f"{verb} {route.path}", answer.status_code, answer.json()


def test_ids_of_others_are_answered_as_ids_of_nobody(admin: httpx.Client, theirs: dict[str, int]) -> None:
    nobodys = dict.fromkeys(theirs, NOBODYS)
    assert len(routes_with_ids()) >= 11
    for (route, status, given), (_, absent, expected) in zip(
        answers(admin, theirs), answers(admin, nobodys), strict=True
    ):
        assert (route, status, absent) == (route, 404, 404)
        named = {key: re.sub(r"\d+", "#", text) for key, text in given.items()}
        assert named == {key: re.sub(r"\d+", "#", text) for key, text in expected.items()}, route
        assert given["code"] == "not_found", route


def test_own_ids_are_answered_so_the_walk_can_fail(admin: httpx.Client, society: Society, database: Database) -> None:
    own = ids_of(database, society)
    for method, route in routes_with_ids():
        if method == "GET" and route.operation_id != "stream":
            verb, path, rest = asked(method, route, own)
            answer = admin.request(verb, path, **rest)
            assert answer.status_code in {200, 503}, (path, answer.text)  # 503: this server was given no keys
