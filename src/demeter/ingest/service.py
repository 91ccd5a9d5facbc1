"""What the slices above ask of ingest."""

from __future__ import annotations

from demeter.ingest import store
from demeter.ingest.store import RefusedDelivery
from demeter.runtime.database import UnitOfWork


def refusals(work: UnitOfWork, meter_id: int | None = None, limit: int = 100) -> list[RefusedDelivery]:
    """Return the newest refusals of the scope's meters (or of one), newest first."""
    return store.refusals(work.raw, meter_id, limit)
