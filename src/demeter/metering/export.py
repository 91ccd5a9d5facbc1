"""Usage statements as JSON and CSV, for the command line and other systems; whose statement is missing is said."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from demeter import estate
from demeter.contracts.usage import UsageStatement
from demeter.estate import ServicePoint
from demeter.kernel import display, month_span
from demeter.metering.model import Published
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


class MissingReason(StrEnum):
    """Why a service point that had a meter has no statement to hand over."""

    RUNNING = "running"
    NOT_COMPUTED = "not_computed"
    NOT_PUBLISHED = "not_published"
    ALTERED = "altered"


MISSING_WORDS: Mapping[MissingReason, str] = {
    MissingReason.RUNNING: "the month is not over",
    MissingReason.NOT_COMPUTED: "the month is not computed yet",
    MissingReason.NOT_PUBLISHED: "its draft is incomplete or still changing",
    MissingReason.ALTERED: "the stored document does not give its content hash",
}


@dataclass(frozen=True, slots=True)
class Missing:
    """A service point that had a meter in the month, and why it has no statement to hand over."""

    point: ServicePoint
    reason: MissingReason

    def document(self) -> dict[str, str]:
        """Return it as JSON-ready data."""
        point = self.point
        return {
            "service_point_id": str(point.id),
            "service_point": point.label,
            "role": point.role.value,
            "commodity": point.commodity.value,
            "reason": self.reason.value,
        }


@dataclass(frozen=True, slots=True)
class HandOff:
    """What metering hands over for a month: ``usage/1`` documents, and the service points without one."""

    month: date
    documents: Sequence[dict[str, Any]]
    missing: Sequence[Missing]


def usage(work: UnitOfWork, site_id: int, month: date) -> HandOff:
    """Return the newest published statement of every service point in a month, and whose is missing.

    Every document is hashed again: one that does not give the content hash it was published with is not handed over.

    Raises:
        NotFound: no such site in the scope.
    """
    month, site = month.replace(day=1), estate.site(work, site_id)
    span = month_span(site.zone, month.year, month.month)
    points = {point.id: point for point in estate.service_points(work, site_id)}
    documents, missing = [], []
    for one in hand_off.newest_statements(work, site_id, month):
        document = _sound(one)
        if document is None:
            missing.append(Missing(points[one.service_point_id], MissingReason.ALTERED))
        else:
            documents.append(document)
    for point_id, drafted in hand_off.without_statement(work, site_id, month, (span.start, span.end)):
        reason = MissingReason.NOT_PUBLISHED if drafted else MissingReason.NOT_COMPUTED
        missing.append(Missing(points[point_id], reason if span.end <= work.now() else MissingReason.RUNNING))
    return HandOff(month, documents, sorted(missing, key=lambda one: (one.point.label, one.point.commodity.value)))


def _sound(published: Published) -> dict[str, Any] | None:
    """Return the document of a statement, None if it is not what was published."""
    try:
        document: dict[str, Any] = json.loads(published.document)
        told = UsageStatement.from_document(document).content_hash()
    except (ValueError, TypeError, KeyError):
        return None
    return document if told == published.content_hash else None


def usage_json(found: HandOff) -> str:
    """Return a hand-off as one JSON document."""
    content = {
        "month": f"{found.month:%Y-%m}",
        "statements": list(found.documents),
        "missing": [one.document() for one in found.missing],
    }
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)


def usage_rows(found: HandOff) -> list[dict[str, str]]:
    """Return the statements as flat rows; consumption and registers in kWh or kL, unknown is empty."""
    return [_row(document) for document in found.documents]


def usage_csv(found: HandOff) -> str:
    """Return the statements as CSV (RFC 4180, comma, UTF-8, header row); what is missing has no row."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(usage_rows(found))
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
