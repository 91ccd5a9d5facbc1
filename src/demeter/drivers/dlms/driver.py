"""Opens sessions with DLMS/COSEM meters."""

from __future__ import annotations

from dataclasses import replace

from demeter.drivers.dlms.connection import Connection
from demeter.drivers.dlms.dialing import dial
from demeter.drivers.dlms.options import PUBLIC_SAP, DlmsOptions, parse_options
from demeter.drivers.dlms.session import DlmsSession, decoding
from demeter.kernel import Clock, SystemClock
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.client import CipherMode, Client, ClientSettings
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.security import KeyPairs
from demeter.sdk import Credentials, Endpoint, FailureKind, ReadFailure

DATA_CLASS = 1

Place = tuple[str, int, bytes]
"""Address, logical device and encryption key."""


class DlmsDriver:
    """Implements :class:`demeter.sdk.Driver`.

    A ciphered association begins with a short public one, on the same connection, that reads the meter's invocation
    counter. Should the meter still find ours replayed (somebody else spoke to it in between), the counter is read once
    more, never again and again. The highest counter seen from each meter is remembered under its keys, so that frames
    recorded in an earlier session are refused in a later one.
    """

    name = "dlms"

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._seen: dict[Place, int] = {}

    async def open(self, endpoint: Endpoint, credentials: Credentials) -> DlmsSession:
        """Connect and associate.

        Raises:
            ReadFailure: with the reason a person understands.
        """
        options = parse_options(endpoint)
        check_secrets(options, credentials)
        self._settings(options, credentials, 1)
        try:
            return await self._open(options, credentials)
        except ReadFailure as failure:
            if failure.kind is not FailureKind.REPLAYED:
                raise
        return await self._open(options, credentials)

    async def _open(self, options: DlmsOptions, credentials: Credentials) -> DlmsSession:
        connection = await dial(options.line, options.connect_s)
        try:
            counter = 0
            if options.cipher is not CipherMode.NONE or options.mechanism is Mechanism.HLS_GMAC:
                counter = await self._counter(connection, options, credentials)
            client = Client(self._settings(options, credentials, counter + 1))
            place = remembered_as(options, credentials)
            session = DlmsSession(
                connection, client, options, credentials, self._clock, ended=lambda: self._remember(place, client)
            )
            await session.associate()
        except BaseException:
            connection.abort()
            raise
        return session

    async def _counter(self, connection: Connection, options: DlmsOptions, credentials: Credentials) -> int:
        """Read the highest invocation counter the meter has accepted, through the public association."""
        public = replace(options, client_sap=PUBLIC_SAP, mechanism=Mechanism.NONE, cipher=CipherMode.NONE)
        client = Client(ClientSettings(PUBLIC_SAP, options.server_sap, max_pdu=options.max_pdu))
        session = DlmsSession(connection, client, public, credentials, self._clock)
        doing = "reading the invocation counter"
        await session.run(client.associate(), doing)
        value = await session.run(client.get(DATA_CLASS, options.counter_obis, 2), doing)
        await session.run(client.release(), doing)
        with decoding(doing):
            return int(axdr.decode_all(value).value)

    def _remember(self, place: Place, client: Client) -> None:
        if client.server_counter > self._seen.get(place, -1):
            self._seen[place] = client.server_counter

    def _settings(self, options: DlmsOptions, credentials: Credentials, counter: int) -> ClientSettings:
        secrets = credentials.secrets
        key = secrets.get("encryption_key", b"")
        ciphered = options.cipher is not CipherMode.NONE
        try:
            return ClientSettings(
                client_sap=options.client_sap,
                server_sap=options.server_sap,
                mechanism=options.mechanism,
                password=secrets.get("password", b""),
                system_title=options.client_title if ciphered or options.mechanism.titled else b"",
                encryption_key=key,
                authentication_key=secrets.get("authentication_key", b""),
                invocation_counter=counter,
                cipher=options.cipher,
                max_pdu=options.max_pdu,
                server_counter=self._seen.get(remembered_as(options, credentials), -1),
                suite=options.suite,
                protection=options.protection,
                signed=options.signed,
                pairs=KeyPairs(secrets.get("signing_key", b""), peer_signing=options.meter_signing_key),
            )
        except DlmsError as error:
            raise ReadFailure(FailureKind.NOT_CONFIGURED, error.message) from error


def remembered_as(options: DlmsOptions, credentials: Credentials) -> Place:
    """Return under what a meter's counter is remembered: other keys begin anew."""
    return options.line.place, options.server_sap, credentials.secrets.get("encryption_key", b"")


def check_secrets(options: DlmsOptions, credentials: Credentials) -> None:
    """Refuse to call a meter without the secrets that its association needs.

    Raises:
        ReadFailure: NOT_CONFIGURED, naming what is missing.
    """
    needed = []
    if options.cipher is not CipherMode.NONE or options.mechanism is Mechanism.HLS_GMAC:
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
