"""The wrapper: frames out of a byte stream, however it is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms.errors import Malformed, Truncated
from demeter.protocols.dlms.wrapper import Unwrapper, WrapperFrame, unwrap_all, wrap

ports = st.integers(0, 0xFFFF)
frames = st.builds(WrapperFrame, ports, ports, st.binary(min_size=1, max_size=300))


def stream_of(items: list[WrapperFrame]) -> bytes:
    return b"".join(wrap(frame.apdu, frame.source, frame.destination) for frame in items)


def test_the_header_is_version_source_destination_length() -> None:
    assert wrap(b"\xc0\x01", 0x30, 1).hex() == "000100300001 0002 c001".replace(" ", "")


@given(st.lists(frames, max_size=6), st.lists(st.integers(0, 2000), max_size=8))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(items: list[WrapperFrame], cuts: list[int]) -> None:
    stream = stream_of(items)
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    unwrapper = Unwrapper()
    received = []
    for start, end in pairwise(places):
        received += unwrapper.feed(stream[start:end])
    unwrapper.finish()
    assert received == items
    assert unwrapper.pending == 0


def test_one_octet_at_a_time() -> None:
    items = [WrapperFrame(16, 1, bytes(range(200))), WrapperFrame(1, 16, b"x")]
    unwrapper = Unwrapper()
    received = [frame for octet in stream_of(items) for frame in unwrapper.feed(bytes((octet,)))]
    assert received == items


def test_a_stream_cut_anywhere_inside_a_frame_is_truncated_there() -> None:
    stream = stream_of([WrapperFrame(48, 1, b"abc"), WrapperFrame(48, 1, b"defgh")])
    for cut in range(len(stream)):
        if cut in (0, 11):
            assert len(unwrap_all(stream[:cut])) == cut // 11
            continue
        with pytest.raises(Truncated) as caught:
            unwrap_all(stream[:cut])
        assert caught.value.offset == cut


def test_frames_before_a_bad_header_are_delivered_and_then_the_error_stays() -> None:
    unwrapper = Unwrapper()
    good = WrapperFrame(48, 1, b"abc")
    assert unwrapper.feed(stream_of([good]) + b"\x00\x02" + bytes(20)) == [good]
    for _ in range(2):
        with pytest.raises(Malformed) as caught:
            unwrapper.feed(stream_of([good]))
        assert caught.value.offset == 11


@pytest.mark.parametrize("header", ["0001003000010000", "0001003000010401"])
def test_empty_and_overlong_frames_are_malformed_at_their_length(header: str) -> None:
    with pytest.raises(Malformed) as caught:
        Unwrapper(max_apdu=1024).feed(bytes.fromhex(header))
    assert caught.value.offset == 6


@pytest.mark.parametrize("size", [0, 65_536])
def test_an_apdu_that_fits_no_frame_is_not_wrapped(size: int) -> None:
    with pytest.raises(Malformed):
        wrap(bytes(size), 1, 2)
