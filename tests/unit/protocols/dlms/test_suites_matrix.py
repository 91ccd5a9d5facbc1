"""Client and meter in memory: every mechanism, suite, protection and form of ciphering."""

from __future__ import annotations

import pytest

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.client import CipherMode, Client
from demeter.protocols.dlms.errors import (
    AssociationRejected,
    DlmsError,
    Downgraded,
    Malformed,
    Replayed,
    ServiceError,
    TagCheckFailed,
)
from demeter.protocols.dlms.security import KeyScheme, Protection, Suite, mode_of
from tests.unit.protocols.dlms.dlms_suites import (
    HEAD_END,
    METER,
    PROFILE,
    SAP,
    SECRET,
    VALUE,
    Line,
    client_settings,
    connect,
    server_settings,
)

HIGH = [mechanism for mechanism in Mechanism if mechanism.high]
MODES = [mode for mode in CipherMode if mode is not CipherMode.NONE]


def possible(suite: Suite, mechanism: Mechanism) -> bool:
    return suite is not Suite.ZERO or mechanism is not Mechanism.HLS_ECDSA


MECHANISMS = [(s, m) for s in Suite for m in Mechanism if possible(s, m)]
SCHEMES = [
    (suite, scheme)
    for suite in Suite
    for scheme in KeyScheme
    if suite is not Suite.ZERO or scheme in (KeyScheme.IDENTIFIED, KeyScheme.WRAPPED)
]


def reads_writes_and_invokes(client: Client, line: Line) -> None:
    assert line.run(client.get(7, PROFILE, 2)) == VALUE
    line.run(client.set(1, PROFILE, 2, axdr.encode(data.u8(9))))
    assert line.objects.written == [axdr.encode(data.u8(9))]
    assert line.run(client.action(70, PROFILE, 1)) == axdr.encode(data.u8(7))
    assert line.run(client.get(7, PROFILE, 2)) == VALUE
    line.run(client.release())


@pytest.mark.parametrize("cipher", [CipherMode.NONE, CipherMode.GLO, CipherMode.GENERAL_DED])
@pytest.mark.parametrize(("suite", "mechanism"), MECHANISMS)
def test_every_mechanism_opens_an_association_in_every_suite(
    suite: Suite, mechanism: Mechanism, cipher: CipherMode
) -> None:
    line = Line(server_settings(suite, mechanism))
    reads_writes_and_invokes_as_utility = connect(line, client_settings(suite, mechanism, cipher))
    reads_writes_and_invokes(reads_writes_and_invokes_as_utility, line)


@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("suite", "signed"), [(s, signed) for s in Suite for signed in {False, s is not Suite.ZERO}])
def test_every_form_carries_every_protection_in_every_suite(
    suite: Suite, mode: CipherMode, protection: Protection, signed: bool
) -> None:
    line = Line(server_settings(suite, protection=protection, signed=signed))
    client = connect(line, client_settings(suite, cipher=mode, protection=protection, signed=signed, max_pdu=1024))
    reads_writes_and_invokes(client, line)
    for apdu in (*line.sent[1:-1], *line.received[1:-1]):
        assert (apdu[0] == 0xDF) is signed
        assert signed or mode_of(apdu) is mode
    assert max(map(len, line.received)) <= 1024


@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize(("suite", "scheme"), SCHEMES)
def test_general_ciphering_with_every_kind_of_key(suite: Suite, scheme: KeyScheme, protection: Protection) -> None:
    line = Line(server_settings(suite, protection=protection))
    settings = client_settings(suite, cipher=CipherMode.GENERAL, key_scheme=scheme, protection=protection, max_pdu=600)
    client = connect(line, settings)
    reads_writes_and_invokes(client, line)
    assert {apdu[0] for apdu in line.received[1:-1]} == {0xDD}
    assert max(map(len, line.received)) <= 600


@pytest.mark.parametrize("cipher", [CipherMode.NONE, CipherMode.GLO])
@pytest.mark.parametrize(("suite", "mechanism"), [pair for pair in MECHANISMS if pair[1].secret])
def test_another_secret_opens_nothing(suite: Suite, mechanism: Mechanism, cipher: CipherMode) -> None:
    line = Line(server_settings(suite, mechanism))
    with pytest.raises((AssociationRejected, TagCheckFailed)):
        connect(line, client_settings(suite, mechanism, cipher, password=SECRET[::-1]))
    client = Client(client_settings(suite, mechanism, CipherMode.NONE))
    client._open = True
    with pytest.raises(ServiceError):
        line.run(client.get(7, PROFILE, 2))


