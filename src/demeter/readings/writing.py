"""Readings into the store: the one path from columns to slots, and its two routes, to blocks and to the inbox.

The caller is the single writer of the sites concerned (:func:`store.blocks.lock_shards`), inside one transaction.
Both routes and every order, split, repeat and delay end in the same blocks, because a slot is a join
(:mod:`demeter.readings.lattice`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from demeter.kernel import Quality
from demeter.readings.blocks import BlockSet, Contest, Points, assemble
from demeter.readings.encoding import copy_blocks
from demeter.readings.lattice import Int64s, State, differs, join, join_groups
from demeter.readings.model import Channel
from demeter.readings.slots import DAY_S, Grid, number_day
from demeter.readings.store import blocks as block_store
from demeter.readings.store import channels as channel_store
from demeter.readings.store import narrow
from demeter.readings.store.channels import Newest
from demeter.readings.store.narrow import Columns, Replaced
from demeter.sdk import Series

Connection = psycopg.Connection[Any]

LIVE_ROWS = 8  # a series up to this long is live: it goes to the inbox
INGEST = "ingest"
SHORTEST_MONTH = 28


@dataclass(frozen=True, slots=True)
class Contribution:
    """Readings of one channel on their way into the store; ``zone`` is the site's."""

    channel: Channel
    zone: str
    frame_id: int
    received_at: datetime
    series: Series


@dataclass(slots=True)
class Written:
    """What a batch did: readings taken, blocks made and blocks changed, values replaced (logged)."""

    points: int = 0
    new_blocks: int = 0
    changed_blocks: int = 0
    replaced: int = 0


def write(connection: Connection, contributions: Sequence[Contribution], logged_at: datetime) -> Written:
    """Store readings: long series straight into blocks, live ones into the inbox.

    Series hold no quality above suspect and none below estimated, no value of -2**63, and instants from the year
    2000 to 2100: the caller refused all others.
    """
    written = Written(points=sum(len(c.series.at_s) for c in contributions))
    live = [c for c in contributions if 0 < len(c.series.at_s) <= LIVE_ROWS]
    bulk = [c for c in contributions if len(c.series.at_s) > LIVE_ROWS]
    newest = _newest(connection, contributions)
    dirty: dict[tuple[int, int], tuple[int, int]] = {}
    for points in gather(live):
        _extend(dirty, points)
        narrow.into_inbox(connection, _inbox_rows(points))
    for points in gather(bulk):
        _extend(dirty, points)
        _settle(connection, points, newest, written, logged_at)
    if newest:
        channel_store.put_newest(connection, list(newest.values()))
    if dirty:
        channel_store.mark_dirty(connection, dirty)
    return written


def fold(connection: Connection, site_id: int, limit: int, logged_at: datetime) -> int:
    """Move up to ``limit`` waiting live readings of a site into its blocks; return how many."""
    block_store.lock_shards(connection, [site_id])
    rows = narrow.drain_inbox(connection, site_id, limit)
    if not len(rows):
        return 0
    zone = channel_store.zones(connection, [site_id])[site_id]
    found = {c.id: c for c in channel_store.channels(connection, site_id)}
    touched = [found[int(i)] for i in np.unique(rows.channel_id)]
    newest = channel_store.newest(connection, touched)
    for grid in {Grid.of(channel.reading_type, zone) for channel in touched}:
        of_grid = [c for c in touched if Grid.of(c.reading_type, zone) == grid]
        ids = np.array([c.id for c in of_grid], np.int64)
        chosen = np.isin(rows.channel_id, ids)
        index = np.searchsorted(ids, rows.channel_id[chosen]).astype(np.int32)
        state = State(rows.state.values[chosen], rows.state.quality[chosen])
        place = grid.place(rows.at_s[chosen])
        points = Points(
            grid, of_grid, index, rows.at_s[chosen], state, rows.frame[chosen], place.day, place.slot, place.on_grid
        )
        _settle(connection, points, newest, Written(), logged_at)
    channel_store.put_newest(connection, list(newest.values()))
    return len(rows)


def gather(contributions: Sequence[Contribution]) -> Iterator[Points]:
    """Yield the readings as columns, one set per grid."""
    grids: dict[Grid, list[Contribution]] = {}
    for contribution in contributions:
        grids.setdefault(Grid.of(contribution.channel.reading_type, contribution.zone), []).append(contribution)
    for grid, parts in grids.items():
        yield _points(grid, parts)


