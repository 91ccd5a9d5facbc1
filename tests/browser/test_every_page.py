"""What must hold on every page, on a desk and on a phone, in light and in dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit

PAGES = {
    "units": "/sites/{site}/units",
    "unit": "/service-points/{point}",
    "proof": "/service-points/{point}/proof",
    "meters": "/sites/{site}/meters",
    "reconciliation": "/sites/{site}/reconciliation",
}


def _settled(visitor: Visit) -> None:
    expect(visitor.page.locator("[aria-busy=true]")).to_have_count(0, timeout=60_000)
    visitor.page.wait_for_timeout(400)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("size", "scheme"), [("desktop", "light"), ("desktop", "dark"), ("phone", "light"), ("phone", "dark")]
)
def test_page_is_quiet_stays_at_home_and_is_accessible(
    visit: Callable[..., Visit], name: str, size: str, scheme: str
) -> None:
    visitor = visit(size=size, scheme=scheme)
    point = visitor.unit("B-0706", "water")["service_point_id"]
    visitor.open(PAGES[name].format(site=visitor.site, point=point))
    _settled(visitor)
    assert visitor.page.get_by_role("heading", level=1).count() == 1
    assert visitor.page.get_by_role("alert").count() == 0
    assert visitor.serious_findings() == []
    overflow = visitor.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, "the page is wider than its window"
    assert visitor.foreign == []
    assert visitor.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_login_page_is_quiet_stays_at_home_and_is_accessible(visit: Callable[..., Visit], scheme: str) -> None:
    visitor = visit(scheme=scheme, signed_in=False)
    visitor.page.goto(visitor.demo.url)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Sign in to Demeter")
    assert visitor.serious_findings() == []
    assert visitor.foreign == []
    assert visitor.complaints == []


def test_wrong_password_is_refused_in_words(visit: Callable[..., Visit]) -> None:
    visitor = visit(signed_in=False)
    visitor.page.goto(visitor.demo.url)
    visitor.page.get_by_label("E-mail").fill(visitor.demo.email)
    visitor.page.get_by_label("Password", exact=False).first.fill("not the password")
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("E-mail or password is not right.")


def test_a_page_asked_for_before_signing_in_opens_after_it(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    path = f"/sites/{visitor.site}/meters"
    visitor.page.get_by_role("button", name="Your account").click()
    visitor.page.get_by_role("menuitem", name="Sign out").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Sign in to Demeter")
    visitor.open(path)
    visitor.page.get_by_label("E-mail").fill(visitor.demo.email)
    visitor.page.get_by_label("Password", exact=False).first.fill(visitor.demo.password)
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Meters")


def test_chosen_colours_survive_a_reload(visit: Callable[..., Visit]) -> None:
    visitor = visit(scheme="light")
    visitor.page.get_by_text("Dark", exact=True).click(force=True)
    html = visitor.page.locator("html")
    expect(html).to_have_attribute("data-mantine-color-scheme", "dark")
    visitor.page.reload()
    expect(html).to_have_attribute("data-mantine-color-scheme", "dark")


def test_api_documentation_needs_no_other_host(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    visitor.page.goto(visitor.demo.url.rstrip("/") + "/api/docs")
    expect(visitor.page.get_by_text("/api/sites", exact=False).first).to_be_visible()
    assert visitor.foreign == []
    assert visitor.complaints == []
