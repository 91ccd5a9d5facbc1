"""The store's invariant, checkable at any time: a block is what its journal frames and the log's edits give.

Frames are decoded again by a function handed in (decoders are plug-ins), screened and placed by the same code that
took them in, joined, and compared slot by slot and aggregate by aggregate with what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import numpy as np

from demeter.kernel import NotFound, Span, day_span
from demeter.readings.blocks import BlockSet, Points, assemble
from demeter.readings.encoding import rows as exact_rows
from demeter.readings.lattice import EDITED, NO_VALUE, State, differs, join
from demeter.readings.model import Block, Channel, JournalFrame, LogEntry, Mismatch
from demeter.readings.screening import screen
from demeter.readings.slots import Grid, day_number, epoch_s, instant, number_day
from demeter.readings.store import blocks as block_store
from demeter.readings.store import channels as channel_store
from demeter.readings.store import journal as journal_store
from demeter.readings.store import narrow
from demeter.readings.writing import Contribution, gather
from demeter.runtime.database import UnitOfWork
from demeter.sdk import ReadingType, Series

Decode = Callable[[JournalFrame], Sequence[Series]]
"""Decodes a kept frame again; gets the frame's meter id with it, to find the keys."""

EVER = datetime(1999, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
Cells = dict[tuple[int, int], State]
"""(channel id, day number) → one row of slots; for spot readings (channel id, epoch s) → one slot."""


@dataclass(slots=True)
class Contents:
    """What channels hold: blocks and spot readings."""

    blocks: Cells = field(default_factory=dict)
    spots: Cells = field(default_factory=dict)


def recompute_block(work: UnitOfWork, channel: Channel, day: date, decode: Decode) -> Block | None:
    """Return the block of a local day as its frames and edits give it (revision 0), or None if they give nothing.

    Raises:
        NotFound: the channel's site is not in the scope.
    """
    zone = _zone(work, channel.site_id)
    contents = recompute(work, [channel], decode, day_span(zone, day))
    state = contents.blocks.get((channel.id, day_number(day)))
    return None if state is None else _row(Grid.of(channel.reading_type, zone), channel, day_number(day), state)


def recompute(work: UnitOfWork, channels: Sequence[Channel], decode: Decode, span: Span | None = None) -> Contents:
    """Return what the channels of one meter must hold, from the frames that speak of ``span`` and from the log."""
    first = channels[0]
    zone = _zone(work, first.site_id)
    by_type = {channel.reading_type: channel for channel in channels}
    since, until = (span.start, span.end) if span else (None, None)
    parts = []
    for frame in journal_store.frames(work.raw, first.site_id, first.meter_id, since, until):
        if frame.rows:
            parts += _contributions(frame, decode(frame), by_type, zone)
    contents = Contents()
    for points in gather(parts):
        _collect(contents, points)
    since, until = (span.start, span.end) if span else EVER
    for channel in channels:
        log = narrow.log(work.raw, channel.site_id, channel.id, since, until)
        _apply_edits(contents, Grid.of(channel.reading_type, zone), channel, log)
    return contents


def _contributions(
    frame: JournalFrame, decoded: Iterable[Series], by_type: Mapping[ReadingType, Channel], zone: str
) -> list[Contribution]:
    found = []
    for series in decoded:
        channel = by_type.get(series.reading_type)
        kept = screen(series, frame.received_at).series
        if channel is not None and len(kept.at_s):
            found.append(Contribution(channel, zone, frame.id, frame.received_at, kept))
    return found


def _collect(contents: Contents, points: Points) -> None:
    on_grid, off_grid = points.taken(points.on_grid), points.taken(~points.on_grid)
    if len(on_grid.at_s):
        blocks, _ = assemble(on_grid)
        for i in range(len(blocks)):
            key = int(blocks.channel_id[i]), int(blocks.day[i])
            width = points.grid.slots(key[1])
            row = State(blocks.state.values[i, :width], blocks.state.quality[i, :width])
            contents.blocks[key] = row if key not in contents.blocks else join(contents.blocks[key], row)
    for i in range(len(off_grid.at_s)):
        key = off_grid.channels[int(off_grid.channel[i])].id, int(off_grid.at_s[i])
        one = State(off_grid.state.values[i : i + 1], off_grid.state.quality[i : i + 1])
        contents.spots[key] = one if key not in contents.spots else join(contents.spots[key], one)


def _apply_edits(contents: Contents, grid: Grid, channel: Channel, log: Sequence[LogEntry]) -> None:
    for entry in log:
        if entry.frame_id is not None:
            continue
        place = grid.place(np.array([epoch_s(entry.at)], np.int64))
        if place.on_grid[0]:
            key, slot = (channel.id, int(place.day[0])), int(place.slot[0])
            width = grid.slots(key[1])
            empty = State(np.zeros(width, np.int64), np.zeros(width, np.uint8))
            row = contents.blocks.setdefault(key, empty)
        else:
            key, slot = (channel.id, epoch_s(entry.at)), 0
            row = contents.spots.setdefault(key, State(np.zeros(1, np.int64), np.zeros(1, np.uint8)))
        given = State(np.array([NO_VALUE if entry.new is None else entry.new]), np.array([entry.new_quality], np.uint8))
        present = State(row.values[slot : slot + 1], row.quality[slot : slot + 1])
        result = given if entry.new_quality == EDITED else join(present, given)
        row.values[slot], row.quality[slot] = result.values[0], result.quality[0]


def verify_blocks(
    work: UnitOfWork, site_id: int, decode: Decode, meter_ids: Sequence[int] | None = None
) -> list[Mismatch]:
    """Compare everything stored for a site with what its frames and edits give; empty: all is as it must be.

    Live readings still in the inbox are joined in. The unit of work should be a snapshot: else what arrives meanwhile
    looks like a mismatch. Where retention dropped frames, their readings are reported as
    not given by any frame.

    Raises:
        NotFound: the site is not in the scope.
    """
    zone = _zone(work, site_id)
    by_meter: dict[int, list[Channel]] = {}
    for channel in channel_store.channels(work.raw, site_id, meter_ids):
        by_meter.setdefault(channel.meter_id, []).append(channel)
    found: list[Mismatch] = []
    for channels in by_meter.values():
        expected = recompute(work, channels, decode)
        stored, crooked = _stored(work, zone, channels)
        found += (
            crooked + _compare_blocks(zone, channels, stored, expected) + _compare_spots(channels, stored, expected)
        )
    return found


def _stored(work: UnitOfWork, zone: str, channels: Sequence[Channel]) -> tuple[Contents, list[Mismatch]]:
    site_id, ids = channels[0].site_id, [c.id for c in channels]
    by_id = {c.id: c for c in channels}
    contents, crooked = Contents(), []
    waiting = narrow.inbox(work.raw, site_id, ids, *EVER)  # first: a fold moves readings from here to the others
    days = EVER[0].date(), EVER[1].date()
    for raw in block_store.by_days(work.raw, site_id, ids, *days):
        state = block_store.unpack([raw], raw.width)
        contents.blocks[raw.channel_id, raw.day] = State(state.values[0], state.quality[0])
    for row in block_store.whole_rows(work.raw, site_id, ids, *days):
        channel = by_id[row.channel_id]
        grid, day = Grid.of(channel.reading_type, zone), day_number(row.day)
        again = _row(grid, channel, day, contents.blocks[channel.id, day])
        if replace(row, revision=0) != again:
            crooked.append(Mismatch(site_id, channel.id, row.day, "aggregates do not fit the slots", row, again))
    spots = narrow.spots(work.raw, site_id, ids, *EVER)
    for i in range(len(spots)):
        key = int(spots.channel_id[i]), int(spots.at_s[i])
        contents.spots[key] = State(spots.state.values[i : i + 1], spots.state.quality[i : i + 1])
    _join_waiting(waiting, zone, channels, contents)
    return contents, crooked


def _join_waiting(waiting: narrow.Columns, zone: str, channels: Sequence[Channel], contents: Contents) -> None:
    parts = []
    for channel in channels:
        mine = waiting.channel_id == channel.id
        if mine.any():
            series = Series(
                channel.reading_type, waiting.at_s[mine], waiting.state.values[mine], waiting.state.quality[mine]
            )
            parts.append(Contribution(channel, zone, 0, EVER[0], series))
    for points in gather(parts):
        _collect(contents, points)


def _compare_blocks(zone: str, channels: Sequence[Channel], stored: Contents, expected: Contents) -> list[Mismatch]:
    by_id = {c.id: c for c in channels}
    found = []
    for key in sorted(stored.blocks.keys() | expected.blocks.keys()):
        left, right = stored.blocks.get(key), expected.blocks.get(key)
        if left is not None and right is not None and not differs(left, right).any():
            continue
        channel = by_id[key[0]]
        grid = Grid.of(channel.reading_type, zone)
        shown = [None if s is None else _row(grid, channel, key[1], s) for s in (left, right)]
        found.append(Mismatch(channel.site_id, channel.id, number_day(key[1]), "slots", *shown))
    return found


def _compare_spots(channels: Sequence[Channel], stored: Contents, expected: Contents) -> list[Mismatch]:
    site_id, found = channels[0].site_id, []
    for key in sorted(stored.spots.keys() | expected.spots.keys()):
        left, right = stored.spots.get(key), expected.spots.get(key)
        if left is None or right is None or differs(left, right).any():
            shown = [None if s is None else (int(s.values[0]), int(s.quality[0])) for s in (left, right)]
            found.append(Mismatch(site_id, key[0], instant(key[1]).date(), "spot reading", *shown))
    return found


def _row(grid: Grid, channel: Channel, day: int, state: State) -> Block:
    one = BlockSet(
        grid,
        np.array([channel.site_id], np.int32),
        np.array([channel.id], np.int32),
        np.array([day], np.int32),
        np.zeros(1, np.int32),
        State(state.values[None, :], state.quality[None, :]),
    )
    return next(exact_rows(one))


def _zone(work: UnitOfWork, site_id: int) -> str:
    zones = channel_store.zones(work.raw, [site_id])
    if site_id not in zones:
        raise NotFound(f"no site {site_id}")
    return zones[site_id]
