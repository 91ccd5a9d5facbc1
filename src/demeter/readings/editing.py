"""A person's word on one reading: appended to the log, and a new revision of the block.

*Edited* is a ruling: it stands above whatever meters send, and of several the last counts; without a value it takes
the reading away. The other qualities a person may give (estimated, substituted, self-read, suspect) are readings like
any other and join by rank, so a later measured one outranks an estimate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from demeter.kernel import Conflict, Invalid, Quality, Span
from demeter.readings.blocks import BlockSet
from demeter.readings.encoding import rows as exact_rows
from demeter.readings.lattice import EDITED, NO_VALUE, State, join
from demeter.readings.model import Channel, LogEntry
from demeter.readings.screening import AHEAD_S, EARLIEST_S
from demeter.readings.service import edits, read, zone_of
from demeter.readings.slots import DAY_S, Grid, epoch_s, instant, number_day
from demeter.readings.store import blocks as block_store
from demeter.readings.store import channels as channel_store
from demeter.readings.store import narrow
from demeter.runtime.database import UnitOfWork, audit_entries

GIVEN = {Quality.EDITED, Quality.SUSPECT, Quality.SELF_READ, Quality.SUBSTITUTED, Quality.ESTIMATED}
LOOK_BACK_DAYS = 400
AUDITED = "reading.edit"
Cell = tuple[int, int]
"""A slot's value and quality."""


def edit(
    work: UnitOfWork, channel: Channel, at_s: int, value: int | None, quality: Quality, why: str
) -> LogEntry | None:
    """Enter a reading by hand, with its reason; return the log entry, or None if it was there already.

    Args:
        work: the unit of work; its actor is the author.
        channel: whose reading.
        at_s: UTC epoch seconds: the end of an interval reading, the instant of a register reading.
        value: scaled as the channel's reading type; None takes the reading away (quality edited only).
        quality: edited (a ruling), or suspect, self-read, substituted, estimated (which join by rank).
        why: the reason, for the log.

    Raises:
        Denied: the scope lacks ``readings.edit`` (not asked for self-read: who may is decided above).
        Invalid: no reason, a quality no person can give, no value, or an instant no reading can have (before 2000, or
            more than a day ahead: as far as a meter's clock is believed).
        Conflict: a reading that outranks it stands there.
    """
    _check(work, value, quality, why)
    if not EARLIEST_S <= at_s <= epoch_s(work.now()) + AHEAD_S:
        raise Invalid(f"no reading can have the instant {at_s}", code="instant", hint="Check the date.")
    block_store.lock_shards(work.raw, [channel.site_id])
    grid = Grid.of(channel.reading_type, zone_of(work, channel))
    place = grid.place(np.array([at_s], np.int64))
    day, slot = int(place.day[0]), int(place.slot[0])
    given = (NO_VALUE if value is None else value, int(quality))
    if place.on_grid[0]:
        old, new = _into_block(work, channel, grid, (day, slot), at_s, given)
    else:
        old, new = _into_spots(work, channel, at_s, given)
    if old == new:
        return None
    replaced = narrow.Replaced(
        channel.site_id, channel.id, at_s, _value(old), old[1], _value(new), new[1], None, work.scope.actor, why
    )
    narrow.append_log(work.raw, [replaced], work.now())
    channel_store.mark_dirty(work.raw, {(channel.site_id, channel.id): (day, day)})
    _move_latest(work, channel, at_s, new, day if place.on_grid[0] else None)
    told = _told(instant(at_s), _value(old), _value(new), why)
    work.audit(AUDITED, f"channel:{channel.id}", told)
    return edits(work, channel.id, Span(instant(at_s), instant(at_s)))[-1]


def _told(at: datetime, old: int | None, new: int | None, why: str) -> dict[str, object]:
    """Return what the audit trail is told of an edit."""
    return {"at": at, "old": old, "new": new, "why": why}


def unwitnessed_edits(work: UnitOfWork, channel_id: int, log: Iterable[LogEntry]) -> list[LogEntry]:
    """Return those of a channel's edits by people that the audit trail does not tell word for word.

    Author, reason and values stand in both; what is changed in one of them only comes out here.
    """
    entries = [entry for entry in log if entry.frame_id is None]
    if not entries:
        return []
    known = [(e.actor, json.dumps(e.detail)) for e in audit_entries(work, AUDITED, f"channel:{channel_id}")]
    found = []
    for entry in entries:
        told = _told(entry.at.astimezone(UTC), entry.old, entry.new, entry.why)
        witness = entry.who, json.dumps(dict(sorted(told.items())), default=str)
        if witness in known:
            known.remove(witness)
        else:
            found.append(entry)
    return found


