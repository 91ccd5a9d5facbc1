"""What a meter was told stands on its unit's page, with what the meter showed."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import Visit


def test_a_command_goes_from_asked_to_confirmed_before_the_readers_eyes(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    row = visitor.unit("A-1204", "electricity")
    point = row["service_point_id"]
    (meter,) = visitor.get(f"/api/service-points/{point}?month={visitor.month}")["meters"]
    answer = visitor.page.request.post(
        f"{visitor.demo.url.rstrip('/')}/api/meters/{meter['id']}/commands",
        data={"kind": "set-clock", "reason": "yearly check"},
        headers={"X-Demeter": "1", "Idempotency-Key": "browser-0001"},
    )
    assert answer.status == 202, answer.text()
    visitor.open(f"/service-points/{point}?month={visitor.month}")
    told = visitor.page.get_by_role("region", name="What the meter was told").locator("tbody tr").first
    expect(told.locator('[data-flag="confirmed"]')).to_be_visible(timeout=30_000)
    expect(told).to_contain_text("correct the clock")
    expect(told).to_contain_text("yearly check")
    expect(told).to_contain_text(" s")
    assert visitor.serious_findings() == []
    assert visitor.complaints == []
