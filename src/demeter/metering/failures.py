"""The alarm of a read failure: raised when a meter falls silent, closed when it is heard again.

What a month shows is not this but its silences, which follow from its readings (docs/algorithms/offline.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from demeter import readings
from demeter.estate import MANUAL, Installation, Meter
from demeter.kernel import Quality, local_day
from demeter.metering.gather import SiteMap
from demeter.metering.model import ALARM, Flag, FlagKind, Policy
from demeter.metering.offline import ReadFailureSignal, had_its_chance, read_failure
from demeter.metering.store import use
from demeter.readings import Latest
from demeter.runtime.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class Checked:
    """How many alarms were raised or closed; and the service points whose meter has yet to get its first chance."""

    changed: int
    waiting: frozenset[int]


def check_meters(work: UnitOfWork, where: SiteMap, policy: Policy) -> Checked:
    """Compare every installed smart meter's newest reading with now; raise and close alarms."""
    site_id, zone, now = where.site.id, where.site.zone, work.now()
    newest = newest_by_meter(where, readings.latest(work, site_id).values())
    present: dict[tuple[int, datetime], Flag] = {}
    here = installed_now(where)
    awaited = use.awaited(work, site_id, [meter.id for meter, _ in here if meter.id not in newest])
    current = sum(1 for meter, _ in here if meter.id in newest and now - newest[meter.id][0] <= policy.offline_after)
    waiting: set[int] = set()
    for meter, installation in here:
        measured, received = newest.get(meter.id, (None, None))
        began = max(meter.commissioned_at, installation.starts_at)
        signal = read_failure(now, measured, received, began, policy.offline_after)
        if signal is None:
            continue
        since = awaited.get(meter.id)
        if since is not None and not had_its_chance(now, since, current, len(here) - 1, policy.offline_after):
            waiting.add(installation.service_point_id)
        else:
            flag = _flag(meter, installation.service_point_id, signal, zone, now, policy)
            present[flag.service_point_id, flag.since] = flag
    kept = {(flag.service_point_id, flag.since): flag for flag in use.flags(work, site_id, alarms=True)}
    raised = [flag for key, flag in present.items() if key not in kept]
    cleared = [flag for key, flag in kept.items() if key not in present]
    use.put_flags(work, site_id, raised)
    for flag in cleared:
        use.close_flag(work, site_id, flag, now)
    use.announce(work, site_id, (flag.service_point_id for flag in (*raised, *cleared)))
    return Checked(len(raised) + len(cleared), frozenset(waiting))


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
    return Flag(point_id, month, FlagKind.READ_FAILURE, ALARM, signal.since, now, None, evidence)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
