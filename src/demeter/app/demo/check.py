"""Do the demo's cases hold? Asked through the API, as any user would."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from demeter.app.demo.client import ApiClient
from demeter.app.demo.state import ADMINISTRATOR
from demeter.simulator import FleetConfig

TOWERS = 3
LEAST_UNITS = 140
MOST_LOSS = 5
UNKNOWN_MONTH = {"read_failure", "no_readings", "partial", "self_read", "needs_check"}
"""Flags of rows whose days a reconciliation may leave out."""
Row = dict[str, Any]


def examine(address: str, password: str, fleet: FleetConfig, site_id: int) -> dict[str, object]:
    """Return the unit table of the named month, the reconciliation, and every case with what was found."""
    with ApiClient(address, ADMINISTRATOR, password) as client:
        page = client.get(f"/api/sites/{site_id}/units", month=fleet.named_month)
        towers = client.get(f"/api/sites/{site_id}/reconciliation", month=fleet.named_month)["rows"]
        meters = client.get(f"/api/sites/{site_id}/meters")["meters"]
        rows = {(row["unit"], row["commodity"]): row for row in page["rows"]}
        proof = _proof(client, rows, fleet.named_month)
    cases = [
        {"case": name, "holds": bool(holds(rows)), "found": _found(rows.get(subject))} for name, subject, holds in CASES
    ]
    cases.append({"case": "A-1204 water is proved from its raw frames", "holds": proof["matches"], "found": proof})
    cases.append(towers_case(towers, page["rows"]))
    return {
        "passed": all(case["holds"] for case in cases) and len(page["rows"]) >= LEAST_UNITS,
        "cases": cases,
        "month": fleet.named_month,
        "meters": len(meters),
        "flags": _flags(page["rows"]),
        "summary": page["summary"],
        "units": [_table_row(row) for row in page["rows"]],
        "reconciliation": towers,
    }


def _flag(row: Row | None) -> str:
    return str(row["flag"]["code"]) if row else "no such row"


def _about(row: Row | None, wanted: str, tolerance: str) -> bool:
    return bool(row and row["consumption"]) and abs(Decimal(row["consumption"]) - Decimal(wanted)) <= Decimal(tolerance)  # type: ignore[index]


def _goes_to(row: Row | None, place: str) -> bool:
    return bool(row) and any(place in goal["to"] for goal in row["goes_to"])  # type: ignore[index]


Subject = tuple[str, str]
Case = tuple[str, Subject, Callable[[dict[Subject, Row]], object]]
A_WATER, A_ELEC = ("A-1204", "water"), ("A-1204", "electricity")
B_WATER, C_ELEC = ("B-0706", "water"), ("C-0302", "electricity")
LEGACY, BULK = ("B-0803", "electricity"), ("Tower A bulk", "electricity")
CASES: tuple[Case, ...] = (
    (
        "A-1204 water is about 14.2 kL and normal",
        A_WATER,
        lambda r: _about(r.get(A_WATER), "14.2", "0.1") and _flag(r.get(A_WATER)) == "normal",
    ),
    (
        "A-1204 electricity is about 312 kWh and normal",
        A_ELEC,
        lambda r: _about(r.get(A_ELEC), "312", "1") and _flag(r.get(A_ELEC)) == "normal",
    ),
    (
        "B-0706 water is about 61.8 kL with a leak signal, repair goes to the helpdesk",
        B_WATER,
        lambda r: (
            _about(r.get(B_WATER), "61.8", "0.3")
            and _flag(r.get(B_WATER)) == "leak"
            and _goes_to(r.get(B_WATER), "helpdesk")
        ),
    ),
    (
        "C-0302 electricity is offline: read-failure, and no number",
        C_ELEC,
        lambda r: _flag(r.get(C_ELEC)) == "read_failure" and (r.get(C_ELEC) or {}).get("consumption") is None,
    ),
    (
        "Tower A's bulk meter is reconciled",
        BULK,
        lambda r: _flag(r.get(BULK)) == "reconciled",
    ),
    (
        "Legacy flat B-0803 has a number from self-reads",
        LEGACY,
        lambda r: _flag(r.get(LEGACY)) == "self_read" and (r.get(LEGACY) or {}).get("consumption") is not None,
    ),
)


def _found(row: Row | None) -> object:
    return _table_row(row) if row else None


def _table_row(row: Row) -> dict[str, object]:
    amount = f"{row['consumption']} {row['consumption_unit']}" if row["consumption"] is not None else None
    goes = "; ".join(f"{goal['what']} → {goal['to']}" for goal in row["goes_to"])
    return {
        "unit": row["unit"],
        "commodity": row["commodity"],
        "consumption": amount,
        "coverage": row["coverage"],
        "flag": row["flag"]["word"],
        "last_read_at": row["last_read_at"],
        "goes_to": goes,
    }


def _flags(rows: list[Row]) -> dict[str, int]:
    codes = [row["flag"]["code"] for row in rows]
    return {code: codes.count(code) for code in sorted(set(codes))}


def towers_case(towers: list[Row], units: list[Row]) -> dict[str, object]:
    """Tell whether every tower and commodity is reconciled.

    Its loss is between 0 and 5 %. Where service points are excluded, each is one whose row of the units table does not
    know its month, and the loss, which includes their use, is at most 5 % more for each.
    """
    unknown = {(row["unit"], row["commodity"]) for row in units if row["flag"]["code"] in UNKNOWN_MONTH}
    good = [row for row in towers if _reconciled(row, unknown)]
    found = [f"{row['building']} {row['commodity']}: loss {row['loss_percent']} % ({row['verdict']})" for row in towers]
    return {"case": "every tower is reconciled", "holds": len(good) == len(towers) >= 2 * TOWERS, "found": found}


def _reconciled(tower: Row, unknown: set[tuple[str, str]]) -> bool:
    excluded = [label.split(":")[0] for label in tower["excluded"]]
    if tower["loss_percent"] is None or any((label, tower["commodity"]) not in unknown for label in excluded):
        return False
    return 0 <= Decimal(tower["loss_percent"]) < MOST_LOSS * (1 + len(excluded))


def _proof(client: ApiClient, rows: dict[Subject, Row], month: str) -> dict[str, Any]:
    row = rows.get(A_WATER)
    if row is None:
        return {"matches": False}
    answer = client.get(f"/api/service-points/{row['service_point_id']}/explain", month=month)
    frames = len(answer["frames"])
    return {"matches": answer["matches"] and frames > 0, "frames": frames, "differences": answer["differences"]}
