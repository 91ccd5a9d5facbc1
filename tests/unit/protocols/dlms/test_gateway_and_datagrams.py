"""The prefix that names a meter behind a gateway, and wrapper frames in datagrams."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated
from demeter.protocols.dlms.gateway import GatewayFrame, decode_gateway, is_prefixed
from demeter.protocols.dlms.wrapper import WrapperFrame, unwrap_datagram, wrap

prefixed = st.builds(
    GatewayFrame, st.integers(0, 255), st.binary(max_size=255), st.binary(min_size=1, max_size=300), st.booleans()
)


def test_the_prefix_is_tag_network_length_address() -> None:
    assert GatewayFrame(3, b"M-1", b"\xc0\x01").to_bytes() == b"\xe6\x03\x03M-1\xc0\x01"
    assert GatewayFrame(3, b"", b"\xc4", response=True).to_bytes() == b"\xe7\x03\x00\xc4"


@given(prefixed)
def test_a_prefixed_apdu_comes_back_and_is_truncated_where_it_is_cut(frame: GatewayFrame) -> None:
    octets = frame.to_bytes()
    assert is_prefixed(octets)
    assert decode_gateway(octets) == frame
    for cut in range(3 + len(frame.address) + 1):
        with pytest.raises(Truncated) as caught:
            decode_gateway(octets[:cut])
        assert caught.value.offset == cut


@pytest.mark.parametrize(
    ("network", "address", "apdu"), [(256, b"", b"x"), (-1, b"", b"x"), (0, bytes(256), b"x"), (0, b"", b"")]
)
def test_what_does_not_fit_a_prefix_is_refused(network: int, address: bytes, apdu: bytes) -> None:
    with pytest.raises(Malformed):
        GatewayFrame(network, address, apdu)


def test_an_apdu_is_no_prefix() -> None:
    assert not is_prefixed(b"\xc0\x01")
    with pytest.raises(Malformed):
        decode_gateway(b"\xc0\x01\x00\x00")


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=300))
def test_a_datagram_is_one_frame_exactly(source: int, destination: int, apdu: bytes) -> None:
    octets = wrap(apdu, source, destination)
    assert unwrap_datagram(octets) == WrapperFrame(source, destination, apdu)
    with pytest.raises(Malformed) as more:
        unwrap_datagram(octets + b"\0")
    assert more.value.offset == len(octets)
    for cut in range(len(octets)):
        with pytest.raises(Truncated) as less:
            unwrap_datagram(octets[:cut])
        assert less.value.offset == cut


@pytest.mark.parametrize(("octets", "offset"), [("0002003000010001ff", 0), ("0001003000010000", 6)])
def test_a_datagram_with_a_wrong_header_says_where(octets: str, offset: int) -> None:
    with pytest.raises(Malformed) as caught:
        unwrap_datagram(bytes.fromhex(octets))
    assert caught.value.offset == offset


def test_mutants_of_prefixes_and_datagrams_are_typed() -> None:
    """20,000 mutants each (seeded)."""
    rng = random.Random(47)
    inner = GatewayFrame(1, b"serial-0001", bytes(30)).to_bytes()
    for sample, decode in ((inner, decode_gateway), (wrap(inner, 48, 1), unwrap_datagram)):
        for _ in range(20_000):
            octets = bytearray(sample)
            for _ in range(rng.randint(1, 4)):
                octets[rng.randrange(12)] = rng.randrange(256)
            problem = None
            try:
                decode(bytes(octets[: rng.randint(0, len(octets))]))
            except DlmsError as error:
                problem = error.offset if error.offset is not None else -1
            assert problem is None or 0 <= problem <= len(octets)
