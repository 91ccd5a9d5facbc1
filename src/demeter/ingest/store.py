"""SQL of the slice: where meters are, refusals, and the notice to listeners."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from demeter.ingest.model import Reason, Refusal

Connection = psycopg.Connection[Any]
CHANNEL = "demeter_readings"


@dataclass(frozen=True, slots=True)
class MeterPlace:
    """Whose a meter is and where."""

    organization_id: int
    site_id: int
    zone: str


@dataclass(frozen=True, slots=True)
class KeptRefusals:
    """The refusals of one delivery; ``organization_id`` None: neither meter nor sender is known."""

    organization_id: int | None
    meter_id: int
    frame_id: int | None
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """New readings of a meter; ``at_s``: the newest, UTC epoch seconds."""

    organization_id: int
    site_id: int
    meter_id: int
    at_s: int


def meter_places(connection: Connection, meter_ids: Sequence[int]) -> dict[int, MeterPlace]:
    """Return organization, site and zone of meters by meter id."""
    rows = connection.execute(
        "SELECT m.id, m.organization_id, m.site_id, s.zone FROM estate.meter m JOIN estate.site s ON s.id = m.site_id"
        " WHERE m.id = ANY(%s)",
        (list(meter_ids),),
    )
    return {row[0]: MeterPlace(*row[1:]) for row in rows}


def keep_refusals(connection: Connection, kept: Sequence[KeptRefusals], at: datetime) -> None:
    """Append refusals."""
    rows = [
        (k.organization_id, k.meter_id, k.frame_id, at, refusal.reason.value, refusal.detail)
        for k in kept
        for refusal in k.refusals
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO ingest.refusal (organization_id, meter_id, frame_id, refused_at, reason, detail)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                rows,
            )


def notify(connection: Connection, notices: Sequence[Notice]) -> None:
    """Tell listeners of new readings, once per meter, when the transaction commits."""
    newest: dict[tuple[int, int, int], int] = {}
    for notice in notices:
        key = notice.organization_id, notice.site_id, notice.meter_id
        newest[key] = max(newest.get(key, 0), notice.at_s)
    payloads = [
        json.dumps({"organization": o, "site": s, "meter": m, "at": datetime.fromtimestamp(at, UTC).isoformat()})
        for (o, s, m), at in newest.items()
    ]
    if payloads:
        connection.execute("SELECT pg_notify(%s, p) FROM unnest(%s::text[]) p", (CHANNEL, payloads))


@dataclass(frozen=True, slots=True)
class RefusedDelivery:
    """A refusal as kept."""

    meter_id: int
    frame_id: int | None
    refused_at: datetime
    reason: Reason
    detail: str


def refusals(connection: Connection, meter_id: int | None, limit: int) -> list[RefusedDelivery]:
    """Return the newest refusals of the scope."""
    rows = connection.execute(
        "SELECT meter_id, frame_id, refused_at, reason, detail FROM ingest.refusal"
        " WHERE %s::int IS NULL OR meter_id = %s ORDER BY id DESC LIMIT %s",
        (meter_id, meter_id, limit),
    )
    return [RefusedDelivery(meter, frame, at, Reason(reason), detail) for meter, frame, at, reason, detail in rows]
