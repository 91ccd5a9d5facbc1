"""The proof of a month: from the number back to the raw frames, and from the frames to the number again.

Every frame the month depends on is decoded anew, its readings go through the same pure functions, the result is
compared with what is kept and with what was published, and the meters' hash chains are verified. Whatever does not
agree is listed; nothing is repaired.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np

from demeter import estate, readings
from demeter.contracts.usage import UsageStatement
from demeter.estate import ServicePoint
from demeter.ingest import CredentialsOf
from demeter.kernel import DAY, DemeterError, Quality, Span, day_span, display, local_day, month_span
from demeter.metering.assess import Assessment, assess, window_s
from demeter.metering.columns import ChannelColumns, settle
from demeter.metering.gather import Columns, SiteMap, columns_between, installed_meters, site_map
from demeter.metering.index import Rules
from demeter.metering.model import MonthUse, Published
from demeter.metering.offline import DEFAULT_THRESHOLD
from demeter.metering.proof import (
    Chain,
    Difference,
    ExplainedDay,
    ExplainedEdit,
    ExplainedFrame,
    Explanation,
    ProofState,
)
from demeter.metering.rollup import Total, day_bounds
from demeter.metering.statements import statement
from demeter.metering.store import hand_off, use
from demeter.metering.vee import validate
from demeter.metering.views.model import IntervalsView, shown
from demeter.readings import Channel, JournalFrame, LogEntry
from demeter.runtime.database import UnitOfWork, audit_broken_at
from demeter.sdk import Credentials, Decoder, ReadFailure, ReadingKind, ReadingType, Series

PERMISSION = "metering.explain"
LISTED = 20
"""Differing readings listed per channel; the rest is counted."""


@dataclass(slots=True)
class _Evidence:
    """What was gathered from the journal and the log.

    ``behind``: differences that are over when what waits is worked in or published. ``dirty``: readings wait, so all
    that is computed from readings is behind.
    """

    dirty: bool = False

    frames: list[ExplainedFrame] = field(default_factory=list)
    edits: list[ExplainedEdit] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    behind: list[Difference] = field(default_factory=list)
    columns: dict[int, ChannelColumns] = field(default_factory=dict)
    by_people: int = 0

    def computed(self, found: Iterable[Difference]) -> None:
        """Take differences of what is computed from readings."""
        (self.behind if self.dirty else self.differences).extend(found)


def explain(
    work: UnitOfWork,
    service_point_id: int,
    month: date,
    decoders: Mapping[str, Decoder],
    credentials: CredentialsOf,
) -> Explanation:
    """Prove a service point's month, given by its first day.

    Args:
        work: the unit of work; a snapshot, else what arrives meanwhile looks like a difference.
        service_point_id: whose number.
        month: the first day of the month.
        decoders: by codec name.
        credentials: (organization id, meter id) → the keys to decipher its frames.

    Raises:
        Denied: the scope lacks ``metering.explain``.
        NotFound: no such service point in the scope.
    """
    work.scope.require(PERMISSION)
    point = estate.service_point(work, service_point_id)
    where = site_map(work, point.site_id)
    month = month.replace(day=1)
    start_s, end_s = window_s(where.site.zone, month)
    span = Span(datetime.fromtimestamp(start_s, UTC), datetime.fromtimestamp(end_s, UTC))
    evidence = _Evidence(dirty=_is_dirty(work, where, point, span))
    for meter_id in sorted({i.meter_id for i in where.installations.get(point.id, ())}):
        _from_journal(work, where, meter_id, span, (decoders, credentials), evidence)
    kept_columns = columns_between(work, where, [point.id], start_s, end_s)
    for channel in where.channels_at([point.id]):
        evidence.differences += _compare_columns(channel, kept_columns(channel), evidence.columns.get(channel.id))
    kept = use.months(work, point.site_id, month=month, service_point_id=point.id)
    threshold = timedelta(seconds=kept[0].offline_after_s) if kept else DEFAULT_THRESHOLD
    again = _assess(work, where, point, month, lambda channel: evidence.columns.get(channel.id), threshold)
    evidence.computed(_compare_registers(statement(where.site, point, again), kept[0] if kept else None))
    if evidence.by_people and (entry := audit_broken_at(work)) is not None:
        evidence.differences.append(Difference(f"audit entry {entry}", None, None, "the audit trail is broken here"))
    return _explanation(work, where, point, (kept[0].total if kept else None, again), evidence)


def _is_dirty(work: UnitOfWork, where: SiteMap, point: ServicePoint, span: Span) -> bool:
    """Tell whether readings the month depends on wait to be worked in."""
    zone = where.site.zone
    first, last = local_day(zone, span.start) - DAY, local_day(zone, span.end) + DAY
    return readings.is_dirty(work, where.site.id, where.channels_at([point.id]), first, last)


def _assess(
    work: UnitOfWork, where: SiteMap, point: ServicePoint, month: date, columns: Columns, offline_after: timedelta
) -> Assessment:
    ended = month_span(where.site.zone, month.year, month.month).end <= work.now()
    meters = installed_meters(where, point.id, columns)
    until = None if ended else work.now()
    return assess(point, where.site.zone, month, meters, until, offline_after)


def _from_journal(
    work: UnitOfWork,
    where: SiteMap,
    meter_id: int,
    span: Span,
    keys: tuple[Mapping[str, Decoder], CredentialsOf],
    evidence: _Evidence,
) -> None:
    """Decode a meter's frames again and apply the edits of people, in the order of the log."""
    channels = {channel.reading_type: channel for channel in where.channels.get(meter_id, ())}
    parts: dict[int, list[Series]] = {}
    secrets = keys[1](work.scope.organization_id, meter_id)
    for frame in readings.journal_frames(work, meter_id, span):
        if not frame.rows:
            continue
        used = False
        for series in _decoded(frame, keys[0], secrets, evidence):
            channel = channels.get(series.reading_type)
            if channel is not None:
                parts.setdefault(channel.id, []).append(readings.screen(series, frame.received_at).series)
                used = True
        if used:
            evidence.frames.append(_frame(frame))
    proof = readings.verify_chain(work, meter_id)
    serial = where.meters[meter_id].serial
    evidence.chains.append(Chain(serial, proof.frames, proof.whole, proof.reason))
    for channel in channels.values():
        log = readings.edits(work, channel.id, span)
        evidence.edits += [_edit(channel, entry) for entry in log]
        evidence.by_people += sum(1 for entry in log if entry.frame_id is None)
        evidence.differences += [
            Difference(entry.at.isoformat(), None, None, f"the audit trail tells this edit by {entry.who} otherwise")
            for entry in readings.unwitnessed_edits(work, channel.id, log)
        ]
        evidence.columns[channel.id] = _settled(channel.reading_type, parts.get(channel.id, []), log, span)


