"""What the API's tests need: a served application, organizations with a meter, and a way to sign in."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from demeter import estate, identity
from demeter.app.server import WebServer, create_app, web_server
from demeter.app.static_files import STATIC
from demeter.kernel import Commodity
from demeter.metering.api.access import OpensFrames
from demeter.runtime.database import Database, Scope

PASSWORD = "barley and poppies"
WRITE = {"X-Demeter": "1"}


@dataclass(frozen=True)
class Society:
    """One organization with one site, building, unit and water meter."""

    organization_id: int
    site_id: int
    service_point_id: int
    meter_id: int
    email: str


@dataclass(frozen=True)
class Serving:
    """The running server and where it answers."""

    server: WebServer
    address: str


@contextmanager
def serve(
    database: Database, static: Path = STATIC, frame_access: OpensFrames | None = None, **options: timedelta
) -> Iterator[Serving]:
    """Run the application on a free port until the context ends; it must then stop by itself."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = web_server(create_app(database, static=static, frame_access=frame_access, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield Serving(server, f"http://127.0.0.1:{listening.getsockname()[1]}")
    server.stop()
    thread.join(10)
    assert not thread.is_alive()


def found_society(database: Database, name: str) -> Society:
    """Create an organization with a site, a unit, its water meter and an administrator."""
    organization_id = identity.create_organization(database, name)
    email = f"admin@{name.lower()}.example"
    with database.unit_of_work(Scope.system(organization_id, "test")) as work:
        identity.create_user(work, email, f"Admin of {name}", "organization_administrator", PASSWORD)
        site_id = estate.create_site(work, f"{name} Gardens", "Asia/Kolkata")
        building_id = estate.create_building(work, site_id, "Tower A")
        unit_id = estate.create_unit(work, site_id, building_id, "A-1204")
        plan = estate.PointPlan(building_id, estate.PointRole.UNIT, Commodity.WATER, "A-1204", unit_id)
        point = estate.service_point(work, estate.create_service_point(work, site_id, plan))
        since = work.now() - timedelta(days=40)
        meter_id = estate.create_meter(
            work, site_id, estate.MeterPlan(f"{name}-W1", Commodity.WATER, "dlms", since, address="127.0.0.1:1")
        )
        estate.install(work, point, meter_id, since)
    return Society(organization_id, site_id, point.id, meter_id, email)


def sign_in(client: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    """Sign in as a page does."""
    return client.post("/api/session", json={"email": email, "password": password}, headers=WRITE)
