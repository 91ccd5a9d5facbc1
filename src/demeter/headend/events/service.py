"""What people and other slices ask of meter events. Everything takes a unit of work and respects its scope."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from demeter import estate
from demeter.headend.events import store
from demeter.headend.events.model import EventFilter, StoredEvent
from demeter.kernel import Span
from demeter.runtime.database import UnitOfWork
from demeter.sdk import MeterEvent

READ = "headend.read"
MOST_EVENTS = 10_000


def meter_events(
    work: UnitOfWork, meter_id: int, span: Span | None = None, wanted: EventFilter | None = None
) -> list[StoredEvent]:
    """Return what a meter noted, newest first, as far as it is collected; ``span`` goes before that of the filter.

    Raises:
        Denied: without the permission ``headend.read``. NotFound: no such meter in the scope.
    """
    work.scope.require(READ)
    site_id = estate.meter(work, meter_id).site_id
    return store.events(work, site_id, meter_id, _filter(span, wanted))


def site_events(
    work: UnitOfWork, site_id: int, span: Span | None = None, wanted: EventFilter | None = None
) -> list[StoredEvent]:
    """Return what the meters of a site noted, newest first; as :func:`meter_events`."""
    work.scope.require(READ)
    return store.events(work, estate.site(work, site_id).id, None, _filter(span, wanted))


def _filter(span: Span | None, wanted: EventFilter | None) -> EventFilter:
    found = wanted or EventFilter(limit=MOST_EVENTS)
    kept = found.span if span is None else span
    limit = min(found.limit, MOST_EVENTS)
    return EventFilter(kept, found.group, found.kind, found.code, found.open, found.before, limit)


def take_in(
    work: UnitOfWork, meter_id: int, events: Sequence[MeterEvent], frame_id: int | None, received_at: datetime
) -> int:
    """Store what a meter noted, whichever way it came (read from a log, or pushed); return how many were not known.

    The frame must be committed before. An event that is known, by log, stamp and code, is not stored again.

    Raises:
        NotFound: no such meter in the scope.
    """
    site_id = estate.meter(work, meter_id).site_id
    return store.insert(work, (site_id, meter_id), events, (frame_id, received_at))
