"""Event logs: which of them hold something new, their rows as meter events, and their frames decoded again.

Where the logs lie and what their codes mean stands in the meter profile (``drivers.dlms.profiles``); what a row holds
is what the meter itself says it captures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from demeter.drivers.dlms.failures import failure_of
from demeter.drivers.dlms.frames import decoded_columns, profile_frame, table_of
from demeter.drivers.dlms.options import DlmsOptions, known_profile
from demeter.drivers.dlms.profiles import EventGroup, MeterProfile
from demeter.drivers.dlms.tables import (
    CLOCK_NOT_SPECIFIED,
    PROFILE_CLASS,
    UNTRUSTED,
    Scalers,
    Table,
    captures_of,
    scalers_of,
)
from demeter.drivers.dlms.units import unit_word
from demeter.kernel import Clock, NotFound
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.apdu import AttributeRef
from demeter.protocols.dlms.client import Client
from demeter.protocols.dlms.errors import DlmsError, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import ProfileColumns, RangeSelection, profile_columns
from demeter.protocols.dlms.vector import ColumnKind
from demeter.sdk import (
    Credentials,
    EventValue,
    FailureKind,
    Frame,
    LogAnswer,
    LogMark,
    MeterEvent,
    MeterEventKind,
    Profile,
    ReadFailure,
    Series,
)

CODEC: Final = "dlms/events"

DATA_CLASS: Final = 1
BUFFER, CAPTURES, ENTRIES_IN_USE = 2, 3, 7

WHOLE_ROWS: Final = 500
"""A log of at most so many rows is read as a whole; of a longer one only what is stamped since it was last read."""

SURELY: Final = timedelta(days=1)
"""So often the rows are read whatever the counts say: a log may have been cleared and filled to the same count."""


@dataclass(frozen=True, slots=True)
class EventLine:
    """The open association that logs are read over. ``run(exchange, doing, record)`` drives one exchange."""

    run: Callable[..., Awaitable[Any]]
    complete: Callable[[Table, str], Awaitable[Table]]
    client: Client
    options: DlmsOptions
    clock: Clock
    ciphering: Callable[[], dict[str, object]]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a log says of itself: how many events it took (None: it does not count), how many rows it holds."""

    group: EventGroup
    count: int | None
    entries: int


async def read_new(line: EventLine, known: Mapping[str, LogMark]) -> list[LogAnswer]:
    """Read the logs that may hold more than the marks know.

    Raises:
        ReadFailure: NOT_SUPPORTED, when the meter has none of the logs of its profile.
    """
    counts = await _count(line)
    now = line.clock.now()
    changed = [each for each in counts if _may_be_new(each, known.get(str(each.group.log)), now)]
    filled = [each for each in changed if each.entries]
    tables = await _tables(line, filled) if filled else {}
    answers = [LogAnswer(_mark(each, None, None, now)) for each in changed if not each.entries]
    readable = [each for each in filled if each.group.log in tables]
    return answers + [
        await _read(line, each, tables[each.group.log], known.get(str(each.group.log))) for each in readable
    ]


async def _count(line: EventLine) -> list[Counts]:
    """Read how many rows each log holds and how many events it took, in one request where the meter can."""
    doing = "counting the rows of the event logs"
    groups = list(line.options.profile.event_groups.values())
    wanted = [AttributeRef(PROFILE_CLASS, group.log, ENTRIES_IN_USE) for group in groups]
    counted = [group for group in groups if group.sequence is not None]
    wanted += [AttributeRef(DATA_CLASS, group.sequence, 2) for group in counted if group.sequence is not None]
    if not groups:
        raise ReadFailure(FailureKind.NOT_SUPPORTED, f"{line.options.meter_profile} has no event logs")
    answers = await line.run(line.client.get_many(wanted), doing)
    numbers = [_number(answer, doing) for answer in answers]
    totals = dict(zip([group.key for group in counted], numbers[len(groups) :], strict=True))
    found = [
        Counts(group, totals.get(group.key), entries)
        for group, entries in zip(groups, numbers[: len(groups)], strict=True)
        if entries is not None
    ]
    if not found:
        raise ReadFailure(FailureKind.NOT_SUPPORTED, "the meter has none of the event logs of its profile")
    return found


def _number(answer: bytes | Refused, doing: str) -> int | None:
    if isinstance(answer, Refused):
        return None
    try:
        value = axdr.decode_all(answer).value
    except DlmsError as error:
        raise failure_of(error, doing) from error
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _may_be_new(counts: Counts, mark: LogMark | None, now: datetime) -> bool:
    if mark is None or now - mark.read_at >= SURELY:
        return True
    if counts.entries != mark.entries or counts.count != mark.count:
        return True
    # Without a counter, a log that is full may have taken something and dropped something.
    return counts.count is None and counts.entries >= (counts.group.entries or counts.entries) > 0


def _mark(counts: Counts, known: LogMark | None, newest: datetime | None, now: datetime) -> LogMark:
    stamps = [at for at in (newest, known.newest if known else None) if at is not None]
    return LogMark(str(counts.group.log), counts.count, counts.entries, max(stamps, default=None), now)


