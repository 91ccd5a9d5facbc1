"""Readings for the slices above: look up, read a span, the newest of each channel, what changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from demeter.kernel import NotFound, Span
from demeter.readings.blocks import presence
from demeter.readings.lattice import Bytes, Int64s, State, join_groups
from demeter.readings.model import Channel, ChannelReadings, DayCount, Dirty, Latest, LogEntry
from demeter.readings.slots import Grid, day_bounds, number_day
from demeter.readings.store import blocks as block_store
from demeter.readings.store import channels as channel_store
from demeter.readings.store import narrow
from demeter.runtime.database import UnitOfWork
from demeter.sdk import ReadingKind, ReadingType

MARGIN_DAYS = 2


def channels(work: UnitOfWork, site_id: int, meter_ids: Sequence[int] | None = None) -> list[Channel]:
    """Return a site's channels, of all meters or of these, by id."""
    return channel_store.channels(work.raw, site_id, meter_ids)


def ensure_channel(work: UnitOfWork, site_id: int, meter_id: int, reading_type: ReadingType) -> Channel:
    """Return the meter's channel of this reading type, made if there is none: for meters a person reads."""
    block_store.lock_shards(work.raw, [site_id])
    return channel_store.create_channel(work.raw, site_id, meter_id, reading_type)


def channel(work: UnitOfWork, channel_id: int) -> Channel:
    """Return one channel.

    Raises:
        NotFound: no such channel in the scope.
    """
    found = channel_store.channel_by_id(work.raw, channel_id)
    if found is None:
        raise NotFound(f"no channel {channel_id}")
    return found


def read(work: UnitOfWork, wanted: Iterable[Channel], span: Span) -> dict[int, ChannelReadings]:
    """Return the readings of channels by channel id; a channel without any has empty columns.

    Blocks, waiting live readings and spot readings are joined, so a reading is here as soon as it was acknowledged.
    Register readings: ``span.start <= at <= span.end``, both ends included. Interval readings: wholly inside the span.
    """
    by_site: dict[int, list[Channel]] = {}
    for one in wanted:
        by_site.setdefault(one.site_id, []).append(one)
    zones = channel_store.zones(work.raw, by_site)
    found: dict[int, ChannelReadings] = {}
    for site_id, of_site in by_site.items():
        if site_id not in zones:
            raise NotFound(f"no site {site_id}")
        found |= _read_site(work, zones[site_id], of_site, span)
    return found


def _read_site(work: UnitOfWork, zone: str, of_site: list[Channel], span: Span) -> dict[int, ChannelReadings]:
    site_id, ids = of_site[0].site_id, [c.id for c in of_site]
    margin = timedelta(days=MARGIN_DAYS)
    first, last = (span.start - margin).date(), (span.end + margin).date()
    # The inbox first: a fold between two statements moves readings from it to the others, never back.
    waiting = narrow.inbox(work.raw, site_id, ids, span.start, span.end)
    stored = block_store.by_days(work.raw, site_id, ids, first, last)
    rows: dict[int, list[block_store.Stored]] = {one.id: [] for one in of_site}
    for row in stored:
        rows[row.channel_id].append(row)
    loose = [waiting, narrow.spots(work.raw, site_id, ids, span.start, span.end)]
    found = {}
    for one in of_site:
        parts = [_block_columns(Grid.of(one.reading_type, zone), rows[one.id])]
        parts += [_of_channel(columns, one.id) for columns in loose if (columns.channel_id == one.id).any()]
        found[one.id] = _within(one, zone, _joined(parts), span)
    return found


Part = tuple[Int64s, State]


def _of_channel(columns: narrow.Columns, channel_id: int) -> Part:
    mine = columns.channel_id == channel_id
    return columns.at_s[mine], State(columns.state.values[mine], columns.state.quality[mine])


def _block_columns(grid: Grid, rows: Sequence[block_store.Stored]) -> Part:
    if not rows:
        return np.zeros(0, np.int64), State(np.zeros(0, np.int64), np.zeros(0, np.uint8))
    width = max(row.width for row in rows)
    state = block_store.unpack(rows, width)
    row, slot = np.nonzero(state.quality)
    days = np.array([r.day for r in rows], np.int32)
    return grid.stamps(days[row], slot), State(state.values[row, slot], state.quality[row, slot])


