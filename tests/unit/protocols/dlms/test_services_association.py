"""Client and server of one meter, in memory: every association with every cipher mode."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.acse import Conformance, Diagnostic, Mechanism
from demeter.protocols.dlms.apdu import AttributeRef
from demeter.protocols.dlms.client import CipherMode, Client, ClientSettings
from demeter.protocols.dlms.errors import (
    AssociationRejected,
    DataAccessResult,
    DlmsError,
    Malformed,
    Refused,
    Replayed,
    ServiceError,
    TagCheckFailed,
    Unsupported,
)
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.replay import open_get_list_response, open_get_response
from demeter.protocols.dlms.security import Counters
from demeter.protocols.dlms.server import OFFERED, Association, ServerSession, ServerSettings
from demeter.protocols.dlms.wrapper import wrap

T = TypeVar("T")

EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
METER, READER = b"MMM\x00\x00\xbc\x61\x4e", b"DEM\x00\x00\x00\x00\x01"
PASSWORD = b"reader-1"
CLOCK, SERIAL = Obis.parse("0.0.1.0.0.255"), Obis.parse("0.0.96.1.0.255")
COUNTER = Obis.parse("0.0.43.1.3.255")
ENERGY, PROFILE = Obis.parse("1.0.1.8.0.255"), Obis.parse("1.0.99.1.0.255")
SWITCH = Obis.parse("0.0.96.3.10.255")

SETTINGS = ServerSettings(METER, EK, AK, PASSWORD)


@dataclass
class Objects:
    """A small object model: what is read, what was written, which methods were invoked."""

    values: dict[tuple[int, Obis, int], bytes] = field(default_factory=dict)
    invoked: list[tuple[Obis, int, bytes | None]] = field(default_factory=list)
    selections: list[bytes | None] = field(default_factory=list)

    def get(self, _who: Association, class_id: int, obis: Obis, attribute: int, selection: bytes | None) -> bytes:
        self.selections.append(selection)
        try:
            return self.values[class_id, obis, attribute]
        except KeyError:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED) from None

    def set(self, _who: Association, class_id: int, obis: Obis, attribute: int, value: bytes) -> None:
        if (class_id, obis, attribute) not in self.values:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED)
        self.values[class_id, obis, attribute] = value

    def action(self, _who: Association, _class: int, obis: Obis, method: int, parameter: bytes | None) -> bytes | None:
        self.invoked.append((obis, method, parameter))
        if method > 2:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED)
        return axdr.encode(data.u8(7)) if method == 2 else None


def objects() -> Objects:
    rows = data.array(*(data.structure(data.octets(bytes(12)), data.u32(n)) for n in range(300)))
    return Objects(
        {
            (8, CLOCK, 2): axdr.encode(data.octets(bytes.fromhex("07e9050c01101e00ff014a00"))),
            (1, SERIAL, 2): axdr.encode(data.text("DM000001")),
            (3, ENERGY, 2): axdr.encode(data.u32(312_000)),
            (7, PROFILE, 2): axdr.encode(rows),
        }
    )


class Link:
    """Carries APDUs between an exchange and a server session, and keeps what passed."""

    def __init__(self, session: ServerSession, sap: int) -> None:
        self.session = session
        self.sap = sap
        self.sent: list[bytes] = []
        self.received: list[bytes] = []
        self.change: Callable[[bytes], bytes] = lambda apdu: apdu

    def run(self, exchange: Generator[bytes, bytes, T]) -> T:
        request = next(exchange)
        while True:
            self.sent.append(request)
            answer = self.change(self.session.receive(self.sap, request))
            self.received.append(answer)
            try:
                request = exchange.send(answer)
            except StopIteration as done:
                return done.value


def settings(sap: int, cipher: CipherMode = CipherMode.NONE, **changes: Any) -> ClientSettings:
    mechanism = {16: Mechanism.NONE, 32: Mechanism.LLS, 48: Mechanism.HLS_GMAC}[sap]
    base = ClientSettings(sap, 1, mechanism, PASSWORD, READER, EK, AK, 1, cipher)
    return replace(base, **changes)


def connect(
    sap: int,
    cipher: CipherMode = CipherMode.NONE,
    model: Objects | None = None,
    counters: Counters | None = None,
    server: ServerSettings = SETTINGS,
    **changes: Any,
) -> tuple[Client, Link]:
    link = Link(ServerSession(model or objects(), server, counters), sap)
    client = Client(settings(sap, cipher, **changes))
    link.run(client.associate())
    return client, link


OPEN = [
    (16, CipherMode.NONE),
    (32, CipherMode.NONE),
    (32, CipherMode.GLO),
    (32, CipherMode.GENERAL_GLO),
    (48, CipherMode.GLO),
    (48, CipherMode.GENERAL_GLO),
]
READING = OPEN[1:]
PROTECTED = OPEN[2:]


@pytest.mark.parametrize(("sap", "cipher"), OPEN)
def test_every_association_reads_the_clock_and_is_released(sap: int, cipher: CipherMode) -> None:
    client, link = connect(sap, cipher)
    value = link.run(client.get(8, CLOCK, 2))
    assert axdr.decode_all(value).value == bytes.fromhex("07e9050c01101e00ff014a00")
    link.run(client.release())
    with pytest.raises(AssociationRejected, match="no association"):
        link.run(client.get(8, CLOCK, 2))


@pytest.mark.parametrize(
    ("sap", "cipher"),
    [(16, CipherMode.GLO), (16, CipherMode.GENERAL_GLO), (48, CipherMode.NONE)],
)
def test_the_public_client_is_never_and_the_utility_client_always_ciphered(sap: int, cipher: CipherMode) -> None:
    with pytest.raises(AssociationRejected) as caught:
        connect(sap, cipher)
    assert caught.value.diagnostic == Diagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED


@pytest.mark.parametrize(("sap", "cipher"), PROTECTED)
def test_no_plain_octet_of_a_value_travels_in_a_protected_association(sap: int, cipher: CipherMode) -> None:
    client, link = connect(sap, cipher)
    link.run(client.get(1, SERIAL, 2))
    assert all(b"DM000001" not in apdu for apdu in link.received)
    tags = {apdu[0] for apdu in link.received[1:]}
    assert tags == ({0xDB} if cipher is CipherMode.GENERAL_GLO else {0xCC} | ({0xCF} if sap == 48 else set()))


def test_the_public_client_reads_only_clock_serial_and_counter() -> None:
    client, link = connect(16)
    link.run(client.get(1, SERIAL, 2))
    assert axdr.decode_all(link.run(client.get(1, COUNTER, 2))) == data.u32(0)
    for class_id, obis in ((3, ENERGY), (7, PROFILE)):
        with pytest.raises(Refused) as caught:
            link.run(client.get(class_id, obis, 2))
        assert caught.value.result is DataAccessResult.READ_WRITE_DENIED


def test_the_counter_object_tells_the_counter_to_start_after() -> None:
    counters = Counters(0, 0)
    utility, link = connect(48, CipherMode.GLO, counters=counters, invocation_counter=40)
    link.run(utility.get(3, ENERGY, 2))
    public, public_link = connect(16, counters=counters)
    told = axdr.decode_all(public_link.run(public.get(1, COUNTER, 2))).value
    assert told == utility.invocation_counter - 1 == counters.received
    connect(48, CipherMode.GLO, counters=counters, invocation_counter=told + 1)


@pytest.mark.parametrize(("sap", "cipher"), READING)
def test_a_long_profile_comes_in_blocks_and_the_recorded_frames_open_again(sap: int, cipher: CipherMode) -> None:
    model = objects()
    client, link = connect(sap, cipher, model, max_pdu=256)
    link.received.clear()
    value = link.run(client.get(7, PROFILE, 2, b"\x01" + axdr.encode(data.structure(data.u8(1)))))
    assert value == model.values[7, PROFILE, 2]
    assert model.selections[-1] == b"\x01" + axdr.encode(data.structure(data.u8(1)))
    assert len(link.received) > 20
    assert all(len(apdu) <= 256 for apdu in link.received)
    frames = b"".join(wrap(apdu, 1, sap) for apdu in link.received)
    assert open_get_response(frames, EK, AK, METER) == value
    with pytest.raises(DlmsError):
        open_get_response(frames[: frames.rindex(wrap(link.received[-1], 1, sap))], EK, AK, METER)


@pytest.mark.parametrize(("sap", "cipher"), READING)
@pytest.mark.parametrize("max_pdu", [0, 128])
def test_a_list_is_read_at_once_with_refusals_in_their_places(sap: int, cipher: CipherMode, max_pdu: int) -> None:
    client, link = connect(sap, cipher, max_pdu=max_pdu)
    asked = [AttributeRef(8, CLOCK, 2), AttributeRef(3, Obis.parse("1.0.2.8.0.255"), 2), AttributeRef(7, PROFILE, 2)]
    link.sent.clear()
    link.received.clear()
    clock, missing, profile = link.run(client.get_many(asked))
    assert isinstance(clock, bytes)
    assert isinstance(missing, Refused)
    assert missing.result is DataAccessResult.OBJECT_UNDEFINED
    assert profile == objects().values[7, PROFILE, 2]
    assert (len(link.sent) == 1) == (max_pdu == 0)
    frames = b"".join(wrap(apdu, 1, sap) for apdu in link.received)
    opened = open_get_list_response(frames, EK, AK, METER)
    assert (opened[0], opened[2]) == (clock, profile)


def test_a_list_longer_than_the_meter_receives_is_asked_in_several_requests() -> None:
    client, link = connect(48, CipherMode.GENERAL_GLO, server=replace(SETTINGS, max_pdu=128))
    link.sent.clear()
    results = link.run(client.get_many([AttributeRef(3, ENERGY, 2)] * 30))
    assert results == [objects().values[3, ENERGY, 2]] * 30
    assert len(link.sent) > 3
    assert all(len(apdu) <= 128 for apdu in link.sent)


def test_no_attributes_need_no_request() -> None:
    client, _link = connect(32)
    exchange = client.get_many([])
    with pytest.raises(StopIteration) as done:
        next(exchange)
    assert done.value.value == []


@pytest.mark.parametrize("cipher", [CipherMode.GLO, CipherMode.GENERAL_GLO])
def test_the_utility_client_writes_and_invokes(cipher: CipherMode) -> None:
    model = objects()
    client, link = connect(48, cipher, model)
    link.run(client.set(8, CLOCK, 2, axdr.encode(data.octets(bytes(12)))))
    assert model.values[8, CLOCK, 2] == axdr.encode(data.octets(bytes(12)))
    assert link.run(client.action(70, SWITCH, 1, axdr.encode(data.i8(0)))) is None
    assert link.run(client.action(70, SWITCH, 2)) == axdr.encode(data.u8(7))
    assert model.invoked == [(SWITCH, 1, axdr.encode(data.i8(0))), (SWITCH, 2, None)]


@pytest.mark.parametrize(("sap", "cipher"), OPEN)
def test_a_refused_service_leaves_the_association_usable(sap: int, cipher: CipherMode) -> None:
    client, link = connect(sap, cipher)
    for exchange in (
        client.get(3, Obis.parse("1.0.2.8.0.255"), 2),
        client.set(1, Obis.parse("1.0.2.8.0.255"), 2, axdr.encode(data.u8(1))),
        client.action(70, SWITCH, 9),
    ):
        with pytest.raises(Refused):
            link.run(exchange)
    assert link.run(client.get(1, SERIAL, 2)) == objects().values[1, SERIAL, 2]


def test_reader_and_public_clients_neither_write_nor_invoke() -> None:
    for sap in (16, 32):
        model = objects()
        client, link = connect(sap, model=model)
        for exchange in (client.set(8, CLOCK, 2, axdr.encode(data.u8(1))), client.action(70, SWITCH, 1)):
            with pytest.raises(Refused) as caught:
                link.run(exchange)
            assert caught.value.result is DataAccessResult.READ_WRITE_DENIED
        assert model.invoked == []


def test_an_exchange_left_in_the_middle_of_blocks_leaves_the_association_usable() -> None:
    client, link = connect(48, CipherMode.GLO, max_pdu=256)
    exchange = client.get(7, PROFILE, 2)
    first = link.session.receive(48, next(exchange))
    exchange.send(first)
    exchange.close()
    assert link.run(client.get(7, PROFILE, 2)) == objects().values[7, PROFILE, 2]


def test_a_wrong_password_is_an_authentication_failure() -> None:
    with pytest.raises(AssociationRejected) as caught:
        connect(32, password=b"reader-2")
    assert caught.value.diagnostic == Diagnostic.AUTHENTICATION_FAILURE


@pytest.mark.parametrize(("sap", "cipher"), PROTECTED)
@pytest.mark.parametrize("key", ["encryption_key", "authentication_key"])
def test_a_wrong_key_is_told_as_a_failed_tag_check(sap: int, cipher: CipherMode, key: str) -> None:
    with pytest.raises(TagCheckFailed):
        connect(sap, cipher, **{key: bytes(16)})


@pytest.mark.parametrize(("sap", "cipher"), PROTECTED)
def test_a_replayed_client_counter_is_refused_at_the_association(sap: int, cipher: CipherMode) -> None:
    counters = Counters(0, 100)
    with pytest.raises(Replayed) as caught:
        connect(sap, cipher, counters=counters, invocation_counter=100)
    assert (caught.value.received, caught.value.last) == (100, 100)
    connect(sap, cipher, counters=counters, invocation_counter=101)


@pytest.mark.parametrize("cipher", [CipherMode.GLO, CipherMode.GENERAL_GLO])
def test_a_replayed_request_is_refused_and_the_association_goes_on(cipher: CipherMode) -> None:
    model = objects()
    client, link = connect(48, cipher, model)
    link.run(client.action(70, SWITCH, 1))
    answer = link.session.receive(48, link.sent[-1])
    assert answer.hex() == f"d80106{client.invocation_counter - 1:08x}"
    assert len(model.invoked) == 1
    link.run(client.get(3, ENERGY, 2))


@pytest.mark.parametrize("cipher", [CipherMode.GLO, CipherMode.GENERAL_GLO])
def test_a_replayed_answer_is_refused_by_the_client(cipher: CipherMode) -> None:
    client, link = connect(48, cipher)
    link.run(client.get(3, ENERGY, 2))
    old = link.received[-1]
    link.change = lambda _apdu: old
    with pytest.raises(Replayed):
        link.run(client.get(3, ENERGY, 2))
    link.change = lambda apdu: apdu
    link.run(client.get(3, ENERGY, 2))


def test_a_whole_recorded_session_cannot_be_played_back_to_a_client_that_remembers_the_counter() -> None:
    client, link = connect(32, CipherMode.GLO)
    recorded = link.received[0]
    again = Client(settings(32, CipherMode.GLO, server_counter=client.server_counter))
    exchange = again.associate()
    next(exchange)
    with pytest.raises(Replayed):
        exchange.send(recorded)


@pytest.mark.parametrize("cipher", [CipherMode.GLO, CipherMode.GENERAL_GLO])
def test_an_altered_answer_fails_its_tag_check_and_the_next_is_read(cipher: CipherMode) -> None:
    client, link = connect(48, cipher)
    link.change = lambda apdu: apdu[:-1] + bytes((apdu[-1] ^ 1,))
    with pytest.raises(TagCheckFailed):
        link.run(client.get(3, ENERGY, 2))
    link.change = lambda apdu: apdu
    assert link.run(client.get(3, ENERGY, 2)) == objects().values[3, ENERGY, 2]


def test_an_unprotected_answer_is_not_accepted_in_a_protected_association() -> None:
    client, link = connect(48, CipherMode.GLO)
    link.change = lambda _apdu: bytes.fromhex("c401c20006000f4240")
    with pytest.raises(Malformed, match="unprotected"):
        link.run(client.get(3, ENERGY, 2))


def test_an_unprotected_request_is_not_served_in_a_protected_association() -> None:
    _client, link = connect(48, CipherMode.GLO)
    assert link.session.receive(48, bytes.fromhex("c001c1000801000801ff0200")).hex() == "d80101"
    assert link.session.receive(48, bytes.fromhex("c001c100030100010800ff0200")).hex() == "d80101"


def test_a_service_before_the_challenge_is_answered_is_not_allowed() -> None:
    link = Link(ServerSession(objects(), SETTINGS), 48)
    client = Client(settings(48, CipherMode.GLO))
    exchange = client.associate()
    exchange.send(link.session.receive(48, next(exchange)))
    client._open = True
    with pytest.raises(ServiceError):
        link.run(client.get(8, CLOCK, 2))


def test_a_service_without_an_association_is_not_allowed() -> None:
    session = ServerSession(objects(), SETTINGS)
    assert session.receive(16, bytes.fromhex("c001c100080000010000ff0200")).hex() == "d80101"


def test_an_association_of_one_client_is_not_another_clients() -> None:
    _client, link = connect(32)
    assert link.session.receive(16, bytes.fromhex("c001c100080000010000ff0200")).hex() == "d80101"


def test_an_unknown_client_address_is_rejected() -> None:
    link = Link(ServerSession(objects(), SETTINGS), 99)
    with pytest.raises(AssociationRejected):
        link.run(Client(settings(16)).associate())


def test_a_reflected_challenge_is_refused() -> None:
    link = Link(ServerSession(objects(), SETTINGS), 48)
    client = Client(settings(48, CipherMode.GLO))
    exchange = client.associate()
    request = next(exchange)
    challenge = request[request.index(b"\xac\x12\x80\x10") + 4 :][:16]
    answer = link.session.receive(48, request)
    at = answer.index(b"\xaa\x12\x80\x10") + 4
    with pytest.raises(AssociationRejected, match="own challenge"):
        exchange.send(answer[:at] + challenge + answer[at + 16 :])


def test_a_wrong_answer_to_the_challenge_ends_the_association() -> None:
    link = Link(ServerSession(objects(), SETTINGS), 48)
    client = Client(settings(48, CipherMode.GLO))
    exchange = client.associate()
    request = next(exchange)
    answer = link.session.receive(48, request)
    at = answer.index(b"\xaa\x12\x80\x10") + 4
    proof = exchange.send(answer[:at] + bytes(16) + answer[at + 16 :])
    with pytest.raises(AssociationRejected, match="did not accept"):
        exchange.send(link.session.receive(48, proof))
    client._open = True
    with pytest.raises(ServiceError):
        link.run(client.get(8, CLOCK, 2))


def test_an_answer_to_another_request_is_not_taken() -> None:
    client, link = connect(32)
    link.change = lambda apdu: apdu[:2] + bytes((apdu[2] ^ 1,)) + apdu[3:]
    with pytest.raises(Malformed, match="another request"):
        link.run(client.get(3, ENERGY, 2))


def test_a_value_longer_than_the_meter_receives_is_not_sent() -> None:
    blocks = Conformance.BLOCK_TRANSFER_WITH_SET | Conformance.GENERAL_BLOCK_TRANSFER
    client, link = connect(48, CipherMode.GLO, server=replace(SETTINGS, conformance=OFFERED & ~blocks))
    with pytest.raises(Unsupported):
        link.run(client.set(8, CLOCK, 2, axdr.encode(data.octets(bytes(2000)))))
    link.run(client.get(3, ENERGY, 2))


def test_blocks_that_never_end_are_given_up() -> None:
    client, link = connect(32)
    link.change = lambda apdu: bytes.fromhex(f"c402{apdu[2]:02x}00000000010000")
    with pytest.raises(Malformed, match="do not end"):
        link.run(client.get(3, ENERGY, 2))


def test_a_wrong_block_number_stops_the_transfer_with_its_reason() -> None:
    client, link = connect(32, max_pdu=128)
    exchange = client.get(7, PROFILE, 2)
    second = exchange.send(link.session.receive(32, next(exchange)))
    wrong = second[:3] + (9).to_bytes(4, "big")
    with pytest.raises(Refused) as caught:
        exchange.send(link.session.receive(32, wrong))
    assert caught.value.result is DataAccessResult.DATA_BLOCK_NUMBER_INVALID
    again = link.session.receive(32, second)
    assert again == bytes((0xC4, 1, second[2], 1, DataAccessResult.NO_LONG_GET_IN_PROGRESS))


def test_secrets_are_not_shown() -> None:
    for shown in (repr(SETTINGS), repr(settings(48, CipherMode.GLO))):
        assert repr(PASSWORD) not in shown
        assert repr(EK) not in shown


def test_settings_without_a_title_or_with_short_keys_are_refused() -> None:
    for changes in ({"system_title": b"short"}, {"encryption_key": b"x"}, {"authentication_key": b""}):
        with pytest.raises(Malformed):
            settings(48, CipherMode.GLO, **changes)
