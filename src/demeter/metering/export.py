"""Usage statements as JSON and CSV, for the command line and other systems."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from typing import Any

from demeter.kernel import display
from demeter.metering.store import hand_off
from demeter.runtime.database import UnitOfWork

COLUMNS = (
    "site",
    "service_point",
    "role",
    "commodity",
    "month",
    "consumption",
    "unit",
    "coverage_percent",
    "bridged",
    "opening_at",
    "opening_register",
    "closing_at",
    "closing_register",
    "meters",
    "qualities",
    "flags",
    "revision",
    "published_at",
    "supersedes",
    "content_hash",
)
DISPLAY_UNIT = {"Wh": "kWh", "L": "kL"}


def usage_documents(work: UnitOfWork, site_id: int, month: date) -> list[dict[str, Any]]:
    """Return the newest published statement of every service point in a month, as ``usage/1`` documents."""
    found = hand_off.newest_statements(work, site_id, month.replace(day=1))
    return [json.loads(one.document) for one in found]


def usage_json(work: UnitOfWork, site_id: int, month: date) -> str:
    """Return the statements of a month as one JSON document."""
    content = {"month": f"{month:%Y-%m}", "statements": usage_documents(work, site_id, month)}
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)


def usage_rows(work: UnitOfWork, site_id: int, month: date) -> list[dict[str, str]]:
    """Return the statements of a month as flat rows; consumption and registers in kWh or kL, unknown is empty."""
    return [_row(document) for document in usage_documents(work, site_id, month)]


def usage_csv(work: UnitOfWork, site_id: int, month: date) -> str:
    """Return the statements of a month as CSV (RFC 4180, comma, UTF-8, header row)."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(usage_rows(work, site_id, month))
    return out.getvalue()


def _row(document: dict[str, Any]) -> dict[str, str]:
    scaler, opening, closing = document["scaler"], document["opening"], document["closing"]
    ppm = document["coverage_ppm"]
    qualities = [
        f"{word} {_text(share['amount'], scaler)} ({share['slots']})" for word, share in document["qualities"].items()
    ]
    return {
        **{name: str(document[name]) for name in ("site", "service_point", "role", "commodity", "month", "revision")},
        "consumption": _text(document["amount"], scaler),
        "unit": DISPLAY_UNIT[document["unit"]],
        "coverage_percent": f"{ppm // 10_000}.{ppm % 10_000 // 100:02}",
        "bridged": _text(document["bridged"], scaler),
        "opening_at": opening["at"] if opening else "",
        "opening_register": _text(opening["value"], opening["scaler"]) if opening else "",
        "closing_at": closing["at"] if closing else "",
        "closing_register": _text(closing["value"], closing["scaler"]) if closing else "",
        "meters": " ".join(part["serial"] for part in document["parts"]),
        "qualities": "; ".join(qualities),
        "flags": " ".join(document["flags"]),
        "published_at": document["published_at"] or "",
        "supersedes": document["supersedes"] or "",
        "content_hash": document["content_hash"],
    }


def _text(amount: int | None, scaler: int) -> str:
    return "" if amount is None else format(display(amount, scaler), "f")
