"""The page a treasurer opens first."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Demo, Visit

COLUMNS = ["Unit", "Monthly consumption", "Flag", "Last read", "Reading goes to"]


def _row(visitor: Visit, unit: str, commodity: str):
    point = visitor.unit(unit, commodity)["service_point_id"]
    visitor.page.get_by_label("Search").fill(unit)
    return visitor.page.locator(f'[data-row="{point}"]')


def test_table_has_exactly_the_columns_asked_for(visit: Callable[..., Visit]) -> None:
    page = visit().page
    expect(page.locator("tr[data-row]").first).to_be_visible()
    assert [head.inner_text().strip() for head in page.locator("thead th").all()] == COLUMNS


def test_page_opens_with_a_sentence_about_today(visit: Callable[..., Visit]) -> None:
    sentence = visit().page.get_by_test_id("sentence")
    expect(sentence).to_have_text(
        re.compile(r"^\d+ of 150 units read today; 1 leak signal, 1 meter offline, \d+ without a number\.$")
    )


@pytest.mark.parametrize(
    ("unit", "commodity", "amount", "flag", "goes_to"),
    [
        ("A-1204", "water", "14.2 kL", "normal", "→ billing"),
        ("A-1204", "electricity", "312.0 kWh", "normal", "→ billing"),
        ("B-0706", "water", "61.8 kL", "leak signal", "repair → helpdesk · reading → billing"),
        ("C-0302", "electricity", "— offline", "read-failure > 24 h", "investigate · self-read"),
    ],
)
def test_case_of_the_named_month_shows_amount_flag_and_destination(
    visit: Callable[..., Visit], unit: str, commodity: str, amount: str, flag: str, goes_to: str
) -> None:
    visitor = visit()
    visitor.page.get_by_role("button", name="Previous month").click()
    row = _row(visitor, unit, commodity)
    expect(row.locator('[data-column="consumption"]')).to_have_text(amount)
    expect(row.locator('[data-column="flag"]')).to_have_text(flag)
    expect(row.locator('[data-column="goes_to"]')).to_have_text(goes_to)


def test_self_read_of_a_legacy_flat_is_called_so(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    visitor.page.get_by_role("button", name="Previous month").click()
    visitor.page.get_by_label("Flag").select_option("self_read")
    row = visitor.page.locator("tr[data-row]")
    expect(row).to_have_count(1)
    expect(row.locator('[data-column="flag"]')).to_have_text("self-read")
    expect(row.locator('[data-column="consumption"]')).to_have_text(re.compile(r"^[\d,.]+\skWh$"))


def test_state_is_told_by_shape_and_word_beside_colour(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    leak = _row(visitor, "B-0706", "water").locator('[data-flag="leak"]')
    expect(leak.locator("svg path")).to_have_count(1)
    expect(leak).to_have_text("leak signal")


def test_common_areas_go_to_billing_and_accounting(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    visitor.page.get_by_label("Flag").select_option("reconciled")
    first = visitor.page.locator("tr[data-row]").first
    expect(first.locator('[data-column="goes_to"]')).to_have_text("reads → billing · ledger → accounting")


def test_only_rows_in_view_are_in_the_page_and_all_can_be_reached(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    page = visitor.page
    expect(page.locator("tr[data-row]").first).to_be_visible()
    total = len(visitor.get(f"/api/sites/{visitor.site}/units?month={visitor.month}")["rows"])
    assert total > 300
    assert page.locator("tr[data-row]").count() < 80
    last = page.locator(f'tr[data-index="{total - 1}"]')
    for _ in range(40):
        page.mouse.wheel(0, 3000)
        page.wait_for_timeout(60)
        if last.count():
            break
    expect(last).to_be_visible()


def test_filters_are_kept_in_the_address(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    page = visitor.page
    page.get_by_label("Commodity").select_option("water")
    page.get_by_label("Search").fill("B-07")
    expect(page).to_have_url(re.compile(r"commodity=water.*q=B-07"))
    shown = page.locator("tr[data-row]").count()
    page.reload()
    expect(page.get_by_label("Search")).to_have_value("B-07")
    expect(page.locator("tr[data-row]")).to_have_count(shown)


def test_month_moves_and_is_kept_in_the_address(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    page, present = visitor.page, visitor.month
    page.get_by_role("button", name="Previous month").click()
    expect(page).not_to_have_url(re.compile(f"month={present}"))
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Units")
    page.get_by_role("button", name="This month").click()
    expect(page).to_have_url(re.compile(f"month={present}"))


def test_export_is_exactly_what_is_shown(visit: Callable[..., Visit], tmp_path: Path) -> None:
    visitor = visit()
    page = visitor.page
    page.get_by_label("Search").fill("A-12")
    page.get_by_role("button", name="Unit", exact=True).click()
    expect(page).to_have_url(re.compile("sort=unit"))
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export CSV").click()
    file = tmp_path / "units.csv"
    waiting.value.save_as(file)
    head, *rows = csv.reader(file.read_text(encoding="utf-8-sig").splitlines())
    shown = page.locator("tr[data-row]")
    assert head == COLUMNS
    assert len(rows) == shown.count() > 0
    for written, row in zip(rows, shown.all(), strict=True):
        assert written[0] == row.locator('[data-column="unit"]').inner_text()
        assert row.locator('[data-column="consumption"]').inner_text().replace("\u00a0", " ").startswith(written[1])
        assert written[2] == row.locator('[data-column="flag"]').inner_text()
        assert written[4] == row.locator('[data-column="goes_to"]').inner_text()


def test_rows_are_cards_on_a_phone(visit: Callable[..., Visit]) -> None:
    page = visit(size="phone").page
    expect(page.locator("li [data-row]").first).to_be_visible()
    assert page.locator("table").count() == 0
    assert page.locator("li [data-row]").first.locator("dt").all_inner_texts() == [
        "Flag",
        "Last read",
        "Reading goes to",
    ]


def test_months_without_any_number_show_a_dash_and_never_say_that_all_is_well(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    visitor.open(f"/sites/{visitor.site}/units?month=2020-01")
    rows = visitor.get(f"/api/sites/{visitor.site}/units?month=2020-01")["rows"]
    assert rows
    assert all(row["consumption"] is None for row in rows)
    for commodity in ("Electricity", "Water"):
        tile = visitor.page.get_by_text(f"{commodity} used by units").locator("xpath=..")
        expect(tile).to_contain_text("—")
        expect(tile).not_to_contain_text(re.compile(r"0\s?k"))
    expect(visitor.page.get_by_test_id("sentence")).to_contain_text(f"{len(rows)} without a number")


def test_new_reading_appears_without_reload(visit: Callable[..., Visit], minutely: Demo) -> None:
    """The age of a reading at once; the month's number on both pages and the chart as soon as it is worked in."""
    units, unit = visit(at=minutely), visit(at=minutely)
    expect(units.page.get_by_text("Live", exact=True)).to_be_visible()
    row = units.page.locator("tr[data-row]")
    when, total = row.locator("time"), row.locator('[data-column="consumption"]')
    expect(total).to_contain_text("kWh", timeout=90_000)
    unit.open(f"/service-points/{unit.unit('A-1204', 'electricity')['service_point_id']}?month={unit.month}")
    tile, chart = (
        unit.page.get_by_text("Month total", exact=True).locator("xpath=../.."),
        unit.page.locator("#intervals"),
    )
    expect(chart.get_by_role("application")).to_be_visible()
    chart.get_by_role("button", name="Show as table").click()
    newest = chart.locator("tbody tr").first
    for visitor in (units, unit):
        visitor.page.evaluate("window.neverReloaded = true")
    read_at, used, told, last = when.get_attribute("datetime"), _exact(total), tile.inner_text(), newest.inner_text()
    expect(when).not_to_have_attribute("datetime", read_at or "", timeout=150_000)
    _until(lambda: _exact(total) != used, "the month's number on the units page")
    expect(tile).not_to_have_text(told)
    expect(newest).not_to_have_text(last)
    for visitor in (units, unit):
        assert visitor.page.evaluate("window.neverReloaded") is True
        assert visitor.complaints == []


def _exact(total: Locator) -> str | None:
    """Return a row's month with all its digits, which its tooltip holds."""
    return total.locator("[title]").first.get_attribute("title")


def _until(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.5)
