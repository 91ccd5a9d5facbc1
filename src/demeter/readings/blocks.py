"""Day blocks as matrices: assembled from columns, joined with what is stored, measured for their aggregates.

No Python object per value anywhere: one row per (channel, day), one column per slot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from demeter.readings.lattice import EDITED, MEASURED, NO_VALUE, Bytes, Int32s, Int64s, State, join_groups
from demeter.readings.model import Channel
from demeter.readings.slots import Grid

EASY = 1 << 52  # the sum of a day of minutes below this, and differences of two, stay within int64
FITS = 1 << 31
DENSE_MINIMUM = 1 << 20


@dataclass(frozen=True, slots=True)
class Points:
    """Readings of channels of one grid as columns of equal length n, with where they belong.

    ``channels`` are sorted by (site, id); ``channel`` indexes them. ``quality`` is above 0 everywhere.
    """

    grid: Grid
    channels: Sequence[Channel]
    channel: Int32s
    at_s: Int64s
    state: State
    frame: Int64s
    day: Int32s
    slot: Int32s
    on_grid: NDArray[np.bool_]

    def taken(self, chosen: NDArray[np.bool_]) -> Points:
        """Return the chosen readings only."""
        return replace(
            self,
            channel=self.channel[chosen],
            at_s=self.at_s[chosen],
            state=State(self.state.values[chosen], self.state.quality[chosen]),
            frame=self.frame[chosen],
            day=self.day[chosen],
            slot=self.slot[chosen],
            on_grid=self.on_grid[chosen],
        )


@dataclass(frozen=True, slots=True)
class BlockSet:
    """Blocks of one grid: R rows sorted by (site, channel, day), W slots; shorter days leave the last slots empty."""

    grid: Grid
    site_id: Int32s
    channel_id: Int32s
    day: Int32s
    revision: Int32s
    state: State

    def __len__(self) -> int:
        return len(self.day)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> BlockSet:
        """Return the chosen rows."""
        return BlockSet(
            self.grid,
            self.site_id[chosen],
            self.channel_id[chosen],
            self.day[chosen],
            self.revision[chosen],
            State(self.state.values[chosen], self.state.quality[chosen]),
        )

    def by_slot_count(self) -> Iterator[BlockSet]:
        """Yield the rows grouped by how many slots their day has, each group exactly as wide."""
        if not len(self):
            return
        days, day_of = np.unique(self.day, return_inverse=True)
        counts = np.array([self.grid.slots(int(day)) for day in days])
        width = self.state.values.shape[1]
        if (counts == width).all():
            yield self
            return
        for count in np.unique(counts):
            part = self.rows(counts[day_of] == count)
            yield replace(part, state=State(part.state.values[:, :count], part.state.quality[:, :count]))


@dataclass(frozen=True, slots=True)
class Contest:
    """A slot in which different readings of one batch met: the first to come, and the frame of the last."""

    row: int
    slot: int
    value: int
    quality: int
    frame: int
    rivals: tuple[int, ...]


def assemble(points: Points) -> tuple[BlockSet, list[Contest]]:
    """Scatter on-grid readings into blocks; readings that share a slot are joined and reported if they differ."""
    keys, row, first_day, days = _rows(points)
    width = max(points.grid.slots(int(day)) for day in np.unique(keys % days + first_day))
    flat = row * np.int64(width) + points.slot
    values = np.zeros(len(keys) * width, np.int64)
    quality = np.zeros(len(keys) * width, np.uint8)
    values[flat] = points.state.values
    quality[flat] = points.state.quality
    contests: list[Contest] = []
    if np.count_nonzero(quality) != len(flat):
        contests = _join_shared(points, flat, width, values, quality)
    index = keys // days
    blocks = BlockSet(
        points.grid,
        np.array([c.site_id for c in points.channels], np.int32)[index],
        np.array([c.id for c in points.channels], np.int32)[index],
        (keys % days + first_day).astype(np.int32),
        np.ones(len(keys), np.int32),
        State(values.reshape(-1, width), quality.reshape(-1, width)),
    )
    return blocks, contests


def _rows(points: Points) -> tuple[Int64s, Int64s, int, int]:
    """Return the sorted distinct (channel, day) keys, each point's row among them, and the key's day part."""
    first_day = int(points.day.min())
    days = int(points.day.max()) - first_day + 1
    key = points.channel.astype(np.int64) * days + (points.day - first_day)
    size = len(points.channels) * days
    if size > max(4 * len(key), DENSE_MINIMUM):
        keys, row = np.unique(key, return_inverse=True)
        return keys, row.astype(np.int64), first_day, days
    used = np.zeros(size, np.bool_)
    used[key] = True
    keys = np.flatnonzero(used).astype(np.int64)
    row_of = np.empty(size, np.int64)
    row_of[keys] = np.arange(len(keys))
    return keys, row_of[key], first_day, days


def _join_shared(points: Points, flat: Int64s, width: int, values: Int64s, quality: Bytes) -> list[Contest]:
    shared = np.flatnonzero((np.bincount(flat, minlength=len(values)) > 1)[flat])
    shared = shared[np.argsort(flat[shared], kind="stable")]
    slots = flat[shared]
    given = State(points.state.values[shared], points.state.quality[shared])
    distinct, joined = join_groups(slots, given)
    values[distinct] = joined.values
    quality[distinct] = joined.quality
    return _contests(slots, given, points.frame[shared], width)


def _contests(slots: Int64s, given: State, frame: Int64s, width: int) -> list[Contest]:
    starts = np.flatnonzero(np.concatenate(([True], slots[1:] != slots[:-1])))
    ends = np.concatenate((starts[1:], [len(slots)]))
    unequal = (np.maximum.reduceat(given.values, starts) != np.minimum.reduceat(given.values, starts)) | (
        np.maximum.reduceat(given.quality, starts) != np.minimum.reduceat(given.quality, starts)
    )
    found = []
    for start, end in zip(starts[unequal].tolist(), ends[unequal].tolist(), strict=True):
        row, slot = divmod(int(slots[start]), width)
        rivals = tuple(sorted(set(given.values[start:end].tolist()) - {int(given.values[start])}))
        first = int(given.values[start]), int(given.quality[start])
        found.append(Contest(row, slot, *first, int(frame[end - 1]), rivals))
    return found


@dataclass(frozen=True, slots=True)
class Measures:
    """What a block row stores beside its values, for R blocks of exactly W slots.

    ``present``: bool[R, W]. ``delta``: int64[R, W], what goes into ``vals`` (0 where missing), and ``low`` and ``high``
    are its extremes. ``narrow``: bool[R], the deltas fit int4; rows that are not narrow are encoded one by one
    (:func:`demeter.readings.encoding.rows`).
    """

    present: NDArray[np.bool_]
    delta: Int64s
    base: Int64s
    sum: Int64s
    low: Int64s
    high: Int64s
    n: Int64s
    min_slot: Int64s
    max_slot: Int64s
    first_slot: Int64s
    last_slot: Int64s
    all_measured: NDArray[np.bool_]
    narrow: NDArray[np.bool_]


def presence(state: State) -> NDArray[np.bool_]:
    """Return where there is a value: not missing, and not taken away by an edit."""
    present: NDArray[np.bool_] = state.quality > 0
    if (state.quality == EDITED).any():
        present &= state.values != NO_VALUE
    return present


def measure(state: State, *, register: bool) -> Measures:
    """Return the aggregates of every block, by whole-matrix operations."""
    present = presence(state)
    whole = bool(present.all())
    values = state.values if whole else np.where(present, state.values, 0)
    rows, width = np.arange(len(values)), values.shape[1]
    n = present.sum(axis=1) if not whole else np.full(len(values), width)
    first_slot = present.argmax(axis=1)
    last_slot = width - 1 - present[:, ::-1].argmax(axis=1)
    easy = (values < EASY).all(axis=1) & (values > -EASY).all(axis=1) & (n > 0)
    if not easy.all():
        values = np.where(easy[:, None], values, 0)
    base = values[rows, first_slot] if register else np.zeros(len(values), np.int64)
    delta = values - base[:, None] if register else values
    if not whole:
        delta = np.where(present, delta, 0)
        # Missing slots must not win: the low search sees them high, the high search low.
        min_slot = np.where(present, delta, np.iinfo(np.int64).max).argmin(axis=1)
        max_slot = np.where(present, delta, NO_VALUE).argmax(axis=1)
    else:
        min_slot, max_slot = delta.argmin(axis=1), delta.argmax(axis=1)
    low, high = delta[rows, min_slot], delta[rows, max_slot]
    total = values[rows, last_slot] - values[rows, first_slot] if register else values.sum(axis=1)
    narrow = easy & (high < FITS) & (low > -FITS)
    measured = ((state.quality == MEASURED) | (state.quality == 0)).all(axis=1)
    return Measures(
        present, delta, base, total, low, high, n, min_slot, max_slot, first_slot, last_slot, measured, narrow
    )
