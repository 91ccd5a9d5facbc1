"""Opens sessions with DLMS/COSEM meters."""

from __future__ import annotations

from dataclasses import replace

from demeter.drivers.dlms.connection import Connection
from demeter.drivers.dlms.counters import MemoryCounters
from demeter.drivers.dlms.counting import Allotment, Books
from demeter.drivers.dlms.dialing import dial
from demeter.drivers.dlms.options import PUBLIC_SAP, DlmsOptions, parse_options
from demeter.drivers.dlms.session import DlmsSession, decoding
from demeter.kernel import Clock, SystemClock
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.client import CipherMode, Client, ClientSettings
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.security import KeyPairs
from demeter.sdk import CounterStore, Credentials, Endpoint, FailureKind, ReadFailure

DATA_CLASS = 1

PLACEHOLDER_TITLE = b"DMT\0\0\0\0\0"
"""Stands for the installation's title where options are only checked; nothing is sent under it."""


class DlmsDriver:
    """Implements :class:`demeter.sdk.Driver`.

    A ciphered association begins with a short public one, on the same connection, that reads the meter's invocation
    counter. That number is nobody's word: sending begins above it and above all that was ever sent under this key, and
    a leap too long is refused (:mod:`.counting`). Should the meter still find ours replayed (somebody else spoke to it
    in between), the counter is read once more, never again and again. The highest counter seen from each meter is
    remembered under its title and key, so that frames recorded in an earlier session are refused in a later one.

    ``counters`` None: counters and the title live as long as this object.
    """

    name = "dlms"

    def __init__(self, clock: Clock | None = None, counters: CounterStore | None = None) -> None:
        self._clock = clock or SystemClock()
        self._books = Books(counters or MemoryCounters())
        self._never_release: set[str] = set()

    async def open(self, endpoint: Endpoint, credentials: Credentials) -> DlmsSession:
        """Connect and associate.

        Raises:
            ReadFailure: with the reason a person understands.
        """
        options = parse_options(endpoint)
        check_secrets(options, credentials)
        settings_of(options, credentials, PLACEHOLDER_TITLE)
        try:
            return await self._open(options, credentials)
        except ReadFailure as failure:
            if failure.kind is not FailureKind.REPLAYED:
                raise
        return await self._open(options, credentials)

    async def _open(self, options: DlmsOptions, credentials: Credentials) -> DlmsSession:
        connection, told = await self._line(options, credentials)
        try:
            client, allotment = await self._client(options, credentials, told)
            session = DlmsSession(
                connection,
                client,
                options,
                credentials,
                self._clock,
                allotment,
                lambda other: self._open(options, other),
            )
            try:
                await session.associate()
            except BaseException:
                session.give_back()
                raise
        except BaseException:
            connection.abort()
            raise
        return session

    async def _client(
        self, options: DlmsOptions, credentials: Credentials, told: int
    ) -> tuple[Client, Allotment | None]:
        """Return who speaks, with counters that nobody else uses."""
        title = options.client_title or await self._books.title()
        settings = settings_of(options, credentials, title)
        if not counts(options):
            return Client(settings), None
        book = self._books.of(settings.encryption_key, options.counter_epoch)
        allotment = await book.allot(title, told, options.counter_at_least)
        return Client(replace(settings, invocation_counter=allotment.first, seen=book.seen)), allotment

    async def _line(self, options: DlmsOptions, credentials: Credentials) -> tuple[Connection, int]:
        """Return a line without an association, and what was told of the meter's counter.

        A meter that does not answer the release of the public association is called anew for the other one; from then
        on the release is not waited for.
        """
        connection = await dial(options.line, options.connect_s)
        if not counts(options):
            return connection, 0
        try:
            told, session = await self._counter(connection, options, credentials)
            if options.line.place not in self._never_release and await session.release():
                return connection, told
            self._never_release.add(options.line.place)
        except BaseException:
            connection.abort()
            raise
        connection.abort()
        return await dial(options.line, options.connect_s), told

    async def _counter(
        self, connection: Connection, options: DlmsOptions, credentials: Credentials
    ) -> tuple[int, DlmsSession]:
        """Read the highest invocation counter the meter has accepted, through the public association."""
        public = replace(options, client_sap=PUBLIC_SAP, mechanism=Mechanism.NONE, cipher=CipherMode.NONE)
        client = Client(ClientSettings(PUBLIC_SAP, options.server_sap, max_pdu=options.max_pdu))
        session = DlmsSession(connection, client, public, credentials, self._clock)
        doing = "reading the invocation counter"
        await session.run(client.associate(), doing)
        value = await session.run(client.get(DATA_CLASS, options.counter_obis, 2), doing)
        with decoding(doing):
            return int(axdr.decode_all(value).value), session


def counts(options: DlmsOptions) -> bool:
    """Tell whether anything is sent under a key and a counter."""
    return options.cipher is not CipherMode.NONE or options.mechanism is Mechanism.HLS_GMAC


def settings_of(options: DlmsOptions, credentials: Credentials, title: bytes) -> ClientSettings:
    """Return as whom the meter is spoken to; the counters are the caller's.

    Raises:
        ReadFailure: NOT_CONFIGURED.
    """
    secrets = credentials.secrets
    ciphered = options.cipher is not CipherMode.NONE
    try:
        return ClientSettings(
            client_sap=options.client_sap,
            server_sap=options.server_sap,
            mechanism=options.mechanism,
            password=secrets.get("password", b""),
            system_title=title if ciphered or options.mechanism.titled else b"",
            encryption_key=secrets.get("encryption_key", b""),
            authentication_key=secrets.get("authentication_key", b""),
            cipher=options.cipher,
            max_pdu=options.max_pdu,
            suite=options.suite,
            protection=options.protection,
            signed=options.signed,
            pairs=KeyPairs(secrets.get("signing_key", b""), peer_signing=options.meter_signing_key),
        )
    except DlmsError as error:
        raise ReadFailure(FailureKind.NOT_CONFIGURED, error.message) from error


def check_secrets(options: DlmsOptions, credentials: Credentials) -> None:
    """Refuse to call a meter without the secrets that its association needs.

    Raises:
        ReadFailure: NOT_CONFIGURED, naming what is missing.
    """
    needed = []
    if counts(options):
        needed += ["encryption_key", "authentication_key"]
    if options.mechanism.secret:
        needed.append("password")
    if options.mechanism is Mechanism.HLS_ECDSA or options.signed:
        needed.append("signing_key")
        if not options.meter_signing_key:
            raise ReadFailure(FailureKind.NOT_CONFIGURED, "the option meter_signing_key is missing")
    missing = [name for name in needed if not credentials.secrets.get(name)]
    if missing:
        raise ReadFailure(FailureKind.NOT_CONFIGURED, f"no {' and no '.join(missing)} is stored for this meter")