def _points(grid: Grid, parts: Sequence[Contribution]) -> Points:
    channels = sorted({c.channel.id: c.channel for c in parts}.values(), key=lambda c: (c.site_id, c.id))
    index = {channel.id: i for i, channel in enumerate(channels)}
    lengths = np.array([len(c.series.at_s) for c in parts])
    at_s = np.concatenate([c.series.at_s for c in parts])
    place = grid.place(at_s)
    return Points(
        grid,
        channels,
        np.repeat(np.array([index[c.channel.id] for c in parts], np.int32), lengths),
        at_s,
        State(
            np.concatenate([c.series.values for c in parts]),
            np.concatenate([c.series.quality for c in parts]),
        ),
        np.repeat(np.array([c.frame_id for c in parts], np.int64), lengths),
        place.day,
        place.slot,
        place.on_grid,
    )


def _inbox_rows(points: Points) -> Columns:
    """Return live readings as inbox rows, each instant of a frame and channel once."""
    site_id = np.array([c.site_id for c in points.channels], np.int64)[points.channel]
    channel_id = np.array([c.id for c in points.channels], np.int64)[points.channel]
    order = np.lexsort((points.frame, points.at_s, channel_id))
    keys = np.stack((channel_id[order], points.at_s[order], points.frame[order]))
    group = np.concatenate(([0], np.cumsum((keys[:, 1:] != keys[:, :-1]).any(axis=0))))
    state = State(points.state.values[order], points.state.quality[order])
    _, joined = join_groups(group, state)
    first = order[np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))]
    return Columns(site_id[first], channel_id[first], points.at_s[first], joined, points.frame[first])


def _extend(dirty: dict[tuple[int, int], tuple[int, int]], points: Points) -> None:
    of_channel, day = points.channel, points.day
    if (of_channel[1:] < of_channel[:-1]).any():
        order = np.argsort(of_channel, kind="stable")
        of_channel, day = of_channel[order], day[order]
    starts = np.flatnonzero(np.concatenate(([True], of_channel[1:] != of_channel[:-1])))
    firsts, lasts = np.minimum.reduceat(day, starts).tolist(), np.maximum.reduceat(day, starts).tolist()
    for index, first, last in zip(of_channel[starts].tolist(), firsts, lasts, strict=True):
        channel = points.channels[index]
        before = dirty.get((channel.site_id, channel.id), (first, last))
        dirty[channel.site_id, channel.id] = (min(before[0], first), max(before[1], last))


def _settle(
    connection: Connection, points: Points, newest: dict[int, Newest], written: Written, logged_at: datetime
) -> None:
    """Join readings into blocks, and into spot readings where they are off the grid."""
    log: list[Replaced] = []
    on_grid = points if points.on_grid.all() else points.taken(points.on_grid)
    if len(on_grid.at_s):
        blocks, contests = assemble(on_grid)
        old, rows = _stored(connection, blocks, newest)
        log += _block_log(on_grid, blocks, contests, old, rows)
        _put(connection, blocks, old, rows, written)
        _widen(newest, blocks)
    if len(on_grid.at_s) < len(points.at_s):
        log += _put_spots(connection, points.taken(~points.on_grid))
    if log:
        narrow.append_log(connection, log, logged_at)
        written.replaced += len(log)


def _stored(connection: Connection, blocks: BlockSet, newest: dict[int, Newest]) -> tuple[BlockSet, NDArray[np.intp]]:
    """Return the rows that exist already, and their places among ``blocks``."""
    possible = np.flatnonzero(_within_extent(blocks, newest))
    found: list[block_store.Stored] = []
    if possible.size:
        some = blocks.rows(possible)
        found = block_store.by_key(connection, some.site_id, some.channel_id, some.day)
    place = {
        key: int(i)
        for key, i in zip(
            zip(blocks.channel_id[possible].tolist(), blocks.day[possible].tolist(), strict=True), possible, strict=True
        )
    }
    rows = np.array([place[row.channel_id, row.day] for row in found], np.intp)
    old = replace(
        blocks.rows(rows),
        revision=np.array([row.revision for row in found], np.int32),
        state=block_store.unpack(found, blocks.state.values.shape[1]),
    )
    return old, rows


def _within_extent(blocks: BlockSet, newest: dict[int, Newest]) -> NDArray[np.bool_]:
    """Tell which blocks may exist: days outside a channel's extent are new for certain and need no look-up."""
    ids, index = np.unique(blocks.channel_id, return_inverse=True)
    extents = [newest.get(int(i)) for i in ids]
    never = np.iinfo(np.int32)
    first = np.array([e.first_day if e and e.first_day is not None else never.max for e in extents])
    last = np.array([e.last_day if e and e.last_day is not None else never.min for e in extents])
    within: NDArray[np.bool_] = (blocks.day >= first[index]) & (blocks.day <= last[index])
    return within


