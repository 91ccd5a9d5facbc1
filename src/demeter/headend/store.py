"""The head-end's tables. Every function works inside the scope of the unit of work it is given."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, fields
from datetime import date, datetime
from typing import Any, TypeVar

from psycopg.rows import class_row, tuple_row

from demeter.headend.model import (
    OK,
    DayCount,
    FailureCount,
    MeterState,
    ProfileState,
    Purpose,
    ReadRequest,
    Received,
    Session,
)
from demeter.kernel import Span
from demeter.runtime.database import UnitOfWork
from demeter.sdk import Counted, Profile

T = TypeVar("T")

REQUEST_CHANNEL = "demeter_read_request"
DONE_CHANNEL = "demeter_read_done"

METER_COLUMNS = tuple(column.name for column in fields(MeterState))
PROFILE_COLUMNS = tuple(column.name for column in fields(ProfileState))
SESSION_COLUMNS = tuple(column.name for column in fields(Session))
COUNTED = tuple(column.name for column in fields(Received))
REQUEST_COLUMNS = ", ".join(column.name for column in fields(ReadRequest))


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO headend.{table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"


def _upsert(table: str, columns: Sequence[str], keys: int) -> str:
    changed = ", ".join(f"{column} = EXCLUDED.{column}" for column in columns[keys:])
    return f"{_insert(table, columns)} ON CONFLICT ({', '.join(columns[:keys])}) DO UPDATE SET {changed}"


def save_meters(work: UnitOfWork, states: Sequence[MeterState]) -> None:
    """Write meters' states as they are now."""
    with work.raw.cursor() as cursor:
        cursor.executemany(_upsert("meter_state", METER_COLUMNS, 2), [astuple(state) for state in states])


def save_profiles(work: UnitOfWork, states: Sequence[ProfileState]) -> None:
    """Write how far profiles are collected."""
    with work.raw.cursor() as cursor:
        cursor.executemany(_upsert("profile_state", PROFILE_COLUMNS, 3), [astuple(state) for state in states])


def add_days(work: UnitOfWork, counts: Sequence[DayCount]) -> None:
    """Add to the number of reads received, by meter and day."""
    statement = _insert("read_day", ("site_id", "meter_id", "day", *COUNTED))
    added = ", ".join(f"{count} = headend.read_day.{count} + EXCLUDED.{count}" for count in COUNTED)
    with work.raw.cursor() as cursor:
        cursor.executemany(
            f"{statement} ON CONFLICT (site_id, meter_id, day) DO UPDATE SET {added}",
            [(count.site_id, count.meter_id, count.day, *astuple(count.counts)) for count in counts],
        )


def log_sessions(work: UnitOfWork, sessions: Sequence[Session]) -> None:
    """Append to the session log."""
    with work.raw.cursor() as cursor:
        cursor.executemany(_insert("session_log", SESSION_COLUMNS), [astuple(session) for session in sessions])


def meter_states(work: UnitOfWork, site_id: int) -> dict[int, MeterState]:
    """Return what is remembered of the meters of a site, by meter."""
    with work.raw.cursor(row_factory=class_row(MeterState)) as cursor:
        cursor.execute(f"SELECT {', '.join(METER_COLUMNS)} FROM headend.meter_state WHERE site_id = %s", (site_id,))
        return {state.meter_id: state for state in cursor}


def profile_states(work: UnitOfWork, site_id: int) -> dict[tuple[int, Profile], ProfileState]:
    """Return how far the profiles of a site's meters are collected, by meter and profile."""
    with work.raw.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(f"SELECT {', '.join(PROFILE_COLUMNS)} FROM headend.profile_state WHERE site_id = %s", (site_id,))
        states = [ProfileState(row[0], row[1], Profile(row[2]), *row[3:]) for row in cursor]
    return {(state.meter_id, state.profile): state for state in states}


def received_since(work: UnitOfWork, site_id: int, day: date) -> dict[int, int]:
    """Return how many interval reads of a site-local day and later were committed, by meter."""
    with work.raw.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT meter_id, sum(received)::int FROM headend.read_day WHERE site_id = %s AND day >= %s"
            " GROUP BY meter_id",
            (site_id, day),
        )
        return dict(cursor.fetchall())


