"""Days, months and flags."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg.rows import dict_row

from demeter.metering.model import ALARM, DayUse, Flag, FlagKind, MonthUse, qualities_in, qualities_out
from demeter.metering.rollup import Total
from demeter.runtime.database import UnitOfWork

SITE_LOCK = 0x0DE0_0006

CHANGED_CHANNEL = "demeter_usage"
ANNOUNCED = 500
"""Service points per notification: PostgreSQL takes 8,000 bytes, an id is at most ten digits."""

TOTAL = "amount, scaler, bridged, bridged_slots, due, known, qualities"

PUT_DAYS = f"""INSERT INTO metering.day_use AS kept (site_id, service_point_id, day, {TOTAL})
SELECT %s, * FROM unnest(%s::int[], %s::date[], %s::bigint[], %s::smallint[], %s::bigint[], %s::int[], %s::int[],
  %s::int[], %s::jsonb[])
ON CONFLICT (site_id, service_point_id, day) DO UPDATE SET ({TOTAL}) = (excluded.amount, excluded.scaler,
  excluded.bridged, excluded.bridged_slots, excluded.due, excluded.known, excluded.qualities)
WHERE (kept.amount, kept.scaler, kept.bridged, kept.bridged_slots, kept.due, kept.known, kept.qualities)
  IS DISTINCT FROM (excluded.amount, excluded.scaler, excluded.bridged, excluded.bridged_slots, excluded.due,
  excluded.known, excluded.qualities)"""

MONTH_COLUMNS = f"{TOTAL}, interval_s, offline_after_s, flags, opening, closing"
PUT_MONTH = f"""INSERT INTO metering.month_use (site_id, service_point_id, month, {MONTH_COLUMNS})
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (site_id, service_point_id, month) DO UPDATE SET ({MONTH_COLUMNS}) = (excluded.amount, excluded.scaler,
  excluded.bridged, excluded.bridged_slots, excluded.due, excluded.known, excluded.qualities, excluded.interval_s,
  excluded.offline_after_s, excluded.flags, excluded.opening, excluded.closing)"""

FLAG = "service_point_id, month, kind, word, since, raised_at, until_at, evidence"


def lock_site(work: UnitOfWork, site_id: int) -> None:
    """Let only one unit of work at a time write a site's consumption; held to the end of the transaction."""
    work.raw.execute("SELECT pg_advisory_xact_lock(%s, %s)", (SITE_LOCK, site_id))


def announce(work: UnitOfWork, site_id: int, service_point_ids: Iterable[int]) -> None:
    """Tell listeners whose consumption, flags or statements changed, when the transaction commits."""
    points = sorted(set(service_point_ids))
    payloads = [
        json.dumps(
            {
                "organization": work.scope.organization_id,
                "site": site_id,
                "service_points": points[first : first + ANNOUNCED],
            }
        )
        for first in range(0, len(points), ANNOUNCED)
    ]
    if payloads:
        work.raw.execute("SELECT pg_notify(%s, p) FROM unnest(%s::text[]) p", (CHANGED_CHANNEL, payloads))


def put_days(work: UnitOfWork, site_id: int, days: Sequence[DayUse]) -> None:
    """Store days; what is the same already is not written again."""
    if not days:
        return
    totals = [day.total for day in days]
    columns: list[list[object]] = [
        [day.service_point_id for day in days],
        [day.day for day in days],
        [total.amount for total in totals],
        [total.scaler for total in totals],
        [total.bridged for total in totals],
        [total.bridged_slots for total in totals],
        [total.due for total in totals],
        [total.known for total in totals],
        [json.dumps(qualities_out(total)) for total in totals],
    ]
    work.raw.execute(PUT_DAYS, [site_id, *columns])


def put_months(work: UnitOfWork, site_id: int, months: Sequence[MonthUse]) -> None:
    """Store months."""
    with work.raw.cursor() as cursor:
        cursor.executemany(
            PUT_MONTH,
            [
                (
                    site_id,
                    use.service_point_id,
                    use.month,
                    *_total_out(use.total),
                    use.interval_s,
                    use.offline_after_s,
                    list(use.flags),
                    _json(use.opening),
                    _json(use.closing),
                )
                for use in months
            ],
        )