def _put(
    connection: Connection,
    blocks: BlockSet,
    old: BlockSet,
    rows: NDArray[np.intp],
    written: Written,
) -> None:
    fresh = np.ones(len(blocks), np.bool_)
    fresh[rows] = False
    changed = blocks.rows(np.zeros(0, np.intp))
    if rows.size:
        joined = join(old.state, State(blocks.state.values[rows], blocks.state.quality[rows]))
        unequal: NDArray[np.bool_] = np.any(differs(joined, old.state), axis=1)
        changed = replace(old, revision=old.revision + np.int32(1), state=joined).rows(unequal)
    new = blocks if fresh.all() else blocks.rows(fresh)
    if len(changed):
        block_store.delete(connection, changed.site_id, changed.channel_id, changed.day)
    block_store.copy_in(connection, (chunk for part in (new, changed) if len(part) for chunk in copy_blocks(part)))
    written.new_blocks += len(new)
    written.changed_blocks += len(changed)


def _block_log(
    points: Points, blocks: BlockSet, contests: list[Contest], old: BlockSet, rows: NDArray[np.intp]
) -> list[Replaced]:
    """Return what a batch replaces: stored values that change, and readings of the batch that contradict each other."""
    log = []
    before = {int(row): i for i, row in enumerate(rows)}
    for contest in contests:
        i = before.get(contest.row)
        if i is None or not old.state.quality[i, contest.slot]:
            first = (contest.value, contest.quality)
            log.append(_replaced(blocks, contest.row, contest.slot, first, blocks.state, contest.frame, contest.rivals))
    if rows.size:
        incoming = State(blocks.state.values[rows], blocks.state.quality[rows])
        joined = join(old.state, incoming)
        changed = differs(joined, old.state) & (old.state.quality > 0)
        at, slots = np.nonzero(changed)
        frames = _frames_of(points, blocks, rows[at], slots) if at.size else at
        for i, slot, frame in zip(at.tolist(), slots.tolist(), frames.tolist(), strict=True):
            first = (int(old.state.values[i, slot]), int(old.state.quality[i, slot]))
            rival = (int(incoming.values[i, slot]),)
            log.append(_replaced(old, i, slot, first, joined, frame, rival))
    return log


def _replaced(
    blocks: BlockSet, row: int, slot: int, old: tuple[int, int], state: State, frame: int, rivals: tuple[int, ...]
) -> Replaced:
    at_s = blocks.grid.stamps(blocks.day[row : row + 1], np.array([slot]))
    new = int(state.values[row, slot]), int(state.quality[row, slot])
    return Replaced(
        site_id=int(blocks.site_id[row]),
        channel_id=int(blocks.channel_id[row]),
        at_s=int(at_s[0]),
        old=old[0],
        old_quality=old[1],
        new=new[0],
        new_quality=new[1],
        frame_id=frame,
        who=INGEST,
        why=reason(old, new, rivals),
    )


def reason(old: tuple[int, int], new: tuple[int, int], rivals: tuple[int, ...]) -> str:
    """Return why a reading was replaced by another, as a sentence for the log."""
    if new[1] == Quality.SUSPECT and old[1] in {Quality.MEASURED, Quality.SUSPECT}:
        return f"readings contradict each other: {old[0]} and {', '.join(map(str, rivals))}"
    if new[1] > old[1]:
        return f"a {Quality(new[1]).word} reading outranks a {Quality(old[1]).word} one"
    return f"of two {Quality(new[1]).word} readings the smaller stays"


def _frames_of(points: Points, blocks: BlockSet, rows: NDArray[np.intp], slots: NDArray[np.intp]) -> Int64s:
    """Return the last frame of the batch that spoke of each of these slots (block row, slot); each has one."""
    first, width = int(blocks.day.min()), blocks.state.values.shape[1]
    days = int(blocks.day.max()) - first + 1
    of_point = (points.channel.astype(np.int64) * days + points.day - first) * width + points.slot
    order = np.argsort(of_point, kind="stable")
    index = {channel.id: i for i, channel in enumerate(points.channels)}
    channel = np.array([index[int(i)] for i in blocks.channel_id[rows]], np.int64)
    wanted = (channel * days + blocks.day[rows] - first) * width + slots
    hits = order[np.searchsorted(of_point[order], wanted, side="right") - 1]
    frames: Int64s = points.frame[hits]
    return frames


def _put_spots(connection: Connection, points: Points) -> list[Replaced]:
    """Join off-grid readings into the spot table; return what they replace."""
    rows = _inbox_rows(replace(points, frame=np.zeros_like(points.frame)))
    frames = {
        (points.channels[c].id, at): frame
        for c, at, frame in zip(points.channel.tolist(), points.at_s.tolist(), points.frame.tolist(), strict=True)
    }
    found = narrow.spots_by_key(connection, rows)
    place = {key: i for i, key in enumerate(zip(found.channel_id.tolist(), found.at_s.tolist(), strict=True))}
    keys = list(zip(rows.channel_id.tolist(), rows.at_s.tolist(), strict=True))
    stored = np.array([place.get(key, -1) for key in keys])
    before = State(np.zeros(len(rows), np.int64), np.zeros(len(rows), np.uint8))
    before.values[stored >= 0] = found.state.values[stored[stored >= 0]]
    before.quality[stored >= 0] = found.state.quality[stored[stored >= 0]]
    joined = join(before, rows.state)
    changed = differs(joined, before)
    log = [
        _spot_replaced(rows, i, before, joined, frames[keys[i]])
        for i in np.flatnonzero(changed & (before.quality > 0)).tolist()
    ]
    if changed.any():
        picked = State(joined.values[changed], joined.quality[changed])
        narrow.put_spots(
            connection,
            Columns(rows.site_id[changed], rows.channel_id[changed], rows.at_s[changed], picked, rows.frame[changed]),
        )
    return log


