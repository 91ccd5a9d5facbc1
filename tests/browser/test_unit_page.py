"""One unit's month: what was used, how it is known, what is missing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit

# The share of a canvas column whose pixels are of the series' colour, and of the hatch's.
COLUMN = """([fraction, half]) => {
  const canvas = document.querySelector('.uplot canvas')
  const over = document.querySelector('.uplot .u-over').getBoundingClientRect()
  const frame = canvas.getBoundingClientRect()
  const scale = canvas.width / frame.width
  const style = getComputedStyle(document.documentElement)
  const rgb = (name) => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16))
  const [series, hatch] = [rgb('--electricity'), rgb('--hatch')]
  const near = (data, at, colour) => data[at + 3] > 100 && colour.every((part, i) => Math.abs(part - data[at + i]) < 24)
  const middle = Math.round((over.left - frame.left + fraction * over.width) * scale)
  const top = Math.round((over.top - frame.top) * scale)
  const { data } = canvas.getContext('2d').getImageData(middle - half, top, 2 * half + 1, Math.round(over.height * scale))
  let drawn = 0
  let hatched = 0
  for (let at = 0; at < data.length; at += 4) {
    if (near(data, at, series)) drawn += 1
    if (near(data, at, hatch)) hatched += 1
  }
  return { drawn, hatched }
}"""


def _open(visitor: Visit, unit: str, commodity: str) -> str:
    point = str(visitor.unit(unit, commodity)["service_point_id"])
    visitor.open(f"/service-points/{point}?month={visitor.month}")
    return point


def test_missing_intervals_are_hatched_and_neither_zero_nor_bridged(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "C-0302", "electricity")
    with visitor.page.expect_response(re.compile("/intervals")) as waiting:
        visitor.page.reload()
    answer = waiting.value.json()
    visitor.page.get_by_test_id("gaps").get_by_role("button").last.click()
    visitor.page.wait_for_timeout(500)
    whole = (answer["start_s"], answer["start_s"] + answer["interval_s"] * len(answer["values"]))
    zoomed = re.search(r"view=(\d+)-(\d+)", visitor.page.url)  # a gap as long as the period zooms to all of it
    view = (int(zoomed[1]), int(zoomed[2])) if zoomed else whole
    starts = [answer["start_s"] + number * answer["interval_s"] for number in range(len(answer["values"]))]
    lacking = [
        start
        for start, value in zip(starts, answer["values"], strict=True)
        if value is None and view[0] <= start < min(view[1], time.time() - 4 * 3600)
    ]
    assert lacking, "the demo's offline meter must have a gap"
    middle = (lacking[len(lacking) // 2] + answer["interval_s"] / 2 - view[0]) / (view[1] - view[0])
    column = visitor.page.evaluate(COLUMN, [middle, 3])
    assert column["drawn"] == 0, "a missing value was drawn"
    assert column["hatched"] > 50, "a gap must be hatched"


def test_gap_between_values_is_hatched_while_its_neighbours_are_drawn(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    first = date.fromisoformat(f"{visitor.month}-01") - timedelta(days=1)
    point = visitor.unit("B-0404", "electricity")["service_point_id"]
    visitor.open(f"/service-points/{point}?month={first:%Y-%m}")
    with visitor.page.expect_response(re.compile("/intervals")) as waiting:
        visitor.page.reload()
    answer = waiting.value.json()
    missing = [number for number, value in enumerate(answer["values"]) if value is None]
    assert len(missing) == 20, "the supply of B-0404 failed for five hours"
    visitor.page.get_by_test_id("gaps").get_by_role("button").first.click()
    visitor.page.wait_for_timeout(500)
    zoomed = re.search(r"view=(\d+)-(\d+)", visitor.page.url)
    assert zoomed, "choosing a gap shows it"
    start, end = int(zoomed[1]), int(zoomed[2])

    def column(slot: int) -> dict[str, int]:
        middle = answer["start_s"] + (slot + 0.5) * answer["interval_s"]
        return visitor.page.evaluate(COLUMN, [(middle - start) / (end - start), 1])

    gap, before = column(missing[10]), column(missing[0] - 2)
    assert gap["drawn"] == 0
    assert gap["hatched"] > 20
    assert before["drawn"] > 0


def test_days_without_readings_are_hatched_bars(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    point = _open(visitor, "C-0302", "electricity")
    days = visitor.get(f"/api/service-points/{point}/days?month={visitor.month}")["days"]
    lacking = sum(day["consumption"] is None for day in days)
    chart = visitor.page.get_by_role("img", name="Days of")
    expect(chart).to_be_visible()
    # ECharts draws a hatch as a shape filled with a pattern; today's own bar may still be to come.
    visitor.page.wait_for_timeout(500)
    assert chart.locator('path[fill^="url(#"]').count() >= lacking - 1


def test_missing_intervals_are_called_missing_in_the_table(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "C-0302", "electricity")
    visitor.page.get_by_test_id("gaps").get_by_role("button").last.click()
    visitor.page.locator("#intervals").get_by_role("button", name="Show as table").click()
    cells = visitor.page.locator("#intervals tr", has_text="missing")
    expect(cells.first).to_be_visible()
    for row in cells.all()[:20]:
        assert row.locator("td").nth(1).inner_text() == "—"


def test_month_can_be_zoomed_by_drag_and_reset(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "A-1204", "electricity")
    page = visitor.page
    plot = page.locator(".u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=8)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"view=\d+-\d+"))
    page.get_by_test_id("reset-zoom").click()
    expect(page).not_to_have_url(re.compile("view="))


def test_chart_can_be_zoomed_from_the_keyboard(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "A-1204", "water")
    chart = visitor.page.get_by_role("application")
    chart.focus()
    chart.press("+")
    expect(visitor.page).to_have_url(re.compile(r"view=\d+-\d+"))
    chart.press("Escape")
    expect(visitor.page).not_to_have_url(re.compile("view="))


@pytest.mark.parametrize("name", ["Every interval of", "Days of", "Months"])
def test_every_chart_has_a_table(visit: Callable[..., Visit], name: str) -> None:
    visitor = visit()
    _open(visitor, "A-1204", "water")
    panel = visitor.page.locator("section", has=visitor.page.get_by_role("heading", name=name))
    panel.get_by_role("button", name="Show as table").click()
    expect(panel.get_by_role("table")).to_be_visible()
    expect(panel.locator("tbody tr").first).to_be_visible()


def test_unit_period_zone_and_share_are_said_beside_the_chart(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "A-1204", "electricity")
    expect(visitor.page.locator("#intervals")).to_contain_text(
        re.compile(r"Wh per \d+ min · Asia/Kolkata · [\d.]+\s% of the intervals due have a value")
    )


def test_leak_is_shown_with_its_evidence(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "B-0706", "water")
    panel = visitor.page.locator("section", has=visitor.page.get_by_role("heading", name="Flags and their evidence"))
    expect(panel).to_contain_text("leak signal")
    expect(panel.locator("dd").first).to_be_visible()


def test_registers_and_quality_stand_with_the_total(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "A-1204", "electricity")
    for words in ("Month total", "Covered by readings", "Opening register", "Closing register", "measured"):
        expect(visitor.page.get_by_text(words, exact=True).first).to_be_visible()


def test_choosing_a_day_shows_its_intervals(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "A-1204", "electricity")
    visitor.page.get_by_role("button", name=re.compile("Days of .*Show as table")).click()
    panel = visitor.page.locator("section", has=visitor.page.get_by_role("heading", name="Days of"))
    panel.locator("tbody button").first.click()
    expect(visitor.page).to_have_url(re.compile(r"view=\d+-\d+"))
    view = [int(part) for part in re.search(r"view=(\d+)-(\d+)", visitor.page.url).groups()]  # type: ignore[union-attr]
    assert view[1] - view[0] == 86_400
    assert (view[0] + 19_800) % 86_400 == 0, "a day of the site begins at the site's midnight (+05:30)"


def test_register_that_is_no_number_is_not_sent(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "C-0302", "electricity")
    visitor.page.get_by_label(re.compile("Number on the meter")).fill("twelve")
    visitor.page.get_by_role("button", name="Save self-read").click()
    expect(visitor.page.get_by_text("Write digits, with a point for decimals: 1234.5")).to_be_visible()


def test_register_that_runs_backwards_is_not_accepted(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "C-0302", "electricity")
    visitor.page.get_by_label(re.compile("Number on the meter")).fill("0")
    visitor.page.get_by_role("button", name="Save self-read").click()
    expect(visitor.page.get_by_text(re.compile("^(Not accepted|Kept for a check)"))).to_be_visible()


def test_proof_walks_from_the_month_to_the_frames(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    _open(visitor, "A-1204", "water")
    page = visitor.page
    page.get_by_role("link", name="Show the proof of this number").click()
    expect(page.get_by_text("The number follows from the frames the meter sent.")).to_be_visible(timeout=60_000)
    day = page.locator("details").nth(2)
    day.locator("summary").click()
    expect(day.locator("tbody tr").first).to_be_visible()
    expect(day.get_by_role("heading", name=re.compile(r"^\d+ frames? covers? this day$"))).to_be_visible()
    expect(day.get_by_text(re.compile("^[0-9a-f]{64}$")).first).to_be_visible()


def test_nothing_is_called_missing_where_no_meter_was(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    point = visitor.unit("A-1204", "water")["service_point_id"]
    since = visitor.get(f"/api/service-points/{point}")["meters"][0]["from"]
    before = (datetime.fromisoformat(since).astimezone(ZoneInfo("Asia/Kolkata")) - timedelta(days=1)).strftime("%Y-%m")
    visitor.open(f"/service-points/{point}?month={before}")
    panel = visitor.page.locator("section", has=visitor.page.get_by_role("heading", name="Days of"))
    chart = panel.get_by_role("img", name="Days of")
    expect(chart).to_be_visible()
    visitor.page.wait_for_timeout(500)
    assert chart.locator('path[fill^="url(#"]').count() == 0, "no hatch before the first meter"
    panel.get_by_role("button", name="Show as table").click()
    rows = panel.locator("tbody tr")
    assert rows.count() >= 28
    expect(panel.locator("tbody tr", has_text="no meter was there")).to_have_count(rows.count())
    expect(visitor.page.get_by_test_id("gaps")).to_have_count(0)


@pytest.mark.parametrize("unit", ["B-0803", "C-0302"])
def test_a_month_without_readings_is_never_called_usual(visit: Callable[..., Visit], unit: str) -> None:
    visitor = visit()
    row = visitor.unit(unit, "water" if unit == "B-0803" else "electricity")
    visitor.open(f"/service-points/{row['service_point_id']}?month={visitor.month}")
    words = "no reading has arrived" if row["flag"]["code"] == "no_readings" else "its meter is offline"
    sentence = visitor.page.get_by_test_id("sentence")
    expect(sentence).to_contain_text(words)
    expect(sentence).not_to_contain_text("nothing unusual")


def test_a_month_by_self_read_says_so_in_words_bar_and_table(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    first = date.fromisoformat(f"{visitor.month}-01") - timedelta(days=1)
    rows = visitor.get(f"/api/sites/{visitor.site}/units?month={first:%Y-%m}")["rows"]
    point = next(row for row in rows if row["flag"]["code"] == "self_read")["service_point_id"]
    visitor.open(f"/service-points/{point}?month={first:%Y-%m}")
    expect(visitor.page.get_by_test_id("sentence")).to_contain_text("taken from a self-read")
    panel = visitor.page.locator("section", has=visitor.page.get_by_role("heading", name="Months"))
    expect(panel.locator("li", has_text="self-read")).to_be_visible()
    panel.get_by_role("button", name="Show as table").click()
    row = panel.locator("tbody tr", has_text=f"{first:%B %Y}")
    expect(row.locator("td").last).to_have_text("self-read")


def test_bars_name_every_quality_and_mark_what_was_edited_or_is_doubted(visit: Callable[..., Visit]) -> None:
    """The demo's values are measured: its own days are given other qualities on the way."""
    visitor = visit()
    kinds = ("edited", "suspect", "estimated")

    def otherwise(route: Route) -> None:
        answer = route.fetch()
        document = answer.json()
        whole = [day for day in document["days"] if day["consumption"] is not None]
        for day, word in zip(whole, kinds, strict=False):
            part = {"amount": "0.250", "slots": 4}
            rest = Decimal(day["consumption"]) - Decimal("0.250")
            day["quality"] = {"measured": {"amount": str(rest), "slots": 92}, word: part}
        route.fulfill(response=answer, json=document)

    visitor.page.route("**/api/service-points/*/days?month=*", otherwise)
    _open(visitor, "A-1204", "electricity")
    panel = visitor.page.locator("section", has=visitor.page.get_by_role("heading", name="Days of"))
    chart = panel.get_by_role("img", name="Days of")
    expect(chart.locator("text", has_text="▼")).to_have_count(1)
    expect(chart.locator("text", has_text="◆")).to_have_count(1)
    for word in ("measured", *kinds):
        expect(panel.locator("li", has_text=word)).to_be_visible()
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    tips: set[str] = set()
    for step in range(2, 40):
        visitor.page.mouse.move(box["x"] + box["width"] * step / 100, box["y"] + box["height"] / 2)
        visitor.page.wait_for_timeout(30)
        tips |= set(re.findall(r"(edited|suspect|estimated): 0\.25", chart.inner_text()))
    assert tips == set(kinds)
    panel.get_by_role("button", name="Show as table").click()
    for number, word in enumerate(kinds):
        expect(panel.locator("tbody tr").nth(number).locator("td").last).to_contain_text(
            re.compile(rf"measured.*{word}\s0\.25")
        )


def test_a_proof_of_what_is_not_worked_in_yet_is_no_difference(visit: Callable[..., Visit]) -> None:
    """Readings arrive at the quarter-hour only: the first answer is told to be early, the next is the real one."""
    visitor = visit()
    answers = []

    def early(route: Route) -> None:
        answer = route.fetch()
        document = answer.json()
        if not answers:
            document |= {"state": "waiting", "matches": False}
        answers.append(document["state"])
        route.fulfill(response=answer, json=document)

    visitor.page.route("**/api/service-points/*/explain?month=*", early)
    point = visitor.unit("A-1204", "water")["service_point_id"]
    visitor.open(f"/service-points/{point}/proof?month={visitor.month}")
    expect(visitor.page.get_by_text("not worked in yet")).to_be_visible(timeout=60_000)
    expect(visitor.page.get_by_text("The number does not follow from the frames.")).to_have_count(0)
    expect(visitor.page.get_by_text("The number follows from the frames the meter sent.")).to_be_visible(timeout=60_000)
