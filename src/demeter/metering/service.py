"""Keeping consumption current: what changed is computed again, and what ended is published.

Every unit of work is one transaction that takes what is dirty, writes what follows from it, and forgets that it was
dirty; a kill between any two instructions loses nothing. The result depends on the set of readings only, so the same
work done twice, or in another order, ends in the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta

from demeter import estate, readings
from demeter.contracts.usage import TOPIC, UsageStatement, canonical
from demeter.kernel import Commodity, local_day, month_span
from demeter.metering.assess import LEAK_LEAD, MARGIN, Assessment, assess
from demeter.metering.evidence import computed_flags
from demeter.metering.failures import check_meters
from demeter.metering.gather import SiteMap, installed_meters, month_columns, site_map
from demeter.metering.model import DayUse, Draft, MonthUse, Policy, Published
from demeter.metering.statements import statement
from demeter.metering.store import hand_off, use
from demeter.readings import Dirty
from demeter.runtime.database import Database, Scope, UnitOfWork

ACTOR = "job:metering.refresh"
CHUNK = 200
"""Service points computed at a time, which bounds the memory a month of them takes."""

Target = tuple[int, date]
"""A service point and a month."""


def refresh(database: Database, policy: Policy | None = None, limit: int = 10_000) -> int:
    """Compute what changed since the last call, for every organization, and publish what is due.

    Returns how many service-point months were computed and statements published. Safe to run anywhere, any number of
    times at once.
    """
    done = 0
    for organization_id in database.organization_ids():
        scope = Scope.system(organization_id, ACTOR)
        while True:
            with database.unit_of_work(scope) as work:
                computed = refresh_dirty(work, policy, limit)
            done += computed.targets
            if not computed.entries:
                break
        with database.unit_of_work(scope) as work:
            done += publish_due(work, policy)
    return done


@dataclass(frozen=True, slots=True)
class Computed:
    """What one unit of work did: dirty entries taken, service-point months computed."""

    entries: int
    targets: int


def refresh_dirty(work: UnitOfWork, policy: Policy | None = None, limit: int = 10_000) -> Computed:
    """Take what is dirty in the scope, compute the months it touches, and forget it."""
    taken = readings.take_dirty(work, limit)
    by_site: dict[int, list[Dirty]] = {}
    for dirty in taken:
        by_site.setdefault(dirty.site_id, []).append(dirty)
    targets = 0
    for site_id, entries in sorted(by_site.items()):
        use.lock_site(work, site_id)
        where = site_map(work, site_id)
        touched = touched_targets(where, entries, local_day(where.site.zone, work.now()))
        compute(work, where, touched, policy)
        use.announce(work, site_id, (point for point, _ in touched))
        if {flag.service_point_id for flag in use.flags(work, site_id, alarms=True)} & {point for point, _ in touched}:
            check_meters(work, where, policy or Policy())
        targets += len(touched)
    readings.clear_dirty(work, taken)
    return Computed(len(taken), targets)


def touched_targets(where: SiteMap, entries: Iterable[Dirty], today: date) -> set[Target]:
    """Return the service-point months that depend on changed readings; months that have not begun are left out."""
    meter_of = {channel.id: meter_id for meter_id, own in where.channels.items() for channel in own}
    targets: set[Target] = set()
    for entry in entries:
        meter_id = meter_of.get(entry.channel_id)
        for point_id in where.points_of(meter_id) if meter_id is not None else ():
            for month in _months(where, point_id, entry):
                if month <= today:
                    targets.add((point_id, month))
    return targets


def _months(where: SiteMap, point_id: int, entry: Dirty) -> list[date]:
    """Return the months a change may touch: a midnight belongs to two days, reads by hand and leaks reach further.

    Leaks reach both ways: into the month after by its lead-in, and into the month before, whose last burst they end.
    """
    before, after = timedelta(days=1), timedelta(0)
    if where.points[point_id].commodity is Commodity.WATER:
        before, after = LEAK_LEAD + timedelta(days=1), LEAK_LEAD
    if any(channel.reading_type.interval_s == 0 for channel in where.channels_at([point_id])):
        before, after = MARGIN + timedelta(days=1), MARGIN + timedelta(days=1)
    month, last = (entry.first_day - before).replace(day=1), entry.last_day + after
    found = []
    while month <= last:
        found.append(month)
        month = (month + timedelta(days=32)).replace(day=1)
    return found


def compute(work: UnitOfWork, where: SiteMap, targets: Iterable[Target], policy: Policy | None = None) -> None:
    """Compute service-point months and store days, months, leak flags and, where a month has ended, drafts."""
    by_month: dict[date, list[int]] = {}
    for point_id, month in sorted(targets):
        by_month.setdefault(month, []).append(point_id)
    for month, points in sorted(by_month.items()):
        for first in range(0, len(points), CHUNK):
            chunk = points[first : first + CHUNK]
            columns = month_columns(work, where, chunk, month)
            ended = month_span(where.site.zone, month.year, month.month).end <= work.now()
            until = None if ended else work.now()
            results = [
                (
                    where.points[point],
                    assess(
                        where.points[point],
                        where.site.zone,
                        month,
                        installed_meters(where, point, columns),
                        until,
                        (policy or Policy()).offline_after,
                    ),
                )
                for point in chunk
            ]
            _store(work, where, results)


def _store(work: UnitOfWork, where: SiteMap, computed: Sequence[tuple[estate.ServicePoint, Assessment]]) -> None:
    # a month in which no meter was installed is nobody's
    results = [(point, result) for point, result in computed if result.placed.registers.parts]
    site_id, today = where.site.id, local_day(where.site.zone, work.now())
    statements = [(point, result, statement(where.site, point, result)) for point, result in results]
    use.put_days(
        work,
        site_id,
        [
            DayUse(point.id, day, total)
            for point, result in results
            for day, total in result.days
            if day <= today and total.due
        ],
    )
    use.put_months(work, site_id, [_month_use(point, result, made) for point, result, made in statements])
    keys = [(point.id, result.month) for point, result in results]
    use.drop_computed_flags(work, site_id, keys)
    use.put_flags(work, site_id, [flag for point, result in results for flag in computed_flags(point, result)])
    ended = [
        _draft(point, result, made)
        for point, result, made in statements
        if result.placed.end_s <= int(work.now().timestamp())
    ]
    if ended:
        hand_off.put_drafts(work, site_id, ended)


def _month_use(point: estate.ServicePoint, result: Assessment, made: UsageStatement) -> MonthUse:
    opening, closing = (None if read is None else asdict(read) for read in (made.opening, made.closing))
    return MonthUse(
        service_point_id=point.id,
        month=result.month,
        total=result.total,
        interval_s=result.placed.interval_s,
        offline_after_s=result.offline_after_s,
        flags=result.flags,
        opening=opening,
        closing=closing,
    )


def _instant(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def _draft(point: estate.ServicePoint, result: Assessment, made: UsageStatement) -> Draft:
    ended_at = _instant(result.placed.end_s)
    return Draft(point.id, result.month, ended_at, result.total.complete, made.content_hash(), made.text())


def publish_due(work: UnitOfWork, policy: Policy | None = None, limit: int = 1_000) -> int:
    """Publish the drafts that are complete, or old and quiet enough; return how many."""
    policy = policy or Policy()
    now, count = work.now(), 0
    for site in sorted(estate.sites(work), key=lambda site: site.id):  # by number, as every job locks them
        use.lock_site(work, site.id)
        due = hand_off.due_drafts(work, site.id, now - policy.publish_grace, now - policy.publish_quiet, limit)
        before = {(old.service_point_id, old.month): old for old in _newest(work, site.id, due)}
        for draft in due:
            _publish(work, site.id, draft, before.get((draft.service_point_id, draft.month)))
        if due:
            hand_off.drop_settled(work, site.id)
            use.announce(work, site.id, (draft.service_point_id for draft in due))
        count += len(due)
    return count


def _newest(work: UnitOfWork, site_id: int, due: Sequence[Draft]) -> list[Published]:
    return [old for month in sorted({d.month for d in due}) for old in hand_off.newest_statements(work, site_id, month)]


def _publish(work: UnitOfWork, site_id: int, draft: Draft, before: Published | None) -> None:
    content = UsageStatement.from_document(json.loads(draft.document))
    revision = replace(
        content,
        revision=1 if before is None else before.revision + 1,
        supersedes=None if before is None else before.content_hash,
        published_at=work.now().isoformat(),
    )
    document = revision.document()
    published = Published(
        draft.service_point_id,
        draft.month,
        revision.revision,
        draft.content_hash,
        revision.supersedes,
        work.now(),
        canonical(document),
    )
    hand_off.append_statement(work, site_id, published)
    work.publish(TOPIC, f"{site_id}/{draft.service_point_id}/{content.month}", document)
