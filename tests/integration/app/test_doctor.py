"""The doctor's lines say what was found, and warn where something is amiss."""

from __future__ import annotations

import socket
import threading
import zoneinfo
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from demeter.app import doctor
from demeter.app.doctor import Finding, Verdict
from demeter.runtime.config import Settings
from demeter.runtime.database import Database
from tests.integration.api.make import serve


def line(settings: Settings, subject: str) -> Finding:
    return next(found for found in doctor.examine(settings) if found.subject == subject)


def at(port: int) -> Settings:
    return Settings(http_port=port, database_url="postgresql://u@127.0.0.1:1/none")


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def stranger() -> Iterator[int]:
    """A web server that is not Demeter."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>printer</html>")

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_free_port_is_well(port: int) -> None:
    assert line(at(port), "web address") == Finding("web address", Verdict.OK, f"127.0.0.1:{port} is free")


def test_a_port_another_program_has_is_a_warning_with_a_fix(stranger: int) -> None:
    found = line(at(stranger), "web address")
    assert (found.verdict, "another program" in found.detail, bool(found.fix)) == (Verdict.WARN, True, True)


def test_a_port_demeter_answers_at_is_well(database: Database) -> None:
    with serve(database) as serving:
        found = line(at(int(serving.address.rsplit(":", 1)[1])), "web address")
    assert (found.verdict, "Demeter answers" in found.detail) == (Verdict.OK, True)


def test_an_address_that_is_none_of_this_machine_fails() -> None:
    found = line(Settings(http_host="192.0.2.1", database_url="postgresql://u@127.0.0.1:1/none"), "web address")
    assert (found.verdict, bool(found.fix)) == (Verdict.FAIL, True)


def test_missing_time_zones_are_named(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    assert line(at(port), "time zones").detail.endswith("IANA zones")
    monkeypatch.setattr(zoneinfo, "available_timezones", lambda: {"UTC", "Europe/Berlin"})
    found = line(at(port), "time zones")
    assert (found.verdict, found.detail, found.fix) == (Verdict.FAIL, "no Asia/Kolkata here", "pip install tzdata")