def _joined(parts: Sequence[Part]) -> Part:
    """Return one sorted run of distinct instants, without those an edit took away."""
    at_s, state = parts[0]
    if len(parts) > 1:
        at_s = np.concatenate([p[0] for p in parts])
        values = np.concatenate([p[1].values for p in parts])
        quality = np.concatenate([p[1].quality for p in parts])
        order = np.argsort(at_s, kind="stable")
        at_s, state = join_groups(at_s[order], State(values[order], quality[order]))
    there = presence(state)
    return (at_s, state) if there.all() else (at_s[there], State(state.values[there], state.quality[there]))


def _within(one: Channel, zone: str, part: Part, span: Span) -> ChannelReadings:
    at_s, state = part
    start, end = math.ceil(span.start.timestamp()), math.floor(span.end.timestamp())
    begins = at_s
    if one.reading_type.kind is ReadingKind.INTERVAL:
        begins = interval_starts(Grid.of(one.reading_type, zone), at_s)
    kept = (begins >= start) & (at_s <= end)
    values: Int64s = state.values[kept]
    quality: Bytes = state.quality[kept]
    return ChannelReadings(one, at_s[kept], values, quality)


def interval_starts(grid: Grid, at_s: Int64s) -> Int64s:
    """Return when the intervals that end at ``at_s`` began (daily ones: at local midnight)."""
    if not grid.daily or not at_s.size:
        return at_s - grid.interval_s
    days = grid.place(at_s).day
    bounds, first = day_bounds(grid.zone, int(days.min()), int(days.max()))
    return bounds[days - first]


def latest(work: UnitOfWork, site_id: int) -> dict[int, Latest]:
    """Return the newest reading of each channel of a site by channel id; channels that never had one are not there."""
    return channel_store.latest(work.raw, site_id)


def day_counts(work: UnitOfWork, site_id: int, first: date, last: date) -> list[DayCount]:
    """Return how many readings each block holds of its day's slots, from ``first`` to ``last``, both included.

    From stored aggregates, so cheap; live readings count once they are folded (minutes).
    """
    return block_store.day_counts(work.raw, site_id, first, last)


def take_dirty(work: UnitOfWork, limit: int = 10_000) -> list[Dirty]:
    """Claim what changed since it was last cleared, merged per channel; the claim ends with the unit of work.

    Entries another unit of work has claimed are passed over. Call :func:`clear_dirty` in the same unit of work that
    stores what was made of them: then a kill between the two loses nothing.
    """
    return channel_store.claim_dirty(work.raw, limit)


def count_dirty(work: UnitOfWork) -> int:
    """Return how many changes metering has not worked in yet, those it is at included."""
    return channel_store.count_dirty(work.raw)


def is_dirty(work: UnitOfWork, site_id: int, of: Iterable[Channel], first: date, last: date) -> bool:
    """Tell whether a change of these channels between two days (both included) is still to be worked in."""
    return channel_store.is_dirty(work.raw, site_id, [one.id for one in of], first, last)


def clear_dirty(work: UnitOfWork, taken: Sequence[Dirty]) -> None:
    """Forget claimed entries."""
    channel_store.clear_dirty(work.raw, taken)


def edits(work: UnitOfWork, channel_id: int, span: Span) -> list[LogEntry]:
    """Return every replaced value of a channel stamped within ``span`` (both ends included), oldest entry first.

    Raises:
        NotFound: no such channel in the scope.
    """
    one = channel(work, channel_id)
    return narrow.log(work.raw, one.site_id, channel_id, span.start, span.end)


def zone_of(work: UnitOfWork, one: Channel) -> str:
    """Return the IANA zone of a channel's site.

    Raises:
        NotFound: the site is not in the scope.
    """
    zones: Mapping[int, str] = channel_store.zones(work.raw, [one.site_id])
    if one.site_id not in zones:
        raise NotFound(f"no site {one.site_id}")
    return zones[one.site_id]


def day_of(grid: Grid, at_s: int) -> date:
    """Return the local day a reading stamped ``at_s`` belongs to."""
    return number_day(int(grid.place(np.array([at_s], np.int64)).day[0]))
