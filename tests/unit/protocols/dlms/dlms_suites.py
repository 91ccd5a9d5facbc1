"""A meter and a client with every kind of key, for the tests of suites and mechanisms."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.client import CipherMode, Client, ClientSettings
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import KeyPairs, Suite, new_private_key, public_key
from demeter.protocols.dlms.server import Association, MeterKeys, Rule, ServerSession, ServerSettings

T = TypeVar("T")

METER, HEAD_END = b"MMM\x00\x00\xbc\x61\x4e", b"DEM\x00\x00\x00\x00\x01"
SAP = 48
PROFILE = Obis.parse("1.0.99.1.0.255")
VALUE = axdr.encode(data.array(*(data.structure(data.octets(bytes(12)), data.u32(n)) for n in range(40))))
SECRET = bytes(range(0x40, 0x50))


def _pairs(suite: Suite) -> tuple[KeyPairs, KeyPairs]:
    if suite is Suite.ZERO:
        return KeyPairs(), KeyPairs()
    head_end, meter = ([new_private_key(suite) for _ in range(2)] for _ in range(2))
    theirs, ours = ([public_key(suite, private) for private in side] for side in (meter, head_end))
    return KeyPairs(*head_end, *theirs), KeyPairs(*meter, *ours)


PAIRS = {suite: _pairs(suite) for suite in Suite}


def keys_of(suite: Suite) -> tuple[bytes, bytes, bytes]:
    """Encryption, authentication and master key."""
    size = suite.key_size
    return bytes(range(size)), bytes(range(0xD0 - size, 0xD0)), bytes(range(0x20, 0x20 + size))


@dataclass
class Objects:
    """One long value; what was written and invoked."""

    written: list[bytes] = field(default_factory=list)

    def get(self, _who: Association, _class: int, obis: Obis, _attribute: int, _selection: bytes | None) -> bytes:
        if obis != PROFILE:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED)
        return VALUE

    def set(self, _who: Association, _class: int, _obis: Obis, _attribute: int, value: bytes) -> None:
        self.written.append(value)

    def action(self, _who: Association, _class: int, _obis: Obis, _method: int, parameter: bytes | None) -> bytes:
        return parameter or axdr.encode(data.u8(7))


def server_settings(suite: Suite, mechanism: Mechanism = Mechanism.HLS_GMAC, **changes: Any) -> ServerSettings:
    ek, ak, master = keys_of(suite)
    settings: dict[str, Any] = {
        "system_title": METER,
        "encryption_key": ek,
        "authentication_key": ak,
        "password": SECRET,
        "suite": suite,
        "master_key": master,
        "pairs": PAIRS[suite][1],
        "hls_secret": SECRET,
        "rules": (Rule(SAP, mechanism, (False, True)),),
    }
    return ServerSettings(**{**settings, **changes})


def client_settings(
    suite: Suite, mechanism: Mechanism = Mechanism.HLS_GMAC, cipher: CipherMode = CipherMode.GLO, **changes: Any
) -> ClientSettings:
    ek, ak, master = keys_of(suite)
    settings: dict[str, Any] = {
        "client_sap": SAP,
        "mechanism": mechanism,
        "password": SECRET,
        "system_title": HEAD_END,
        "encryption_key": ek,
        "authentication_key": ak,
        "cipher": cipher,
        "suite": suite,
        "master_key": master,
        "pairs": PAIRS[suite][0],
    }
    return ClientSettings(**{**settings, **changes})


class Line:
    """Carries APDUs between exchanges and a meter, keeps what passed, and may change it."""

    def __init__(self, server: ServerSettings, keys: MeterKeys | None = None) -> None:
        self.objects = Objects()
        self.keys = MeterKeys(server) if keys is None else keys
        self.session = ServerSession(self.objects, server, keys=self.keys)
        self.sent: list[bytes] = []
        self.received: list[bytes] = []
        self.answer: Callable[[bytes], bytes] = lambda apdu: apdu
        self.ask: Callable[[bytes], bytes] = lambda apdu: apdu

    def run(self, exchange: Generator[bytes, bytes, T]) -> T:
        request = next(exchange)
        while True:
            self.sent.append(request)
            answer = self.answer(self.session.receive(SAP, self.ask(request)))
            self.received.append(answer)
            try:
                request = exchange.send(answer)
            except StopIteration as done:
                value: T = done.value
                return value


def connect(line: Line, settings: ClientSettings) -> Client:
    client = Client(settings)
    line.run(client.associate())
    return client