def _check(work: UnitOfWork, value: int | None, quality: Quality, why: str) -> None:
    if quality is not Quality.SELF_READ:
        work.scope.require("readings.edit")
    if quality not in GIVEN:
        raise Invalid(f"a person cannot give the quality {quality.word}", code="quality", hint="Use edited.")
    if value is None and quality is not Quality.EDITED:
        raise Invalid(f"a {quality.word} reading needs a value", code="value")
    if value is not None and not NO_VALUE < value < -NO_VALUE:
        raise Invalid(f"{value} does not fit 64 bits", code="value")
    if not why.strip():
        raise Invalid("an edit needs a reason", code="reason", hint="Say why; it stands in the log.")


def _value(cell: Cell) -> int | None:
    return None if cell[0] == NO_VALUE or cell[1] == 0 else cell[0]


def _state(cell: Cell) -> State:
    return State(np.array([cell[0]], np.int64), np.array([cell[1]], np.uint8))


def _cell(state: State) -> Cell:
    return int(state.values[0]), int(state.quality[0])


def _decided(present: Cell, given: Cell) -> Cell:
    """Return what the slot holds after the edit."""
    if given[1] == EDITED:
        return given
    result = _cell(join(_state(present), _state(given)))
    if result == present and given != present:
        raise Conflict(
            f"a {Quality(present[1]).word} reading of {_value(present)} stands there",
            code="outranked",
            hint="Use the quality edited to overrule it.",
        )
    return result


def _into_block(
    work: UnitOfWork, channel: Channel, grid: Grid, where: Cell, at_s: int, given: Cell
) -> tuple[Cell, Cell]:
    day, slot = where
    keys = np.array([channel.site_id], np.int32), np.array([channel.id], np.int32), np.array([day], np.int32)
    stored = block_store.by_key(work.raw, *keys)
    width = grid.slots(day)
    state = State(np.zeros((1, width), np.int64), np.zeros((1, width), np.uint8))
    if stored:
        state = block_store.unpack(stored, width)
    in_block = int(state.values[0, slot]), int(state.quality[0, slot])
    old = _with_waiting(work, channel, at_s, in_block)
    new = _decided(old, given)
    if new == old:
        return old, new
    state.values[0, slot], state.quality[0, slot] = new
    revision = np.array([stored[0].revision + 1 if stored else 1], np.int32)
    block_store.ensure_partition(work.raw, "block", number_day(day).replace(day=1))
    for row in exact_rows(BlockSet(grid, *keys, revision, state)):
        block_store.put(work.raw, row)
    return old, new


def _with_waiting(work: UnitOfWork, channel: Channel, at_s: int, present: Cell) -> Cell:
    waiting = narrow.inbox(work.raw, channel.site_id, [channel.id], instant(at_s), instant(at_s))
    for i in range(len(waiting)):
        one = int(waiting.state.values[i]), int(waiting.state.quality[i])
        present = _cell(join(_state(present), _state(one)))
    return present


def _into_spots(work: UnitOfWork, channel: Channel, at_s: int, given: Cell) -> tuple[Cell, Cell]:
    spots = narrow.spots(work.raw, channel.site_id, [channel.id], instant(at_s), instant(at_s))
    in_spots = (int(spots.state.values[0]), int(spots.state.quality[0])) if len(spots) else (0, 0)
    old = _with_waiting(work, channel, at_s, in_spots)
    new = _decided(old, given)
    if new != old:
        key = np.array([channel.site_id]), np.array([channel.id]), np.array([at_s], np.int64)
        narrow.put_spots(work.raw, narrow.Columns(*key, _state(new), np.zeros(1, np.int64)))
    return old, new


def _move_latest(work: UnitOfWork, channel: Channel, at_s: int, new: Cell, day: int | None) -> None:
    row = channel_store.newest(work.raw, [channel]).get(channel.id)
    received = epoch_s(work.now())
    if row is None:
        if _value(new) is None:
            return
        row = channel_store.Newest(channel.site_id, channel.id, channel.meter_id, at_s, received, *new)
    if day is not None:
        row.first_day = day if row.first_day is None else min(row.first_day, day)
        row.last_day = day if row.last_day is None else max(row.last_day, day)
    if at_s >= row.measured_at and _value(new) is None:
        row.taken_until = max(at_s, row.taken_until or at_s)
    if at_s >= row.measured_at and _value(new) is not None:
        row = replace(row, measured_at=at_s, value=new[0], quality=new[1])
    elif at_s == row.measured_at:
        span = Span(instant(at_s - LOOK_BACK_DAYS * DAY_S), instant(at_s))
        before = read(work, [channel], span)[channel.id]
        if before.at_s.size:
            last = int(before.at_s[-1]), int(before.values[-1]), int(before.quality[-1])
            row = replace(row, measured_at=last[0], value=last[1], quality=last[2])
    channel_store.put_newest(work.raw, [row])
