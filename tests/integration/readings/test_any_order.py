"""A month of readings in any order, split, repeated and delayed ends in byte-identical blocks."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demeter import readings
from demeter.ingest import IngestWriter
from demeter.kernel import Quality, Span
from demeter.readings.blocks import assemble
from demeter.readings.encoding import rows as exact_rows
from demeter.readings.model import Block, Channel
from demeter.readings.store.blocks import whole_rows
from demeter.readings.writing import Contribution, gather
from demeter.runtime.database import Database
from demeter.sdk import Series
from tests.plain_frames import INDEX, ON_DEMAND, RECEIVED, WH, decoded, delivery, picked, series
from tests.provision import Place, meter, place

MONTHS = [
    ("Europe/Berlin", datetime(2026, 3, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 1, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 3, 1, tzinfo=UTC)),
]


def stored(database: Database, at: Place, meter_id: int) -> list[Block]:
    with database.unit_of_work(at.scope) as work:
        ids = [c.id for c in readings.channels(work, at.site_id, [meter_id])]
        return whole_rows(work.raw, at.site_id, ids, date(2000, 1, 1), date(2100, 1, 1))


def expected(channels: list[Channel], zone: str, parts: list[Series]) -> list[Block]:
    by_type = {channel.reading_type: channel for channel in channels}
    found: list[Block] = []
    for points in gather([Contribution(by_type[p.reading_type], zone, 0, RECEIVED, p) for p in parts]):
        on_grid = points.taken(points.on_grid)
        found += list(exact_rows(assemble(on_grid)[0])) if len(on_grid.at_s) else []
    return sorted((replace(row, revision=0) for row in found), key=lambda row: (row.channel_id, row.day))


def month_of(start: datetime, seed: int) -> list[Series]:
    """A register with a rollover, its intervals with gaps, estimates and a contradiction, and reads on demand."""
    rng = np.random.default_rng(seed)
    count = 30 * 96
    used = rng.integers(0, 400, count)
    index = series(INDEX, start + timedelta(minutes=15), ((9_999_000 + used.cumsum()) % 10**7).tolist())
    amounts = series(WH, start + timedelta(minutes=15), used.tolist())
    there = rng.random(count) > 0.02
    amounts.quality[rng.random(count) < 0.01] = Quality.ESTIMATED
    rival = picked(amounts, rng.integers(0, count, 5))
    rival = replace(rival, values=rival.values + 1)
    on_demand = series(ON_DEMAND, start + timedelta(minutes=7), [1, 5, 9], step_s=86_400 + 61)
    return [index, picked(amounts, there), rival, on_demand]


def shuffled(parts: list[Series], seed: int) -> list[list[Series]]:
    """The readings in random portions of random size, some twice, in random order."""
    rng = np.random.default_rng(seed)
    portions = []
    for part in parts:
        order = rng.permutation(len(part.at_s)) if rng.random() < 0.5 else np.arange(len(part.at_s))
        cuts = np.sort(rng.integers(0, len(order) + 1, int(rng.integers(0, 12))))
        pieces = [picked(part, piece) for piece in np.split(order, cuts) if len(piece)]
        # split small ones off, which then take the route through the inbox
        pieces += [picked(part, order[i : i + 3]) for i in rng.integers(0, len(order), 4)]
        pieces += [pieces[i] for i in rng.integers(0, len(pieces), 3)]
        portions += [[piece] for piece in pieces]
    return [portions[i] for i in rng.permutation(len(portions))]


@settings(
    max_examples=24, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(month=st.sampled_from(MONTHS), seed=st.integers(0, 2**32 - 1))
def test_any_shuffle_split_repeat_and_delay_gives_identical_blocks(database: Database, month, seed) -> None:
    zone, start = month
    at = place(database, zone)
    meter_id = meter(database, at)
    parts = month_of(start, seed)
    rng = np.random.default_rng(seed)
    writer = IngestWriter(database)
    portions = shuffled(parts, seed)
    for batch in np.array_split(np.arange(len(portions)), 6):
        receipts = writer.write_now([delivery(meter_id, *portions[i]) for i in batch])
        assert all(receipt.accepted and not receipt.refusals for receipt in receipts)
        if rng.random() < 0.3:
            readings.fold_inbox(database, limit=int(rng.integers(1, 20)))
    readings.fold_inbox(database)
    with database.unit_of_work(at.scope) as work:
        channels = readings.channels(work, at.site_id, [meter_id])
        assert readings.verify_blocks(work, at.site_id, lambda frame: decoded(frame.frame())) == []
        newest = {c.reading_type: readings.latest(work, at.site_id)[c.id] for c in channels}
        span = Span(start - timedelta(days=1), start + timedelta(days=40))
        found = readings.read(work, channels, span)
    assert [replace(row, revision=0) for row in stored(database, at, meter_id)] == expected(channels, zone, parts)
    for channel in channels:
        mine = found[channel.id]
        assert (int(mine.at_s[-1]), int(mine.values[-1]), int(mine.quality[-1])) == (
            int(newest[channel.reading_type].measured_at.timestamp()),
            newest[channel.reading_type].value,
            newest[channel.reading_type].quality,
        )
        stamps = {int(s) for p in parts if p.reading_type == channel.reading_type for s in p.at_s}
        assert set(mine.at_s.tolist()) == stamps


@pytest.mark.parametrize(("zone", "start"), MONTHS)
def test_both_routes_end_in_identical_blocks(database: Database, zone: str, start: datetime) -> None:
    at = place(database, zone)
    bulk, live = meter(database, at), meter(database, at)
    two_days = [picked(part, slice(0, 200)) for part in month_of(start, 1)[:2]]
    writer = IngestWriter(database)
    writer.write_now([delivery(bulk, *two_days)])
    writer.write_now([delivery(live, picked(p, slice(i, i + 5))) for p in two_days for i in range(0, 200, 5)])
    assert stored(database, at, live) == []
    assert readings.fold_inbox(database, limit=37) == 400
    plain = [[replace(r, revision=0, channel_id=0) for r in stored(database, at, m)] for m in (bulk, live)]
    assert plain[0] == plain[1]
    assert len(plain[0]) >= 4
