"""HDLC frames: known ones, any of them there and back, and streams that are out of step."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated, Unsupported
from demeter.protocols.dlms.hdlc import (
    Address,
    Assembler,
    Control,
    Deframer,
    Frame,
    Kind,
    LinkParameters,
    check_sequence,
    decode_frame,
    decode_parameters,
    server_address,
)
from demeter.protocols.dlms.hdlc.deframer import MAX_KEPT

SNRM = bytes.fromhex("7EA0070321930F017E")
UA = bytes.fromhex("7EA01E210373C37A81801205018006018007040000000108040000000153 3B7E")

sizes = st.sampled_from([1, 2, 4])


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    size = draw(sizes)
    part = st.integers(0, 0x3FFF if size == 4 else 0x7F)
    return Address(draw(part), 0 if size == 1 else draw(part), size)


@st.composite
def controls(draw: st.DrawFn) -> Control:
    kind = draw(st.sampled_from([kind for kind in Kind if kind is not Kind.UNKNOWN]))
    numbered = kind in (Kind.INFORMATION, Kind.RECEIVE_READY, Kind.RECEIVE_NOT_READY)
    number = st.integers(0, 7)
    return Control(
        kind,
        draw(st.booleans()),
        draw(number) if kind is Kind.INFORMATION else 0,
        draw(number) if numbered else 0,
    )


frames = st.builds(
    Frame,
    addresses(),
    addresses(),
    controls(),
    st.binary(max_size=200) | st.binary(min_size=2000, max_size=2030),
    st.booleans(),
)


def test_the_frames_everybody_knows_mean_what_they_should() -> None:
    client, server = Address(16), server_address(1)
    assert decode_frame(SNRM) == Frame(server, client, Control(Kind.SET_NORMAL_RESPONSE_MODE))
    answer = decode_frame(UA)
    assert (answer.destination, answer.source, answer.control.kind) == (client, server, Kind.UNNUMBERED_ACKNOWLEDGE)
    assert decode_parameters(answer.information) == LinkParameters(128, 128, 1, 1)
    assert [decode_frame(known).to_bytes() for known in (SNRM, UA)] == [SNRM, UA]


def test_the_check_sequence_is_that_of_x25() -> None:
    """0x906E over "123456789" is the published check value of CRC-16/IBM-SDLC (X.25)."""
    assert check_sequence(b"123456789") == bytes.fromhex("6e90")


@pytest.mark.parametrize(
    ("address", "octets"),
    [
        (server_address(1), "03"),
        (server_address(0x7F), "ff"),
        (server_address(1, 17), "0223"),
        (server_address(1, 17, 4), "00020023"),
        (server_address(0x1234, 0x3FFF), "4868feff"),
        (server_address(1, 200), "00020291"),
        (Address(48), "61"),
    ],
    ids=str,
)
def test_addresses_are_written_seven_bits_at_a_time(address: Address, octets: str) -> None:
    assert address.to_bytes().hex() == octets


@pytest.mark.parametrize(
    ("upper", "lower", "size"), [(128, 0, 1), (1, 1, 1), (1, 128, 2), (16384, 0, 4), (1, 1, 3), (-1, 0, 2)]
)
def test_addresses_that_do_not_fit_are_refused(upper: int, lower: int, size: int) -> None:
    with pytest.raises(Malformed):
        Address(upper, lower, size)


def test_a_station_knows_its_address_in_other_sizes_and_broadcasts() -> None:
    own = server_address(1, 17)
    assert server_address(1, 17, 4).means(own)
    assert server_address(1).means(own)
    assert not server_address(1, 18).means(own)
    assert not server_address(2, 17).means(own)
    for everybody in (Address(0x7F), Address(0x7F, 0x7F, 2), Address(0x3FFF, 0x3FFF, 4)):
        assert everybody.is_broadcast
        assert everybody.means(own)


@given(frames)
def test_a_frame_comes_back_as_it_was(frame: Frame) -> None:
    assert decode_frame(frame.to_bytes()) == frame


def test_a_frame_longer_than_its_length_field_can_say_is_not_made() -> None:
    with pytest.raises(Malformed):
        Frame(Address(1), Address(16), Control(Kind.INFORMATION), bytes(2041)).to_bytes()


@given(
    st.binary(min_size=0, max_size=40).map(
        lambda content: Frame(server_address(1, 17), Address(16), Control(Kind.INFORMATION), content)
    )
)
def test_a_frame_cut_anywhere_is_truncated_there(frame: Frame) -> None:
    octets = frame.to_bytes()
    for cut in range(len(octets)):
        with pytest.raises(Truncated) as caught:
            decode_frame(octets[:cut])
        assert caught.value.offset == cut


@given(frames, st.data())
def test_any_burst_of_changed_bits_up_to_sixteen_is_found_with_its_offset(frame: Frame, choice: st.DataObject) -> None:
    """A cyclic check of 16 bits finds every burst of up to 16 bits within what it covers."""
    octets = bytearray(frame.to_bytes())
    at = choice.draw(st.integers(0, len(octets) - 2))
    pattern = choice.draw(st.integers(1, 0xFFFF))
    changed = int.from_bytes(octets[at : at + 2], "big") ^ pattern
    octets[at : at + 2] = changed.to_bytes(2, "big")
    with pytest.raises(DlmsError) as caught:
        decode_frame(bytes(octets))
    assert caught.value.offset is not None
    assert 0 <= caught.value.offset <= len(octets)


@pytest.mark.parametrize(
    ("octets", "offset", "kind"),
    [
        ("", 0, Truncated),
        ("00a0070321930f017e", 0, Malformed),
        ("7e90070321930f017e", 1, Unsupported),
        ("7ea0060321930f017e", 1, Malformed),
        ("7ea007020202020f017e", 6, Malformed),
        ("7ea00a0202020203930f010000007e", 3, Malformed),
        ("7ea0070321930f027e", 6, Malformed),
        ("7ea0070321930f017f", 8, Malformed),
        ("7ea0070321930f017e00", 9, Malformed),
    ],
)
def test_what_is_no_frame_says_where(octets: str, offset: int, kind: type[DlmsError]) -> None:
    with pytest.raises(kind) as caught:
        decode_frame(bytes.fromhex(octets))
    assert caught.value.offset == offset


@given(st.lists(frames, max_size=5), st.lists(st.integers(0, 4000), max_size=8), st.booleans())
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    items: list[Frame], cuts: list[int], shared: bool
) -> None:
    stream = b"".join(frame.to_bytes()[: -1 if shared else None] for frame in items) + b"\x7e"
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    deframer = Deframer()
    received = [
        frame
        for start, end in zip(places, [*places[1:], None], strict=True)
        for frame in deframer.feed(stream[start:end])
    ]
    assert received == items
    assert (deframer.pending, deframer.discarded, list(deframer.problems)) == (0, 0, [])


@given(frames, st.lists(st.integers(0, 255).filter(lambda octet: octet != 0x7E), max_size=60).map(bytes), frames)
def test_garbage_between_frames_is_passed_over_and_counted(first: Frame, garbage: bytes, second: Frame) -> None:
    deframer = Deframer()
    received = deframer.feed(first.to_bytes() + garbage + second.to_bytes())
    received += deframer.expire()  # garbage may look like the start of a frame longer than what follows
    assert received == [first, second]
    assert len(garbage) <= deframer.discarded <= len(garbage) + 2 or not garbage


def test_problems_have_offsets_from_the_start_of_the_stream() -> None:
    deframer = Deframer()
    spoiled = bytearray(UA)
    spoiled[-2] ^= 1
    assert deframer.feed(b"noise" + SNRM + bytes(spoiled) + SNRM) == [decode_frame(SNRM)] * 2
    assert [type(problem) for problem in deframer.problems] == [Malformed]
    assert deframer.problems[0].offset == 5 + len(SNRM) + len(UA) - 3
    assert deframer.discarded == 5 + len(UA) - 1  # its closing flag may have opened the next frame


def test_a_damaged_length_does_not_swallow_what_follows_once_the_line_is_quiet() -> None:
    """The header of a frame without information has no check of its own: only silence shows that its length is wrong."""
    spoiled = bytearray(SNRM)
    spoiled[2] = 0xFF
    deframer = Deframer()
    assert deframer.feed(bytes(spoiled[:3])) == []
    assert deframer.feed(b"\x03") == []
    assert deframer.pending
    assert deframer.expire() == []
    assert deframer.feed(SNRM) == [decode_frame(SNRM)]


def test_a_frame_cut_in_the_middle_hides_the_next_only_until_silence() -> None:
    cut = Frame(server_address(1), Address(16), Control(Kind.INFORMATION), bytes(500)).to_bytes()[:100]
    deframer = Deframer()
    assert deframer.feed(cut + UA) == []
    assert deframer.expire() == [decode_frame(UA)]
    assert (deframer.pending, deframer.expire()) == (0, [])


def test_what_a_deframer_keeps_is_bounded() -> None:
    rng = random.Random(1)
    deframer = Deframer()
    for _ in range(200):
        deframer.feed(rng.choice([b"\x7e\xa7\xff", b"\x7e" * 3000, rng.randbytes(3000)]))
        assert deframer.pending < MAX_KEPT


@given(
    st.builds(LinkParameters, st.integers(1, 2030), st.integers(1, 2030), st.integers(1, 7), st.integers(1, 7)),
    st.builds(LinkParameters, st.integers(1, 2030), st.integers(1, 2030), st.integers(1, 7), st.integers(1, 7)),
)
def test_parameters_come_back_and_both_ends_agree_on_the_smaller(ours: LinkParameters, theirs: LinkParameters) -> None:
    assert decode_parameters(ours.to_bytes()) == ours
    here, there = ours.agreed(theirs), theirs.agreed(ours)
    assert here == LinkParameters(there.receive_size, there.transmit_size, there.receive_window, there.transmit_window)
    assert ours.agreed(decode_parameters(there.to_bytes())) == here


def test_parameters_not_named_have_their_defaults_and_unknown_ones_are_passed_over() -> None:
    assert decode_parameters(b"") == LinkParameters()
    assert decode_parameters(bytes.fromhex("81800705020400090100")) == LinkParameters(transmit_size=1024)
    assert decode_parameters(bytes.fromhex("81800905020fff0701200900")) == LinkParameters(2030, 128, 7, 1)


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        ("80", 0),
        ("8180", 2),
        ("818003050180", None),
        ("8180040501", 5),
        ("8180030502ff", 3),
        ("818003050100", 3),
        ("81800100", 3),
        ("818003050180ff", 6),
    ],
)
def test_broken_parameters_say_where(octets: str, offset: int | None) -> None:
    if offset is None:
        assert decode_parameters(bytes.fromhex(octets)).transmit_size == 128
        return
    with pytest.raises(DlmsError) as caught:
        decode_parameters(bytes.fromhex(octets))
    assert caught.value.offset == offset


def test_pushed_segments_make_one_message_and_a_change_of_sender_starts_anew() -> None:
    meter, other, client = server_address(1), server_address(2), Address(16)
    control = Control(Kind.UNNUMBERED_INFORMATION, final=False)
    assembler = Assembler(longest=20)
    assert assembler.take(Frame(client, meter, control, b"\xe6\xe7\x00\x0fab", segmented=True)) is None
    assert assembler.take(Frame(client, meter, control, b"cd")) == b"\x0fabcd"
    assert assembler.take(Frame(client, meter, control, b"lost", segmented=True)) is None
    assert assembler.take(Frame(client, other, control, b"\x0fother")) == b"\x0fother"
    with pytest.raises(Malformed):
        assembler.take(Frame(client, other, control, bytes(21)))
    assert assembler.take(Frame(client, other, control, b"\xe6\xe7\x00\x0fok")) == b"\x0fok"
