"""Every form of SET, ACTION and ACCESS between client and server in memory, in one piece and in blocks of any size."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

from demeter.protocols.dlms import apdu, axdr, data
from demeter.protocols.dlms.acse import Conformance, Mechanism
from demeter.protocols.dlms.apdu import ActionResult, AttributeRef, DataBlock, MethodRef
from demeter.protocols.dlms.client import Access, CipherMode, Client, ClientSettings
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DataAccessResult, Malformed, Refused, ServiceError, Truncated, Unsupported
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject, EntrySelection, RangeSelection, decode_selection
from demeter.protocols.dlms.server import OFFERED, Association, Rule, ServerSession, ServerSettings

T = TypeVar("T")

EK, AK, METER, READER = bytes(range(16)), bytes(range(16, 32)), b"MMM00001", b"DEM00001"
SETTINGS = ServerSettings(METER, EK, AK, b"password")
CLOCK, TABLE, PROFILE = Obis(0, 0, 1, 0, 0), Obis(0, 0, 10, 0, 100), Obis(1, 0, 99, 1, 0)
IMAGE, SWITCH = Obis(0, 0, 44, 0, 0), Obis(0, 0, 96, 3, 10)
BLOCKS = (
    Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_SET
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.GENERAL_BLOCK_TRANSFER
)
ONLY_GENERAL = OFFERED & ~BLOCKS | Conformance.GENERAL_BLOCK_TRANSFER
NO_GENERAL = OFFERED & ~Conformance.GENERAL_BLOCK_TRANSFER
MODES = [CipherMode.GLO, CipherMode.GENERAL_GLO]


def long_value(size: int) -> bytes:
    return axdr.encode(data.octets(bytes(n & 0xFF for n in range(size))))


@dataclass
class Objects:
    """Attributes that are written and read, methods that return what they are given."""

    values: dict[tuple[Obis, int], bytes] = field(default_factory=dict)
    parts: list[tuple[bytes, bytes]] = field(default_factory=list)
    invoked: list[tuple[Obis, int, bytes | None]] = field(default_factory=list)
    selections: list[bytes | None] = field(default_factory=list)

    def get(self, _who: Association, _class: int, obis: Obis, attribute: int, selection: bytes | None) -> bytes:
        self.selections.append(selection)
        try:
            return self.values[obis, attribute]
        except KeyError:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED) from None

    def set(self, _who: Association, _class: int, obis: Obis, attribute: int, value: bytes) -> None:
        if obis == SWITCH:
            raise Refused(DataAccessResult.READ_WRITE_DENIED)
        self.values[obis, attribute] = value

    def set_part(self, _who: Association, _class: int, _obis: Obis, _attribute: int, part: bytes, value: bytes) -> None:
        self.parts.append((part, value))

    def action(self, _who: Association, _class: int, obis: Obis, method: int, parameter: bytes | None) -> bytes | None:
        self.invoked.append((obis, method, parameter))
        if method == 9:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED)
        return parameter if method == 1 else None


class Link:
    """Carries APDUs between exchange and session, one for one."""

    def __init__(self, session: ServerSession) -> None:
        self.session = session
        self.sent: list[bytes] = []
        self.change: Callable[[bytes], bytes] = lambda answer: answer

    def run(self, exchange: Generator[bytes, bytes, T]) -> T:
        request = next(exchange)
        while True:
            self.sent.append(request)
            try:
                request = exchange.send(self.change(self.session.receive(48, request)))
            except StopIteration as done:
                return done.value


def connect(
    model: Objects | None = None, cipher: CipherMode = CipherMode.GLO, server: ServerSettings = SETTINGS, **changes: Any
) -> tuple[Client, Link]:
    link = Link(ServerSession(model or Objects(), server))
    base = ClientSettings(48, 1, Mechanism.HLS_GMAC, b"", READER, EK, AK, 1, cipher)
    client = Client(replace(base, **changes))
    link.run(client.associate())
    link.sent.clear()
    return client, link


@pytest.mark.parametrize("conformance", [OFFERED, NO_GENERAL, ONLY_GENERAL])
@pytest.mark.parametrize("cipher", MODES)
def test_a_value_of_any_length_is_written_and_read_back(cipher: CipherMode, conformance: Conformance) -> None:
    model = Objects()
    server = replace(SETTINGS, max_pdu=128, conformance=conformance)
    client, link = connect(model, cipher, server, max_pdu=128)
    for size in (0, 1, 50, 60, 70, 71, 72, 100, 127, 128, 1000, 5000):
        value = long_value(size)
        link.run(client.set(1, TABLE, 2, value))
        assert model.values[TABLE, 2] == value
        assert link.run(client.get(1, TABLE, 2)) == value
    assert all(len(request) <= 128 for request in link.sent)
    assert any(request[:1] == b"\xe0" for request in link.sent) == (conformance is ONLY_GENERAL)


@pytest.mark.parametrize("conformance", [OFFERED, NO_GENERAL, ONLY_GENERAL])
@pytest.mark.parametrize("cipher", MODES)
def test_a_method_takes_and_returns_values_of_any_length(cipher: CipherMode, conformance: Conformance) -> None:
    model = Objects()
    server = replace(SETTINGS, max_pdu=128, conformance=conformance)
    client, link = connect(model, cipher, server, max_pdu=128)
    for size in (0, 1, 60, 70, 72, 100, 1000, 5000):
        assert link.run(client.action(18, IMAGE, 1, long_value(size))) == long_value(size)
        assert link.run(client.action(18, IMAGE, 2, long_value(size))) is None
    with pytest.raises(Refused):
        link.run(client.action(18, IMAGE, 9, long_value(1000)))
    assert all(len(request) <= 128 for request in link.sent)


@pytest.mark.parametrize("max_pdu", range(100, 180, 7))
def test_blocks_of_every_size_carry_the_same(max_pdu: int) -> None:
    model = Objects()
    client, link = connect(model, CipherMode.GLO, replace(SETTINGS, max_pdu=max_pdu), max_pdu=max_pdu)
    for size in range(90, 130):
        link.run(client.set(1, TABLE, 2, long_value(size)))
        assert model.values[TABLE, 2] == long_value(size)
        assert link.run(client.action(18, IMAGE, 1, long_value(size))) == long_value(size)


@pytest.mark.parametrize(("pdu", "kind"), [(0xFFFF, 4), (256, 5)])
def test_a_list_is_written_in_one_request_or_in_blocks_with_refusals_in_their_places(pdu: int, kind: int) -> None:
    model = Objects()
    client, link = connect(model, CipherMode.GLO, replace(SETTINGS, max_pdu=pdu))
    writes = [
        (AttributeRef(1, TABLE, 2), long_value(300)),
        (AttributeRef(70, SWITCH, 2), axdr.encode(data.boolean(True))),
        (AttributeRef(8, CLOCK, 2), axdr.encode(data.octets(bytes(12)))),
    ]
    first, second, third = link.run(client.set_many(writes))
    assert (first, third) == (None, None)
    assert isinstance(second, Refused)
    assert second.result is DataAccessResult.READ_WRITE_DENIED
    assert model.values == {(TABLE, 2): long_value(300), (CLOCK, 2): writes[2][1]}
    assert (len(link.sent) > 1) is (kind == 5)


@pytest.mark.parametrize("pdu", [0xFFFF, 256])
@pytest.mark.parametrize("client_pdu", [0xFFFF, 256])
def test_several_methods_are_invoked_with_their_values(pdu: int, client_pdu: int) -> None:
    model = Objects()
    client, link = connect(model, CipherMode.GLO, replace(SETTINGS, max_pdu=pdu), max_pdu=client_pdu)
    calls = [
        (MethodRef(18, IMAGE, 1), long_value(300)),
        (MethodRef(70, SWITCH, 9), None),
        (MethodRef(70, SWITCH, 2), None),
        (MethodRef(18, IMAGE, 1), axdr.encode(data.u8(7))),
    ]
    first, second, third, fourth = link.run(client.action_many(calls))
    assert (first, third, fourth) == (long_value(300), None, axdr.encode(data.u8(7)))
    assert isinstance(second, Refused)
    assert model.invoked == [(method.obis, method.method, parameter) for method, parameter in calls]
    assert (len(link.sent) == 1) is (pdu == client_pdu == 0xFFFF)


@pytest.mark.parametrize("service", ["get", "set", "action"])
def test_without_multiple_references_each_is_asked_alone(service: str) -> None:
    model = Objects({(TABLE, 2): long_value(3)})
    without = replace(SETTINGS, conformance=OFFERED & ~Conformance.MULTIPLE_REFERENCES)
    client, link = connect(model, CipherMode.GLO, without)
    reference, method = AttributeRef(1, TABLE, 2), MethodRef(18, IMAGE, 1)
    if service == "get":
        assert link.run(client.get_many([reference] * 3)) == [long_value(3)] * 3
    elif service == "set":
        assert link.run(client.set_many([(reference, long_value(3))] * 3)) == [None] * 3
    else:
        assert link.run(client.action_many([(method, long_value(3))] * 3)) == [long_value(3)] * 3
    assert len(link.sent) == 3


def test_without_any_block_transfer_what_is_too_long_is_not_sent_and_lists_are_split() -> None:
    model = Objects({(TABLE, 2): long_value(2000)})
    server = replace(SETTINGS, max_pdu=256, conformance=OFFERED & ~BLOCKS)
    client, link = connect(model, CipherMode.GLO, server, max_pdu=256)
    for exchange in (
        client.set(1, TABLE, 2, long_value(2000)),
        client.action(18, IMAGE, 1, long_value(2000)),
        client.access([Access.set(AttributeRef(1, TABLE, 2), long_value(2000))]),
    ):
        with pytest.raises(Unsupported):
            link.run(exchange)
    writes = [(AttributeRef(1, TABLE, n), long_value(60)) for n in range(2, 12)]
    assert link.run(client.set_many(writes)) == [None] * 10
    calls = [(MethodRef(18, IMAGE, 1), long_value(50))] * 10
    assert link.run(client.action_many(calls)) == [long_value(50)] * 10
    assert 3 < len(link.sent) < 20
    model.values[TABLE, 2] = long_value(2000)
    with pytest.raises(Refused):
        link.run(client.get(1, TABLE, 2))
    assert link.run(client.get(1, TABLE, 3)) == long_value(60)


@pytest.mark.parametrize("conformance", [OFFERED, OFFERED & ~BLOCKS])
@pytest.mark.parametrize("cipher", MODES)
def test_access_reads_writes_and_invokes_in_order(cipher: CipherMode, conformance: Conformance) -> None:
    model = Objects({(CLOCK, 2): axdr.encode(data.octets(bytes(12)))})
    client, link = connect(model, cipher, replace(SETTINGS, conformance=conformance))
    selection = EntrySelection(1, 5)
    parts = [
        Access.get(AttributeRef(8, CLOCK, 2)),
        Access.get(AttributeRef.of(8, CLOCK, 2, selection)),
        Access.set(AttributeRef(1, TABLE, 2), long_value(9)),
        Access.set(AttributeRef.of(7, PROFILE, 2, selection), long_value(3)),
        Access.get(AttributeRef(1, TABLE, 2)),
        Access.action(MethodRef(18, IMAGE, 1), long_value(4)),
        Access.action(MethodRef(70, SWITCH, 2)),
        Access.get(AttributeRef(1, SWITCH, 7)),
    ]
    *good, last = link.run(client.access(parts, at=CosemDateTime(2026, 5, 1)))
    clock = axdr.encode(data.octets(bytes(12)))
    assert good == [clock, clock, None, None, long_value(9), long_value(4), None]
    assert isinstance(last, Refused)
    assert last.result is DataAccessResult.OBJECT_UNDEFINED
    assert model.selections[:2] == [None, selection.to_bytes()]
    assert model.parts == [(selection.to_bytes(), long_value(3))]
    assert model.invoked == [(IMAGE, 1, long_value(4)), (SWITCH, 2, None)]
    assert {request[0] for request in link.sent} == {0xDB}


def test_access_stops_at_the_first_refusal_when_asked_to() -> None:
    model = Objects()
    client, link = connect(model)
    parts = [
        Access.set(AttributeRef(1, TABLE, 2), long_value(1)),
        Access.get(AttributeRef(1, SWITCH, 7)),
        Access.action(MethodRef(18, IMAGE, 1), long_value(4)),
        Access.set(AttributeRef(1, TABLE, 3), long_value(1)),
    ]
    first, *others = link.run(client.access(parts, break_on_error=True))
    assert first is None
    assert [other.result for other in others if isinstance(other, Refused)] == [
        DataAccessResult.OBJECT_UNDEFINED,
        DataAccessResult.OTHER_REASON,
        DataAccessResult.OTHER_REASON,
    ]
    assert (list(model.values), model.invoked) == ([(TABLE, 2)], [])
    assert link.run(client.access(parts[:1])) == [None]


def test_access_that_was_not_agreed_on_is_not_asked() -> None:
    client, link = connect(server=replace(SETTINGS, conformance=OFFERED & ~Conformance.ACCESS))
    with pytest.raises(Unsupported, match="ACCESS"):
        link.run(client.access([Access.get(AttributeRef(8, CLOCK, 2))]))


def test_access_answers_too_long_for_the_client_go_in_general_blocks_or_are_refused() -> None:
    model = Objects({(TABLE, 2): long_value(3000)})
    ask = [Access.get(AttributeRef(1, TABLE, 2))] * 2
    client, link = connect(model, max_pdu=256)
    assert link.run(client.access(ask)) == [long_value(3000)] * 2
    client, link = connect(model, server=replace(SETTINGS, conformance=NO_GENERAL), max_pdu=256)
    with pytest.raises(ServiceError, match="pdu too long"):
        link.run(client.access(ask))
    assert link.run(client.get(1, TABLE, 2)) == long_value(3000)


@pytest.mark.parametrize("make", [RangeSelection, EntrySelection])
def test_selections_are_given_as_objects_everywhere(make: type[RangeSelection | EntrySelection]) -> None:
    model = Objects({(PROFILE, 2): axdr.encode(data.array())})
    client, link = connect(model)
    zone, since = ZoneInfo("Asia/Kolkata"), datetime(2026, 5, 1, tzinfo=UTC)
    columns = (CaptureObject(8, CLOCK, 2), CaptureObject(3, Obis(1, 0, 1, 29, 0), 2))
    chosen = (
        EntrySelection(3, 9, 1, 2) if make is EntrySelection else RangeSelection.between(since, since, zone, columns)
    )
    link.run(client.get(7, PROFILE, 2, chosen))
    link.run(client.get(7, PROFILE, 2, chosen.to_bytes()))
    link.run(client.get_many([AttributeRef.of(7, PROFILE, 2, chosen)] * 2))
    assert [decode_selection(given or b"") for given in model.selections] == [chosen] * 4
    link.run(client.set(7, PROFILE, 2, axdr.encode(data.null()), chosen))
    link.run(client.set(7, PROFILE, 2, long_value(3000), chosen))
    assert model.parts == [(chosen.to_bytes(), axdr.encode(data.null())), (chosen.to_bytes(), long_value(3000))]


def test_a_part_is_not_written_where_the_model_writes_no_parts() -> None:
    class Whole:
        get, set, action = Objects.get, Objects.set, Objects.action

    link = Link(ServerSession(Whole(), SETTINGS))
    client = Client(ClientSettings(48, 1, Mechanism.HLS_GMAC, b"", READER, EK, AK, 1, CipherMode.GLO))
    link.run(client.associate())
    with pytest.raises(Refused) as caught:
        link.run(client.set(7, PROFILE, 2, b"\x00", EntrySelection()))
    assert caught.value.result is DataAccessResult.SCOPE_OF_ACCESS_VIOLATED


# Refusals and what is left in the middle


def plain_session(model: Objects | None = None, **changes: Any) -> tuple[Client, Link]:
    """A utility association without ciphering, whose APDUs can be written by hand."""
    server = replace(SETTINGS, rules=(Rule(48, Mechanism.NONE, (False,)),), **changes)
    link = Link(ServerSession(model or Objects(), server))
    client = Client(ClientSettings(48, 1))
    link.run(client.associate())
    return client, link


def ask(link: Link, request: apdu.Apdu) -> apdu.Apdu:
    return apdu.decode(link.session.receive(48, request.encode()))


VALUE = long_value(20)
FIRST, SECOND = DataBlock(False, 1, VALUE[:10]), DataBlock(True, 2, VALUE[10:])
TARGET, METHOD = AttributeRef(1, TABLE, 2), MethodRef(18, IMAGE, 1)


def test_the_blocks_of_a_set_are_answered_as_the_standard_says() -> None:
    model = Objects()
    _client, link = plain_session(model)
    assert ask(link, apdu.SetFirstBlock(0xC1, TARGET, FIRST)) == apdu.SetBlockResponse(0xC1, 1)
    assert ask(link, apdu.SetBlock(0xC1, SECOND)) == apdu.SetLastResponse(0xC1, DataAccessResult.SUCCESS, 2)
    assert model.values == {(TABLE, 2): VALUE}
    both = apdu.encode_list([VALUE, VALUE])
    first = apdu.SetListFirstBlock(0xC2, (TARGET, AttributeRef(70, SWITCH, 2)), DataBlock(False, 1, both[:5]))
    assert ask(link, first) == apdu.SetBlockResponse(0xC2, 1)
    assert ask(link, apdu.SetBlock(0xC2, DataBlock(True, 2, both[5:]))) == apdu.SetListLastResponse(
        0xC2, (DataAccessResult.SUCCESS, DataAccessResult.READ_WRITE_DENIED), 2
    )


def test_the_blocks_of_an_action_are_answered_as_the_standard_says() -> None:
    _client, link = plain_session()
    assert ask(link, apdu.ActionFirstBlock(0xC1, METHOD, FIRST)) == apdu.ActionBlockResponse(0xC1, 1)
    assert ask(link, apdu.ActionBlock(0xC1, SECOND)) == apdu.ActionResponse(0xC1, ActionResult.SUCCESS, VALUE)
    both = apdu.encode_list([VALUE, VALUE])
    first = apdu.ActionListFirstBlock(0xC2, (METHOD, METHOD), DataBlock(False, 1, both[:5]))
    assert ask(link, first) == apdu.ActionBlockResponse(0xC2, 1)
    answer = ask(link, apdu.ActionBlock(0xC2, DataBlock(True, 2, both[5:])))
    assert answer == apdu.ActionListResponse(0xC2, (apdu.ActionReply(ActionResult.SUCCESS, VALUE),) * 2)


def aborted(result: DataAccessResult, number: int) -> apdu.SetLastResponse:
    return apdu.SetLastResponse(0xC1, result, number)


SET_FAULTS: dict[str, tuple[list[apdu.Apdu], apdu.Apdu]] = {
    "no transfer": ([apdu.SetBlock(0xC1, SECOND)], aborted(DataAccessResult.NO_LONG_SET_IN_PROGRESS, 2)),
    "lost block": (
        [apdu.SetFirstBlock(0xC1, TARGET, FIRST), apdu.SetBlock(0xC1, DataBlock(True, 3, b""))],
        aborted(DataAccessResult.DATA_BLOCK_NUMBER_INVALID, 3),
    ),
    "doubled block": (
        [apdu.SetFirstBlock(0xC1, TARGET, FIRST), apdu.SetBlock(0xC1, FIRST)],
        aborted(DataAccessResult.DATA_BLOCK_NUMBER_INVALID, 1),
    ),
    "wrong first number": (
        [apdu.SetFirstBlock(0xC1, TARGET, DataBlock(False, 0, b""))],
        aborted(DataAccessResult.DATA_BLOCK_NUMBER_INVALID, 0),
    ),
    "another service between": (
        [
            apdu.SetFirstBlock(0xC1, TARGET, FIRST),
            apdu.GetRequest(0xC2, TARGET),
            apdu.SetBlock(0xC1, SECOND),
        ],
        aborted(DataAccessResult.NO_LONG_SET_IN_PROGRESS, 2),
    ),
    "another invoke id": (
        [apdu.SetFirstBlock(0xC2, TARGET, FIRST), apdu.SetBlock(0xC1, SECOND)],
        aborted(DataAccessResult.NO_LONG_SET_IN_PROGRESS, 2),
    ),
    "a block of an action": (
        [apdu.ActionFirstBlock(0xC1, METHOD, FIRST), apdu.SetBlock(0xC1, SECOND)],
        aborted(DataAccessResult.NO_LONG_SET_IN_PROGRESS, 2),
    ),
    "no value": (
        [apdu.SetFirstBlock(0xC1, TARGET, DataBlock(True, 1, b"\x09\x05abc"))],
        aborted(DataAccessResult.TYPE_UNMATCHED, 1),
    ),
    "too few values": (
        [apdu.SetListFirstBlock(0xC1, (TARGET, TARGET), DataBlock(True, 1, apdu.encode_list([VALUE])))],
        aborted(DataAccessResult.TYPE_UNMATCHED, 1),
    ),
    "too long": (
        [apdu.SetFirstBlock(0xC1, TARGET, FIRST), apdu.SetBlock(0xC1, DataBlock(False, 2, bytes(100)))],
        aborted(DataAccessResult.LONG_SET_ABORTED, 2),
    ),
}


@pytest.mark.parametrize("fault", SET_FAULTS)
def test_a_broken_set_transfer_says_why_and_writes_nothing(fault: str) -> None:
    model = Objects()
    client, link = plain_session(model, max_transfer=100)
    requests, expected = SET_FAULTS[fault]
    assert [ask(link, request) for request in requests][-1] == expected
    assert model.values == {}
    link.run(client.set(1, TABLE, 2, VALUE))
    assert model.values == {(TABLE, 2): VALUE}


ACTION_FAULTS: dict[str, tuple[list[apdu.Apdu], ActionResult]] = {
    "no transfer": ([apdu.ActionBlock(0xC1, SECOND)], ActionResult.NO_LONG_ACTION_IN_PROGRESS),
    "nothing to fetch": ([apdu.ActionNext(0xC1, 1)], ActionResult.NO_LONG_ACTION_IN_PROGRESS),
    "lost block": (
        [apdu.ActionFirstBlock(0xC1, METHOD, FIRST), apdu.ActionBlock(0xC1, DataBlock(True, 3, b""))],
        ActionResult.DATA_BLOCK_UNAVAILABLE,
    ),
    "another invoke id": (
        [apdu.ActionFirstBlock(0xC2, METHOD, FIRST), apdu.ActionBlock(0xC1, SECOND)],
        ActionResult.NO_LONG_ACTION_IN_PROGRESS,
    ),
    "a block of a set": (
        [apdu.SetFirstBlock(0xC1, TARGET, FIRST), apdu.ActionBlock(0xC1, SECOND)],
        ActionResult.NO_LONG_ACTION_IN_PROGRESS,
    ),
    "no value": (
        [apdu.ActionFirstBlock(0xC1, METHOD, DataBlock(True, 1, b"\xff\xff"))],
        ActionResult.TYPE_UNMATCHED,
    ),
    "too long": (
        [apdu.ActionFirstBlock(0xC1, METHOD, DataBlock(False, 1, bytes(101)))],
        ActionResult.LONG_ACTION_ABORTED,
    ),
}


@pytest.mark.parametrize("fault", ACTION_FAULTS)
def test_a_broken_action_transfer_says_why_and_invokes_nothing(fault: str) -> None:
    model = Objects()
    client, link = plain_session(model, max_transfer=100)
    requests, expected = ACTION_FAULTS[fault]
    assert [ask(link, request) for request in requests][-1] == apdu.ActionResponse(0xC1, expected)
    assert model.invoked == []
    assert link.run(client.action(18, IMAGE, 1, VALUE)) == VALUE


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("service", ["get", "set", "action", "set_many", "action_many", "access"])
def test_an_exchange_left_in_the_middle_leaves_the_association_usable(service: str, steps: int) -> None:
    model = Objects({(TABLE, 2): long_value(900)})
    client, link = connect(model, CipherMode.GLO, replace(SETTINGS, max_pdu=256), max_pdu=256)
    exchanges: dict[str, Generator[bytes, bytes, object]] = {
        "get": client.get(1, TABLE, 2),
        "set": client.set(1, TABLE, 3, long_value(900)),
        "action": client.action(18, IMAGE, 1, long_value(900)),
        "set_many": client.set_many([(AttributeRef(1, TABLE, 4), long_value(900))] * 2),
        "action_many": client.action_many([(METHOD, long_value(900))] * 2),
        "access": client.access([Access.set(AttributeRef(1, TABLE, 5), long_value(900))] * 2),
    }
    exchange = exchanges[service]
    request = next(exchange)
    with suppress(StopIteration):
        for _ in range(steps):
            request = exchange.send(link.session.receive(48, request))
    exchange.close()
    assert link.run(client.get(1, TABLE, 2)) == long_value(900)
    link.run(client.set(1, TABLE, 3, long_value(700)))
    assert model.values[TABLE, 3] == long_value(700)
    assert link.run(client.action(18, IMAGE, 1, long_value(600))) == long_value(600)


ANSWERS: list[apdu.Apdu] = [
    apdu.SetBlockResponse(0xC1, 9),
    apdu.SetListResponse(0xC1, ()),
    apdu.SetResponse(0xC1, DataAccessResult.SUCCESS),
    apdu.ActionBlockResponse(0xC1, 1),
    apdu.ActionListResponse(0xC1, ()),
    apdu.ActionResponseBlock(0xC1, DataBlock(False, 7, b"x")),
    apdu.ActionResponseBlock(0xC1, DataBlock(True, 1, b"\x77")),
    apdu.AccessResponse(0xC0000001, (), ()),
    apdu.GetResponse(0xC1, b"\x00"),
    apdu.DataNotificationConfirm(1),
    apdu.GeneralBlock(True, False, 1, 1, 0),
    apdu.GetRequest(0xC1, TARGET),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_an_answer_of_another_kind_is_malformed_and_the_association_goes_on(answer: apdu.Apdu) -> None:
    model = Objects()
    client, link = plain_session(model, max_pdu=128)
    writes, calls = [(TARGET, long_value(200))] * 2, [(METHOD, long_value(200))] * 2
    services: list[Callable[[], Generator[bytes, bytes, object]]] = [
        lambda: client.set(1, TABLE, 2, long_value(200)),
        lambda: client.set_many(writes),
        lambda: client.action(18, IMAGE, 1, long_value(200)),
        lambda: client.action_many(calls),
        lambda: client.access([Access.get(TARGET)]),
    ]
    for service in services:
        client._invoke, client._long_invoke = 0, 0
        link.change = lambda _answer: answer.encode()
        allowed = isinstance(answer, apdu.SetResponse) and service is services[0]
        if allowed:
            link.run(service())
        else:
            with pytest.raises((Truncated, Malformed, Unsupported, Refused)):
                link.run(service())
        link.change = lambda answer: answer
        link.run(client.set(1, TABLE, 2, VALUE))


def test_a_returned_value_alone_in_blocks_is_taken_too() -> None:
    """Some meters leave the action-result out of the blocks of a response."""
    client, link = plain_session()
    exchange = client.action(18, IMAGE, 1, VALUE)
    next(exchange)
    invoke = 0xC0 | client._invoke
    exchange.send(apdu.ActionResponseBlock(invoke, DataBlock(False, 1, VALUE[:9])).encode())
    with pytest.raises(StopIteration) as done:
        exchange.send(apdu.ActionResponseBlock(invoke, DataBlock(True, 2, VALUE[9:])).encode())
    assert done.value.value == VALUE
    link.run(client.release())


def test_services_that_were_not_agreed_on_are_not_served() -> None:
    _client, link = plain_session(conformance=Conformance.GET | Conformance.SET | Conformance.ACTION)
    for request in (
        apdu.SetFirstBlock(0xC1, TARGET, FIRST),
        apdu.SetListRequest(0xC1, (TARGET,), (VALUE,)),
        apdu.SetListFirstBlock(0xC1, (TARGET,), FIRST),
        apdu.ActionFirstBlock(0xC1, METHOD, FIRST),
        apdu.ActionListRequest(0xC1, (METHOD,), (VALUE,)),
        apdu.ActionListFirstBlock(0xC1, (METHOD,), FIRST),
        apdu.AccessRequest(1, (), ()),
        apdu.GeneralBlock(True, False, 1, 1, 0, apdu.GetRequest(0xC1, TARGET).encode()),
        apdu.DataNotification(1, VALUE),
    ):
        assert isinstance(ask(link, request), apdu.ExceptionResponse)
    assert ask(link, apdu.SetRequest(0xC1, TARGET, VALUE)) == apdu.SetResponse(0xC1, DataAccessResult.SUCCESS)


@pytest.mark.parametrize("conformance", [OFFERED, ONLY_GENERAL, OFFERED & ~BLOCKS])
def test_a_method_whose_value_is_too_long_has_been_invoked_once(conformance: Conformance) -> None:
    model = Objects()
    server = replace(SETTINGS, conformance=conformance)
    client, link = connect(model, CipherMode.GLO, server, max_pdu=128)
    exchange = client.action(18, IMAGE, 1, long_value(500))
    if conformance & BLOCKS:
        assert link.run(exchange) == long_value(500)
    else:
        with pytest.raises(Refused):
            link.run(exchange)
    assert model.invoked == [(IMAGE, 1, long_value(500))]


def test_a_notification_before_the_answer_is_kept_for_whoever_asks() -> None:
    client, link = connect(Objects({(CLOCK, 2): VALUE}))
    event = apdu.EventNotification(AttributeRef(1, TABLE, 2), VALUE, bytes(12))
    pushed = apdu.DataNotification(7, VALUE)
    exchange = client.get(8, CLOCK, 2)
    request = next(exchange)
    for notification in (event, pushed):
        assert exchange.send(link.session.notify(48, notification)) == b""
    answer = link.session.receive(48, request)
    with pytest.raises(StopIteration):
        exchange.send(answer)
    assert client.take_notifications() == [event, pushed]
    assert client.take_notifications() == []


def test_notifications_without_end_are_given_up() -> None:
    client, link = connect(Objects({(CLOCK, 2): VALUE}))
    link.change = lambda _answer: link.session.notify(48, apdu.DataNotification(7, VALUE))
    with pytest.raises(Malformed, match="keeps sending"):
        link.run(client.get(8, CLOCK, 2))
    link.change = lambda answer: answer
    assert link.run(client.get(8, CLOCK, 2)) == VALUE


def test_a_client_that_took_no_notifications_on_is_told_none() -> None:
    _client, link = plain_session(conformance=OFFERED & ~Conformance.EVENT_NOTIFICATION)
    with pytest.raises(Unsupported):
        link.session.notify(48, apdu.EventNotification(TARGET, VALUE))
    with pytest.raises(Unsupported):
        link.session.notify(32, apdu.DataNotification(1, VALUE))
    assert apdu.decode(link.session.notify(48, apdu.DataNotification(1, VALUE))) == apdu.DataNotification(1, VALUE)
