"""Security suite 0 against the published examples (Green Book, tables of suite 0 and of HLS mechanism 5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms.errors import (
    DlmsError,
    Malformed,
    Refused,
    Replayed,
    TagCheckFailed,
    Truncated,
    Unsupported,
)
from demeter.protocols.dlms.replay import open_get_values
from demeter.protocols.dlms.security import (
    GLO_OF,
    Channel,
    CipherMode,
    Counters,
    KeySet,
    Opened,
    Protection,
    envelope,
    plaintext,
    protect,
    suite_keys,
    unprotect,
)

KEYSET = KeySet(bytes(range(16)), bytes(range(0xD0, 0xE0)))
KEYS = KEYSET.sealing
TITLE = bytes.fromhex("4D4D4D0000BC614E")
CLIENT_TITLE = bytes.fromhex("4D4D4D0000000001")
COUNTER = 0x01234567
INITIATE = bytes.fromhex("01011000112233445566778899AABBCCDDEEFF0000065F1F0400007E1F04B0")
GET = bytes.fromhex("C0010000080000010000FF0200")
MODES = {False: CipherMode.GLO, True: CipherMode.GENERAL_GLO}

titles = st.binary(min_size=8, max_size=8)
keys = st.binary(min_size=16, max_size=16)
counters = st.integers(0, 0xFFFF_FFFF)


def test_the_published_initiate_request_is_ciphered_as_published() -> None:
    published = "21303001234567801302FF8A7874133D414CED25B42534D28DB0047720606B175BD52211BE6841DB204D39EE6FDB8E356855"
    assert protect(KEYS, TITLE, COUNTER, INITIATE).hex().upper() == published
    assert unprotect(KEYS, TITLE, bytes.fromhex(published)) == Opened(INITIATE, COUNTER, 0x30)


@pytest.mark.parametrize(
    ("protection", "published"),
    [
        (Protection.AUTHENTICATED, "1001234567C0010000080000010000FF020006725D910F9221D263877516"),
        (Protection.ENCRYPTED, "2001234567411312FF935A47566827C467BC"),
        (Protection.AUTHENTICATED_ENCRYPTED, "3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B"),
    ],
)
def test_the_published_get_request_in_all_three_protections(protection: Protection, published: str) -> None:
    assert KEYS.seal(TITLE, COUNTER, GET, protection).hex().upper() == published
    assert KEYS.open(TITLE, bytes.fromhex(published)) == Opened(GET, COUNTER, protection)


def test_the_published_answers_to_the_challenges_of_hls_gmac() -> None:
    to_server, to_client = bytes.fromhex("503677524A323146"), bytes.fromhex("4B35366956616759")
    client_answer, server_answer = KEYS.gmac(CLIENT_TITLE, 1, to_server), KEYS.gmac(TITLE, COUNTER, to_client)
    assert client_answer.hex().upper() == "10000000011A52FE7DD3E72748973C1E28"
    assert server_answer.hex().upper() == "1001234567FE1466AFB3DBCD4F9389E2B7"
    assert KEYS.check_gmac(CLIENT_TITLE, client_answer, to_server) == 1
    with pytest.raises(TagCheckFailed):
        KEYS.check_gmac(CLIENT_TITLE, client_answer, to_client)
    with pytest.raises(Malformed):
        KEYS.check_gmac(CLIENT_TITLE, client_answer[:-1], to_server)


@given(keys, keys, titles, counters, st.binary(max_size=300), st.sampled_from(Protection))
def test_what_is_sealed_opens(ek: bytes, ak: bytes, title: bytes, counter: int, plain: bytes, protection: int) -> None:
    both = suite_keys(ek, ak)
    assert both.open(title, both.seal(title, counter, plain, protection)) == Opened(plain, counter, protection)


@given(titles, counters, st.sampled_from(sorted(GLO_OF)), st.binary(max_size=400), st.booleans())
def test_every_service_is_protected_both_ways(title: bytes, counter: int, tag: int, rest: bytes, general: bool) -> None:
    plain = bytes((tag,)) + rest
    sealed = protect(KEYS, title, counter, plain, mode=MODES[general])
    assert sealed[0] == (0xDB if general else GLO_OF[tag])
    assert unprotect(KEYS, title, sealed) == Opened(plain, counter, 0x30)
    assert (envelope(sealed).title == title) is general
    if general:
        assert unprotect(KEYS, None, sealed).plaintext == plain


@pytest.mark.parametrize("general", [False, True])
def test_any_altered_octet_is_found(general: bool) -> None:
    sealed = protect(KEYS, TITLE, COUNTER, GET, mode=MODES[general])
    for at in range(len(sealed)):
        for bit in range(8):
            altered = sealed[:at] + bytes((sealed[at] ^ 1 << bit,)) + sealed[at + 1 :]
            with pytest.raises(DlmsError):
                unprotect(KEYS, TITLE, altered)


@pytest.mark.parametrize("general", [False, True])
def test_a_cut_anywhere_is_truncated_with_its_offset(general: bool) -> None:
    sealed = protect(KEYS, TITLE, COUNTER, GET, mode=MODES[general])
    for cut in range(len(sealed)):
        with pytest.raises(Truncated) as caught:
            unprotect(KEYS, TITLE, sealed[:cut])
        assert caught.value.offset is not None
        assert caught.value.offset <= cut


def test_a_body_too_short_for_its_parts_is_truncated() -> None:
    body = KEYS.seal(TITLE, COUNTER, b"")
    for cut in range(len(body)):
        with pytest.raises(Truncated) as caught:
            KEYS.open(TITLE, body[:cut], 2)
        assert caught.value.offset == 2 + cut


def test_an_octet_behind_the_apdu_is_malformed() -> None:
    with pytest.raises(Malformed):
        unprotect(KEYS, TITLE, protect(KEYS, TITLE, COUNTER, GET) + b"\x00")


def test_a_wrong_key_or_title_is_a_failed_tag_check() -> None:
    sealed = protect(KEYS, TITLE, COUNTER, GET, mode=CipherMode.GENERAL_GLO)
    other = suite_keys(bytes(16), bytes(range(0xD0, 0xE0)))
    without = suite_keys(bytes(range(16)), bytes(16))
    for attempt in ((other, TITLE), (without, TITLE), (KEYS, CLIENT_TITLE)):
        with pytest.raises(TagCheckFailed):
            unprotect(*attempt, sealed)


def test_a_service_specific_tag_must_announce_what_is_inside() -> None:
    sealed = protect(KEYS, TITLE, COUNTER, GET)
    with pytest.raises(Malformed):
        unprotect(KEYS, TITLE, b"\xcb" + sealed[1:])


def test_without_a_title_a_service_specific_apdu_is_not_opened() -> None:
    with pytest.raises(Malformed):
        unprotect(KEYS, None, protect(KEYS, TITLE, COUNTER, GET))


@pytest.mark.parametrize("control", [0x00, 0x31, 0x32, 0x70, 0xB0, 0xFF])
def test_other_suites_the_broadcast_key_and_compression_are_unsupported(control: int) -> None:
    body = KEYS.seal(TITLE, COUNTER, GET)
    with pytest.raises(Unsupported):
        KEYS.open(TITLE, bytes((control,)) + body[1:])


@pytest.mark.parametrize("protection", [Protection.AUTHENTICATED, Protection.ENCRYPTED])
def test_a_channel_accepts_nothing_less_than_authenticated_and_encrypted(protection: Protection) -> None:
    body = KEYS.seal(TITLE, COUNTER, GET, protection)
    channel = Channel(KEYSET, CLIENT_TITLE, TITLE, Counters())
    with pytest.raises(Malformed):
        channel.open(b"\xc8" + bytes((len(body),)) + body)


@given(st.lists(st.integers(0, 20), max_size=30))
def test_counters_are_accepted_strictly_increasing(received: list[int]) -> None:
    window = Counters()
    accepted: list[int] = []
    for counter in received:
        if counter > window.received:
            window.accept(counter)
            accepted.append(counter)
        else:
            with pytest.raises(Replayed) as caught:
                window.accept(counter)
            assert (caught.value.received, caught.value.last) == (counter, accepted[-1])
    assert accepted == sorted(set(accepted))
    assert set(accepted) == {c for n, c in enumerate(received) if c > max(received[:n], default=-1)}


def test_a_counter_whose_tag_fails_is_not_taken() -> None:
    sealed = protect(KEYS, TITLE, 7, GET)
    channel = Channel(KEYSET, CLIENT_TITLE, TITLE, Counters())
    with pytest.raises(TagCheckFailed):
        channel.open(sealed[:-1] + bytes((sealed[-1] ^ 1,)))
    assert channel.open(sealed) == GET


def test_a_used_up_counter_is_never_wrapped_around() -> None:
    channel = Channel(KEYSET, TITLE, None, Counters(sent=0xFFFF_FFFE))
    channel.seal(GET)
    for _ in range(2):
        with pytest.raises(Malformed, match="keys must be changed"):
            channel.seal(GET)


def test_a_batch_of_responses_gives_values_and_typed_refusals() -> None:
    value = bytes.fromhex("060004C2C0")
    plain = ["C401C100" + value.hex(), "C401C10104", "C402C10100000001000106", "C0010000080000010000FF0200", "C401C100"]
    batch = [
        (KEYS, TITLE, protect(KEYS, TITLE, n, bytes.fromhex(octets), mode=CipherMode.GENERAL_GLO))
        for n, octets in enumerate(plain)
    ]
    other = (suite_keys(bytes(16), bytes(16)), None, batch[0][2])
    first, second, third, fourth, fifth, sixth, seventh = open_get_values([*batch, (KEYS, TITLE, b"\xdb"), other])
    assert isinstance(seventh, TagCheckFailed)
    assert first == value
    assert isinstance(second, Refused)
    assert isinstance(third, Unsupported)
    assert isinstance(fourth, Unsupported)
    assert isinstance(fifth, Truncated)
    assert isinstance(sixth, Truncated)


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("size", [1, 200, 230, 231, 238, 239, 255, 300, 70_000])
def test_the_short_way_gives_what_the_long_way_gives(general: bool, size: int) -> None:
    sealed = protect(KEYS, TITLE, COUNTER, GET[:1] * size, mode=MODES[general])
    assert plaintext(KEYS, TITLE, sealed) == unprotect(KEYS, TITLE, sealed).plaintext == GET[:1] * size


@pytest.mark.parametrize("general", [False, True])
def test_the_short_way_refuses_what_the_long_way_refuses(general: bool) -> None:
    sealed = protect(KEYS, TITLE, COUNTER, GET[:1] * 300, mode=MODES[general])
    altered = [sealed[:at] + bytes((sealed[at] ^ 1 << bit,)) + sealed[at + 1 :] for at in range(40) for bit in range(8)]
    attempts = [(TITLE, octets) for octets in (*altered, sealed[:-1], sealed + b"\x00", sealed[:100])]
    for title, octets in [*attempts, (CLIENT_TITLE, sealed), *([] if general else [(None, sealed)])]:
        with pytest.raises(DlmsError) as short:
            plaintext(KEYS, title, octets)
        with pytest.raises(DlmsError) as long:
            unprotect(KEYS, title, octets)
        assert (type(short.value), str(short.value)) == (type(long.value), str(long.value))


def test_keys_of_another_size_are_malformed() -> None:
    with pytest.raises(Malformed):
        suite_keys(bytes(15), bytes(16))