def _decoded(
    frame: JournalFrame, decoders: Mapping[str, Decoder], secrets: Credentials, evidence: _Evidence
) -> Sequence[Series]:
    decoder = decoders.get(frame.codec)
    try:
        if decoder is not None:
            return decoder.decode(frame.frame(), secrets)
        reason = f"no decoder for {frame.codec!r}"
    except (ReadFailure, DemeterError) as failure:
        reason = str(failure)
    where = f"frame {frame.id}"
    evidence.differences.append(Difference(where, f"{frame.rows} readings", None, f"cannot be decoded again: {reason}"))
    return ()


def _frame(frame: JournalFrame) -> ExplainedFrame:
    return ExplainedFrame(
        frame.id,
        frame.meter_id,
        frame.received_at,
        frame.codec,
        frame.hash.hex(),
        frame.rows,
        frame.covers_start,
        frame.covers_end,
    )


def _edit(channel: Channel, entry: LogEntry) -> ExplainedEdit:
    def exact(value: int | None) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(channel.reading_type.scaler)

    return ExplainedEdit(
        channel.id,
        entry.at,
        channel.reading_type.unit,
        exact(entry.old),
        exact(entry.new),
        entry.old_quality.word,
        entry.new_quality.word,
        entry.who,
        entry.why,
        entry.logged_at,
    )


