"""Who gets in: every route, other organizations, roles, writes from elsewhere, the shape of refusals, headers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from demeter import identity
from demeter.app.description import as_text, describe
from demeter.app.server import create_app
from demeter.identity.api import Authorization
from demeter.runtime.database import Database, Scope
from tests.integration.api.make import PASSWORD, WRITE, Society, sign_in

ROOT = Path(__file__).parents[3]
PUBLIC = {
    ("POST", "/api/session"),
    ("DELETE", "/api/session"),
    ("GET", "/api/health"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/docs"),
    ("GET", "/api/docs/start.js"),
    ("GET", "/metrics"),  # the machine itself only
    ("GET", "/{path:path}"),  # the UI's files
    ("HEAD", "/{path:path}"),
}


def routes() -> list[RouteContext]:
    found = list(iter_route_contexts(create_app(Database("postgresql://")).routes))
    assert len(found) > 15
    return found


def authorizations(dependant: Dependant) -> list[Authorization]:
    own = [dependant.call] if isinstance(dependant.call, Authorization) else []
    return own + [found for inner in dependant.dependencies for found in authorizations(inner)]


def test_every_route_but_the_named_public_ones_needs_a_session():
    unguarded = {
        (method, route.path) for route in routes() for method in route.methods if not authorizations(route.dependant)
    }
    assert unguarded == PUBLIC


def test_every_guarded_route_says_401_when_asked_without_a_session(visitor: httpx.Client):
    for route in routes():
        for method in route.methods:
            if (method, route.path) not in PUBLIC:
                path = re.sub(r"\{[^}]+\}", "1", route.path)
                answer = visitor.request(method, path, headers=WRITE, params={"site": 1})
                assert (answer.status_code, answer.json()["code"]) == (401, "no_session"), path


def test_every_permission_a_route_asks_for_is_granted_to_some_role():
    granted = frozenset().union(*identity.PERMISSIONS.values())
    asked = {found.permission for route in routes() for found in authorizations(route.dependant)} - {""}
    assert asked <= granted


OF_SOMEBODY = (
    "/api/sites/{site_id}/units",
    "/api/sites/{site_id}/meters",
    "/api/sites/{site_id}/reconciliation",
    "/api/sites/{site_id}/usage",
    "/api/service-points/{service_point_id}",
    "/api/service-points/{service_point_id}/days",
    "/api/service-points/{service_point_id}/months",
    "/api/service-points/{service_point_id}/explain",
    "/api/service-points/{service_point_id}/intervals?start=2025-01-01T00:00:00Z&end=2025-01-02T00:00:00Z",
    "/api/stream?site={site_id}",
)


def test_another_organizations_things_do_not_exist(admin: httpx.Client, neighbours: Society):
    ids = {"site_id": neighbours.site_id, "service_point_id": neighbours.service_point_id}
    for path in OF_SOMEBODY:
        answer = admin.get(path.format(**ids))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_another_organizations_meter_cannot_be_read_nor_its_register_entered(admin: httpx.Client, neighbours: Society):
    body = {"at": "2025-01-01T00:00:00Z", "register": "1"}
    read = admin.post(f"/api/meters/{neighbours.meter_id}/read", headers=WRITE)
    entered = admin.post(f"/api/service-points/{neighbours.service_point_id}/self-reads", json=body, headers=WRITE)
    assert (read.status_code, entered.status_code) == (404, 404)


def test_each_organization_lists_its_own_sites_only(admin: httpx.Client, society: Society, neighbours: Society):
    assert admin.get("/api/sites").json() == {
        "sites": [
            {
                "id": str(society.site_id),
                "name": "Ceres Gardens",
                "zone": "Asia/Kolkata",
                "currency": "INR",
                "locale": "en-IN",
            }
        ]
    }


@pytest.mark.parametrize("headers", [{}, {"X-Demeter": "0"}])
def test_a_write_without_our_header_is_refused_before_anything_happens(
    admin: httpx.Client, society: Society, headers: dict[str, str]
):
    answer = admin.post(f"/api/meters/{society.meter_id}/read", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_header")
    assert admin.delete("/api/session", headers=headers).status_code == 403
    assert admin.get("/api/session").status_code == 200


def test_no_other_site_is_told_it_may_ask(visitor: httpx.Client):
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    answer = visitor.options("/api/session", headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_role_without_the_permission_is_denied_by_name(visitor: httpx.Client, database: Database, society: Society):
    with database.unit_of_work(Scope.system(society.organization_id, "test")) as work:
        identity.create_user(work, "audit@ceres.example", "Auditor", "auditor", PASSWORD)
        identity.create_user(work, "home@ceres.example", "Resident", "resident", PASSWORD)
    sign_in(visitor, "audit@ceres.example")
    assert visitor.get("/api/sites").status_code == 200
    answer = visitor.post(f"/api/meters/{society.meter_id}/read", headers=WRITE)
    assert (answer.status_code, answer.json()["code"]) == (403, "denied")
    assert "headend.command" in answer.json()["message"]
    sign_in(visitor, "home@ceres.example")
    assert visitor.get("/api/sites").status_code == 403


REFUSED = (
    ("GET", "/api/nothing", 404, "not_found"),
    ("GET", "/api/sites/abc/units", 422, "bad_request"),
    ("GET", "/api/sites/0/units", 422, "bad_request"),
    ("GET", "/api/sites/99999999999/units", 422, "bad_request"),
    ("GET", "/api/sites/1/units?month=2025-13", 422, "bad_request"),
    ("GET", "/api/sites/1/units?month=0000-01", 422, "bad_request"),
    ("POST", "/api/session", 422, "bad_request"),
    ("PUT", "/api/session", 405, "http_405"),
)


def test_every_refusal_is_a_problem_with_code_message_and_hint(admin: httpx.Client):
    for method, path, status, code in REFUSED:
        answer = admin.request(method, path, headers=WRITE)
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) == {"code", "message", "hint"}
        assert (answer.status_code, answer.json()["code"]) == (status, code), path


def test_a_refused_password_is_not_repeated_in_the_answer(visitor: httpx.Client):
    body = {"email": "a@example.org", "password": "secret" * 1000}
    answer = visitor.post("/api/session", json=body, headers=WRITE)
    assert answer.status_code == 422
    assert "secret" not in answer.text


def test_a_body_beyond_a_mebibyte_or_of_untold_length_is_refused(visitor: httpx.Client):
    large = visitor.post("/api/session", content=b"x" * (1 << 20) + b"x", headers=WRITE)
    untold = visitor.post("/api/session", content=iter([b"{}"]), headers=WRITE)
    assert (large.status_code, untold.status_code) == (413, 413)
    assert large.json()["code"] == "too_large"


def test_every_answer_forbids_foreign_scripts_frames_and_guessing(visitor: httpx.Client):
    for path in ("/", "/units", "/api/health", "/api/nothing", "/api/docs"):
        headers = visitor.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "script-src 'self';" in headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_answers_with_data_are_not_kept_by_any_cache(admin: httpx.Client):
    assert admin.get("/api/sites").headers["cache-control"] == "no-store"


def test_the_committed_description_is_the_one_the_server_gives(visitor: httpx.Client):
    given = visitor.get("/api/openapi.json").json()
    committed = (ROOT / "ui" / "openapi.json").read_text(encoding="utf-8")
    assert committed == as_text(describe(create_app(Database("postgresql://")))), "run: make openapi"
    assert json.loads(committed) == given


def test_health_tells_version_and_database(visitor: httpx.Client):
    answer = visitor.get("/api/health").json()
    assert answer["healthy"] is True
    assert answer["database"] == "answers"


def test_metrics_answer_the_machine_itself_only(visitor: httpx.Client):
    visitor.get("/api/sites/17/units")
    text = visitor.get("/metrics").text
    assert 'demeter_http_answer_seconds_count{method="GET",route="/api/sites/{site_id}/units",status="4xx"}' in text
    assert "/api/sites/17" not in text
    assert visitor.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 404