@pytest.mark.parametrize("suite", [Suite.ONE, Suite.TWO])
def test_another_signing_key_opens_nothing(suite: Suite) -> None:
    pairs = client_settings(suite).pairs
    for wrong in (
        type(pairs)(pairs.agreement, pairs.agreement, pairs.peer_signing, pairs.peer_agreement),
        type(pairs)(pairs.signing, pairs.agreement, pairs.peer_agreement, pairs.peer_agreement),
    ):
        line = Line(server_settings(suite, Mechanism.HLS_ECDSA))
        with pytest.raises((AssociationRejected, TagCheckFailed)):
            connect(line, client_settings(suite, Mechanism.HLS_ECDSA, pairs=wrong))


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("name", ["encryption_key", "authentication_key"])
def test_another_key_is_a_failed_tag_check(suite: Suite, name: str) -> None:
    line = Line(server_settings(suite))
    with pytest.raises(TagCheckFailed):
        connect(line, client_settings(suite, **{name: bytes(suite.key_size)}))


def test_the_suites_do_not_open_each_other() -> None:
    line = Line(server_settings(Suite.ZERO))
    with pytest.raises(ServiceError):
        connect(line, client_settings(Suite.ONE, pairs=client_settings(Suite.ONE).pairs))


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("asked", [Protection.AUTHENTICATED, Protection.ENCRYPTED])
def test_a_meter_refuses_less_than_its_policy(suite: Suite, asked: Protection) -> None:
    line = Line(server_settings(suite))
    with pytest.raises(ServiceError):
        connect(line, client_settings(suite, protection=asked))


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("policy", [Protection.AUTHENTICATED, Protection.ENCRYPTED])
def test_a_meter_answers_no_weaker_than_it_is_asked(suite: Suite, policy: Protection) -> None:
    line = Line(server_settings(suite, protection=policy))
    reads_writes_and_invokes(connect(line, client_settings(suite)), line)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suite", Suite)
def test_a_client_refuses_answers_protected_less_than_agreed(suite: Suite, mode: CipherMode) -> None:
    line = Line(server_settings(suite))
    client = connect(line, client_settings(suite, cipher=mode))
    request = next(client.get(7, PROFILE, 2))
    line.session.receive(SAP, request)
    state = line.session._states[SAP]
    assert state.channel is not None
    for weaker in (Protection.AUTHENTICATED, Protection.ENCRYPTED):
        state.channel.form.protection = weaker
        sealed = state.channel.seal(bytes.fromhex("c401c100") + VALUE)
        exchange = client.get(7, PROFILE, 2)
        next(exchange)
        state.channel._transaction = client._channel._transaction
        sealed = state.channel.seal(bytes.fromhex("c401c100") + VALUE)
        with pytest.raises(Downgraded):
            exchange.send(sealed)


def test_an_unsigned_answer_is_refused_where_signatures_are_expected() -> None:
    line = Line(server_settings(Suite.ONE))
    client = connect(line, client_settings(Suite.ONE))
    client._channel.sign_policy = True
    with pytest.raises(Downgraded):
        line.run(client.get(7, PROFILE, 2))
    strict = Line(server_settings(Suite.ONE, signed=True))
    with pytest.raises(ServiceError):
        connect(strict, client_settings(Suite.ONE))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("scheme", KeyScheme)
def test_every_altered_octet_of_an_answer_is_a_typed_error(scheme: KeyScheme, signed: bool) -> None:
    line = Line(server_settings(Suite.ONE, signed=signed))
    settings = client_settings(Suite.ONE, cipher=CipherMode.GENERAL, key_scheme=scheme, signed=signed, max_pdu=800)
    client = connect(line, settings)
    exchange = client.action(70, PROFILE, 1)
    answer = line.session.receive(SAP, next(exchange))
    for at in range(len(answer)):
        altered = answer[:at] + bytes((answer[at] ^ 1 << at % 8,)) + answer[at + 1 :]
        with pytest.raises(DlmsError):
            client._channel.open(altered)
        with pytest.raises(DlmsError):
            client._channel.open(answer[:at])
    with pytest.raises(StopIteration):
        exchange.send(answer)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suite", Suite)
def test_replays_are_refused_both_ways(suite: Suite, mode: CipherMode) -> None:
    line = Line(server_settings(suite))
    client = connect(line, client_settings(suite, cipher=mode))
    line.run(client.set(1, PROFILE, 2, axdr.encode(data.u8(9))))
    assert line.session.receive(SAP, line.sent[-1])[:3].hex() == "d80106"
    assert len(line.objects.written) == 1
    old = line.received[-1]
    line.answer = lambda _apdu: old
    with pytest.raises(Replayed):
        line.run(client.set(1, PROFILE, 2, axdr.encode(data.u8(9))))