def _settled(kind: ReadingType, parts: Sequence[Series], log: Sequence[LogEntry], span: Span) -> ChannelColumns:
    """Join what the frames give, then let people's edits speak: *edited* rules, other qualities join by rank."""
    start_s, end_s = int(span.start.timestamp()), int(span.end.timestamp())
    nothing = np.zeros(0, dtype=np.int64)
    at_s = np.concatenate([nothing, *(part.at_s for part in parts)])
    values = np.concatenate([nothing, *(part.values for part in parts)])
    quality = np.concatenate([np.zeros(0, dtype=np.uint8), *(part.quality for part in parts)])
    for entry in log:
        if entry.frame_id is None:
            when = int(entry.at.timestamp())
            keep = at_s != when if entry.new_quality is Quality.EDITED else np.ones(len(at_s), dtype=np.bool_)
            at_s, values, quality = at_s[keep], values[keep], quality[keep]
            if entry.new is not None:
                at_s, values = np.append(at_s, when), np.append(values, entry.new)
                quality = np.append(quality, np.uint8(entry.new_quality))
    begins = at_s - (kind.interval_s if kind.kind is ReadingKind.INTERVAL else 0)
    inside = (begins >= start_s) & (at_s <= end_s)
    return ChannelColumns(kind, *settle(at_s[inside], values[inside], quality[inside]))


def _compare_columns(
    channel: Channel, kept: ChannelColumns | None, again: ChannelColumns | None
) -> Iterator[Difference]:
    left, right = _cells(kept), _cells(again)
    unequal = sorted(at for at in left.keys() | right.keys() if left.get(at) != right.get(at))
    for at in unequal[:LISTED]:
        when = datetime.fromtimestamp(at, UTC).isoformat()
        detail = f"reading of channel {channel.id} ({channel.reading_type.obis})"
        yield Difference(when, _cell(left.get(at)), _cell(right.get(at)), detail)
    if len(unequal) > LISTED:
        detail = f"{len(unequal) - LISTED} more readings of channel {channel.id} differ"
        yield Difference("", None, None, detail)


def _cells(columns: ChannelColumns | None) -> dict[int, tuple[int, int]]:
    if columns is None:
        return {}
    pairs = zip(columns.values.tolist(), columns.quality.tolist(), strict=True)
    return dict(zip(columns.at_s.tolist(), pairs, strict=True))


def _cell(cell: tuple[int, int] | None) -> str | None:
    return None if cell is None else f"{cell[0]} ({Quality(cell[1]).word})"


def _explanation(
    work: UnitOfWork,
    where: SiteMap,
    point: ServicePoint,
    totals: tuple[Total | None, Assessment],
    evidence: _Evidence,
) -> Explanation:
    site_id, (kept, again) = where.site.id, totals
    published = hand_off.newest_statements(work, site_id, again.month, point.id)
    if kept is None or not _same(kept, again.total):
        evidence.computed([_total_difference(f"{again.month:%Y-%m}", kept, again.total, "the month's total")])
    days = _days(work, where, point, again, evidence.frames)
    evidence.computed(
        Difference(day.day.isoformat(), _text(day.consumption), _text(day.rederived), "the day's total")
        for day in days
        if not day.matches
    )
    if again.placed.end_s <= int(work.now().timestamp()) and published:
        made = statement(where.site, point, again)
        evidence.differences += _compare_document(made.month, published[0])
        drafted = made.content_hash() in hand_off.draft_hashes(work, site_id, again.month, point.id)
        (evidence.behind if evidence.dirty or drafted else evidence.differences).extend(
            _compare_statement(made, published[0])
        )
    evidence.differences += [
        Difference(chain.meter, None, None, f"hash chain broken: {chain.reason}")
        for chain in evidence.chains
        if not chain.whole
    ]
    state = _state(evidence)
    return Explanation(
        point=point,
        month=again.month,
        state=state,
        statement=_sentence(point, again, evidence, state),
        consumption=shown(kept) if kept else None,
        rederived=shown(again.total),
        revision=published[0].revision if published else None,
        days=tuple(days),
        intervals=_intervals(where.site.zone, point, again),
        frames=tuple(evidence.frames),
        edits=tuple(evidence.edits),
        chains=tuple(evidence.chains),
        findings=tuple(validate(again.placed, Rules.of(point.commodity))),
        differences=(*evidence.differences, *evidence.behind),
    )


def _state(evidence: _Evidence) -> ProofState:
    if evidence.differences:
        return ProofState.DIFFERS
    return ProofState.WAITING if evidence.behind else ProofState.MATCHES


def _compare_registers(made: UsageStatement, kept: MonthUse | None) -> Iterator[Difference]:
    for name in ("opening", "closing") if kept else ():
        stored, read = getattr(kept, name), getattr(made, name)
        again = None if read is None else asdict(read)
        if stored != again:
            detail = f"the month's {name} register"
            yield Difference(made.month, None if stored is None else str(stored), str(again), detail)


