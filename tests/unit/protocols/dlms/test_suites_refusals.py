"""What must be refused although keys and tags are right: other parties, unfit requests, weaker recorded frames."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.acse import AssociationRequest, AssociationResponse, Context, Mechanism, decode_acse
from demeter.protocols.dlms.client import CipherMode
from demeter.protocols.dlms.errors import DlmsError, Downgraded, Malformed, TagCheckFailed, Unsupported
from demeter.protocols.dlms.replay import open_get_response
from demeter.protocols.dlms.security import (
    AgreedKey,
    Channel,
    Counters,
    Form,
    GeneralCiphering,
    Header,
    IdentifiedKey,
    KeyId,
    KeyScheme,
    KeySet,
    Protection,
    Sessions,
    Suite,
    WrappedKey,
    new_private_key,
)
from demeter.protocols.dlms.wrapper import wrap
from tests.unit.protocols.dlms.dlms_suites import (
    HEAD_END,
    METER,
    PAIRS,
    PROFILE,
    SAP,
    SECRET,
    VALUE,
    Line,
    client_settings,
    connect,
    keys_of,
    server_settings,
)

OTHER = b"OTHER\x00\x00\x01"
MODES = [mode for mode in CipherMode if mode is not CipherMode.NONE]


def keys(side: int = 0, suite: Suite = Suite.ONE) -> KeySet:
    ek, ak, master = keys_of(suite)
    return KeySet(ek, ak, suite, master, PAIRS[suite][side])


@pytest.mark.parametrize("form", [Form(CipherMode.GENERAL), Form(signed=True), Form(CipherMode.GENERAL_GLO)])
@pytest.mark.parametrize(("title", "peer"), [(OTHER, METER), (HEAD_END, OTHER)])
def test_an_apdu_of_or_for_somebody_else_is_not_opened(form: Form, title: bytes, peer: bytes) -> None:
    if (title, form.mode) == (HEAD_END, CipherMode.GENERAL_GLO):
        peer, title = METER, OTHER  # general-glo names no recipient
    sender = Channel(keys(), title, peer, Counters(), form=form)
    receiver = Channel(keys(1), METER, HEAD_END, Counters(), transactions=Counters())
    with pytest.raises(TagCheckFailed, match="another system title"):
        receiver.open(sender.seal(b"\xc0\x01\xc1"))


def test_an_apdu_reflected_to_its_sender_is_not_opened() -> None:
    for form in (Form(), Form(CipherMode.GENERAL), Form(CipherMode.GENERAL_GLO), Form(signed=True)):
        sender = Channel(keys(), HEAD_END, METER, Counters(), form=form)
        with pytest.raises(TagCheckFailed):
            sender.open(sender.seal(b"\xc0\x01\xc1"))


def test_a_dedicated_key_that_travelled_in_the_clear_is_not_taken() -> None:
    line = Line(server_settings(Suite.ZERO, protection=Protection.AUTHENTICATED))
    channel = Channel(keys(0, Suite.ZERO), HEAD_END, None, Counters(), form=Form(protection=Protection.AUTHENTICATED))
    initiate = bytes.fromhex("010110") + bytes(16) + bytes.fromhex("0000065f1f0400007e1f0400")
    request = AssociationRequest(
        Context.CIPHERED, channel.seal_initiate(initiate), Mechanism.HLS_GMAC, bytes(16), HEAD_END
    )
    assert line.session.receive(SAP, request.encode()).hex() == "d80103"
    sealed = replace(request, user_information=channel.seal_initiate(initiate, secret=True))
    answer = decode_acse(line.session.receive(SAP, sealed.encode()))
    assert isinstance(answer, AssociationResponse)
    assert answer.result == 0


@pytest.mark.parametrize(
    ("mechanism", "size", "accepted"),
    [
        (Mechanism.HLS_GMAC, 7, False),
        (Mechanism.HLS_GMAC, 8, True),
        (Mechanism.HLS_GMAC, 64, True),
        (Mechanism.HLS_GMAC, 65, False),
        (Mechanism.HLS_ECDSA, 31, False),
        (Mechanism.HLS_ECDSA, 32, True),
    ],
)
def test_challenges_have_the_sizes_the_standard_allows(mechanism: Mechanism, size: int, accepted: bool) -> None:
    line = Line(server_settings(Suite.ONE, mechanism))
    initiate = bytes.fromhex("01000000065f1f0400007e1f0400")
    request = AssociationRequest(Context.PLAIN, initiate, mechanism, bytes(size), HEAD_END)
    answer = decode_acse(line.session.receive(SAP, request.encode()))
    assert isinstance(answer, AssociationResponse)
    assert (answer.result == 0) is accepted


def test_a_new_encryption_key_has_counters_of_its_own_and_another_key_has_not() -> None:
    line = Line(server_settings(Suite.ZERO))
    connect(line, client_settings(Suite.ZERO, invocation_counter=500))
    before = line.keys.counters
    line.keys.replace({KeyId.AUTHENTICATION: bytes(16)})
    assert line.keys.counters is before
    line.keys.replace({KeyId.UNICAST_ENCRYPTION: bytes(16)})
    assert (line.keys.counters.sent, line.keys.counters.received) == (before.sent, 0)


def test_without_a_master_key_nothing_is_wrapped_or_unwrapped() -> None:
    bare = replace(keys(), master_key=b"")
    header = Header(bytes(8), HEAD_END, METER)
    with pytest.raises(Malformed, match="master key"):
        Sessions(bare, HEAD_END, Counters()).outgoing(KeyScheme.WRAPPED, header)
    line = Line(server_settings(Suite.ZERO, master_key=b""))
    client = connect(line, client_settings(Suite.ZERO))
    with pytest.raises(DlmsError):
        line.run(client.transfer_keys({KeyId.AUTHENTICATION: bytes(16)}))
    assert line.keys.current.authentication_key == keys_of(Suite.ZERO)[1]


@pytest.mark.parametrize(
    ("info", "error"),
    [
        (IdentifiedKey(1), Unsupported),
        (WrappedKey(1, bytes(24)), Unsupported),
        (WrappedKey(0, bytes(24)), TagCheckFailed),
        (WrappedKey(0, b""), TagCheckFailed),
        (AgreedKey(0), Unsupported),
        (AgreedKey(9), Unsupported),
        (AgreedKey(1), Malformed),
        (AgreedKey(1, bytes(128)), TagCheckFailed),
        (AgreedKey(2), Malformed),
    ],
)
def test_key_infos_that_lead_to_no_key_are_typed_errors(
    info: IdentifiedKey | WrappedKey | AgreedKey, error: type[DlmsError]
) -> None:
    transaction = b"" if info == AgreedKey(2) else bytes(8)
    apdu = GeneralCiphering(Header(transaction, HEAD_END, METER), info, bytes(40)).encode()
    with pytest.raises(error):
        Channel(keys(1), METER, HEAD_END, Counters(), transactions=Counters()).open(apdu)


@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suite", Suite)
def test_recorded_frames_open_again_and_none_weaker_than_it_was(
    suite: Suite, mode: CipherMode, protection: Protection
) -> None:
    line = Line(server_settings(suite, protection=protection))
    client = connect(line, client_settings(suite, cipher=mode, protection=protection, max_pdu=300))
    line.received.clear()
    line.run(client.get(7, PROFILE, 2))
    frames = b"".join(wrap(apdu, 1, SAP) for apdu in line.received)
    ek, ak, _ = keys_of(suite)
    known = {"suite": suite, "dedicated_key": client.dedicated_key}
    assert open_get_response(frames, ek, ak, METER, protection=protection, **known) == VALUE
    if protection is not Protection.AUTHENTICATED_ENCRYPTED:
        with pytest.raises(Downgraded):
            open_get_response(frames, ek, ak, METER, **known)
    with pytest.raises((TagCheckFailed, Downgraded)):
        open_get_response(frames, ek, ak, OTHER, protection=protection | Protection.AUTHENTICATED, **known)
    if mode.dedicated:
        with pytest.raises(TagCheckFailed):
            open_get_response(frames, ek, ak, METER, suite=suite, protection=protection)


def test_recorded_signed_frames_open_and_session_keys_are_named_as_missing() -> None:
    ek, ak, _ = keys_of(Suite.ONE)
    for changes in ({"signed": True}, {"cipher": CipherMode.GENERAL, "key_scheme": KeyScheme.WRAPPED}):
        line = Line(server_settings(Suite.ONE, signed="signed" in changes))
        client = connect(line, client_settings(Suite.ONE, **changes))
        line.received.clear()
        line.run(client.get(7, PROFILE, 2))
        frames = b"".join(wrap(apdu, 1, SAP) for apdu in line.received)
        if "signed" in changes:
            assert open_get_response(frames, ek, ak, METER, suite=Suite.ONE) == VALUE
        else:
            with pytest.raises(Unsupported, match="session key"):
                open_get_response(frames, ek, ak, METER, suite=Suite.ONE)


def test_secrets_of_every_kind_are_not_shown() -> None:
    private = new_private_key(Suite.ONE)
    pairs = replace(PAIRS[Suite.ONE][0], signing=private)
    shown = repr(client_settings(Suite.ONE, pairs=pairs)) + repr(server_settings(Suite.ONE, pairs=pairs))
    for secret in (private, SECRET, *keys_of(Suite.ONE)):
        assert repr(secret)[2:-1] not in shown
    assert axdr.encode(data.octets(private)).hex() not in shown
