"""Mode E: from 300 baud to HDLC, over lines with noise and echo."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated, Unsupported
from demeter.protocols.iec62056_21 import (
    BAUDS,
    Identification,
    ModeEMeter,
    ModeEReader,
    Step,
    acknowledgement,
    decode_acknowledgement,
    decode_identification,
    opening,
    with_parity,
    without_parity,
)

METER = Identification("DEM", 9600, "\\2MODEL-1")
ANSWER = with_parity(METER.to_bytes())


def test_the_messages_are_those_of_the_standard() -> None:
    assert opening() == b"/?!\r\n"
    assert opening("12345678") == b"/?12345678!\r\n"
    assert acknowledgement(9600) == b"\x06252\r\n"
    assert METER.to_bytes() == b"/DEM5\\2MODEL-1\r\n"
    assert METER.speaks_hdlc
    assert not Identification("DEM", 9600, "MODEL").speaks_hdlc
    assert with_parity(b"/?!\r\n").hex() == "af3f218d0a"


@given(st.binary(max_size=50).map(lambda octets: bytes(octet & 0x7F for octet in octets)))
def test_parity_is_even_and_comes_off_again(text: bytes) -> None:
    sent = with_parity(text)
    assert all(octet.bit_count() % 2 == 0 for octet in sent)
    assert without_parity(sent) == text
    for place in range(len(sent)):
        with pytest.raises(Malformed) as caught:
            without_parity(sent[:place] + bytes([sent[place] ^ 4]) + sent[place + 1 :], base=100)
        assert caught.value.offset == 100 + place


@given(
    st.from_regex(r"[A-Za-z]{3}", fullmatch=True),
    st.sampled_from(sorted(BAUDS.values())),
    st.from_regex(r"[ -~]{0,16}", fullmatch=True),
)
def test_an_identification_comes_back_as_it_was(maker: str, baud: int, text: str) -> None:
    found = Identification(maker, baud, text)
    assert decode_identification(found.to_bytes()) == found
    assert decode_acknowledgement(acknowledgement(baud)) == baud


@pytest.mark.parametrize(
    ("line", "offset"),
    [
        ("/DEM5\r", 6),
        ("?DEM5\\2X\r\n", 0),
        ("/D3M5\\2X\r\n", 0),
        ("/DEM9\\2X\r\n", 4),
        ("/DEM5\\2X\r\r\n\n", 10),
        ("/DEM512345678901234567\r\n", 5),
    ],
)
def test_what_is_no_identification_says_where(line: str, offset: int) -> None:
    with pytest.raises(DlmsError) as caught:
        decode_identification(line.encode())
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("line", "offset"),
    [(b"\x06252\r", 5), (b"\x15252\r\n", 0), (b"\x06052\r\n", 1), (b"\x06292\r\n", 2), (b"\x06250\r\n", 3)],
)
def test_what_does_not_choose_hdlc_says_where(line: bytes, offset: int) -> None:
    with pytest.raises(DlmsError) as caught:
        decode_acknowledgement(line)
    assert caught.value.offset == offset


@pytest.mark.parametrize("address", ["12 45/", "x" * 33, "ü"])
def test_addresses_outside_the_alphabet_are_refused(address: str) -> None:
    with pytest.raises(Malformed):
        opening(address)


@pytest.mark.parametrize(("highest", "agreed"), [(115_200, 9600), (9600, 9600), (5000, 4800), (300, 300)])
@pytest.mark.parametrize("chunk", [1, 4, 100])
@pytest.mark.parametrize("echo", [False, True])
def test_both_ends_meet_at_the_fastest_both_can_do(highest: int, agreed: int, chunk: int, echo: bool) -> None:
    reader, meter = ModeEReader("77", highest), ModeEMeter(METER, "77")
    steps = [reader.start()]
    seen: list[Step] = []
    while steps:
        step = steps.pop(0)
        seen.append(step)
        back = b"\x00" + (step.send if echo else b"") + b"".join(answer.send for answer in meter.receive(step.send))
        for start in range(0, len(back), chunk):
            steps += reader.receive(back[start : start + chunk])
    assert [(step.baud, step.then_baud, step.done) for step in seen] == [
        (300, None, False),
        (None, agreed, False),
        (None, None, True),
    ]
    assert reader.done
    assert meter.done
    assert (reader.baud, reader.identification) == (agreed, METER)


def test_noise_before_an_answer_is_passed_over_and_a_lost_opening_repeated() -> None:
    reader = ModeEReader()
    assert reader.start().send == with_parity(b"/?!\r\n")
    assert reader.receive(b"\x00\xff\x81") == []
    assert [step.send for step in reader.expired()] == [with_parity(b"/?!\r\n")]
    assert reader.receive(b"\x00" + ANSWER)[0].send == with_parity(b"\x06252\r\n")
    assert reader.receive(b"\xff\x00") == []
    assert reader.receive(b"\x06252\r\n") == [Step(done=True)], "a confirmation without parity is one too"


def test_a_meter_that_does_not_confirm_is_believed_to_have_switched() -> None:
    reader = ModeEReader()
    reader.start()
    reader.receive(ANSWER)
    assert reader.expired() == [Step(done=True)]
    assert (reader.expired(), reader.receive(b"x")) == ([], [])


def test_nobody_there_and_half_an_answer_are_told_apart() -> None:
    for heard, word in ((b"", "does not answer"), (ANSWER[:7], "middle")):
        reader = ModeEReader()
        reader.start()
        reader.expired()
        reader.expired()
        reader.receive(heard)
        with pytest.raises(Truncated, match=word):
            reader.expired()


def test_a_meter_without_hdlc_a_wrong_confirmation_and_endless_noise_are_refused() -> None:
    reader = ModeEReader()
    reader.start()
    with pytest.raises(Unsupported):
        reader.receive(with_parity(Identification("DEM", 9600, "OLD").to_bytes()))
    reader = ModeEReader()
    reader.start()
    reader.receive(ANSWER)
    with pytest.raises(Malformed):
        reader.receive(with_parity(b"\x06242\r\n"))
    reader = ModeEReader()
    reader.start()
    with pytest.raises(Malformed):
        reader.receive(with_parity(b"/") + b"a" * 100)
    reader = ModeEReader()
    reader.start()
    for _ in range(25):
        assert reader.receive(b"\x11" * 10) == []
    with pytest.raises(Malformed):
        reader.receive(b"\x11" * 10)


def test_a_meter_answers_its_own_address_only_and_goes_on_after_nonsense() -> None:
    meter = ModeEMeter(METER, "77")
    assert meter.receive(with_parity(opening("78"))) == []
    assert meter.receive(with_parity(acknowledgement(9600))) == [], "nobody asked yet"
    assert meter.receive(bytes(500) + with_parity(opening("77")))[0].send == ANSWER
    assert meter.receive(b"nonsense" + with_parity(b"\r\n")) == []
    assert meter.receive(with_parity(opening()))[0].send == ANSWER
    assert meter.receive(with_parity(acknowledgement(19200))) == [], "faster than it can"


def test_mutated_conversations_never_raise_untyped_and_never_agree_on_nonsense() -> None:
    """20,000 mutants (seeded)."""
    rng = random.Random(21)
    agreed = 0
    for _ in range(10_000):
        reader, meter = ModeEReader(), ModeEMeter(METER)
        heard = [spoil(ANSWER, rng), spoil(with_parity(acknowledgement(9600)), rng)]
        reader.start()
        with suppress(DlmsError):
            for octets in heard:
                reader.receive(octets)
        assert reader.identification is None or reader.identification.speaks_hdlc
        assert reader.baud in BAUDS.values()
        agreed += reader.done
        for octets in (spoil(with_parity(opening()), rng), spoil(with_parity(acknowledgement(9600)), rng)):
            meter.receive(octets)
    assert 0 < agreed < 9_000


def spoil(octets: bytes, rng: random.Random) -> bytes:
    out = bytearray(octets)
    for _ in range(rng.randint(0, 2)):
        at = rng.randrange(len(out)) if out else 0
        match rng.randrange(3):
            case 0:
                out[at : at + 1] = bytes(octet ^ 1 << rng.randrange(8) for octet in out[at : at + 1])
            case 1:
                del out[at : at + 2]
            case _:
                out[at:at] = rng.randbytes(3)
    return bytes(out)