def _compare_document(month: str, published: Published) -> Iterator[Difference]:
    revision, given = f"the published revision {published.revision}", published.content_hash
    try:
        told = UsageStatement.from_document(json.loads(published.document)).content_hash()
    except (ValueError, TypeError, KeyError):
        told = None
    if told != given:
        yield Difference(month, given, told, f"the document of {revision} does not give its content hash")


def _compare_statement(made: UsageStatement, published: Published) -> Iterator[Difference]:
    revision, given = f"the published revision {published.revision}", published.content_hash
    if made.content_hash() != given:
        detail = f"content hash of {revision}; a newer one is not out yet"
        yield Difference(made.month, given, made.content_hash(), detail)


def _same(kept: Total, again: Total) -> bool:
    fields = ("amount", "scaler", "bridged", "bridged_slots", "due", "known")
    return all(getattr(kept, name) == getattr(again, name) for name in fields) and dict(kept.qualities) == dict(
        again.qualities
    )


def _total_difference(at: str, kept: Total | None, again: Total, what: str) -> Difference:
    if kept is not None and kept.amount == again.amount and kept.scaler == again.scaler:
        return Difference(at, f"{kept.known} of {kept.due} slots", f"{again.known} of {again.due} slots", what)
    return Difference(at, _text(shown(kept) if kept else None), _text(shown(again)), what)


def _days(
    work: UnitOfWork, where: SiteMap, point: ServicePoint, again: Assessment, frames: Sequence[ExplainedFrame]
) -> list[ExplainedDay]:
    last = again.days[-1][0]
    kept = {day.day: day.total for day in use.days(work, where.site.id, again.month, last, [point.id])}
    now_s = int(work.now().timestamp())
    result = []
    for (day, total), start_s in zip(again.days, _starts(again, where.site.zone), strict=True):
        if start_s > now_s:
            break
        own = kept.get(day)
        # a day before the first installation is kept as nothing at all
        matches = _same(own, total) if own is not None else not total.due
        consumption = shown(own) if own else None
        speaking = _speaking_of(frames, where.site.zone, day)
        result.append(ExplainedDay(day, consumption, shown(total), total.coverage_ppm, total.due, matches, speaking))
    return result


def _speaking_of(frames: Sequence[ExplainedFrame], zone: str, day: date) -> tuple[int, ...]:
    span = day_span(zone, day)
    covers = [(f.id, f.covers_start, f.covers_end) for f in frames]
    return tuple(n for n, begin, end in covers if begin and end and begin <= span.end and end >= span.start)


def _starts(again: Assessment, zone: str) -> list[int]:
    return [int(bound) for bound in day_bounds(zone, again.month.year, again.month.month)[:-1]]


def _intervals(zone: str, point: ServicePoint, again: Assessment) -> IntervalsView:
    placed = again.placed
    known = placed.known().tolist()
    values = [amount if there else None for amount, there in zip(placed.amounts.tolist(), known, strict=True)]
    unit = point.commodity.base_unit
    return IntervalsView(
        placed.start_s, placed.interval_s, zone, unit, placed.scaler, tuple(values), tuple(placed.quality.tolist())
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")


def _sentence(point: ServicePoint, again: Assessment, evidence: _Evidence, state: ProofState) -> str:
    what = f"{point.label} {point.commodity.value} {again.month:%Y-%m}"
    people = sum(1 for edit in evidence.edits if edit.new_quality == Quality.EDITED.word)
    if state is ProofState.DIFFERS:
        count = len(evidence.differences) + len(evidence.behind)
        return f"{what}: {count} differences between what is kept and what the frames give"
    if state is ProofState.WAITING and evidence.dirty:
        return f"{what}: readings that came a moment ago are not worked in yet; ask for the proof again in a moment"
    if state is ProofState.WAITING:
        return f"{what}: the frames give the next revision of the statement, which is not published yet"
    amount = "nothing is known"
    if again.total.amount is not None:
        unit = point.commodity.display_unit
        amount = f"{display(again.total.amount, again.total.scaler):f} {unit}"
    edited = f" and {people} edit{'s' if people > 1 else ''}" if people else ""
    chains = "its hash chain is" if len(evidence.chains) == 1 else "their hash chains are"
    return f"{what}: {amount}, derived again from {len(evidence.frames)} raw frames{edited}; {chains} whole"
