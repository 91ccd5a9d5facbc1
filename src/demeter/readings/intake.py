"""The door for ingest: frames and their readings go in together, in the caller's transaction, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import numpy as np
import psycopg

from demeter.readings import journal, writing
from demeter.readings.model import Channel
from demeter.readings.store import blocks as block_store
from demeter.readings.store import channels as channel_store
from demeter.readings.writing import Contribution
from demeter.sdk import Frame, ReadingType, Series

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Incoming:
    """One frame with what was decoded from it and mapped to channels; ``refused`` counts readings left out.

    ``readings`` hold what :func:`demeter.readings.screen` left. ``content`` is :func:`frame_content` of the frame.
    """

    site_id: int
    zone: str
    meter_id: int
    frame: Frame
    context_text: str
    content: bytes
    readings: tuple[tuple[Channel, Series], ...]
    refused: int


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a frame is in the journal; ``rows`` counts its distinct instants."""

    frame_id: int
    rows: int


def frame_content(meter_id: int, frame: Frame) -> tuple[str, bytes]:
    """Return a frame's canonical context, and the digest by which a repeat of it is recognised."""
    text = journal.canonical(frame.context)
    return text, journal.content_digest(meter_id, frame.codec, text, frame.payload)


def rooms(frames: Iterable[Frame], series: Iterable[Series]) -> set[tuple[str, date]]:
    """Return the monthly partitions that frames and screened readings go to, for :func:`make_room`."""
    needed = {("frame", frame.received_at.astimezone(UTC).date().replace(day=1)) for frame in frames}
    return needed | {("block", month) for one in series for month in writing.months_of(one)}


def make_room(connection: Connection, parent: str, month: date) -> None:
    """Make a monthly partition if it is not there; best in a transaction of its own, before the sites are locked."""
    block_store.ensure_partition(connection, parent, month)


def lock_sites(connection: Connection, site_ids: Iterable[int]) -> None:
    """Become the only writer of these sites' readings until the transaction ends."""
    block_store.lock_shards(connection, site_ids)


def meter_channels(connection: Connection, meters: Mapping[int, int]) -> dict[int, dict[ReadingType, Channel]]:
    """Return the channels of meters (meter id → site id) by meter and reading type."""
    found: dict[int, dict[ReadingType, Channel]] = {meter_id: {} for meter_id in meters}
    for channel in channel_store.channels_of_meters(connection, meters):
        found[channel.meter_id][channel.reading_type] = channel
    return found


def make_channels(connection: Connection, wanted: Sequence[tuple[int, int, ReadingType]]) -> None:
    """Make the channels (site, meter, reading type) that are not there."""
    channel_store.create_channels(connection, wanted)


def known_frames(connection: Connection, keys: Sequence[tuple[int, int, bytes]]) -> dict[tuple[int, bytes], int]:
    """Return (meter, content) → frame id of those (site, meter, content) the journal has and took over in full."""
    wanted = {(meter_id, UUID(bytes=content[:16])): content for _, meter_id, content in keys}
    known = journal.known(connection, [(site, meter, UUID(bytes=content[:16])) for site, meter, content in keys])
    return {(meter_id, wanted[meter_id, mark]): frame_id for (meter_id, mark), frame_id in known.items()}


def take_in(connection: Connection, incoming: Sequence[Incoming], now: datetime) -> list[Stored]:
    """Append frames to the journal and their readings to blocks or inbox; the caller holds the sites' locks."""
    entries = [_entry(one) for one in incoming]
    ids = journal.append(connection, entries)
    contributions = [
        Contribution(channel, one.zone, frame_id, one.frame.received_at, series)
        for frame_id, one in zip(ids, incoming, strict=True)
        for channel, series in one.readings
        if len(series.at_s)
    ]
    writing.write(connection, contributions, now)
    return [Stored(frame_id, entry.rows) for frame_id, entry in zip(ids, entries, strict=True)]


def heard_of(connection: Connection, channels: Sequence[Channel], received_at: Sequence[datetime]) -> None:
    """Note that channels were heard of again although nothing new came."""
    channel_store.touch(connection, channels, received_at)


def _entry(one: Incoming) -> journal.Entry:
    stamps = [series.at_s for _, series in one.readings if len(series.at_s)]
    return journal.Entry(
        site_id=one.site_id,
        meter_id=one.meter_id,
        frame=one.frame,
        content=one.content,
        context_text=one.context_text,
        covers_start_s=min((int(at.min()) for at in stamps), default=None),
        covers_end_s=max((int(at.max()) for at in stamps), default=None),
        rows=_distinct(stamps),
        refused=one.refused,
    )


def _distinct(stamps: Sequence[np.ndarray[Any, np.dtype[np.int64]]]) -> int:
    if not stamps:
        return 0
    everything = np.concatenate(stamps)
    everything -= everything.min()
    minutes, rest = np.divmod(everything, 60)
    if rest.any() or minutes.max() > 16 * len(everything):
        return len(np.unique(everything))
    used = np.zeros(int(minutes.max()) + 1, np.bool_)
    used[minutes] = True
    return int(np.count_nonzero(used))
