"""An open association with one DLMS meter."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from demeter.drivers.dlms import discovery, events
from demeter.drivers.dlms.connection import Connection
from demeter.drivers.dlms.counting import Allotment
from demeter.drivers.dlms.failures import failure_of
from demeter.drivers.dlms.frames import ciphering_of, profile_frame
from demeter.drivers.dlms.line_options import Transport
from demeter.drivers.dlms.operations import PERFORMERS, Line
from demeter.drivers.dlms.options import DlmsOptions
from demeter.drivers.dlms.tables import (
    DAY_S,
    PROFILE_CLASS,
    Scalers,
    Table,
    captures_of,
    places,
    scalers_of,
    series_of,
    unscaled,
)
from demeter.kernel import Clock, Unavailable
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.apdu import AttributeRef
from demeter.protocols.dlms.client import Client, Exchange
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError, Malformed, Refused, ServiceError
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import (
    CLOCK,
    EntrySelection,
    RangeSelection,
    decode_scaler_unit,
    profile_columns,
)
from demeter.protocols.dlms.wrapper import wrap
from demeter.sdk import (
    Collected,
    Credentials,
    FailureKind,
    LogAnswer,
    LogMark,
    MeterDiscovery,
    Nameplate,
    Operation,
    OperationKind,
    Profile,
    ReadFailure,
    Report,
    Words,
    unreported,
)

T = TypeVar("T")

RELEASE_S = 2.0
"""A meter that does not answer the release is simply left."""

ANSWER_OCTETS = 60_000
"""Octets of rows asked for at once: one answer then fits one wrapper frame, and a lost one costs little."""

FEWEST_OCTETS = 8_000
"""A meter of small APDUs is still asked for this much (about two days), which it sends in blocks."""

BITS_AN_OCTET = 10
ANSWER_S = 30
"""On a serial line an answer takes at most about so many seconds: another session may wait for the line."""

LONGEST_PERIOD_S = 31 * DAY_S
"""A month: no table is filled less often."""

BUFFER, CAPTURES, PERIOD, ENTRIES_IN_USE = 2, 3, 4, 7
"""Attributes of a profile generic (IC 7)."""

SERIAL = AttributeRef(1, Obis.parse("0.0.96.1.0.255"), 2)
NAMEPLATE = tuple(
    AttributeRef(1, Obis.parse(name), 2)
    for name in ("0.0.96.1.0.255", "0.0.96.1.1.255", "1.0.0.2.0.255", "0.0.94.91.9.255")
)


class DlmsSession:
    """A :class:`demeter.sdk.OperatingSession`; after a failure other than a refusal it is of no more use."""

    def __init__(
        self,
        connection: Connection,
        client: Client,
        options: DlmsOptions,
        credentials: Credentials,
        clock: Clock,
        allotment: Allotment | None = None,
        reopen: Callable[[Credentials], Awaitable[DlmsSession]] | None = None,
    ) -> None:
        self._connection = connection
        self._client = client
        self._options = options
        self._credentials = credentials
        self._clock = clock
        self._allotment = allotment
        self._reopen = reopen
        self._expected: tuple[Credentials, ...] = ()
        self._tables: dict[Profile, Table] = {}
        self._serial: str | None = None

    @property
    def client(self) -> Client:
        """The association, for exchanges of one's own; :meth:`run` drives them."""
        return self._client

    async def run(self, exchange: Exchange[T], doing: str, record: list[bytes] | None = None) -> T:
        """Drive one exchange over the connection; ``record`` receives every answer as the wrapper frame it came in.

        Raises:
            ReadFailure: with ``doing`` in its message.
        """
        options = self._options
        try:
            await self._provide()
            request = next(exchange)
            while True:
                answer = await self._connection.ask(request, options.client_sap, options.server_sap, options.answer_s)
                if record is not None and answer:
                    record.append(wrap(answer, options.server_sap, options.client_sap))
                await self._provide()
                request = exchange.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result
        except DlmsError as error:
            if not isinstance(error, Refused | ServiceError):
                self._connection.abort()
            raise failure_of(error, doing) from error

    async def _provide(self) -> None:
        if self._allotment is not None:
            await self._allotment.provide(self._client)

    def give_back(self) -> None:
        """Leave the counters that were not used to the next session; nothing may be sent afterwards."""
        if self._allotment is not None:
            self._allotment.close(self._client)

    async def associate(self) -> None:
        """Open the association (all passes)."""
        await self.run(self._client.associate(), "opening the association")

    async def nameplate(self) -> Nameplate:
        """Read who the meter is."""
        answers = await self.run(self._client.get_many(NAMEPLATE), "reading the nameplate")
        with decoding("reading the nameplate"):
            serial, maker, firmware, kind = (_text(answer) for answer in answers)
        return Nameplate(self._told(serial), maker, firmware, kind)

    async def serial(self) -> str:
        """Return the serial number, asked for once in a session."""
        if self._serial is None:
            doing = "reading the serial number"
            [answer] = await self.run(self._client.get_many([SERIAL]), doing)
            with decoding(doing):
                return self._told(_text(answer))
        return self._serial

    def _told(self, serial: str) -> str:
        if not serial:
            raise ReadFailure(FailureKind.NOT_SUPPORTED, "the meter does not tell its serial number")
        self._serial = serial
        return serial

    async def clock(self) -> datetime:
        """Read the meter's clock as aware UTC."""
        value = await self.run(self._client.get(CLOCK.class_id, CLOCK.obis, CLOCK.attribute), "reading the clock")
        with decoding("reading the clock"):
            octets = axdr.decode_all(value).value
            if not isinstance(octets, bytes):
                raise Malformed("the clock is no date-time")
            return CosemDateTime.from_bytes(octets).to_utc(ZoneInfo(self._options.zone))

    async def set_clock(self, at: datetime) -> None:
        """Set the meter's clock to the aware instant ``at``."""
        octets = CosemDateTime.from_utc(at, ZoneInfo(self._options.zone)).to_bytes()
        value = axdr.encode(data.octets(octets))
        await self.run(self._client.set(CLOCK.class_id, CLOCK.obis, CLOCK.attribute, value), "setting the clock")

    async def capture_period_s(self, profile: Profile) -> int:
        """Read the profile's integration period in seconds (0: captured on events)."""
        return (await self.table(profile)).period_s

    async def table(self, profile: Profile) -> Table:
        """Return the profile as this meter has it.

        Read once per session, in one request: columns, period, scaler profile and serial number. They are not kept
        between sessions or meters: a column taken with another meter's scaler would be a wrong number that looks right.
        """
        if profile not in self._tables:
            self._tables[profile] = await self._read_table(profile)
        return self._tables[profile]

    async def held(self, profile: Profile) -> tuple[datetime, datetime] | None:
        """Return the stamps of the oldest and the newest row the meter still holds (None: it holds none).

        The first and the last entry are both looked at, because buffers may be sorted either way. A meter that does
        not select by entry is believed to hold one row per capture period.
        """
        table = await self.table(profile)
        doing = f"looking how far {profile.value} reaches back"
        get = self._client.get
        counted = await self.run(get(PROFILE_CLASS, table.obis, ENTRIES_IN_USE), doing)
        with decoding(doing):
            entries = int(axdr.decode_all(counted).value)
        if not entries:
            return None
        ends = [
            AttributeRef(PROFILE_CLASS, table.obis, BUFFER, EntrySelection(entry, entry).to_bytes())
            for entry in {1, entries}
        ]
        answers = await self.run(self._client.get_many(ends), doing)
        rows = [answer for answer in answers if isinstance(answer, bytes)]
        with decoding(doing):
            stamps = [stamp for row in rows for stamp in self._stamps(table, row)]
        if not stamps:
            now = self._clock.now()
            return now - timedelta(seconds=(entries + 1) * (table.period_s or DAY_S)), now
        return min(stamps), max(stamps)

    def _stamps(self, table: Table, payload: bytes) -> list[datetime]:
        columns = profile_columns(payload, table.captures, table.scalers, table.period_s, ZoneInfo(self._options.zone))
        return [datetime.fromtimestamp(int(at), UTC) for at in columns.at_s[columns.dated]]

    async def read_profile(self, profile: Profile, since: datetime, until: datetime) -> list[Collected]:
        """Read all rows stamped in ``[since, until)``, in exchanges whose answers fit one frame each.

        The instantaneous profile has one row, made when it is read: all of it is read, whatever the range.
        """
        table = await self.table(profile)
        if profile is Profile.INSTANTANEOUS:
            return [await self._read(table, None)]
        return [await self._read_range(table, start, end) for start, end in _ranges(table, since, until, self._room())]

    def _room(self) -> int:
        line = self._options.line
        if line.transport is Transport.HDLC_SERIAL:
            return max(1, min(ANSWER_OCTETS, line.baud // BITS_AN_OCTET * ANSWER_S))
        return max(FEWEST_OCTETS, min(ANSWER_OCTETS, self._options.max_pdu))

    async def _read_range(self, table: Table, since: datetime, until: datetime) -> Collected:
        """Read the rows stamped in ``[since, until]`` (both included, as the selective access has it)."""
        return await self._read(table, RangeSelection.between(since, until, ZoneInfo(self._options.zone)).to_bytes())

    async def _read(self, table: Table, selection: bytes | None) -> Collected:
        doing = f"reading {table.profile.value}"
        zone = ZoneInfo(self._options.zone)
        received: list[bytes] = []
        payload = await self.run(self._client.get(PROFILE_CLASS, table.obis, BUFFER, selection), doing, received)
        with decoding(doing):
            columns = profile_columns(payload, table.captures, table.scalers, table.period_s, zone)
        frame = profile_frame(b"".join(received), self._clock.now(), table, self._options.zone, self._ciphering())
        return Collected(frame, series_of(table, columns), len(columns))

    def _ciphering(self) -> dict[str, object]:
        return ciphering_of(self._options, self._credentials, self._client)

    async def _read_table(self, profile: Profile) -> Table:
        found = places(profile, self._options.commodity)
        if found is None:
            raise ReadFailure(FailureKind.NOT_SUPPORTED, f"reading {profile.value} is not implemented")
        obis, scaler_obis = found
        doing = f"reading the columns of {profile.value}"
        places_of = ((obis, CAPTURES), (obis, PERIOD), (scaler_obis, BUFFER), (scaler_obis, CAPTURES))
        wanted = [AttributeRef(PROFILE_CLASS, name, attribute) for name, attribute in places_of]
        if self._serial is None:
            wanted.append(SERIAL)
        answers = await self.run(self._client.get_many(wanted), doing)
        with decoding(doing):
            if self._serial is None:
                self._told(_text(answers.pop()))
            columns, period, scaler_row, scaler_columns = (_unless_missing(answer) for answer in answers)
            if columns is None or period is None:
                raise Refused(DataAccessResult.OBJECT_UNDEFINED, f"the meter has no {profile.value} ({obis})")
            scalers: Scalers = {}
            if scaler_row is not None and scaler_columns is not None:
                scalers = scalers_of(scaler_row, scaler_columns)
            table = Table(profile, obis, captures_of(columns), scalers, _period_s(period))
        return await self._complete(table, doing)

    async def _complete(self, table: Table, doing: str) -> Table:
        """Ask the registers themselves for the scalers that a table does not have."""
        missing = unscaled(table.captures, table.scalers)
        if not missing:
            return table
        attributes = [AttributeRef(c.class_id, c.obis, 4 if c.class_id == 5 else 3) for c in missing]
        answers = await self.run(self._client.get_many(attributes), doing)
        scalers = dict(table.scalers)
        with decoding(doing):
            for capture, answer in zip(missing, answers, strict=True):
                value = _unless_missing(answer)
                if value is not None:
                    scalers[capture.obis, capture.attribute] = decode_scaler_unit(value)
        return Table(table.profile, table.obis, table.captures, scalers, table.period_s)

    async def discover(self) -> MeterDiscovery:
        """Read what the meter lists to this association; changes nothing."""
        at = discovery.Looking(self.run, self.nameplate, self.serial, self.table, self._client, self._options)
        return await discovery.look(at)

    async def new_events(self, known: Mapping[str, LogMark]) -> list[LogAnswer]:
        """Read the event logs that may hold more than the marks know."""
        line = events.EventLine(self.run, self._complete, self._client, self._options, self._clock, self._ciphering)
        return await events.read_new(line, known)

    async def tried(self, attributes: list[AttributeRef], doing: str) -> list[bytes | None]:
        """Read attributes; None stands for those the meter does not give."""
        if not attributes:
            return []
        answers = await self.run(self._client.get_many(attributes), doing)
        return [answer if isinstance(answer, bytes) else None for answer in answers]

    def place(self, profile: Profile) -> Obis | None:
        """Return the logical name of a profile of this meter's commodity; None: it is not read here."""
        found = places(profile, self._options.commodity)
        return None if found is None else found[0]

    @property
    def peer_title(self) -> str:
        """Return the system title the meter told in this association (hexadecimal; empty: none)."""
        return (self._client.server_title or b"").hex()

    async def push_objects(self) -> Mapping[str, Sequence[str]]:
        """Read what the meter's pushes carry, see :mod:`demeter.drivers.dlms.pushing.learning`."""
        from demeter.drivers.dlms.pushing.learning import push_objects

        return await push_objects(self)

    def operations(self) -> frozenset[OperationKind]:
        """Return the kinds of operations that can be performed."""
        return frozenset(PERFORMERS)

    async def observe(self, operation: Operation) -> Words:
        """Read what shows the effect of an operation; over a new association, where the keys may have changed."""
        if self._expected:
            await self._call_again()
        return await PERFORMERS[operation.kind].observe(self._line(), operation)

    async def perform(self, operation: Operation, seen: Words, report: Report = unreported) -> None:
        """Do it; returns when the meter has said that it did."""
        await PERFORMERS[operation.kind].perform(self._line(), operation, seen, report)

    def _line(self) -> Line:
        options = self._options
        zone = ZoneInfo(options.zone)
        return Line(self.run, self._client, self._clock, zone, options.commodity, self._credentials, self._expect)

    def _expect(self, sets: Sequence[Credentials]) -> None:
        self._expected = tuple(sets)

    async def _call_again(self) -> None:
        """End this association and open another one, with the first of the expected secrets that the meter knows.

        Raises:
            ReadFailure: WRONG_KEY, when it knows none of them; others as on opening.
        """
        sets, self._expected = self._expected, ()
        if self._reopen is None:
            raise ReadFailure(FailureKind.NOT_SUPPORTED, "this session cannot be opened anew")
        await self.close()
        self._allotment = None
        other = await open_first(self._reopen, sets)
        self._connection, self._client, self._credentials, self._allotment = other.parts()

    def parts(self) -> tuple[Connection, Client, Credentials, Allotment | None]:
        """Return what this session is made of, to one that goes on in its place."""
        return self._connection, self._client, self._credentials, self._allotment

    async def close(self) -> None:
        """Release the association and let the line go, also when cancelled meanwhile; never raises otherwise."""
        try:
            await self.release()
            await self._connection.leave(RELEASE_S)
        finally:
            self._connection.abort()
            self.give_back()
            if self._allotment is not None:
                with contextlib.suppress(Unavailable):
                    await self._allotment.remember(self._client)

    async def release(self) -> bool:
        """Release the association; return whether the line may be used for another one. Does not raise.

        An HDLC link ends the association with itself, without a word of ours, when it is taken down or another client
        address sets up its own (Green Book 9.4.2).
        """
        options = self._options
        if options.line.ends_associations:
            return True
        within_s = min(RELEASE_S, options.answer_s)
        try:
            await self._provide()
            exchange = self._client.release()
            request = next(exchange)
            while True:
                answer = await self._connection.ask(request, options.client_sap, options.server_sap, within_s)
                request = exchange.send(answer)
        except (StopIteration, DlmsError):
            return True
        except (ReadFailure, Unavailable):
            return False


async def open_first(
    opening: Callable[[Credentials], Awaitable[DlmsSession]], sets: Sequence[Credentials]
) -> DlmsSession:
    """Open a session with the first of several secrets that the meter knows.

    Raises:
        ReadFailure: WRONG_KEY, when it knows none of them; others as on opening.
    """
    wrong: ReadFailure | None = None
    for credentials in sets:
        try:
            return await opening(credentials)
        except ReadFailure as failure:
            if failure.kind is not FailureKind.WRONG_KEY:
                raise
            wrong = failure
    raise wrong or ReadFailure(FailureKind.NOT_CONFIGURED, "there are no secrets to call the meter with")


@contextlib.contextmanager
def decoding(doing: str) -> Iterator[None]:
    """Turn protocol errors raised inside into the failure to report."""
    try:
        yield
    except DlmsError as error:
        raise failure_of(error, doing) from error
    except (TypeError, ValueError) as error:
        raise ReadFailure(FailureKind.GARBLED, f"{doing}: {error}") from error


def _unless_missing(answer: bytes | Refused) -> bytes | None:
    """Return the value, or None where the meter does not have the object; other refusals are raised."""
    if isinstance(answer, bytes):
        return answer
    if answer.result in (DataAccessResult.OBJECT_UNDEFINED, DataAccessResult.OBJECT_UNAVAILABLE):
        return None
    raise answer


def _period_s(value: bytes) -> int:
    """Return a capture period in seconds (0: not by time)."""
    period_s = axdr.decode_all(value).value
    if not isinstance(period_s, int) or not 0 <= period_s <= LONGEST_PERIOD_S:
        raise Malformed(f"the capture period is said to be {period_s!r}, not 0 to {LONGEST_PERIOD_S} seconds")
    return period_s


def _text(answer: bytes | Refused) -> str:
    value = _unless_missing(answer)
    if value is None:
        return ""
    content = axdr.decode_all(value).value
    return content.decode("latin-1").strip("\0 ") if isinstance(content, bytes) else str(content).strip()


def _ranges(table: Table, since: datetime, until: datetime, room: int) -> Iterator[tuple[datetime, datetime]]:
    """Cut ``[since, until)`` into ranges, both ends included, whose rows fit one answer. Stamps are whole seconds."""
    rows = max(1, room // table.row_octets)
    step = timedelta(seconds=rows * table.period_s) if table.period_s else until - since
    second = timedelta(seconds=1)
    while since < until:
        end = min(since + step, until)
        yield since, end - second
        since = end