def days_received(work: UnitOfWork, site_id: int, days: tuple[date, date]) -> dict[tuple[int, date], Received]:
    """Return what was received of site-local days, both ends included, by meter and day."""
    with work.raw.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            f"SELECT meter_id, day, {', '.join(COUNTED)} FROM headend.read_day"
            " WHERE site_id = %s AND day BETWEEN %s AND %s",
            (site_id, *days),
        )
        return {(row[0], row[1]): Received(*row[2:]) for row in cursor}


def failures(work: UnitOfWork, site_id: int, span: Span) -> list[FailureCount]:
    """Return why reads of a site that ended within a span failed, the reason with the most meters first."""
    with work.raw.cursor(row_factory=class_row(FailureCount)) as cursor:
        cursor.execute(
            "SELECT outcome AS reason, count(DISTINCT meter_id)::int AS meters, count(*)::int AS sessions,"
            " max(ended_at) AS last_at, (array_agg(detail ORDER BY ended_at DESC))[1] AS last_detail"
            " FROM headend.session_log WHERE site_id = %s AND ended_at >= %s AND ended_at < %s"
            " AND outcome <> %s AND purpose <> %s GROUP BY outcome ORDER BY meters DESC, sessions DESC, reason",
            (site_id, span.start, span.end, OK, Purpose.COMMAND),
        )
        return cursor.fetchall()


def sessions(work: UnitOfWork, site_id: int, meter_id: int, limit: int) -> list[Session]:
    """Return a meter's last sessions, newest first."""
    with work.raw.cursor(row_factory=class_row(Session)) as cursor:
        cursor.execute(
            f"SELECT {', '.join(SESSION_COLUMNS)} FROM headend.session_log WHERE site_id = %s AND meter_id = %s"
            " ORDER BY started_at DESC, id DESC LIMIT %s",
            (site_id, meter_id, limit),
        )
        return cursor.fetchall()


def prune(work: UnitOfWork, before: datetime) -> int:
    """Delete sessions and finished requests that ended before an instant; return how many rows went."""
    gone = work.raw.execute("DELETE FROM headend.session_log WHERE ended_at < %s", (before,)).rowcount
    return gone + work.raw.execute("DELETE FROM headend.read_request WHERE done_at < %s", (before,)).rowcount


def open_request(work: UnitOfWork, site_id: int, meter_id: int, times: tuple[datetime, datetime]) -> ReadRequest:
    """Return the meter's open request, made now unless there is one; ``times``: created and expiring at."""
    finish_expired(work, times[0])
    work.raw.execute(
        _insert("read_request", ("site_id", "meter_id", "requested_by", "created_at", "expires_at"))
        + " ON CONFLICT (site_id, meter_id) WHERE done_at IS NULL DO NOTHING",
        (site_id, meter_id, work.scope.actor, *times),
    )
    with work.raw.cursor(row_factory=class_row(ReadRequest)) as cursor:
        cursor.execute(
            f"SELECT {REQUEST_COLUMNS} FROM headend.read_request"
            " WHERE site_id = %s AND meter_id = %s AND done_at IS NULL",
            (site_id, meter_id),
        )
        found = cursor.fetchone()
    assert found is not None
    notify(work, REQUEST_CHANNEL, str(work.scope.organization_id))
    return found


def request(work: UnitOfWork, request_id: int) -> ReadRequest | None:
    """Return a request, as far as the scope sees it."""
    with work.raw.cursor(row_factory=class_row(ReadRequest)) as cursor:
        cursor.execute(f"SELECT {REQUEST_COLUMNS} FROM headend.read_request WHERE id = %s", (request_id,))
        return cursor.fetchone()


