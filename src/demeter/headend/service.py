"""What other slices and people ask of the head-end. Everything takes a unit of work and respects its scope."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from demeter import estate
from demeter.headend import store
from demeter.headend.model import (
    REQUEST_LIFE,
    CollectionProgress,
    MeterRow,
    MeterState,
    ProfileState,
    ReadRequest,
    Session,
)
from demeter.headend.schedule import reads_due
from demeter.kernel import DAY, Invalid, NotFound, day_start, local_day
from demeter.runtime.database import UnitOfWork
from demeter.sdk import Profile

READ = "headend.read"
COMMAND = "headend.command"
"""Permissions: seeing sessions and states; making Demeter talk to a meter."""

GRACE = timedelta(minutes=3)
"""A read counts as due so long after its interval ended: the regular read has had its time by then."""

UNTOLD_PERIOD_S = 900
"""What the reads of a meter are counted by that has never told its period; nothing else is done with it."""

LATE_PERIODS = 2
"""A meter is late when its newest row is older than so many of its periods (and the grace)."""


def meter_rows(work: UnitOfWork, site_id: int) -> list[MeterRow]:
    """Return the meters page of a site: every active meter that a driver reads, in the order of the estate.

    Raises:
        Denied: without the permission ``headend.read``.
    """
    work.scope.require(READ)
    site = estate.site(work, site_id)
    now = work.now()
    days = counted_days(site.zone, now)
    states = store.meter_states(work, site_id)
    profiles = store.profile_states(work, site_id)
    received = store.received_since(work, site_id, days[0])
    rows = []
    for meter in estate.meters(work, site_id):
        if not meter.active or meter.protocol == estate.MANUAL:
            continue
        state = states.get(meter.id, MeterState(site_id, meter.id))
        block = profiles.get((meter.id, Profile.BLOCK))
        period_s = block.period_s if block and block.period_s else UNTOLD_PERIOD_S
        since = meter.commissioned_at
        due = sum(reads_due(site.zone, day, period_s, since, now - GRACE) for day in days)
        count = min(received.get(meter.id, 0), due)
        rows.append(_row(state, block, (day_start(site.zone, days[0]), due, count), now))
    return rows


def counted_days(zone: str, now: datetime) -> tuple[date, date]:
    """Return yesterday and today of a site: the days whose reads the meters page counts."""
    today = local_day(zone, now)
    return today - DAY, today


def _row(state: MeterState, block: ProfileState | None, counts: tuple[datetime, int, int], now: datetime) -> MeterRow:
    return MeterRow(
        meter_id=state.meter_id,
        state=_state_word(state, block, now),
        counted_from=counts[0],
        due=counts[1],
        received=counts[2],
        interval_s=block.period_s if block else None,
        read_until=block.collected_until if block else None,
        last_success_at=state.last_success_at,
        last_failure_at=state.last_failure_at,
        last_failure_kind=state.last_failure_kind,
        last_failure=state.last_failure_detail,
        failures=state.failures,
        next_due_at=state.next_due_at,
        clock_drift_s=state.clock_drift_s,
    )


def _state_word(state: MeterState, block: ProfileState | None, now: datetime) -> str:
    if state.failures:
        return "failing"
    if block is None or block.collected_until is None:
        return "never read"
    return "ok" if is_current(block, now) else "late"


def is_current(block: ProfileState, now: datetime) -> bool:
    """Tell whether a profile's newest committed row is as new as it should be."""
    if block.collected_until is None:
        return False
    return now - block.collected_until <= timedelta(seconds=LATE_PERIODS * block.period_s) + GRACE


def progress_of(meters: Iterable[tuple[MeterState, ProfileState | None]], now: datetime) -> CollectionProgress:
    """Add up the progress of meters."""
    count = contacted = complete = failing = expected = received = 0
    for state, block in meters:
        count += 1
        failing += state.failures > 0
        contacted += state.last_attempt_at is not None or block is not None
        if block is None:
            continue
        complete += is_current(block, now)
        received += block.received
        if block.history_from is not None and block.period_s:
            expected += (
                max(int(now.timestamp()) // block.period_s - int(block.history_from.timestamp()) // block.period_s, 0)
                + 1
            )
    return CollectionProgress(count, contacted, complete, failing, expected, received)


def progress(work: UnitOfWork, site_id: int) -> CollectionProgress:
    """Return how much of what a site's meters hold is committed.

    Raises:
        Denied: without the permission ``headend.read``.
    """
    work.scope.require(READ)
    states = store.meter_states(work, site_id)
    profiles = store.profile_states(work, site_id)
    meters = [meter for meter in estate.meters(work, site_id) if meter.active and meter.protocol != estate.MANUAL]
    return progress_of(
        [
            (states.get(meter.id, MeterState(site_id, meter.id)), profiles.get((meter.id, Profile.BLOCK)))
            for meter in meters
        ],
        work.now(),
    )


def sessions(work: UnitOfWork, meter_id: int, limit: int = 50) -> list[Session]:
    """Return a meter's last sessions with their outcomes, newest first.

    Raises:
        Denied: without the permission ``headend.read``. NotFound: no such meter in the scope.
    """
    work.scope.require(READ)
    return store.sessions(work, estate.meter(work, meter_id).site_id, meter_id, limit)


def request_read(work: UnitOfWork, meter_id: int) -> ReadRequest:
    """Ask the acquisition process to read a meter at once; while a request is open, the same one is returned.

    The request is picked up when this unit of work commits, and expires after two minutes without a head-end.

    Raises:
        Denied: without the permission ``headend.command``. NotFound: no such meter in the scope.
        Invalid: a person reads this meter, or it is out of use.
    """
    work.scope.require(COMMAND)
    meter = estate.meter(work, meter_id)
    if meter.protocol == estate.MANUAL or not meter.active:
        raise Invalid(f"meter {meter.serial} cannot be called", hint="Enter a self-read, or set the meter active.")
    asked = store.open_request(work, meter.site_id, meter_id, (work.now(), work.now() + REQUEST_LIFE))
    work.audit("headend.read", f"meter:{meter_id}", {"request": asked.id})
    return asked


def read_request(work: UnitOfWork, request_id: int) -> ReadRequest:
    """Return how a read request stands.

    Raises:
        Denied: without the permission ``headend.read``. NotFound: no such request in the scope.
    """
    work.scope.require(READ)
    store.finish_expired(work, work.now())
    found = store.request(work, request_id)
    if found is None:
        raise NotFound(f"there is no read request {request_id}")
    return found


def prune(work: UnitOfWork, before: datetime) -> int:
    """Delete logged sessions and finished requests that ended before an instant; return how many rows went."""
    return store.prune(work, before)
