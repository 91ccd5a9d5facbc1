"""Residents of the legacy flats read their dials at both ends of the named month and hand the numbers in by the API."""

from __future__ import annotations

from datetime import UTC, timedelta
from decimal import Decimal

from demeter.app.demo.client import ApiClient
from demeter.app.demo.state import ADMINISTRATOR
from demeter.kernel import Commodity, month_span
from demeter.simulator import FleetConfig, ask

READERS_HOUR = timedelta(hours=9)


def hand_in_self_reads(address: str, password: str, fleet: FleetConfig, site_id: int) -> list[str]:
    """Hand in two electricity self-reads of the first legacy flat; return the outcomes.

    The second legacy flat hands in nothing: its row shows what a missing self-read looks like.
    """
    flat = next(m for m in fleet.meters if not m.smart and m.commodity is Commodity.ELECTRICITY)
    year, month = (int(part) for part in fleet.named_month.split("-"))
    span = month_span(fleet.zone, year, month)
    outcomes = []
    with ApiClient(address, ADMINISTRATOR, password) as client:
        rows = client.get(f"/api/sites/{site_id}/units", month=fleet.named_month)["rows"]
        point = next(r["service_point_id"] for r in rows if r["unit"] == flat.unit and r["commodity"] == "electricity")
        for at in (span.start + READERS_HOUR, span.end + READERS_HOUR):
            dial = ask(fleet.control_port, {"meter": flat.name, "dial": at.astimezone(UTC).isoformat()})
            body = {"at": at.isoformat(), "register": str(dial_kwh(dial)), "note": "read by the resident"}
            outcomes.append(client.post(f"/api/service-points/{point}/self-reads", body)["outcome"])
    return outcomes


def dial_kwh(answer: dict[str, object]) -> Decimal:
    """Return what the dial shows, in kWh, from the simulator's answer in Wh times 10**scaler."""
    value, scaler = int(str(answer["index"])), int(str(answer.get("scaler", 0)))
    return Decimal(value).scaleb(scaler - 3)
