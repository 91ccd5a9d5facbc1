"""Which meters answer, which do not and why; and asking one now."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit

COLUMNS = ["Meter", "Place", "State", "Last read", "Readings since yesterday", "Last failure", "Read now"]


def _open(visitor: Visit, search: str = "") -> None:
    visitor.open(f"/sites/{visitor.site}/meters?q={search}")


def test_table_tells_age_reads_and_failure(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor)
    expect(visitor.page.locator("tr[data-row]").first).to_be_visible()
    assert [head.inner_text().strip() for head in visitor.page.locator("thead th").all()] == COLUMNS
    expect(visitor.page.get_by_test_id("sentence")).to_have_text(re.compile(r"^\d+ of \d+ meters are live"))


def test_reads_are_counted_since_the_instant_that_is_named(visit: Callable[..., Visit]) -> None:
    """Two days are counted, so "today" would be wrong; and silence is what the installation calls a read failure."""
    visitor = visit()
    _open(visitor)
    page = visitor.get(f"/api/sites/{visitor.site}/meters")
    since = datetime.fromisoformat(page["counted_from"]).astimezone(ZoneInfo("Asia/Kolkata"))
    tile = visitor.page.get_by_text("Readings received", exact=True).locator("xpath=..")
    expect(tile).to_contain_text(f"since {since.day} {since:%b %Y}, 00:00")
    expect(visitor.page.get_by_text(f"Silent > {page['stale_after_h']} h")).to_be_visible()
    expect(visitor.page.get_by_text(re.compile(r"\btoday\b"))).to_have_count(0)


def test_silent_meter_stands_first_with_its_reason(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "C-0302")
    row = visitor.page.locator("tr[data-row]").first
    expect(row.locator('[data-column="state"]')).to_have_text(re.compile("^(silent|never read)$"))
    expect(row.locator('[data-column="failure"]')).not_to_have_text("none")


def test_reading_a_live_meter_now_shows_progress_and_outcome(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "A-1204")
    row = visitor.page.locator("tr[data-row]").first
    row.get_by_role("button", name="Read now").click()
    expect(row.get_by_role("status")).to_be_visible()
    expect(row.get_by_text(re.compile(r"^Read: (\d+ readings?|nothing new)$"))).to_be_visible(timeout=60_000)


def test_reading_a_dead_meter_now_says_why_it_failed(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "C-0302")
    row = visitor.page.locator("tr[data-row]").first
    row.get_by_role("button", name="Read now").click()
    outcome = row.locator('[data-column="action"] [data-good="false"]')
    expect(outcome).to_be_visible(timeout=60_000)
    assert len(outcome.inner_text()) > 5


def test_every_balance_shows_its_sum_and_its_shares_add_up(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    visitor.open(f"/sites/{visitor.site}/reconciliation?month={visitor.month}")
    page = visitor.page
    expect(page.get_by_role("heading", name=re.compile("Tower [ABC]|[ABC] · ")).first).to_be_visible()
    assert page.locator("main section").count() >= 6
    card = page.locator("main section", has=page.locator("details")).first
    for words in ("Bulk meter", "Units", "Common area", "Loss"):
        expect(card.locator("dt", has_text=words)).to_be_visible()
    card.locator("summary").click()
    shown = Decimal(card.locator("tfoot td").inner_text().split()[0])
    assert shown == sum(Decimal(cell.inner_text().split()[0]) for cell in card.locator("tbody td:last-child").all())
    building, commodity = card.get_by_role("heading").inner_text().split(" · ")
    rows = visitor.get(f"/api/sites/{visitor.site}/units?month={visitor.month}")["rows"]
    common = [
        Decimal(row["consumption"])
        for row in rows
        if (row["building"], row["commodity"], row["role"]) == (building.strip(), commodity, "common")
    ]
    assert abs(shown - sum(common)) < Decimal("0.2"), "a reading may have arrived between the two questions"


@pytest.mark.parametrize(("shared", "words"), [(True, "The shares lack"), (False, "Not shared out while unknown")])
def test_shares_say_which_common_meters_they_lack(visit: Callable[..., Visit], shared: bool, words: str) -> None:
    """The demo's common meters are whole: its own answer is given a gap on the way."""
    visitor = visit()
    gap = "Tower A lift: no readings"

    def with_gap(route: Route) -> None:
        answer = route.fetch()
        document = answer.json()
        document["rows"][0] |= (
            {"common_gaps": [gap]} if shared else {"common_gaps": [gap], "shares": [], "shared_by": None}
        )
        route.fulfill(response=answer, json=document)

    visitor.page.route("**/api/sites/*/reconciliation?month=*", with_gap)
    visitor.open(f"/sites/{visitor.site}/reconciliation?month={visitor.month}")
    cards = visitor.page.locator("main section")
    expect(cards.first.get_by_test_id("common-gaps")).to_have_text(f"{words}: {gap}")
    expect(visitor.page.get_by_test_id("common-gaps")).to_have_count(1)
    expect(cards.first.locator("details")).to_have_count(int(shared))
    if shared:
        cards.first.locator("summary").click()
        expect(cards.first).to_contain_text("The known part of the metered common area")
