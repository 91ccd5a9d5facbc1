"""Invocation counters: windows, re-synchronisation, and round trips of sealing under any key, counter and content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.association import MAX_LEAP
from demeter.protocols.dlms.client import CipherMode, Client
from demeter.protocols.dlms.errors import Downgraded, Replayed, TagCheckFailed
from demeter.protocols.dlms.security import (
    Channel,
    Counters,
    Form,
    GeneralCiphering,
    GeneralSigning,
    Header,
    IdentifiedKey,
    KeyScheme,
    KeySet,
    Protection,
    Prover,
    Suite,
    WrappedKey,
    decode_general_ciphering,
    decode_general_signing,
    derive_key,
    new_private_key,
    public_key,
    shared_secret,
    unwrap_key,
    wrap_key,
)
from tests.unit.protocols.dlms.dlms_suites import (
    HEAD_END,
    METER,
    PAIRS,
    PROFILE,
    VALUE,
    Line,
    client_settings,
    connect,
    keys_of,
    server_settings,
)

suites = st.sampled_from(Suite)
octets = st.binary(max_size=300)
titles = st.binary(min_size=8, max_size=8)


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 12), st.integers(-1, 20))
def test_a_window_takes_each_counter_once_and_nothing_older(received: list[int], window: int, start: int) -> None:
    counters = Counters(received=start, window=window)
    taken: set[int] = set()
    highest = start
    for counter in received:
        fresh = counter > start and counter not in taken and counter > highest - window
        if fresh:
            counters.accept(counter)
            taken.add(counter)
            highest = max(highest, counter)
        else:
            with pytest.raises(Replayed):
                counters.accept(counter)
        assert counters.received == highest


def test_a_leap_of_the_whole_range_costs_nothing() -> None:
    counters = Counters(received=0, window=64)
    counters.accept(0xFFFF_FFFF)
    with pytest.raises(Replayed):
        counters.accept(0xFFFF_FFFF)
    counters.accept(0xFFFF_FFFF - 63)
    with pytest.raises(Replayed):
        counters.accept(0xFFFF_FFFF - 64)


@pytest.mark.parametrize("suite", Suite)
def test_a_client_that_fell_behind_resynchronises_once(suite: Suite) -> None:
    line = Line(server_settings(suite))
    line.keys.counters.received = 5000
    client = Client(client_settings(suite))
    with pytest.raises(Replayed) as caught:
        line.run(client.associate())
    assert caught.value.last == 5000
    client.resynchronise(caught.value.last)
    line.run(client.associate())
    assert line.run(client.get(7, PROFILE, 2)) == VALUE
    with pytest.raises(Replayed):
        client.resynchronise(5000)


def test_a_leap_nobody_can_have_made_is_not_believed() -> None:
    client = Client(client_settings(Suite.ZERO))
    with pytest.raises(Replayed):
        client.resynchronise(MAX_LEAP + 1)
    assert client.invocation_counter == 1


@given(suites, titles, titles, st.integers(0, 0xFFFF_FFFF), octets, octets, st.sampled_from(Protection))
def test_what_is_sealed_opens_in_every_suite_and_no_other(
    suite: Suite, title: bytes, other: bytes, counter: int, plain: bytes, header: bytes, protection: Protection
) -> None:
    ek, ak, _ = keys_of(suite)
    keys = KeySet(ek, ak, suite).sealing
    sealed = keys.seal(title, counter, plain, protection, header)
    assert sealed[0] == protection | suite
    assert keys.open(title, sealed, 0, header) == (plain, counter, protection)
    if protection & Protection.AUTHENTICATED:
        with pytest.raises(TagCheckFailed):
            keys.open(title, sealed, 0, header + b"\x00")
        if other != title:
            with pytest.raises(TagCheckFailed):
                keys.open(other, sealed, 0, header)


headers = st.builds(
    Header,
    st.binary(max_size=255),
    titles,
    st.one_of(titles, st.just(b"")),
    st.binary(max_size=12),
    st.binary(max_size=200),
)
infos = st.one_of(
    st.none(), st.builds(IdentifiedKey, st.integers(0, 255)), st.builds(WrappedKey, st.integers(0, 255), octets)
)


@given(headers, infos, octets)
def test_general_ciphering_is_read_as_written(
    header: Header, info: IdentifiedKey | WrappedKey | None, body: bytes
) -> None:
    read = decode_general_ciphering(GeneralCiphering(header, info, body).encode())
    assert (read.header, read.key_info, read.body) == (header, info, body)


@given(headers, octets, octets)
def test_general_signing_is_read_as_written(header: Header, content: bytes, signature: bytes) -> None:
    read = decode_general_signing(GeneralSigning(header, content, signature).encode())
    assert (read.header, read.content, read.signature) == (header, content, signature)


@given(suites, octets.filter(bool), st.data())
def test_two_channels_understand_each_other_in_every_form(suite: Suite, plain: bytes, drawn: st.DataObject) -> None:
    schemes = list(KeyScheme) if suite else [KeyScheme.IDENTIFIED, KeyScheme.WRAPPED]
    modes = [CipherMode.GENERAL, CipherMode.GENERAL_GLO, CipherMode.GENERAL_DED]
    form = Form(
        drawn.draw(st.sampled_from(modes)),
        drawn.draw(st.sampled_from(Protection)),
        drawn.draw(st.sampled_from(schemes)),
        signed=bool(suite) and drawn.draw(st.booleans()),
    )
    ek, ak, master = keys_of(suite)
    client, meter = (KeySet(ek, ak, suite, master, pairs) for pairs in PAIRS[suite])
    asking = Channel(client, HEAD_END, METER, Counters(), form=form, policy=form.protection, sign_policy=form.signed)
    answering = Channel(meter, METER, HEAD_END, Counters(), policy=form.protection, transactions=Counters())
    for channel in (asking, answering):
        channel.dedicate(bytes(suite.key_size))
    for _ in range(2):
        assert answering.open(asking.seal(plain), follow=True) == plain
        answer = answering.seal(plain[::-1])
        assert asking.open(answer) == plain[::-1]
        with pytest.raises(Replayed):
            asking.open(answer)
    with pytest.raises(Downgraded):
        asking.open(plain if plain[0] < 0x20 else b"\x01")


@given(st.sampled_from([Suite.ONE, Suite.TWO]), titles, titles, st.binary(max_size=20))
def test_both_sides_derive_the_same_key_and_other_parties_another(
    suite: Suite, first: bytes, second: bytes, transaction: bytes
) -> None:
    ours, theirs = PAIRS[suite]
    secret = shared_secret(suite, ours.agreement, ours.peer_agreement)
    assert secret == shared_secret(suite, theirs.agreement, theirs.peer_agreement)
    key = derive_key(suite, secret, first, second, transaction)
    assert len(key) == suite.key_size
    assert (derive_key(suite, secret, second, first, transaction) == key) is (first == second)


@given(suites, st.binary(min_size=16, max_size=16))
def test_wrapped_keys_unwrap(suite: Suite, key: bytes) -> None:
    master = keys_of(suite)[2]
    assert unwrap_key(master, wrap_key(master, key)) == key


@given(
    st.sampled_from([m for m in Mechanism if m.high]),
    st.binary(min_size=8, max_size=64),
    st.binary(min_size=8, max_size=64),
)
def test_each_side_accepts_the_others_answer_and_not_its_own(mechanism: Mechanism, ours: bytes, theirs: bytes) -> None:
    ek, ak, master = keys_of(Suite.ONE)
    client, meter = (KeySet(ek, ak, Suite.ONE, master, pairs) for pairs in PAIRS[Suite.ONE])
    here = Prover(mechanism, bytes(16), HEAD_END, METER, client)
    there = Prover(mechanism, bytes(16), METER, HEAD_END, meter)
    proof = here.answer(theirs, ours, 7)
    assert there.check(proof, theirs, ours) in (None, 7)
    with pytest.raises(TagCheckFailed):
        there.check(proof[:-1] + bytes((proof[-1] ^ 1,)), theirs, ours)
    if mechanism.titled:
        with pytest.raises(TagCheckFailed):
            here.check(proof, theirs, ours)


def test_a_new_private_key_has_its_public_key() -> None:
    for suite in (Suite.ONE, Suite.TWO):
        assert len(public_key(suite, new_private_key(suite))) == 2 * suite.coordinate_size


def test_a_connection_keeps_the_counters_of_each_key_apart() -> None:
    line = Line(server_settings(Suite.ZERO))
    client = connect(line, client_settings(Suite.ZERO, cipher=CipherMode.DED))
    before = client.invocation_counter
    line.run(client.get(7, PROFILE, 2))
    assert client.invocation_counter == before
