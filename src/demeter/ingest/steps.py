"""Ingest as ordered, named steps over one context: identify, authorize, decode, normalise, map, deduplicate, store.

Each step takes the whole batch. What cannot be taken over is refused with a reason and leaves the batch; nothing is
corrected or guessed. Where only some readings are refused, the raw frame and the others are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import psycopg

from demeter import readings
from demeter.ingest import store
from demeter.ingest.model import Reason, Receipt, Refusal
from demeter.kernel import Clock
from demeter.readings import Channel
from demeter.sdk import Credentials, Decoder, Delivery, ReadFailure, ReadingKind, ReadingType, Series

Connection = psycopg.Connection[Any]
CredentialsOf = Callable[[int, int], Credentials]
"""(organization id, meter id) → the keys frames of this meter were enciphered with."""

SCALERS = range(-18, 19)
DAY_S = 86_400


@dataclass(slots=True)
class Item:
    """One delivery on its way. ``given`` are series as decoded; ``mapped`` those that reached a channel."""

    delivery: Delivery
    organization_id: int | None = None
    meter: store.MeterPlace | None = None
    given: tuple[Series, ...] = ()
    mapped: list[tuple[Channel, Series]] = field(default_factory=list)
    context_text: str = ""
    content: bytes = b""
    refused_points: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    out: bool = False
    duplicate: bool = False
    frame_id: int | None = None
    rows: int = 0

    def refuse(self, reason: Reason, detail: str, points: int = 0) -> None:
        """Note that something of this delivery is not taken over."""
        self.refusals.append(Refusal(reason, detail))
        self.refused_points += points

    def receipt(self) -> Receipt:
        """Return the answer to the sender."""
        points = sum(len(series.at_s) for _, series in self.mapped)
        return Receipt(self.delivery.meter_id, self.frame_id, points, self.rows, self.duplicate, tuple(self.refusals))


@dataclass(slots=True)
class Batch:
    """The context the steps share. Statements run on ``connection``, in one transaction."""

    connection: Connection
    clock: Clock
    items: list[Item]
    decoders: Mapping[str, Decoder]
    credentials: CredentialsOf | None
    rooms: set[tuple[str, date]]

    def going(self) -> list[Item]:
        """Return the deliveries not refused as a whole."""
        return [item for item in self.items if not item.out]


def identify(batch: Batch) -> None:
    """Find each meter's organization, site and zone."""
    places = store.meter_places(batch.connection, sorted({item.delivery.meter_id for item in batch.items}))
    for item in batch.items:
        item.meter = places.get(item.delivery.meter_id)
        if item.meter is None:
            item.refuse(Reason.UNKNOWN_METER, f"no meter {item.delivery.meter_id}")
            item.out = True


def authorize(batch: Batch) -> None:
    """Refuse deliveries for meters of another organization than the sender's."""
    for item in batch.going():
        if item.meter and item.organization_id not in {None, item.meter.organization_id}:
            # Says no more than for a meter that is not there: what others have is not the sender's to learn.
            item.refuse(Reason.NOT_AUTHORIZED, f"no meter {item.delivery.meter_id} of this sender")
            item.out = True


def decode(batch: Batch) -> None:
    """Take the series as decoded by the driver, or decode the frame where it came without."""
    for item in batch.going():
        item.given = _decoded(batch, item) if item.delivery.series is None else item.delivery.series


def _decoded(batch: Batch, item: Item) -> tuple[Series, ...]:
    frame = item.delivery.frame
    decoder = batch.decoders.get(frame.codec)
    if decoder is None or not frame.payload:
        if frame.payload and batch.decoders:
            item.refuse(Reason.UNKNOWN_CODEC, f"no decoder for {frame.codec!r}", 1)
        return ()
    assert item.meter is not None
    keys = batch.credentials(item.meter.organization_id, item.delivery.meter_id) if batch.credentials else None
    try:
        return decoder.decode(frame, keys or Credentials({}))
    except ReadFailure as failure:
        item.refuse(Reason.UNDECODABLE, str(failure), 1)
        return ()