def _total_out(total: Total) -> tuple[object, ...]:
    return (
        total.amount,
        total.scaler,
        total.bridged,
        total.bridged_slots,
        total.due,
        total.known,
        json.dumps(qualities_out(total)),
    )


def _json(value: object | None) -> str | None:
    return None if value is None else json.dumps(value)


def _total_in(row: dict[str, Any]) -> Total:
    return Total(
        row["amount"],
        row["scaler"],
        row["bridged"],
        row["bridged_slots"],
        row["due"],
        row["known"],
        qualities_in(row["qualities"]),
    )


def days(
    work: UnitOfWork, site_id: int, first: date, last: date, service_point_ids: Iterable[int] | None = None
) -> list[DayUse]:
    """Return the days from ``first`` to ``last`` (both included) of all or of these service points, in order."""
    wanted = None if service_point_ids is None else list(service_point_ids)
    with work.raw.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT service_point_id, day, {TOTAL} FROM metering.day_use WHERE site_id = %s AND day BETWEEN %s AND %s"
            " AND (%s::int[] IS NULL OR service_point_id = ANY(%s)) ORDER BY service_point_id, day",
            (site_id, first, last, wanted, wanted),
        ).fetchall()
    return [DayUse(row["service_point_id"], row["day"], _total_in(row)) for row in rows]


@dataclass(frozen=True, slots=True)
class DaySeries:
    """A service point's days as parallel lists; ``whole``: every due slot of the day is accounted for."""

    days: list[date]
    amounts: list[int | None]
    scalers: list[int]
    whole: list[bool]

    def rows(self) -> Iterator[tuple[date, int | None, int, bool]]:
        """Yield (day, amount, scaler, whole)."""
        return zip(self.days, self.amounts, self.scalers, self.whole, strict=True)


def day_series(work: UnitOfWork, site_id: int, first: date, before: date) -> dict[int, DaySeries]:
    """Return the days ``[first, before)`` of all service points of a site, one row each: for reconciliation."""
    rows = work.raw.execute(
        "SELECT service_point_id, array_agg(day), array_agg(amount), array_agg(scaler::int),"
        " array_agg(known = due AND due > 0) FROM metering.day_use WHERE site_id = %s AND day >= %s AND day < %s"
        " GROUP BY service_point_id",
        (site_id, first, before),
    )
    return {row[0]: DaySeries(*row[1:]) for row in rows}


def months(
    work: UnitOfWork, site_id: int, *, month: date | None = None, service_point_id: int | None = None
) -> list[MonthUse]:
    """Return months of a site: one month of all service points, or all months of one, in order."""
    with work.raw.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT service_point_id, month, {MONTH_COLUMNS} FROM metering.month_use WHERE site_id = %s"
            " AND month = coalesce(%s, month) AND service_point_id = coalesce(%s, service_point_id)"
            " ORDER BY service_point_id, month",
            (site_id, month, service_point_id),
        ).fetchall()
    return [
        MonthUse(
            row["service_point_id"],
            row["month"],
            _total_in(row),
            row["interval_s"],
            row["offline_after_s"],
            tuple(row["flags"]),
            row["opening"],
            row["closing"],
        )
        for row in rows
    ]


def put_flags(work: UnitOfWork, site_id: int, flags: Sequence[Flag]) -> None:
    """Store flags; one that is there already takes the new end and evidence."""
    with work.raw.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO metering.flag (site_id, {FLAG}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (site_id, service_point_id, month, kind, word, since)"
            " DO UPDATE SET until_at = excluded.until_at, evidence = excluded.evidence",
            [
                (
                    site_id,
                    flag.service_point_id,
                    flag.month,
                    flag.kind.value,
                    flag.word,
                    flag.since,
                    flag.raised_at,
                    flag.until,
                    json.dumps(dict(flag.evidence)),
                )
                for flag in flags
            ],
        )


