"""Reading the audit trail: what it tells of a subject, and whether it is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from demeter.runtime.database.engine import UnitOfWork, audit_hash

FETCH = 2_000  # entries held in memory at a time


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody did. ``at`` is aware UTC; ``detail`` JSON data."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


def audit_entries(work: UnitOfWork, action: str, subject: str) -> list[AuditEntry]:
    """Return the organization's entries of one action on one subject, oldest first."""
    rows = work.raw.execute(
        "SELECT id, at, actor, action, subject, detail FROM runtime.audit WHERE organization_id = %s AND action = %s"
        " AND subject = %s ORDER BY id",
        (work.scope.organization_id, action, subject),
    )
    return [AuditEntry(n, at, actor, kind, of, _detail(text)) for n, at, actor, kind, of, text in rows]


def audit_broken_at(work: UnitOfWork) -> int | None:
    """Return the first entry of the organization that does not follow from the one before it; None: all do.

    Entries taken away from the end leave no mark, and who owns the database can rewrite all that follows a change:
    a copy of the newest hash kept elsewhere tells.
    """
    previous, last = b"", 0
    while True:
        rows = work.raw.execute(
            "SELECT id, at, actor, action, subject, detail, hash FROM runtime.audit"
            " WHERE organization_id = %s AND id > %s ORDER BY id LIMIT %s",
            (work.scope.organization_id, last, FETCH),
        ).fetchall()
        for number, at, actor, action, subject, detail, kept in rows:
            previous = audit_hash(previous, at.astimezone(UTC), actor, action, subject, detail)
            if previous != bytes(kept):
                return int(number)
            last = number
        if len(rows) < FETCH:
            return None


def _detail(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:  # tampered with
        return {}
    return found if isinstance(found, dict) else {}