async def _tables(line: EventLine, wanted: Sequence[Counts]) -> dict[Obis, Table]:
    """Read what the logs capture, and their scalers, in one request; a log that does not tell is left out."""
    doing, profile = "reading the columns of the event logs", line.options.profile
    logs = [each.group.log for each in wanted]
    scaled = sorted({obis for log in logs if (obis := _scaler_profile(profile, log)) is not None}, key=str)
    attributes = [AttributeRef(PROFILE_CLASS, log, CAPTURES) for log in logs]
    for obis in scaled:
        attributes += [AttributeRef(PROFILE_CLASS, obis, BUFFER), AttributeRef(PROFILE_CLASS, obis, CAPTURES)]
    answers = await line.run(line.client.get_many(attributes), doing)
    try:
        scalers: Scalers = {}
        for buffer, captures in zip(answers[len(logs) :: 2], answers[len(logs) + 1 :: 2], strict=True):
            if isinstance(buffer, bytes) and isinstance(captures, bytes):
                scalers |= scalers_of(buffer, captures)
        found = {}
        for log, columns in zip(logs, answers, strict=False):
            if isinstance(columns, bytes):
                found[log] = Table(Profile.EVENTS, log, captures_of(columns), scalers, 0)
    except DlmsError as error:
        raise failure_of(error, doing) from error
    return {log: await line.complete(table, doing) for log, table in found.items()}


def _scaler_profile(profile: MeterProfile, log: Obis) -> Obis | None:
    table = profile.table_of(log)
    return table.scaler_obis if table else None


async def _read(line: EventLine, counts: Counts, table: Table, mark: LogMark | None) -> LogAnswer:
    """Read a log's rows: all of them, or of a long log those stamped since the newest that is known."""
    doing = f"reading the {counts.group.name.lower()} event log"
    profile, zone, now = line.options.profile, ZoneInfo(line.options.zone), line.clock.now()
    selection = None
    if counts.entries > WHOLE_ROWS and mark is not None and mark.newest is not None and now - mark.read_at < SURELY:
        selection = RangeSelection.between(mark.newest, now + SURELY, zone).to_bytes()
    received: list[bytes] = []
    payload = await line.run(line.client.get(PROFILE_CLASS, table.obis, BUFFER, selection), doing, received)
    try:
        columns = profile_columns(payload, table.captures, table.scalers, 0, zone)
    except DlmsError as error:
        raise failure_of(error, doing) from error
    events = events_of(table, columns, profile)
    newest = max((event.at for event in events if event.at is not None), default=None)
    plain = profile_frame(b"".join(received), now, table, line.options.zone, line.ciphering())
    told = {"meter_profile": line.options.meter_profile, "overlays": list(line.options.overlays)}
    frame = replace(plain, codec=CODEC, context={**plain.context, **told})
    return LogAnswer(_mark(counts, mark, newest, now), frame, events)


def events_of(table: Table, columns: ProfileColumns, profile: MeterProfile) -> tuple[MeterEvent, ...]:
    """Return the rows of a log as events, oldest first; none where no column is an event code (the frame is kept)."""
    group = next((each for each in profile.event_groups.values() if each.log == table.obis), None)
    code_name = group.code if group else None
    codes = next((each for each in columns.columns if each.capture.obis == code_name), None)
    if codes is None or group is None or codes.kind is not ColumnKind.INTEGER:
        return ()
    rows = [row for row in range(len(columns)) if codes.present[row]]
    if len(rows) > 1 and columns.at_s[rows[0]] > columns.at_s[rows[-1]]:
        rows.reverse()  # the newest first: a last-in-first-out buffer
    seen: Counter[tuple[datetime | None, int]] = Counter()
    events = []
    for row in rows:
        event = _event(columns, row, int(codes.values[row]), group, profile)
        place = event.at, event.code
        numbered = event.at is None and event.sequence is not None
        events.append(replace(event, nth=event.sequence or 0 if numbered else seen[place]))
        seen[place] += 1
    return tuple(events)


def _event(columns: ProfileColumns, row: int, code: int, group: EventGroup, profile: MeterProfile) -> MeterEvent:
    meaning = profile.event(code, group.log)
    status = int(columns.clock_status[row])
    sequence: int | None = None
    values = []
    for column in columns.columns:
        if column.kind is not ColumnKind.INTEGER or not column.present[row] or column.capture.obis == group.code:
            continue
        if column.capture.obis == group.sequence:
            sequence = int(column.values[row])
            continue
        unit, scaler = unit_word(255 if column.unit is None else column.unit, column.scaler or 0)
        values.append(EventValue(str(column.capture.obis), int(column.values[row]), scaler, unit))
    return MeterEvent(
        log=str(group.log),
        at=datetime.fromtimestamp(int(columns.at_s[row]), UTC) if columns.dated[row] else None,
        code=code,
        kind=MeterEventKind(str(meaning.kind)),
        group=meaning.group or group.key,
        meaning=meaning.meaning,
        pair=meaning.pair,
        sequence=sequence,
        doubtful=status != CLOCK_NOT_SPECIFIED and bool(status & UNTRUSTED),
        values=tuple(values),
    )


class EventDecoder:
    """Decodes journal frames of codec ``dlms/events`` again (entry point group ``demeter.decoders``)."""

    codec = CODEC

    def decode(self, _frame: Frame, _credentials: Credentials) -> tuple[Series, ...]:
        """Return nothing: events are no readings."""
        return ()

    def events(self, frame: Frame, credentials: Credentials) -> tuple[MeterEvent, ...]:
        """Return the same events that the driver handed over.

        Raises:
            ReadFailure: the keys do not fit, or payload or context were altered.
        """
        context = cast(Mapping[str, Any], frame.context)
        table = table_of(context)
        try:
            profile = known_profile(str(context.get("meter_profile")), tuple(context.get("overlays", ())))
            columns = decoded_columns(frame.payload, context, table, credentials)
        except NotFound as error:
            raise ReadFailure(FailureKind.NOT_CONFIGURED, f"{error.message}: it was read by it") from error
        except DlmsError as error:
            raise failure_of(error, "decoding a journal frame") from error
        return events_of(table, columns, profile)