def drop_computed_flags(work: UnitOfWork, site_id: int, keys: Sequence[tuple[int, date]]) -> None:
    """Remove the flags that follow from the readings of these (service point, month), to be stored anew."""
    if keys:
        points, of_months = [list(column) for column in zip(*keys, strict=True)]
        work.raw.execute(
            "DELETE FROM metering.flag WHERE site_id = %s AND word <> %s"
            " AND (service_point_id, month) IN (SELECT * FROM unnest(%s::int[], %s::date[]))",
            (site_id, ALARM, points, of_months),
        )


def awaited(work: UnitOfWork, site_id: int, meter_ids: Sequence[int]) -> dict[int, datetime]:
    """Return since when the first reading of each of these meters is awaited; those new here are from now on."""
    work.raw.execute(
        "INSERT INTO metering.awaited SELECT %s, unnest(%s::int[]), %s ON CONFLICT DO NOTHING",
        (site_id, list(meter_ids), work.now()),
    )
    rows = work.raw.execute(
        "SELECT meter_id, since FROM metering.awaited WHERE site_id = %s AND meter_id = ANY(%s)",
        (site_id, list(meter_ids)),
    )
    return {row[0]: row[1] for row in rows}


def close_flag(work: UnitOfWork, site_id: int, flag: Flag, until: datetime) -> None:
    """Mark an open flag as over."""
    work.raw.execute(
        "UPDATE metering.flag SET until_at = %s WHERE site_id = %s AND service_point_id = %s AND month = %s"
        " AND kind = %s AND word = %s AND since = %s",
        (until, site_id, flag.service_point_id, flag.month, flag.kind.value, flag.word, flag.since),
    )


def flags_within(
    work: UnitOfWork, site_id: int, month: date, end: datetime, service_point_id: int | None = None
) -> list[Flag]:
    """Return the flags of a month: what its readings say, and the open alarms that reach into it; oldest first."""
    with work.raw.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {FLAG} FROM metering.flag WHERE site_id = %s AND service_point_id = coalesce(%s, service_point_id)"
            " AND (word <> %s AND month = %s OR word = %s AND since < %s AND until_at IS NULL)"
            " ORDER BY since, service_point_id, word",
            (site_id, service_point_id, ALARM, month, ALARM, end),
        ).fetchall()
    return [_flag_in(row) for row in rows]


def leak_began(work: UnitOfWork, site_id: int, flag: Flag) -> datetime:
    """Return when a leak began, followed back through the months before, in each of which it was open at the end."""
    rows = work.raw.execute(
        "SELECT month, min(since) FROM metering.flag WHERE site_id = %s AND service_point_id = %s AND kind = 'leak'"
        " AND word = %s AND month < %s AND until_at IS NULL GROUP BY month ORDER BY month DESC",
        (site_id, flag.service_point_id, flag.word, flag.month),
    )
    month, since = flag.month, flag.since
    for before, began in rows:
        if before != (month - timedelta(days=1)).replace(day=1):
            break
        month, since = before, min(since, began)
    return since


def flags(
    work: UnitOfWork,
    site_id: int,
    *,
    month: date | None = None,
    service_point_id: int | None = None,
    alarms: bool = False,
) -> list[Flag]:
    """Return flags of a site, oldest first: of a month, of a service point, or the open alarms."""
    with work.raw.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {FLAG} FROM metering.flag WHERE site_id = %s AND month = coalesce(%s, month)"
            " AND service_point_id = coalesce(%s, service_point_id)"
            " AND (NOT %s OR word = %s AND until_at IS NULL) ORDER BY since, service_point_id, word",
            (site_id, month, service_point_id, alarms, ALARM),
        ).fetchall()
    return [_flag_in(row) for row in rows]


def _flag_in(row: dict[str, Any]) -> Flag:
    return Flag(
        row["service_point_id"],
        row["month"],
        FlagKind(row["kind"]),
        row["word"],
        row["since"],
        row["raised_at"],
        row["until_at"],
        row["evidence"],
    )
