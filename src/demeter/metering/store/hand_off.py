"""Drafts, published statements and self-reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg.rows import class_row

from demeter.metering.model import Draft, Published
from demeter.runtime.database import UnitOfWork

PUBLISHED = "service_point_id, month, revision, content_hash, supersedes, published_at, document"

PUT_DRAFT = """INSERT INTO metering.draft AS kept
  (site_id, service_point_id, month, ended_at, complete, content_hash, document, changed_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (site_id, service_point_id, month) DO UPDATE SET ended_at = excluded.ended_at,
  complete = excluded.complete, content_hash = excluded.content_hash, document = excluded.document,
  changed_at = excluded.changed_at
WHERE kept.content_hash <> excluded.content_hash"""

DROP_SETTLED = """DELETE FROM metering.draft d USING (
    SELECT DISTINCT ON (site_id, service_point_id, month) site_id, service_point_id, month, content_hash
    FROM metering.statement WHERE site_id = %(site)s ORDER BY site_id, service_point_id, month, revision DESC
  ) s WHERE d.site_id = %(site)s AND s.service_point_id = d.service_point_id AND s.month = d.month
    AND s.content_hash = d.content_hash"""

DUE = """SELECT service_point_id, month, ended_at, complete, content_hash, document FROM metering.draft
WHERE site_id = %s AND (complete OR (ended_at <= %s AND changed_at <= %s)) ORDER BY month, service_point_id LIMIT %s"""

UNCLOSED = """SELECT i.service_point_id FROM estate.installation i
WHERE i.site_id = %(site)s AND i.starts_at < %(end)s AND (i.ends_at IS NULL OR i.ends_at > %(start)s)
  AND NOT EXISTS (SELECT FROM metering.statement s WHERE s.site_id = i.site_id AND s.month = %(month)s
    AND s.service_point_id = i.service_point_id)
  AND NOT EXISTS (SELECT FROM metering.draft d WHERE d.site_id = i.site_id AND d.month = %(month)s
    AND d.service_point_id = i.service_point_id)
GROUP BY i.service_point_id ORDER BY i.service_point_id LIMIT %(limit)s"""

WITHOUT = """SELECT i.service_point_id, EXISTS (SELECT FROM metering.draft d WHERE d.site_id = i.site_id
    AND d.month = %(month)s AND d.service_point_id = i.service_point_id) AS drafted
FROM estate.installation i
WHERE i.site_id = %(site)s AND i.starts_at < %(end)s AND (i.ends_at IS NULL OR i.ends_at > %(start)s)
  AND NOT EXISTS (SELECT FROM metering.statement s WHERE s.site_id = i.site_id AND s.month = %(month)s
    AND s.service_point_id = i.service_point_id)
GROUP BY i.site_id, i.service_point_id ORDER BY i.service_point_id"""


def put_drafts(work: UnitOfWork, site_id: int, drafts: Sequence[Draft]) -> None:
    """Store drafts; forget those that say what the newest statement says."""
    with work.raw.cursor() as cursor:
        cursor.executemany(
            PUT_DRAFT,
            [
                (
                    site_id,
                    draft.service_point_id,
                    draft.month,
                    draft.ended_at,
                    draft.complete,
                    draft.content_hash,
                    draft.document,
                    work.now(),
                )
                for draft in drafts
            ],
        )
    drop_settled(work, site_id)


def drop_settled(work: UnitOfWork, site_id: int) -> None:
    """Forget drafts whose content is that of the newest statement."""
    work.raw.execute(DROP_SETTLED, {"site": site_id})


def draft_hashes(work: UnitOfWork, site_id: int, month: date, service_point_id: int) -> set[str]:
    """Return the content hash of a service point's draft of a month, in a set; empty where there is none."""
    rows = work.raw.execute(
        "SELECT content_hash FROM metering.draft WHERE site_id = %s AND service_point_id = %s AND month = %s",
        (site_id, service_point_id, month),
    )
    return {row[0] for row in rows}


def due_drafts(
    work: UnitOfWork, site_id: int, ended_before: datetime, unchanged_since: datetime, limit: int
) -> list[Draft]:
    """Return drafts to publish: the complete ones, and the others that ended and rested long enough."""
    with work.raw.cursor(row_factory=class_row(Draft)) as cursor:
        return cursor.execute(DUE, (site_id, ended_before, unchanged_since, limit)).fetchall()


def unclosed(work: UnitOfWork, site_id: int, month: date, span: tuple[datetime, datetime], limit: int) -> list[int]:
    """Return service points with a meter in a month that has neither a statement nor a draft."""
    bound = {"site": site_id, "month": month, "start": span[0], "end": span[1], "limit": limit}
    return [row[0] for row in work.raw.execute(UNCLOSED, bound)]


def without_statement(
    work: UnitOfWork, site_id: int, month: date, span: tuple[datetime, datetime]
) -> list[tuple[int, bool]]:
    """Return service points with a meter in a month that has no statement, and whether there is a draft."""
    bound = {"site": site_id, "month": month, "start": span[0], "end": span[1]}
    return [(row[0], row[1]) for row in work.raw.execute(WITHOUT, bound)]


def newest_statements(
    work: UnitOfWork, site_id: int, month: date | None = None, service_point_id: int | None = None
) -> list[Published]:
    """Return the newest revision per service point and month."""
    with work.raw.cursor(row_factory=class_row(Published)) as cursor:
        return cursor.execute(
            f"SELECT DISTINCT ON (service_point_id, month) {PUBLISHED} FROM metering.statement WHERE site_id = %s"
            " AND month = coalesce(%s, month) AND service_point_id = coalesce(%s, service_point_id)"
            " ORDER BY service_point_id, month, revision DESC",
            (site_id, month, service_point_id),
        ).fetchall()


def revisions(work: UnitOfWork, site_id: int, month: date) -> dict[int, tuple[int, datetime]]:
    """Return the newest revision and when it was published, by service point, without the documents."""
    rows = work.raw.execute(
        "SELECT DISTINCT ON (service_point_id) service_point_id, revision, published_at FROM metering.statement"
        " WHERE site_id = %s AND month = %s ORDER BY service_point_id, revision DESC",
        (site_id, month),
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def append_statement(work: UnitOfWork, site_id: int, published: Published) -> None:
    """Append a revision."""
    work.raw.execute(
        f"INSERT INTO metering.statement (site_id, {PUBLISHED}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            site_id,
            published.service_point_id,
            published.month,
            published.revision,
            published.content_hash,
            published.supersedes,
            published.published_at,
            published.document,
        ),
    )


@dataclass(frozen=True, slots=True)
class SelfReadRow:
    """A submitted self-read; ``register`` in base units as the dial shows it; ``received_id``: the row it answers."""

    service_point_id: int
    meter_id: int
    at: datetime
    register: Decimal
    outcome: str
    reason: str
    note: str
    submitted_by: str
    submitted_at: datetime
    received_id: int | None = None


SELF_READ = "service_point_id, meter_id, at, register, outcome, reason, note, submitted_by, submitted_at, received_id"


def append_self_read(work: UnitOfWork, site_id: int, row: SelfReadRow) -> int:
    """Append a submitted self-read; return its id."""
    values: list[Any] = [getattr(row, name) for name in SELF_READ.split(", ")]
    made = work.raw.execute(
        f"INSERT INTO metering.self_read (site_id, {SELF_READ}) VALUES (%s{', %s' * len(values)}) RETURNING id",
        [site_id, *values],
    ).fetchone()
    assert made is not None
    return int(made[0])


def self_reads(work: UnitOfWork, site_id: int, service_point_id: int) -> list[SelfReadRow]:
    """Return the self-reads of a service point, newest first; one that has its outcome is listed once."""
    with work.raw.cursor(row_factory=class_row(SelfReadRow)) as cursor:
        return cursor.execute(
            f"SELECT {SELF_READ} FROM metering.self_read r WHERE site_id = %s AND service_point_id = %s"
            " AND NOT EXISTS (SELECT FROM metering.self_read o WHERE o.site_id = r.site_id AND o.received_id = r.id)"
            " ORDER BY at DESC, id DESC",
            (site_id, service_point_id),
        ).fetchall()
