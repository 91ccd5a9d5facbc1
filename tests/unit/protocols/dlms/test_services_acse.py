"""ACSE and the initiate services: published octets, round trips, truncation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms.acse import (
    AssociationRequest,
    AssociationResponse,
    Conformance,
    Context,
    Diagnostic,
    InitiateRequest,
    InitiateResponse,
    Mechanism,
    Release,
    Result,
    decode_acse,
    decode_initiate_request,
    decode_initiate_response,
)
from demeter.protocols.dlms.errors import DlmsError, Malformed, ServiceError, Truncated, Unsupported

octet = st.integers(0, 255)
titles = st.none() | st.binary(min_size=8, max_size=8)
conformance = st.integers(0, (1 << 24) - 1).map(Conformance)
pdu = st.integers(0, 0xFFFF)
initiate_requests = st.builds(
    InitiateRequest, conformance, pdu, st.none() | st.binary(max_size=32), st.booleans(), st.none() | octet, octet
)
initiate_responses = st.builds(InitiateResponse, conformance, pdu, st.none() | octet, octet, pdu)
secured = st.tuples(st.sampled_from([Mechanism.LLS, Mechanism.HLS_GMAC]), st.binary(max_size=200))
requests = st.builds(
    lambda context, info, auth, title: AssociationRequest(context, info, *auth, title),
    st.sampled_from(Context),
    st.binary(max_size=300),
    secured | st.just((Mechanism.NONE, None)),
    titles,
)
responses = st.builds(
    lambda context, result, diagnostic, info, auth, title, provider: AssociationResponse(
        context, result, diagnostic, info, *auth, title, provider
    ),
    st.sampled_from(Context),
    octet,
    octet,
    st.none() | st.binary(max_size=300),
    secured | st.just((Mechanism.NONE, None)),
    titles,
    st.booleans(),
)
releases = st.builds(Release, st.booleans(), st.none() | octet, st.none() | st.binary(max_size=100))

HIGH = AssociationRequest(Context.CIPHERED, bytes(50), Mechanism.HLS_GMAC, bytes(16), b"DEM00001")
ACCEPT = AssociationResponse(
    Context.CIPHERED,
    Result.ACCEPTED,
    Diagnostic.AUTHENTICATION_REQUIRED,
    bytes(40),
    Mechanism.HLS_GMAC,
    bytes(16),
    b"MMM00001",
)
SAMPLES = [HIGH.encode(), ACCEPT.encode(), Release().encode(), Release(True, None, b"abc").encode()]


def test_an_association_request_without_security_has_the_published_octets() -> None:
    """Green Book, example of an AARQ with logical names, no security."""
    initiate = InitiateRequest(Conformance(0x007E1F), 1200)
    assert initiate.encode().hex() == "01000000065f1f0400007e1f04b0"
    request = AssociationRequest(Context.PLAIN, initiate.encode())
    assert request.encode().hex() == "601da109060760857405080101be10040e01000000065f1f0400007e1f04b0"


def test_an_association_request_with_a_password_has_the_published_octets() -> None:
    """Green Book, example of an AARQ with logical names, low level security, password 12345678."""
    initiate = InitiateRequest(Conformance(0x007E1F), 1200).encode()
    request = AssociationRequest(Context.PLAIN, initiate, Mechanism.LLS, b"12345678")
    published = "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738be10040e01000000065f1f0400007e1f04b0"
    assert request.encode().hex() == published
    assert decode_acse(bytes.fromhex(published)) == request


def test_an_association_response_without_security_has_the_published_octets() -> None:
    """Green Book, example of an AARE with logical names, accepted, no security."""
    published = "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f0400007e1f04b00007"
    response = decode_acse(bytes.fromhex(published.replace("007e1f04b0", "00501f01f4")))
    assert isinstance(response, AssociationResponse)
    assert (response.result, response.diagnostic) == (Result.ACCEPTED, Diagnostic.NULL)
    assert response.encode().hex() == published.replace("007e1f04b0", "00501f01f4")
    assert decode_initiate_response(response.user_information or b"") == InitiateResponse(Conformance(0x00501F), 500)


def test_conformance_bits_stand_where_the_standard_puts_them() -> None:
    """GET, SET, selective access and ACTION are bits 19, 20, 21 and 23 of 24, counted from the first."""
    names = (Conformance.GET, Conformance.SET, Conformance.SELECTIVE_ACCESS, Conformance.ACTION)
    assert [23 - (int(bit).bit_length() - 1) for bit in names] == [19, 20, 21, 23]
    assert 23 - (int(Conformance.BLOCK_TRANSFER_WITH_GET).bit_length() - 1) == 11
    assert 23 - (int(Conformance.GENERAL_PROTECTION).bit_length() - 1) == 1


@given(initiate_requests)
def test_initiate_requests_round_trip(request: InitiateRequest) -> None:
    assert decode_initiate_request(request.encode()) == request


@given(initiate_responses)
def test_initiate_responses_round_trip(response: InitiateResponse) -> None:
    assert decode_initiate_response(response.encode()) == response


@given(requests | responses | releases)
def test_acse_apdus_round_trip(apdu: AssociationRequest | AssociationResponse | Release) -> None:
    assert decode_acse(apdu.encode()) == apdu


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample[0]:02x}{len(sample)}")
def test_a_cut_anywhere_is_truncated_with_its_offset(sample: bytes) -> None:
    for cut in range(len(sample)):
        with pytest.raises(Truncated) as caught:
            decode_acse(sample[:cut])
        assert caught.value.offset is not None
        assert caught.value.offset <= cut


def test_initiate_apdus_cut_anywhere_are_truncated() -> None:
    request = InitiateRequest(Conformance(0), 500, bytes(16), False, 3).encode()
    response = InitiateResponse(Conformance(0), 500, 3).encode()
    for cut in range(len(request)):
        with pytest.raises(Truncated):
            decode_initiate_request(request[:cut])
    for cut in range(len(response)):
        with pytest.raises(Truncated):
            decode_initiate_response(response[:cut])


def test_a_refused_initiate_is_a_service_error() -> None:
    with pytest.raises(ServiceError):
        decode_initiate_response(bytes.fromhex("0e010603"))


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        ("601da109060760857405080102be10040e01000000065f1f0400007e1f04b0", Unsupported),  # short names
        ("601da109060760857405080109be10040e01000000065f1f0400007e1f04b0", Unsupported),
        ("6000", Malformed),
        ("600ba109060760857405080101", Malformed),
        ("6100", Malformed),
        ("6200ff", Malformed),
        ("621fa109060760857405080101a109060760857405080101be0404020102", DlmsError),
        ("7f8001", DlmsError),
        ("6080", Malformed),
    ],
)
def test_what_is_not_spoken_is_a_typed_error(octets: str, kind: type[DlmsError]) -> None:
    with pytest.raises(kind):
        decode_acse(bytes.fromhex(octets))


def test_an_element_twice_is_malformed() -> None:
    request = AssociationRequest(Context.PLAIN, b"x").encode()
    doubled = bytes((0x60, 2 * (len(request) - 2))) + request[2:] * 2
    with pytest.raises(Malformed, match="twice"):
        decode_acse(doubled)


def test_a_system_title_of_another_size_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode_acse(AssociationRequest(Context.CIPHERED, b"x", system_title=b"short").encode())
