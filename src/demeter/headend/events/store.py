"""The tables of meter events. Every function works inside the scope of the unit of work it is given."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row, tuple_row

from demeter.headend.events.model import EventFilter, StoredEvent
from demeter.runtime.database import UnitOfWork
from demeter.sdk import EventValue, LogMark, MeterEvent, MeterEventKind

EVENT_COLUMNS = (
    *("site_id", "meter_id", "log", "at", "code", "nth", "sequence", "kind", "event_group", "meaning", "pair"),
    *("doubtful", "measured", "frame_id", "received_at", "noted_at"),
)
MARK_COLUMNS = tuple(column.name for column in fields(LogMark))

NEXT = """
  LEFT JOIN LATERAL (
    SELECT n.code, n.noted_at FROM headend.meter_event n
    WHERE n.site_id = e.site_id AND n.meter_id = e.meter_id AND n.log = e.log AND n.code IN (e.code, e.pair)
      AND (n.noted_at, n.id) > (e.noted_at, e.id)
    ORDER BY n.noted_at, n.id LIMIT 1
  ) AS next ON e.kind = 'occurrence' AND e.pair IS NOT NULL
"""
"""The next event of the same code or its pair: a restoration ends an occurrence, another occurrence leaves its end
unknown."""

OPEN = "e.kind = 'occurrence' AND e.pair IS NOT NULL AND next.code IS NULL"

BEHIND = (
    "(e.noted_at, e.id) <"
    " (SELECT b.noted_at, b.id FROM headend.meter_event b WHERE b.site_id = e.site_id AND b.id = %s)"
)
"""Behind an event in the list, newest first."""


def insert(
    work: UnitOfWork,
    place: tuple[int, int],
    events: Sequence[MeterEvent],
    frame: tuple[int | None, datetime],
) -> int:
    """Write events of a (site, meter) out of one frame (its id, when it came); return how many were not known."""
    frame_id, received_at = frame
    columns = ", ".join(EVENT_COLUMNS)
    statement = (
        f"INSERT INTO headend.meter_event ({columns}) VALUES ({', '.join(['%s'] * len(EVENT_COLUMNS))})"
        " ON CONFLICT DO NOTHING"
    )
    rows = [(*place, *_row(event), frame_id, received_at, event.at or received_at) for event in events]
    with work.raw.cursor() as cursor:
        cursor.executemany(statement, rows)
        return max(cursor.rowcount, 0)


def _row(event: MeterEvent) -> tuple[object, ...]:
    measured = json.dumps([list(astuple(value)) for value in event.values])
    what = (event.log, event.at, event.code, event.nth, event.sequence, str(event.kind), event.group, event.meaning)
    return (*what, event.pair, event.doubtful, measured)


def save_marks(work: UnitOfWork, place: tuple[int, int], marks: Iterable[LogMark]) -> None:
    """Write how far the logs of a (site, meter) are collected."""
    changed = ", ".join(f"{name} = EXCLUDED.{name}" for name in MARK_COLUMNS[1:])
    with work.raw.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO headend.event_log (site_id, meter_id, {', '.join(MARK_COLUMNS)})"
            f" VALUES ({', '.join(['%s'] * (2 + len(MARK_COLUMNS)))})"
            f" ON CONFLICT (site_id, meter_id, log) DO UPDATE SET {changed}",
            [(*place, *astuple(mark)) for mark in marks],
        )


def marks(work: UnitOfWork, site_id: int) -> dict[int, dict[str, LogMark]]:
    """Return how far the logs of a site's meters are collected, by meter and log."""
    found: dict[int, dict[str, LogMark]] = {}
    with work.raw.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            f"SELECT meter_id, {', '.join(MARK_COLUMNS)} FROM headend.event_log WHERE site_id = %s", (site_id,)
        )
        for meter_id, *mark in cursor:
            found.setdefault(meter_id, {})[mark[0]] = LogMark(*mark)
    return found


def events(work: UnitOfWork, site_id: int, meter_id: int | None, wanted: EventFilter) -> list[StoredEvent]:
    """Return the events of a meter, or of a whole site, newest first; one without a stamp stands where it came in."""
    conditions, values = _conditions(site_id, meter_id, wanted)
    with work.raw.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT e.*, CASE WHEN next.code = e.pair THEN next.noted_at END AS until,"
            f" {OPEN} AS open FROM headend.meter_event e {NEXT}"
            f" WHERE {' AND '.join(conditions)} ORDER BY e.noted_at DESC, e.id DESC LIMIT %s",
            (*values, wanted.limit),
        )
        return [_stored(row) for row in cursor]


def _conditions(site_id: int, meter_id: int | None, wanted: EventFilter) -> tuple[list[str], list[object]]:
    """Return what the events must fulfil, and the values that stand in it."""
    span = wanted.span
    given: dict[str, object] = {
        "e.meter_id = %s": meter_id,
        "e.noted_at >= %s": span.start if span else None,
        "e.noted_at < %s": span.end if span else None,
        "e.event_group = %s": wanted.group or None,
        "e.kind = %s": str(wanted.kind) if wanted.kind else None,
        "e.code = %s": wanted.code,
        BEHIND: wanted.before,
    }
    named = {condition: value for condition, value in given.items() if value is not None}
    return ["e.site_id = %s", *named, *([OPEN] if wanted.open else [])], [site_id, *named.values()]


def _stored(row: Mapping[str, Any]) -> StoredEvent:
    same = {name: row[name] for name in ("id", "site_id", "meter_id", "log", "at", "code", "meaning", "sequence")}
    rest = {name: row[name] for name in ("doubtful", "received_at", "frame_id", "until", "open")}
    values = tuple(EventValue(*each) for each in row["measured"])
    return StoredEvent(**same, **rest, kind=MeterEventKind(row["kind"]), group=row["event_group"], values=values)
