"""xDLMS APDUs: published octets, round trips of every kind, truncation at every octet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.apdu import (
    AccessKind,
    AccessRequest,
    AccessResponse,
    AccessResult,
    AccessTarget,
    ActionBlock,
    ActionBlockResponse,
    ActionFirstBlock,
    ActionListFirstBlock,
    ActionListRequest,
    ActionListResponse,
    ActionNext,
    ActionReply,
    ActionRequest,
    ActionResponse,
    ActionResponseBlock,
    ActionResult,
    Apdu,
    AttributeRef,
    ConfirmedServiceError,
    DataBlock,
    DataNotification,
    DataNotificationConfirm,
    EventNotification,
    ExceptionResponse,
    GeneralBlock,
    GetBlock,
    GetListRequest,
    GetListResponse,
    GetNext,
    GetRequest,
    GetResponse,
    MethodRef,
    ServiceFault,
    SetBlock,
    SetBlockResponse,
    SetFirstBlock,
    SetLastResponse,
    SetListFirstBlock,
    SetListLastResponse,
    SetListRequest,
    SetListResponse,
    SetRequest,
    SetResponse,
    StateError,
    decode,
    decode_replies,
    decode_reply,
    decode_results,
    decode_values,
    encode_list,
    encode_replies,
    encode_results,
)
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError, Malformed, Truncated, Unsupported
from demeter.protocols.dlms.obis import Obis

octet = st.integers(0, 255)
block_number = st.integers(0, 0xFFFF_FFFF)
leaf = st.one_of(
    st.builds(data.null),
    st.builds(data.u32, st.integers(0, 0xFFFF_FFFF)),
    st.builds(data.octets, st.binary(max_size=20)),
    st.builds(data.text, st.text(st.characters(max_codepoint=127), max_size=10)),
)
value = st.recursive(leaf, lambda inner: st.lists(inner, max_size=4).map(lambda items: data.structure(*items))).map(
    axdr.encode
)
obis = st.builds(Obis, octet, octet, octet, octet, octet, octet)
selection = st.none() | st.builds(lambda selector, inner: bytes((selector,)) + inner, octet, value)
attribute = st.builds(AttributeRef, st.integers(0, 0xFFFF), obis, st.integers(-128, 127), selection)
method = st.builds(MethodRef, st.integers(0, 0xFFFF), obis, st.integers(-128, 127))
refusal = st.sampled_from(DataAccessResult)
outcome = value | refusal
fault = st.sampled_from([fault for fault in ServiceFault if fault is not ServiceFault.INVOCATION_COUNTER_ERROR])

whole_attribute = st.builds(AttributeRef, st.integers(0, 0xFFFF), obis, st.integers(-128, 127))
block = st.builds(DataBlock, st.booleans(), block_number, st.binary(max_size=300))
action_result = st.sampled_from(ActionResult)
reply = st.builds(ActionReply, action_result, st.none() | outcome)
moment = st.binary(min_size=12, max_size=12) | st.just(b"") | st.binary(max_size=8)
word = st.integers(0, 0xFFFF)


def together(first: st.SearchStrategy, second: st.SearchStrategy) -> st.SearchStrategy:
    """Two tuples of one length."""
    return st.lists(st.tuples(first, second), max_size=4).map(lambda pairs: tuple(zip(*pairs, strict=True)) or ((), ()))


access_part = st.one_of(
    st.tuples(st.builds(AccessTarget, st.just(AccessKind.GET), attribute), st.just(b"\x00")),
    st.tuples(st.builds(AccessTarget, st.just(AccessKind.SET), attribute), value),
    st.tuples(st.builds(AccessTarget, st.just(AccessKind.ACTION), method), value),
)
access_result = st.one_of(
    st.builds(AccessResult, st.sampled_from([AccessKind.GET, AccessKind.SET]), refusal),
    st.builds(AccessResult, st.just(AccessKind.ACTION), action_result),
)
access_parts = st.lists(access_part, max_size=5).map(lambda parts: tuple(zip(*parts, strict=True)) or ((), ()))
echo = st.none() | st.lists(access_part.map(lambda part: part[0]), max_size=3).map(tuple)

APDUS: dict[str, st.SearchStrategy[Apdu]] = {
    "get": st.builds(GetRequest, octet, attribute),
    "get next": st.builds(GetNext, octet, block_number),
    "get list": st.builds(GetListRequest, octet, st.lists(attribute, max_size=5).map(tuple)),
    "get response": st.builds(GetResponse, octet, outcome),
    "get block": st.builds(GetBlock, octet, st.booleans(), block_number, st.binary(max_size=400) | refusal),
    "get list response": st.builds(GetListResponse, octet, st.lists(outcome, max_size=5).map(tuple)),
    "set": st.builds(SetRequest, octet, attribute, value),
    "set response": st.builds(SetResponse, octet, refusal),
    "action": st.builds(ActionRequest, octet, method, st.none() | value),
    "action response": st.builds(ActionResponse, octet, st.sampled_from(ActionResult), st.none() | outcome),
    "set first block": st.builds(SetFirstBlock, octet, attribute, block),
    "set block": st.builds(SetBlock, octet, block),
    "set list": together(attribute, value).flatmap(
        lambda both: st.builds(SetListRequest, octet, st.just(both[0]), st.just(both[1]))
    ),
    "set list first block": st.builds(SetListFirstBlock, octet, st.lists(attribute, max_size=4).map(tuple), block),
    "set block response": st.builds(SetBlockResponse, octet, block_number),
    "set last response": st.builds(SetLastResponse, octet, refusal, block_number),
    "set list last response": st.builds(
        SetListLastResponse, octet, st.lists(refusal, max_size=5).map(tuple), block_number
    ),
    "set list response": st.builds(SetListResponse, octet, st.lists(refusal, max_size=5).map(tuple)),
    "action next": st.builds(ActionNext, octet, block_number),
    "action list": together(method, value).flatmap(
        lambda both: st.builds(ActionListRequest, octet, st.just(both[0]), st.just(both[1]))
    ),
    "action first block": st.builds(ActionFirstBlock, octet, method, block),
    "action list first block": st.builds(ActionListFirstBlock, octet, st.lists(method, max_size=4).map(tuple), block),
    "action block": st.builds(ActionBlock, octet, block),
    "action response block": st.builds(ActionResponseBlock, octet, block),
    "action list response": st.builds(ActionListResponse, octet, st.lists(reply, max_size=5).map(tuple)),
    "action block response": st.builds(ActionBlockResponse, octet, block_number),
    "access": access_parts.flatmap(
        lambda both: st.builds(AccessRequest, block_number, st.just(both[0]), st.just(both[1]), moment)
    ),
    "access response": together(access_result, value).flatmap(
        lambda both: st.builds(AccessResponse, block_number, st.just(both[0]), st.just(both[1]), moment, echo)
    ),
    "data notification": st.builds(DataNotification, block_number, value, moment),
    "data notification confirm": st.builds(DataNotificationConfirm, block_number, moment),
    "event notification": st.builds(EventNotification, whole_attribute, value, st.none() | moment),
    "general block": st.builds(
        GeneralBlock, st.booleans(), st.booleans(), st.integers(0, 63), word, word, st.binary(max_size=300)
    ),
    "exception": st.builds(ExceptionResponse, st.sampled_from(StateError), fault),
    "counter exception": st.builds(
        ExceptionResponse, st.sampled_from(StateError), st.just(ServiceFault.INVOCATION_COUNTER_ERROR), block_number
    ),
    "service error": st.builds(ConfirmedServiceError, octet, octet, octet),
}

CLOCK = AttributeRef(8, Obis(0, 0, 1, 0, 0, 255), 2)
RANGE = AttributeRef(7, Obis(1, 0, 99, 1, 0, 255), 2, b"\x02" + axdr.encode(data.structure(data.u32(1), data.u32(9))))
NUMBER = axdr.encode(data.u32(312_000))
SWITCH = MethodRef(70, Obis(0, 0, 96, 3, 10, 255), 1)
BLOCK = DataBlock(last=False, number=1, data=bytes(130))
PARTS = (
    AccessTarget(AccessKind.GET, CLOCK),
    AccessTarget(AccessKind.GET, RANGE),
    AccessTarget(AccessKind.SET, RANGE),
    AccessTarget(AccessKind.ACTION, SWITCH),
)
TIME = bytes.fromhex("07e9050c01101e00ff014a00")
SAMPLES: dict[str, Apdu] = {
    "set first block": SetFirstBlock(0xC1, RANGE, BLOCK),
    "set block": SetBlock(0xC1, BLOCK),
    "set list": SetListRequest(0xC1, (CLOCK, RANGE), (NUMBER, b"\x00")),
    "set list first block": SetListFirstBlock(0xC1, (CLOCK, RANGE), BLOCK),
    "set block response": SetBlockResponse(0xC1, 7),
    "set last response": SetLastResponse(0xC1, DataAccessResult.SUCCESS, 7),
    "set list last response": SetListLastResponse(0xC1, (DataAccessResult.SUCCESS, DataAccessResult.OTHER_REASON), 7),
    "set list response": SetListResponse(0xC1, (DataAccessResult.SUCCESS, DataAccessResult.OTHER_REASON)),
    "action next": ActionNext(0xC1, 7),
    "action list": ActionListRequest(0xC1, (SWITCH, SWITCH), (NUMBER, b"\x00")),
    "action first block": ActionFirstBlock(0xC1, SWITCH, BLOCK),
    "action list first block": ActionListFirstBlock(0xC1, (SWITCH, SWITCH), BLOCK),
    "action block": ActionBlock(0xC1, BLOCK),
    "action response block": ActionResponseBlock(0xC1, BLOCK),
    "action list response": ActionListResponse(
        0xC1, (ActionReply(ActionResult.SUCCESS, NUMBER), ActionReply(ActionResult.OTHER_REASON))
    ),
    "action block response": ActionBlockResponse(0xC1, 7),
    "access": AccessRequest(0xC0000001, PARTS, (b"\x00", b"\x00", NUMBER, NUMBER), TIME),
    "access response": AccessResponse(
        0xC0000001,
        tuple(AccessResult(AccessKind.SET, result) for result in (DataAccessResult.SUCCESS,) * 2),
        (NUMBER, b"\x00"),
        TIME,
        PARTS,
    ),
    "data notification": DataNotification(0x40000001, b"\x00", TIME),
    "data notification confirm": DataNotificationConfirm(0x40000001, TIME),
    "event notification": EventNotification(CLOCK, axdr.encode(data.octets(TIME)), TIME),
    "general block": GeneralBlock(last=True, streaming=False, window=5, number=3, ack=2, data=bytes(140)),
    "get": GetRequest(0xC1, RANGE),
    "get next": GetNext(0xC1, 5),
    "get list": GetListRequest(0xC1, (CLOCK, RANGE)),
    "refused": GetResponse(0xC1, DataAccessResult.OBJECT_UNDEFINED),
    "block": GetBlock(0xC1, last=True, number=2, result=bytes(200)),
    "refused block": GetBlock(0xC1, last=True, number=2, result=DataAccessResult.LONG_GET_ABORTED),
    "list response": GetListResponse(0xC1, (NUMBER, DataAccessResult.OTHER_REASON)),
    "set": SetRequest(0xC1, CLOCK, axdr.encode(data.octets(bytes(12)))),
    "set response": SetResponse(0xC1, DataAccessResult.SUCCESS),
    "action": ActionRequest(0xC1, MethodRef(15, Obis(0, 0, 40, 0, 0, 255), 1), axdr.encode(data.octets(bytes(17)))),
    "action without parameter": ActionRequest(0xC1, MethodRef(70, Obis(0, 0, 96, 3, 10, 255), 1)),
    "action response": ActionResponse(0xC1, ActionResult.SUCCESS, NUMBER),
    "exception": ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceFault.INVOCATION_COUNTER_ERROR, 77),
    "service error": ConfirmedServiceError(1, 6, 3),
}


def test_a_get_request_has_the_published_octets() -> None:
    """Green Book, suite 0 example: the time of the clock."""
    assert GetRequest(0, CLOCK).encode().hex().upper() == "C0010000080000010000FF0200"


def test_an_exception_response_carries_the_counter() -> None:
    assert SAMPLES["exception"].encode().hex() == "d801060000004d"


@pytest.mark.parametrize("kind", APDUS)
def test_every_apdu_round_trips(kind: str) -> None:
    @given(APDUS[kind])
    def law(apdu: Apdu) -> None:
        assert decode(apdu.encode()) == apdu

    law()


@given(st.lists(reply, max_size=5), st.lists(value, max_size=5))
def test_replies_and_values_in_blocks_round_trip(replies: list[ActionReply], values: list[bytes]) -> None:
    assert list(decode_replies(encode_replies(replies))) == replies
    assert all(decode_reply(one.encode()) == one for one in replies)
    assert list(decode_values(encode_list(values))) == values


def test_a_general_block_has_the_octets_of_the_standard() -> None:
    """Control (last, streaming, window), number, acknowledged number, data."""
    block = GeneralBlock(last=True, streaming=False, window=2, number=3, ack=1, data=b"abc")
    assert block.encode().hex() == "e0820003000103616263"
    assert GeneralBlock(False, True, 63, 65_535, 0).encode().hex() == "e07fffff000000"


def test_a_data_notification_has_the_octets_of_the_standard() -> None:
    pushed = DataNotification(0x40000001, NUMBER, TIME)
    assert pushed.encode().hex() == "0f400000010c" + TIME.hex() + "060004c2c0"
    assert str(pushed.moment) == str(DataNotification(0, b"", TIME).moment)
    assert pushed.confirmation().encode().hex() == "104000000100"


def test_a_date_time_with_the_tag_of_an_octet_string_is_understood() -> None:
    read = decode(bytes.fromhex("0f40000000090c") + TIME + NUMBER)
    assert read == DataNotification(0x40000000, NUMBER, TIME)


@pytest.mark.parametrize("octets", [b"", b"abc", bytes.fromhex("07e9630c01101e00ff014a00")])
def test_an_impossible_time_does_not_lose_the_notification(octets: bytes) -> None:
    read = decode(DataNotification(1, NUMBER, octets).encode())
    assert isinstance(read, DataNotification)
    assert (read.moment, read.at, read.body) == (None, octets, NUMBER)


def test_what_cannot_be_asked_is_not_encoded() -> None:
    wrong = (
        AccessRequest(0, (AccessTarget(AccessKind.GET, SWITCH),), (b"\x00",)),
        AccessRequest(0, (AccessTarget(AccessKind.ACTION, CLOCK),), (b"\x00",)),
        EventNotification(RANGE, NUMBER),
        GeneralBlock(False, False, 64, 1, 0),
        GeneralBlock(False, False, 1, 1 << 16, 0),
    )
    for apdu in wrong:
        with pytest.raises(Malformed):
            apdu.encode()


def test_a_confirmed_service_error_is_told_in_words() -> None:
    assert str(ConfirmedServiceError(1, 6, 2)) == "initiate: initiate: incompatible conformance"
    assert str(ConfirmedServiceError(99, 5, 77)) == "service 99: access: error 77"


def outcome_of(octets: bytes) -> Apdu | DlmsError:
    try:
        return decode(octets)
    except DlmsError as error:
        return error


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_flipped_bit_is_another_apdu_or_a_typed_error(kind: str) -> None:
    whole = SAMPLES[kind].encode()
    for at in range(len(whole)):
        for bit in range(8):
            altered = whole[:at] + bytes((whole[at] ^ 1 << bit,)) + whole[at + 1 :]
            read = outcome_of(altered)
            if isinstance(read, DlmsError):
                assert read.offset is None or 0 <= read.offset <= len(altered)
            else:
                assert decode(read.encode()) == read


@given(st.lists(outcome, max_size=6))
def test_results_in_blocks_round_trip(results: list[bytes | DataAccessResult]) -> None:
    assert list(decode_results(encode_results(results))) == results


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_cut_anywhere_is_truncated_with_its_offset(kind: str) -> None:
    whole = SAMPLES[kind].encode()
    for cut in range(len(whole)):
        with pytest.raises(Truncated) as caught:
            decode(whole[:cut])
        assert caught.value.offset is not None
        assert caught.value.offset <= cut


def read_value(octets: bytes) -> data.Data:
    response = decode(octets)
    assert isinstance(response, GetResponse)
    assert isinstance(response.result, bytes)
    return axdr.decode_all(response.result)


def test_a_cut_value_of_a_normal_response_is_truncated_where_it_is_decoded() -> None:
    whole = GetResponse(0xC1, axdr.encode(data.array(data.u32(1), data.octets(b"abc")))).encode()
    for cut in range(len(whole)):
        with pytest.raises(Truncated):
            read_value(whole[:cut])


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind not in ("exception", "data notification")])
def test_an_octet_behind_the_apdu_is_malformed(kind: str) -> None:
    with pytest.raises(Malformed):
        decode(SAMPLES[kind].encode() + b"\x00")


@pytest.mark.parametrize(
    "octets",
    ["c106c1000801", "c307c1", "c404c1", "c506c1", "c705c1", "db", "c8", "05", "00", "c0"],
)
def test_services_that_are_not_spoken_are_typed_errors(octets: str) -> None:
    with pytest.raises((Unsupported, Truncated)):
        decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "octets",
    [
        "c001c1000800000100 00ff0202",  # presence flag 2
        "c401c102 00",  # result choice 2
        "c401c10163",  # unknown data-access-result
        "c501c163",
        "c701c16300",
        "d80901",
        "c003c182040100",  # more references than anyone asks for
        "c104c1010008 0000010000ff 0200020000",  # two values for one attribute
        "c303c1010046000060030aff01020000",  # two parameters for one method
        "d9c0000001000106000000000000000000",  # access choice 6
        "d9c0000001000101000800000100 00ff02010000",  # a value with a GET
        "dac00000010000010001 0400",  # access choice 4 in a result
        "dac00000010000 0001 0100",  # a result without value
        "c202",  # presence flag 2
    ],
)
def test_codes_that_are_not_defined_are_malformed(octets: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode(bytes.fromhex(octets))
    assert caught.value.offset is not None


def test_numbers_that_do_not_fit_are_not_encoded() -> None:
    for apdu in (
        DataNotification(1 << 32, b""),
        GetRequest(0, AttributeRef(70_000, CLOCK.obis, 2)),
        GetNext(0, 1 << 32),
        GetNext(0, -1),
    ):
        with pytest.raises(DlmsError):
            apdu.encode()