@pytest.mark.parametrize(("suite", "scheme"), SCHEMES)
def test_a_recorded_session_key_does_not_come_to_life_in_a_new_association(suite: Suite, scheme: KeyScheme) -> None:
    line = Line(server_settings(suite))
    settings = client_settings(suite, cipher=CipherMode.GENERAL, key_scheme=scheme)
    client = connect(line, settings)
    line.run(client.set(1, PROFILE, 2, axdr.encode(data.u8(9))))
    recorded = line.sent[-1]
    again = Line(server_settings(suite), line.keys)
    connect(again, client_settings(suite, cipher=CipherMode.GENERAL, key_scheme=scheme, invocation_counter=1000))
    assert again.session.receive(SAP, recorded)[:3].hex() == "d80106"
    assert again.objects.written == []


def test_an_answer_to_another_transaction_is_refused() -> None:
    line = Line(server_settings(Suite.ONE))
    settings = client_settings(Suite.ONE, cipher=CipherMode.GENERAL, key_scheme=KeyScheme.STATIC)
    client = connect(line, settings)
    first = client.get(7, PROFILE, 2)
    late = line.session.receive(SAP, next(first))
    second = client.get(7, PROFILE, 2)
    next(second)
    with pytest.raises(Replayed):
        second.send(late)


def test_a_dedicated_key_is_new_in_every_association_and_never_in_the_clear() -> None:
    keys = set()
    for protection in (Protection.AUTHENTICATED, Protection.AUTHENTICATED_ENCRYPTED):
        line = Line(server_settings(Suite.ZERO, protection=protection))
        client = connect(line, client_settings(Suite.ZERO, cipher=CipherMode.DED, protection=protection))
        assert client.dedicated_key is not None
        assert client.dedicated_key not in line.sent[0]
        line.run(client.get(7, PROFILE, 2))
        assert line.sent[-1][2] == line.received[-1][4] == protection
        keys.add(client.dedicated_key)
    assert len(keys) == 2


def test_the_meter_must_be_the_one_expected() -> None:
    line = Line(server_settings(Suite.ZERO))
    connect(line, client_settings(Suite.ZERO, server_title=METER))
    with pytest.raises(TagCheckFailed):
        connect(line, client_settings(Suite.ZERO, server_title=HEAD_END, invocation_counter=100))


@pytest.mark.parametrize("mode", [CipherMode.NONE, CipherMode.GLO, CipherMode.GENERAL_GLO, CipherMode.GENERAL])
@pytest.mark.parametrize("suite", Suite)
def test_a_pre_established_association_needs_no_opening(suite: Suite, mode: CipherMode) -> None:
    title = b"" if mode is CipherMode.NONE else HEAD_END
    line = Line(server_settings(suite, pre_established=frozenset({SAP}), client_title=title))
    client = Client(client_settings(suite, Mechanism.NONE, mode, server_title=METER))
    client.pre_establish()
    assert line.run(client.get(7, PROFILE, 2)) == VALUE
    assert line.sent[0][0] != 0x60
    elsewhere = Line(server_settings(suite))
    client.pre_establish()
    with pytest.raises(ServiceError):
        elsewhere.run(client.get(7, PROFILE, 2))


def test_what_cannot_be_pre_established_is_refused() -> None:
    for settings in (
        client_settings(Suite.ZERO, Mechanism.HLS_GMAC, server_title=METER),
        client_settings(Suite.ZERO, Mechanism.NONE, CipherMode.DED, server_title=METER),
        client_settings(Suite.ZERO, Mechanism.NONE, CipherMode.GLO),
    ):
        with pytest.raises(Malformed):
            Client(settings).pre_establish()


def test_settings_that_cannot_work_are_refused() -> None:
    for changes in (
        {"signed": True},
        {"key_scheme": KeyScheme.EPHEMERAL},
        {"mechanism": Mechanism.HLS_ECDSA},
    ):
        with pytest.raises(Malformed):
            client_settings(Suite.ZERO, **changes)
    with pytest.raises(Malformed):
        client_settings(Suite.TWO, encryption_key=bytes(16))
    with pytest.raises(Malformed):
        client_settings(Suite.ONE, cipher=CipherMode.NONE, signed=True)
    with pytest.raises(Malformed):
        client_settings(Suite.ZERO, Mechanism.HLS_SHA256, CipherMode.NONE, system_title=b"")