def normalise(batch: Batch) -> None:
    """Check columns and leave out readings that cannot be (:func:`demeter.readings.screen`)."""
    for item in batch.going():
        item.given = tuple(_screened(item, series) for series in item.given if _columns_fit(item, series))


def _columns_fit(item: Item, series: Series) -> bool:
    kinds = (series.at_s, np.int64), (series.values, np.int64), (series.quality, np.uint8)
    fits = all(column.dtype == kind and column.ndim == 1 for column, kind in kinds)
    if fits and len(series.at_s) == len(series.values) == len(series.quality):
        return True
    item.refuse(Reason.BAD_COLUMNS, f"{series.reading_type.obis}: columns differ in length or type", len(series.at_s))
    return False


def _screened(item: Item, series: Series) -> Series:
    screened = readings.screen(series, item.delivery.frame.received_at)
    for reason, count in screened.refused:
        item.refuse(Reason.BAD_READINGS, f"{series.reading_type.obis}: {count} {reason}", count)
    return screened.series


def map_to_channels(batch: Batch) -> None:
    """Find each series' channel; an unknown one of a known meter is made from its reading type.

    A changed scaler or interval is a further channel (values stay exact under the old one and the new); a changed
    unit of the same OBIS and kind is refused, because then one of the two is wrong.
    """
    meters = {item.delivery.meter_id: item.meter.site_id for item in batch.going() if item.meter}
    # From here to the commit this is the only writer of these sites, so nothing it looks up changes under it.
    readings.lock_sites(batch.connection, meters.values())
    known = readings.meter_channels(batch.connection, meters)
    if wanted := _missing_channels(batch, known):
        readings.make_channels(batch.connection, wanted)
        known = readings.meter_channels(batch.connection, meters)
    for item in batch.going():
        channels = known[item.delivery.meter_id]
        found = ((channels.get(series.reading_type), series) for series in item.given)
        item.mapped = [(channel, series) for channel, series in found if channel is not None]


def _missing_channels(
    batch: Batch, known: Mapping[int, Mapping[ReadingType, Channel]]
) -> list[tuple[int, int, ReadingType]]:
    wanted: list[tuple[int, int, ReadingType]] = []
    types = {meter_id: set(channels) for meter_id, channels in known.items()}
    for item in batch.going():
        meter_id = item.delivery.meter_id
        there = types[meter_id]
        for series in item.given:
            if len(series.at_s) and series.reading_type not in there and _may_be_new(item, series, there):
                assert item.meter is not None
                wanted.append((item.meter.site_id, meter_id, series.reading_type))
                there.add(series.reading_type)
    return wanted


def _may_be_new(item: Item, series: Series, there: Iterable[ReadingType]) -> bool:
    kind = series.reading_type
    if fault := reading_type_fault(kind):
        item.refuse(Reason.BAD_READING_TYPE, f"{kind.obis}: {fault}", len(series.at_s))
        return False
    rivals = {t.unit for t in there if (t.obis, t.kind) == (kind.obis, kind.kind)} - {kind.unit}
    if rivals:
        item.refuse(Reason.UNIT_CHANGED, f"{kind.obis}: {kind.unit} instead of {min(rivals)}", len(series.at_s))
        return False
    return True


def reading_type_fault(kind: ReadingType) -> str:
    """Return what is wrong with a reading type, or nothing."""
    if not kind.obis or len(kind.obis) > 64 or not kind.unit or len(kind.unit) > 16:
        return "an OBIS code and a unit are needed"
    if kind.scaler not in SCALERS:
        return f"scaler {kind.scaler}"
    if not 0 <= kind.interval_s <= DAY_S:
        return f"interval of {kind.interval_s} s"
    if kind.kind is ReadingKind.INTERVAL and kind.interval_s == 0:
        return "an interval reading needs its interval"
    return ""


