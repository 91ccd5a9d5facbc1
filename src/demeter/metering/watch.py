"""What only the passing of time brings about: read failures, and months that end without another reading."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from demeter import estate, readings
from demeter.estate import MANUAL, Installation, Meter
from demeter.kernel import Quality, local_day, month_span
from demeter.metering.gather import SiteMap, site_map
from demeter.metering.model import Flag, FlagKind, Policy
from demeter.metering.offline import ReadFailureSignal, read_failure
from demeter.metering.service import compute, publish_due
from demeter.metering.store import hand_off, use
from demeter.readings import Latest
from demeter.runtime.database import Database, Scope, UnitOfWork

ACTOR = "job:metering.watch"
WORD = "no reading"
MONTHS_BACK = 3
CLOSE_LIMIT = 2_000


def watch_offline(database: Database, policy: Policy | None = None) -> int:
    """Raise and clear read failures, close months that ended, and publish; for every organization.

    Returns how many flags were raised or cleared and statements published.
    """
    policy = policy or Policy()
    done = 0
    for organization_id in database.organization_ids():
        with database.unit_of_work(Scope.system(organization_id, ACTOR)) as work:
            for site in estate.sites(work):
                use.lock_site(work, site.id)
                where = site_map(work, site.id)
                done += watch_meters(work, where, policy)
                close_months(work, where, policy)
            done += publish_due(work, policy)
    return done


def watch_meters(work: UnitOfWork, where: SiteMap, policy: Policy) -> int:
    """Compare every installed smart meter's newest reading with now; return how many flags changed."""
    site_id, zone = where.site.id, where.site.zone
    newest = newest_by_meter(where, readings.latest(work, site_id).values())
    present: dict[tuple[int, datetime], Flag] = {}
    for meter, installation in installed_now(where):
        measured, received = newest.get(meter.id, (None, None))
        began = max(meter.commissioned_at, installation.starts_at)
        signal = read_failure(work.now(), measured, received, began, policy.offline_after)
        if signal is not None:
            flag = _flag(meter, installation.service_point_id, signal, zone, work.now(), policy)
            present[flag.service_point_id, flag.since] = flag
    kept = {
        (flag.service_point_id, flag.since): flag for flag in use.flags(work, site_id, open_kind=FlagKind.READ_FAILURE)
    }
    raised = [flag for key, flag in present.items() if key not in kept]
    cleared = [flag for key, flag in kept.items() if key not in present]
    use.put_flags(work, site_id, raised)
    for flag in cleared:
        use.close_flag(work, site_id, flag, work.now())
    return len(raised) + len(cleared)


def installed_now(where: SiteMap) -> list[tuple[Meter, Installation]]:
    """Return the smart meters in service, with their present installation."""
    return [
        (where.meters[installation.meter_id], installation)
        for there in where.installations.values()
        for installation in there
        if installation.ends_at is None
        and where.meters[installation.meter_id].active
        and where.meters[installation.meter_id].protocol != MANUAL
    ]


def newest_by_meter(where: SiteMap, newest: Iterable[Latest]) -> dict[int, tuple[datetime, datetime]]:
    """Return per meter when consumption was last measured and last received; reads by hand do not count."""
    own = {channel.id for channels in where.channels.values() for channel in channels}
    found: dict[int, tuple[datetime, datetime]] = {}
    for latest in newest:
        if latest.channel_id in own and latest.quality is not Quality.SELF_READ:
            measured, received = found.get(latest.meter_id, (latest.measured_at, latest.received_at))
            found[latest.meter_id] = (max(measured, latest.measured_at), max(received, latest.received_at))
    return found


def _flag(meter: Meter, point_id: int, signal: ReadFailureSignal, zone: str, now: datetime, policy: Policy) -> Flag:
    evidence: dict[str, object] = {
        "reason": signal.reason.value,
        "meter": meter.serial,
        "last_measured_at": _iso(signal.last_measured_at),
        "last_received_at": _iso(signal.last_received_at),
        "threshold_hours": int(policy.offline_after.total_seconds()) // 3600,
    }
    month = local_day(zone, signal.since).replace(day=1)
    return Flag(point_id, month, FlagKind.READ_FAILURE, WORD, signal.since, now, None, evidence)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def close_months(work: UnitOfWork, where: SiteMap, policy: Policy) -> int:
    """Compute ended months of installed meters that have no statement and no draft: nothing may go unsaid."""
    today = local_day(where.site.zone, work.now())
    count = 0
    for month in _months_before(today):
        span = month_span(where.site.zone, month.year, month.month)
        points = hand_off.unclosed(work, where.site.id, month, (span.start, span.end), CLOSE_LIMIT)
        compute(work, where, [(point, month) for point in points], policy)
        count += len(points)
    return count


def _months_before(today: date) -> list[date]:
    found, month = [], today.replace(day=1)
    for _ in range(MONTHS_BACK):
        month = (month - timedelta(days=1)).replace(day=1)
        found.append(month)
    return found
