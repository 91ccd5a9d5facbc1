"""The UI's files and the API's own documentation, self-hosted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from demeter.runtime.database import Database
from tests.integration.api.make import serve


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "static" / "assets").mkdir(parents=True)
    (tmp_path / "static" / "swagger").mkdir()
    (tmp_path / "static" / "index.html").write_text("<title>the pages</title>")
    (tmp_path / "static" / "mark.svg").write_text("<svg/>")
    (tmp_path / "static" / "assets" / "main-1a2b.js").write_text("start()")
    (tmp_path / "static" / "swagger" / "swagger-ui-bundle.js").write_text("viewer()")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "static"


@pytest.fixture
def pages(database: Database, built: Path) -> Iterator[httpx.Client]:
    with serve(database, built) as serving, httpx.Client(base_url=serving.address) as client:
        yield client


def test_an_address_of_the_uis_own_router_is_answered_with_its_page(pages: httpx.Client):
    for address in ("/", "/sites/1/units", "/units/17?month=2025-01"):
        answer = pages.get(address)
        assert "the pages" in answer.text
        assert answer.headers["cache-control"] == "no-cache"


def test_files_named_by_content_are_kept_forever_others_asked_again(pages: httpx.Client):
    kept = pages.get("/assets/main-1a2b.js")
    assert kept.text == "start()"
    assert "immutable" in kept.headers["cache-control"]
    assert pages.get("/mark.svg").headers["cache-control"] == "no-cache"


def test_a_missing_script_is_not_answered_with_a_page(pages: httpx.Client):
    assert pages.get("/assets/gone-0000.js").status_code == 404


def test_nothing_outside_the_built_folder_is_served(pages: httpx.Client):
    for path in (
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "//etc/passwd",
        "/a%00b",
        "/" + "x" * 5000,
    ):
        answer = pages.get(path)
        assert "secret" not in answer.text, path
        assert "root:" not in answer.text, path
        assert answer.status_code < 500, path


def test_without_a_build_the_page_says_what_to_do(database: Database, tmp_path: Path):
    with serve(database, tmp_path) as serving, httpx.Client(base_url=serving.address) as client:
        answer = client.get("/")
        assert answer.status_code == 503
        assert "make ui" in answer.text
        assert "make ui" in client.get("/api/docs").text


def test_the_documentation_loads_everything_from_this_host(pages: httpx.Client):
    page = pages.get("/api/docs").text
    assert "swagger-ui-bundle.js" in page
    assert all(link.startswith("/") for link in re.findall(r'(?:src|href)="([^"]+)"', page))
    assert "<script>" not in page
    assert pages.get("/swagger/swagger-ui-bundle.js").text == "viewer()"
    assert "X-Demeter" in pages.get("/api/docs/start.js").text
