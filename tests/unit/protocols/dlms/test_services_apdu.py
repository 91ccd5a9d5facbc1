"""xDLMS APDUs: published octets, round trips of every kind, truncation at every octet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.apdu import (
    ActionRequest,
    ActionResponse,
    ActionResult,
    Apdu,
    AttributeRef,
    ConfirmedServiceError,
    ExceptionResponse,
    GetBlock,
    GetListRequest,
    GetListResponse,
    GetNext,
    GetRequest,
    GetResponse,
    MethodRef,
    ServiceFault,
    SetRequest,
    SetResponse,
    StateError,
    decode,
    decode_results,
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
    "exception": st.builds(ExceptionResponse, st.sampled_from(StateError), fault),
    "counter exception": st.builds(
        ExceptionResponse, st.sampled_from(StateError), st.just(ServiceFault.INVOCATION_COUNTER_ERROR), block_number
    ),
    "service error": st.builds(ConfirmedServiceError, octet, octet, octet),
}

CLOCK = AttributeRef(8, Obis(0, 0, 1, 0, 0, 255), 2)
RANGE = AttributeRef(7, Obis(1, 0, 99, 1, 0, 255), 2, b"\x02" + axdr.encode(data.structure(data.u32(1), data.u32(9))))
NUMBER = axdr.encode(data.u32(312_000))
SAMPLES: dict[str, Apdu] = {
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


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind != "exception"])
def test_an_octet_behind_the_apdu_is_malformed(kind: str) -> None:
    with pytest.raises(Malformed):
        decode(SAMPLES[kind].encode() + b"\x00")


@pytest.mark.parametrize(
    "octets",
    ["c102c1000801", "c302c1", "c404c1", "d90100", "0f0001", "db", "c8", "00", "c0"],
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
        "c003c1820401",  # more references than anyone asks for
    ],
)
def test_codes_that_are_not_defined_are_malformed(octets: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode(bytes.fromhex(octets))
    assert caught.value.offset is not None


def test_numbers_that_do_not_fit_are_not_encoded() -> None:
    for apdu in (GetRequest(0, AttributeRef(70_000, CLOCK.obis, 2)), GetNext(0, 1 << 32), GetNext(0, -1)):
        with pytest.raises(DlmsError):
            apdu.encode()