def deduplicate(batch: Batch) -> None:
    """Recognise frames the journal has already (or this batch has twice); they are acknowledged, not kept again."""
    going = batch.going()
    for item in going:
        item.context_text, item.content = readings.frame_content(item.delivery.meter_id, item.delivery.frame)
    keys = [(item.meter.site_id, item.delivery.meter_id, item.content) for item in going if item.meter]
    known = readings.known_frames(batch.connection, keys)
    first: set[tuple[int, bytes]] = set()
    for item in going:
        key = item.delivery.meter_id, item.content
        item.frame_id = known.get(key)
        item.duplicate = item.frame_id is not None or key in first
        if not item.refused_points:  # one taken over in part may bring more when it comes again later
            first.add(key)


def store_all(batch: Batch) -> None:
    """Append frames to the journal and readings to the store, keep refusals, and tell listeners after the commit."""
    now = batch.clock.now()
    fresh = [item for item in batch.going() if not item.duplicate]
    stored = readings.take_in(batch.connection, [_incoming(item) for item in fresh], now)
    ids: dict[tuple[int, bytes], int] = {}
    for item, where in zip(fresh, stored, strict=True):
        item.frame_id, item.rows = where.frame_id, where.rows
        ids[item.delivery.meter_id, item.content] = where.frame_id
    _acknowledge_repeats(batch, ids)
    store.keep_refusals(batch.connection, [_kept(item) for item in batch.items if item.refusals], now)
    store.notify(batch.connection, [_notice(item) for item in fresh if item.mapped])


def _acknowledge_repeats(batch: Batch, ids: Mapping[tuple[int, bytes], int]) -> None:
    repeats = [item for item in batch.going() if item.duplicate]
    for item in repeats:
        item.frame_id = item.frame_id or ids[item.delivery.meter_id, item.content]
    heard = [(channel, item.delivery.frame.received_at) for item in repeats for channel, _ in item.mapped]
    if heard:
        readings.heard_of(batch.connection, [channel for channel, _ in heard], [at for _, at in heard])


def _incoming(item: Item) -> readings.Incoming:
    assert item.meter is not None
    return readings.Incoming(
        site_id=item.meter.site_id,
        zone=item.meter.zone,
        meter_id=item.delivery.meter_id,
        frame=item.delivery.frame,
        context_text=item.context_text,
        content=item.content,
        readings=tuple(item.mapped),
        refused=item.refused_points,
    )


def _kept(item: Item) -> store.KeptRefusals:
    organization = item.meter.organization_id if item.meter else item.organization_id
    return store.KeptRefusals(organization, item.delivery.meter_id, item.frame_id, tuple(item.refusals))


def _notice(item: Item) -> store.Notice:
    assert item.meter is not None
    newest = max((int(series.at_s.max()) for _, series in item.mapped if len(series.at_s)), default=0)
    return store.Notice(item.meter.organization_id, item.meter.site_id, item.delivery.meter_id, newest)


def make_room(batch: Batch) -> None:
    """Make the monthly partitions the batch needs, before and apart from its transaction."""
    going = batch.going()
    needed = readings.rooms([item.delivery.frame for item in going], [s for item in going for s in item.given])
    for room in sorted(needed - batch.rooms):
        readings.make_room(batch.connection, *room)
        batch.rooms.add(room)


LOOKING = (identify, authorize, decode, normalise, make_room)
WRITING = (map_to_channels, deduplicate, store_all)


def run(batch: Batch) -> list[Receipt]:
    """Take a batch through all steps, the writing ones in one transaction; return the receipts once it is committed.

    The connection is in autocommit mode.
    """
    for step in LOOKING:
        step(batch)
    with batch.connection.transaction():
        for step in WRITING:
            step(batch)
    return [item.receipt() for item in batch.items]