def _spot_replaced(rows: Columns, i: int, before: State, after: State, frame: int) -> Replaced:
    old = int(before.values[i]), int(before.quality[i])
    new = int(after.values[i]), int(after.quality[i])
    return Replaced(
        site_id=int(rows.site_id[i]),
        channel_id=int(rows.channel_id[i]),
        at_s=int(rows.at_s[i]),
        old=old[0],
        old_quality=old[1],
        new=new[0],
        new_quality=new[1],
        frame_id=frame,
        who=INGEST,
        why=reason(old, new, (int(rows.state.values[i]),)),
    )


def _newest(connection: Connection, contributions: Sequence[Contribution]) -> dict[int, Newest]:
    """Return the ``channel_latest`` rows of the batch, moved on by what it brings."""
    channels = {c.channel.id: c.channel for c in contributions if len(c.series.at_s)}
    found = channel_store.newest(connection, list(channels.values())) if channels else {}
    for contribution in contributions:
        if len(contribution.series.at_s):
            _move_on(found, _without_taken(connection, contribution, found.get(contribution.channel.id)))
    return found


def _without_taken(connection: Connection, contribution: Contribution, present: Newest | None) -> Contribution:
    """Leave out what an edit took away, where that may decide which reading is the newest."""
    at_s = contribution.series.at_s
    if present is None or present.taken_until is None or not present.measured_at < at_s.max() <= present.taken_until:
        return contribution
    channel = contribution.channel
    taken = narrow.taken_away(connection, channel.site_id, channel.id, present.measured_at, present.taken_until)
    kept = ~np.isin(at_s, taken)
    series = contribution.series
    left = Series(series.reading_type, at_s[kept], series.values[kept], series.quality[kept])
    return replace(contribution, series=left)


def _move_on(found: dict[int, Newest], contribution: Contribution) -> None:
    channel, series = contribution.channel, contribution.series
    received = int(contribution.received_at.timestamp())
    if not len(series.at_s):
        found[channel.id].received_at = max(found[channel.id].received_at, received)
        return
    at_s = int(series.at_s.max())
    there = np.flatnonzero(series.at_s == at_s)
    state = State(series.values[there], series.quality[there])
    if len(there) > 1:
        _, state = join_groups(np.zeros(len(there), np.int64), state)
    value, quality = int(state.values[0]), int(state.quality[0])
    present = found.get(channel.id)
    if present is None:
        found[channel.id] = Newest(channel.site_id, channel.id, channel.meter_id, at_s, received, value, quality)
        return
    present.received_at = max(present.received_at, received)
    if at_s > present.measured_at:
        present.measured_at, present.value, present.quality = at_s, value, quality
    elif at_s == present.measured_at:
        now = State(np.array([present.value]), np.array([present.quality], np.uint8))
        joined = join(now, state)
        present.value, present.quality = int(joined.values[0]), int(joined.quality[0])


def _widen(newest: dict[int, Newest], blocks: BlockSet) -> None:
    """Note in ``channel_latest`` from which to which day blocks exist."""
    starts = np.flatnonzero(np.concatenate(([True], blocks.channel_id[1:] != blocks.channel_id[:-1])))
    lasts = np.maximum.reduceat(blocks.day, starts).tolist()
    firsts = np.minimum.reduceat(blocks.day, starts).tolist()
    for channel_id, first, last in zip(blocks.channel_id[starts].tolist(), firsts, lasts, strict=True):
        row = newest[channel_id]
        row.first_day = first if row.first_day is None else min(row.first_day, first)
        row.last_day = last if row.last_day is None else max(row.last_day, last)


def months_of(series: Series) -> set[date]:
    """Return the months in which the local days of a series can lie, whatever the zone."""
    if not len(series.at_s):
        return set()
    first, last = int(series.at_s.min()) // DAY_S, int(series.at_s.max()) // DAY_S
    # A few weeks lie in the months of their ends; a longer or torn series is looked at day by day.
    days = (first, last) if last - first < SHORTEST_MONTH else np.unique(series.at_s // DAY_S).tolist()
    return {number_day(day + shift).replace(day=1) for day in days for shift in (-2, 2)}
