"""Conversations of every suite and form of ciphering as trees: opened with the keys, checked, and sealed again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from demeter.protocols.dlms import apdu, axdr, data
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.client import CipherMode
from demeter.protocols.dlms.errors import DlmsError, Malformed, TagCheckFailed, Unsupported
from demeter.protocols.dlms.hdlc import ClientLink, LinkParameters, Message, ServerStation, server_address
from demeter.protocols.dlms.security import KeyScheme, Protection, Suite, protect, suite_keys, unprotect
from demeter.protocols.dlms.translate import (
    Keyring,
    Keys,
    Node,
    Translator,
    from_json,
    from_xml,
    octets_of,
    to_json,
    to_xml,
    translate,
)
from demeter.protocols.dlms.wrapper import wrap
from tests.unit.protocols.dlms.dlms_suites import (
    HEAD_END,
    METER,
    PAIRS,
    PROFILE,
    SAP,
    VALUE,
    Line,
    client_settings,
    connect,
    keys_of,
    server_settings,
)

MODES = [mode for mode in CipherMode if mode is not CipherMode.NONE]
SCHEMES = [(s, k) for s in Suite for k in KeyScheme if s is not Suite.ZERO or k in ("identified", "wrapped")]


def keyring(suite: Suite) -> Keyring:
    """What both sides know: keys made for one message open at the side it is for."""
    ek, ak, master = keys_of(suite)
    return Keyring(others=tuple(Keys(ek, ak, master, pairs) for pairs in PAIRS[suite]))


def conversation(suite: Suite, cipher: CipherMode, max_pdu: int = 0xFFFF, **changes: object) -> bytes:
    """The wrapper frames of an association with a read, a write, an invocation and a release."""
    line = Line(server_settings(suite, max_pdu=0xFFFF))
    client = connect(line, client_settings(suite, Mechanism.HLS_GMAC, cipher, max_pdu=max_pdu, **changes))
    line.run(client.get(7, PROFILE, 2))
    line.run(client.set(1, PROFILE, 2, axdr.encode(data.u8(9))))
    line.run(client.action(70, PROFILE, 1))
    line.run(client.release())
    pairs = zip(line.sent, line.received, strict=True)
    return b"".join(wrap(one, SAP, 1) + wrap(other, 1, SAP) for one, other in pairs)


def nodes(frames: tuple[Node, ...], name: str) -> list[Node]:
    return [node for frame in frames for node in frame.walk() if node.name == name]


def opened(stream: bytes, ring: Keyring) -> tuple[Node, ...]:
    """Translate a stream whose every protected part opens, and which comes back with keys and without."""
    found = translate(stream, ring)
    assert found.errors == ()
    controls = nodes(found.frames, "SecurityControl")
    assert len(nodes(found.frames, "Plaintext")) == len(controls) > 0
    assert {node.meaning for node in nodes(found.frames, "AuthenticationTag")} <= {"right"}
    for frames in (list(found.frames), from_json(json.dumps(to_json(found))), from_xml(to_xml(found))):
        assert octets_of(frames) == stream
        assert octets_of(frames, ring) == stream
    return found.frames


@pytest.mark.parametrize("cipher", MODES)
@pytest.mark.parametrize("suite", Suite)
def test_every_form_of_ciphering_opens_and_is_sealed_again(suite: Suite, cipher: CipherMode) -> None:
    frames = opened(conversation(suite, cipher), keyring(suite))
    responses = nodes(frames, "GetResponseNormal")
    assert len(nodes(tuple(responses), "DoubleLongUnsigned")) == 40
    assert {frame.find("Source").value for frame in frames} == {SAP, 1}


@pytest.mark.parametrize(("suite", "scheme"), SCHEMES)
def test_keys_made_for_a_message_are_found_from_its_key_info(suite: Suite, scheme: KeyScheme) -> None:
    opened(conversation(suite, CipherMode.GENERAL, key_scheme=scheme), keyring(suite))


@pytest.mark.parametrize("suite", [Suite.ONE, Suite.TWO])
def test_signatures_are_checked(suite: Suite) -> None:
    stream = conversation(suite, CipherMode.GENERAL_GLO, signed=True)
    frames = opened(stream, keyring(suite))
    assert {node.meaning for node in nodes(frames, "Signature")} == {"right"}
    ek, ak, master = keys_of(suite)
    foreign = Keyring(
        others=(Keys(ek, ak, master, replace(PAIRS[suite][0], peer_signing=PAIRS[suite][0].peer_agreement)),)
    )
    assert {type(error) for error in translate(stream, foreign).errors} == {TagCheckFailed}


@pytest.mark.parametrize("protection", Protection)
def test_every_protection_opens(protection: Protection) -> None:
    ring = Keyring(others=keyring(Suite.ZERO).others, server=METER)
    request = apdu.GetResponse(0xC1, VALUE).encode()
    sealed = protect(suite_keys(*keys_of(Suite.ZERO)[:2]), METER, 7, request, protection=protection)
    frames = opened(sealed, ring)
    assert nodes(frames, "DoubleLongUnsigned")
    plain = nodes(frames, "Plaintext")[0]
    assert plain.offset == sealed.index(request) if protection is Protection.AUTHENTICATED else plain.derived


@pytest.mark.parametrize("cipher", MODES)
def test_answers_in_blocks_are_put_together(cipher: CipherMode) -> None:
    frames = opened(conversation(Suite.ZERO, cipher, max_pdu=200), keyring(Suite.ZERO))
    whole = nodes(frames, "Reassembled")
    assert any(len(nodes((node,), "DoubleLongUnsigned")) == 40 for node in whole)


def test_a_wrong_key_is_told_with_its_place_and_loses_nothing() -> None:
    stream = conversation(Suite.ZERO, CipherMode.GENERAL_GLO)
    wrong = Keyring(others=(Keys(bytes(16), bytes(16)),))
    found = translate(stream, wrong)
    tags = nodes(found.frames, "AuthenticationTag")
    assert [type(error) for error in found.errors] == [TagCheckFailed] * len(tags)
    assert [error.offset for error in found.errors] == [tag.offset for tag in tags]
    assert nodes(found.frames, "Plaintext") == []
    assert octets_of(found.frames, wrong) == stream


def test_keys_are_found_by_system_title_among_many() -> None:
    ek, ak, _ = keys_of(Suite.ZERO)
    others = {bytes([n]) * 8: Keys(bytes([n]) * 16, bytes([n]) * 16) for n in range(50)}
    opened(conversation(Suite.ZERO, CipherMode.GENERAL_GLO), Keyring({**others, METER: Keys(ek, ak)}))


def test_without_the_sender_s_title_service_specific_ciphering_says_what_is_missing() -> None:
    sealed = protect(suite_keys(*keys_of(Suite.ZERO)[:2]), METER, 7, apdu.GetResponse(0xC1, VALUE).encode())
    found = translate(sealed, keyring(Suite.ZERO))
    assert isinstance(found.error, Unsupported)
    assert "system title" in found.error.message
    opened(sealed, Keyring(others=keyring(Suite.ZERO).others, server=METER))


def test_without_keys_a_protected_frame_is_no_error() -> None:
    found = translate(conversation(Suite.ZERO, CipherMode.GLO))
    assert found.errors == ()
    assert {node.meaning for node in nodes(found.frames, "Ciphertext")} == {"no key given"}


def test_a_changed_plaintext_is_sealed_under_the_key() -> None:
    keys = suite_keys(*keys_of(Suite.ZERO)[:2])
    request = apdu.GetRequest(0xC1, apdu.AttributeRef(7, PROFILE, 2)).encode()
    sealed = protect(keys, HEAD_END, 7, request)
    ring = Keyring(others=keyring(Suite.ZERO).others, client=HEAD_END)
    frames = translate(sealed, ring).frames
    nodes(frames, "AttributeId")[0].value = 3
    changed = octets_of(frames, ring)
    assert (
        unprotect(keys, HEAD_END, changed).plaintext == apdu.GetRequest(0xC1, apdu.AttributeRef(7, PROFILE, 3)).encode()
    )
    assert octets_of(frames) == sealed
    del frames[0].items[2:4]
    assert octets_of(frames, ring) == changed
    with pytest.raises(Malformed, match="key"):
        octets_of(frames)


def test_damaged_conversations_give_typed_errors() -> None:
    stream = conversation(Suite.ONE, CipherMode.GENERAL, key_scheme=KeyScheme.WRAPPED)
    for place in range(0, len(stream), 7):
        spoiled = bytearray(stream)
        spoiled[place] ^= 1 << place % 8
        found = translate(bytes(spoiled), keyring(Suite.ONE))
        assert all(isinstance(error, DlmsError) for error in found.errors)
        for error in found.errors:
            assert error.offset is None or 0 <= error.offset <= len(stream)


def test_hdlc_segments_are_put_together() -> None:
    client = ClientLink(server_address(1, 17), 48, LinkParameters(64, 64, 1, 1))
    station = ServerStation(lambda _address: True, LinkParameters(64, 64, 1, 1))
    answer = apdu.GetResponse(0xC1, VALUE).encode()
    passed: list[bytes] = []
    client.connect()
    got: list[bytes] = []
    for _ in range(200):
        sent = client.output()
        if not sent and got:
            break
        passed.append(sent)
        for request in station.receive(sent):
            station.answer(request, answer)
        back = station.output()
        passed.append(back)
        for event in client.receive(back):
            if isinstance(event, Message):
                got.append(event.apdu)
            elif not got:
                client.send(apdu.GetRequest(0xC1, apdu.AttributeRef(7, PROFILE, 2)).encode())
    assert got == [answer]
    stream = b"".join(passed)
    translator = Translator()
    found = translator.translate(stream)
    assert found.errors == ()
    assert octets_of(found.frames) == stream
    message = nodes(found.frames, "HdlcMessage")[-1]
    assert len(nodes((message,), "DoubleLongUnsigned")) == 40
