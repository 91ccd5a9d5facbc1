"""The real browser (Debian's Chromium) against a really running Demeter with its simulated meters."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import APIResponse, Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from demeter.kernel import Commodity
from demeter.simulator import housing_society
from tests.acceptance.installation import EMAIL, demonstration, installed

AXE = Path(__file__).parents[2] / "ui/node_modules/axe-core/axe.min.js"
CHROMIUM = os.environ.get("DEMETER_CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SIZES = {"desktop": {"width": 1360, "height": 900}, "phone": {"width": 390, "height": 844}}

expect.set_options(timeout=20_000)


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo: where it answers and who may sign in."""

    url: str
    email: str
    password: str


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run the demo, or use one that runs: DEMETER_DEMO_URL, DEMETER_DEMO_EMAIL and DEMETER_DEMO_PASSWORD."""
    if "DEMETER_DEMO_URL" in os.environ:
        yield Demo(*(os.environ[f"DEMETER_DEMO_{name}"] for name in ("URL", "EMAIL", "PASSWORD")))
        return
    with demonstration(tmp_path_factory.mktemp("demo")) as said:
        yield Demo(*said)


@pytest.fixture
def minutely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run an installation of one flat whose meter ends an interval every minute, with some hours behind it."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    society = housing_society(7, now - timedelta(hours=6), now, "Asia/Kolkata")
    flat = next(m for m in society.meters if m.unit == "A-1204" and m.commodity is Commodity.ELECTRICITY)
    fleet = replace(society, meters=(replace(flat, interval_s=60, port=0),), control_port=0)
    with installed(tmp_path_factory.mktemp("minutely"), fleet, read_interval_s=30) as running:
        running.start()
        yield Demo(running.address, EMAIL, running.password)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """One person's browser: a page and everything about it that must not happen."""

    page: Page
    demo: Demo
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def watch(self) -> None:
        home = urlsplit(self.demo.url).netloc

        def console(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.complaints.append(message.text)

        def request(sent: Request) -> None:
            if sent.url.startswith(("http", "ws")) and urlsplit(sent.url).netloc != home:
                self.foreign.append(sent.url)

        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", request)

    def sign_in(self) -> None:
        self.page.goto(self.demo.url)
        self.page.get_by_label("E-mail").fill(self.demo.email)
        self.page.get_by_label("Password", exact=False).first.fill(self.demo.password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Units")

    def open(self, path: str) -> None:
        self.page.goto(self.demo.url.rstrip("/") + path)
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()

    def get(self, path: str) -> Any:
        answer = self.page.request.get(self.demo.url.rstrip("/") + path)
        assert answer.ok, f"{path}: {answer.status} {answer.text()}"
        return answer.json()

    def post(self, path: str, body: Any = None) -> APIResponse:
        return self.page.request.post(
            self.demo.url.rstrip("/") + path, data=body or {}, headers={"X-Demeter": "1"}, timeout=60_000
        )

    @property
    def site(self) -> str:
        return str(self.get("/api/sites")["sites"][0]["id"])

    @property
    def month(self) -> str:
        """The month the units page opens with: the present one by the site's clock."""
        found = re.search(r"month=(\d{4}-\d\d)", self.page.url)
        assert found, self.page.url
        return found[1]

    def unit(self, name: str, commodity: str) -> dict[str, Any]:
        rows = self.get(f"/api/sites/{self.site}/units?month={self.month}")["rows"]
        return next(row for row in rows if (row["unit"], row["commodity"]) == (name, commodity))

    def serious_findings(self) -> list[str]:
        """Return axe's serious and critical findings on the page as it stands."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['help']}: {node['html'][:160]} {node['failureSummary']}"
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"][:3]
        ]


@pytest.fixture
def visit(chromium: Browser, demo: Demo) -> Iterator[Callable[..., Visit]]:
    """Open a browser for one person: ``visit(size="phone", scheme="dark")``; signed in to the demo unless told otherwise."""
    contexts = []

    def start(size: str = "desktop", scheme: str = "light", signed_in: bool = True, at: Demo | None = None) -> Visit:
        context = chromium.new_context(
            viewport=SIZES[size],
            color_scheme=scheme,
            timezone_id="America/New_York",  # nobody's own zone may leak into a page about a site elsewhere
            accept_downloads=True,
        )
        contexts.append(context)
        visitor = Visit(context.new_page(), at or demo)
        visitor.watch()
        if signed_in:
            visitor.sign_in()
        return visitor

    yield start
    for context in contexts:
        context.close()