def take_requests(work: UnitOfWork, now: datetime, *, again: bool) -> list[ReadRequest]:
    """Claim the waiting requests of the scope's organization; with ``again`` also those a dead process had claimed."""
    finish_expired(work, now)
    waiting = "" if again else " AND taken_at IS NULL"
    with work.raw.cursor(row_factory=class_row(ReadRequest)) as cursor:
        cursor.execute(
            f"UPDATE headend.read_request SET taken_at = %s WHERE done_at IS NULL{waiting} RETURNING {REQUEST_COLUMNS}",
            (now,),
        )
        return cursor.fetchall()


def finish_request(work: UnitOfWork, asked: ReadRequest, outcome: str, detail: str) -> None:
    """Close a request, once, and tell who waits for it."""
    work.raw.execute(
        "UPDATE headend.read_request SET done_at = %s, outcome = %s, detail = %s"
        " WHERE site_id = %s AND id = %s AND done_at IS NULL",
        (work.now(), outcome, detail, asked.site_id, asked.id),
    )
    notify(work, DONE_CHANNEL, str(asked.id))


def finish_expired(work: UnitOfWork, now: datetime) -> None:
    """Close requests nobody took in time."""
    work.raw.execute(
        "UPDATE headend.read_request SET done_at = %s, outcome = 'expired', detail = %s"
        " WHERE done_at IS NULL AND taken_at IS NULL AND expires_at <= %s",
        (now, "no head-end took the request in time", now),
    )


def notify(work: UnitOfWork, channel: str, payload: str) -> None:
    """Wake the listeners of a channel when this transaction commits."""
    work.raw.execute("SELECT pg_notify(%s, %s)", (channel, payload))


def save_discovery(work: UnitOfWork, place: tuple[int, int], found: str) -> None:
    """Keep the JSON of what was found of a (site, meter), in place of what was kept before."""
    work.raw.execute(
        "INSERT INTO headend.discovery (site_id, meter_id, discovered_at, discovered_by, found)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (site_id, meter_id) DO UPDATE SET"
        " discovered_at = EXCLUDED.discovered_at, discovered_by = EXCLUDED.discovered_by, found = EXCLUDED.found",
        (*place, work.now(), work.scope.actor, found),
    )


def discovery(work: UnitOfWork, place: tuple[int, int]) -> tuple[datetime, str, Any] | None:
    """Return when a (site, meter) was discovered, by whom, and what was found."""
    with work.raw.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(
            "SELECT discovered_at, discovered_by, found FROM headend.discovery WHERE site_id = %s AND meter_id = %s",
            place,
        ).fetchone()


def own_title(work: UnitOfWork) -> bytes:
    """Return the title this installation sends under: three letters and five octets by chance, made once."""
    return _one(work, "SELECT headend.own_title(%s)", (b"DMT" + secrets.token_bytes(5),), bytes)


def counted(work: UnitOfWork, fingerprint: bytes) -> Counted:
    """Return the counters reserved and accepted under a key."""
    sent: dict[bytes, int] = {}
    seen: dict[bytes, int] = {}
    with work.raw.cursor(row_factory=tuple_row) as cursor:
        for is_sent, title, counter in cursor.execute("SELECT * FROM headend.counted(%s)", (fingerprint,)):
            (sent if is_sent else seen)[bytes(title)] = counter
    return Counted(sent, seen)


def reserve_counters(work: UnitOfWork, title: bytes, fingerprint: bytes, least: int, count: int) -> int:
    """Reserve counters in a row, none reserved before; return the first."""
    statement = "SELECT headend.reserve_counters(%s, %s, %s::bigint, %s::int)"
    return _one(work, statement, (title, fingerprint, least, count), int)


def saw_counters(work: UnitOfWork, seen: Mapping[tuple[bytes, bytes], int]) -> None:
    """Raise what was accepted, by (the meter's title, the key's fingerprint)."""
    work.raw.execute(
        "SELECT headend.saw_counters(%s::bytea[], %s::bytea[], %s::bigint[])",
        ([title for title, _ in seen], [key for _, key in seen], list(seen.values())),
    )


def _one(work: UnitOfWork, statement: str, parameters: tuple[object, ...], kind: Callable[[Any], T]) -> T:
    with work.raw.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(statement, parameters).fetchone()
    assert row is not None
    return kind(row[0])
