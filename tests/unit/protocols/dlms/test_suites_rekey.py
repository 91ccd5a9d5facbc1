"""Changing a meter's keys: taken only after success, rolled back if it fails, and never a meter that nobody can open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.acse import Conformance, InitiateRequest, Mechanism
from demeter.protocols.dlms.client import CipherMode, Client, ClientSettings
from demeter.protocols.dlms.errors import (
    DataAccessResult,
    DlmsError,
    Malformed,
    Refused,
    ServiceError,
    TagCheckFailed,
    Unsupported,
)
from demeter.protocols.dlms.security import (
    UTILITY_SETUP,
    KeyChange,
    KeyId,
    KeyOffer,
    KeySet,
    KeyState,
    Protection,
    Suite,
    read_transfer,
    transfer_data,
    wrap_key,
)
from tests.unit.protocols.dlms.dlms_suites import (
    PROFILE,
    SAP,
    VALUE,
    Line,
    client_settings,
    connect,
    keys_of,
    server_settings,
)

ALL = (KeyId.UNICAST_ENCRYPTION, KeyId.AUTHENTICATION, KeyId.MASTER)


def new_keys(suite: Suite, *key_ids: KeyId) -> dict[KeyId, bytes]:
    return {key_id: bytes((0xA0 + key_id,)) * suite.key_size for key_id in key_ids}


def using(settings: ClientSettings, keys: KeySet, counter: int) -> ClientSettings:
    return replace(
        settings,
        encryption_key=keys.encryption_key,
        authentication_key=keys.authentication_key,
        master_key=keys.master_key,
        invocation_counter=counter,
    )


@pytest.mark.parametrize("cipher", [CipherMode.GLO, CipherMode.GENERAL_DED, CipherMode.GENERAL])
@pytest.mark.parametrize("suite", Suite)
def test_transferred_keys_are_in_force_from_the_next_association_on(suite: Suite, cipher: CipherMode) -> None:
    line, settings = Line(server_settings(suite)), client_settings(suite, cipher=cipher)
    client = connect(line, settings)
    taken = line.run(client.transfer_keys(new_keys(suite, *ALL)))
    assert taken.encryption_key == bytes((0xA0,)) * suite.key_size
    assert line.run(client.get(7, PROFILE, 2)) == VALUE
    line.run(client.release())
    again = Line(server_settings(suite), line.keys)
    with pytest.raises(TagCheckFailed):
        connect(again, replace(settings, invocation_counter=client.invocation_counter))
    renewed = connect(again, using(settings, taken, client.invocation_counter))
    assert again.run(renewed.get(7, PROFILE, 2)) == VALUE
    assert line.keys.current.master_key == taken.master_key


@pytest.mark.parametrize("suite", [Suite.ONE, Suite.TWO])
def test_agreed_keys_never_travel_and_are_in_force_afterwards(suite: Suite) -> None:
    line, settings = Line(server_settings(suite)), client_settings(suite)
    client = connect(line, settings)
    taken = line.run(client.agree_keys(KeyId.UNICAST_ENCRYPTION, KeyId.AUTHENTICATION))
    assert (taken.encryption_key, taken.authentication_key) == (
        line.keys.current.encryption_key,
        line.keys.current.authentication_key,
    )
    assert taken.encryption_key not in (taken.authentication_key, settings.encryption_key)
    again = Line(server_settings(suite), line.keys)
    renewed = connect(again, using(settings, taken, client.invocation_counter))
    assert again.run(renewed.get(7, PROFILE, 2)) == VALUE


def test_a_key_offer_signed_by_somebody_else_changes_nothing() -> None:
    line = Line(server_settings(Suite.ONE))
    client = connect(line, client_settings(Suite.ONE))
    pairs = client_settings(Suite.ONE).pairs
    forger = replace(client_settings(Suite.ONE).keys, pairs=replace(pairs, signing=pairs.agreement))
    offer = KeyOffer.make(forger, KeyId.UNICAST_ENCRYPTION).encode()
    before = line.keys.current
    with pytest.raises(Refused):
        line.run(client.action(64, UTILITY_SETUP, 3, offer))
    assert line.keys.current == before
    with pytest.raises(Unsupported):
        KeyOffer.make(client_settings(Suite.ZERO).keys, KeyId.MASTER)


@pytest.mark.parametrize("suite", Suite)
def test_a_transfer_that_does_not_open_changes_nothing(suite: Suite) -> None:
    line, settings = Line(server_settings(suite)), client_settings(suite)
    client = connect(line, settings)
    before = line.keys.current
    good = transfer_data(new_keys(suite, *ALL), keys_of(suite)[2])
    wrong_master = transfer_data(new_keys(suite, *ALL), bytes(suite.key_size))
    short = axdr.encode(
        data.array(
            data.structure(data.enum(0), data.octets(wrap_key(keys_of(suite)[2], bytes(suite.key_size)))),
            data.structure(data.enum(2), data.octets(wrap_key(keys_of(suite)[2], bytes(24)))),
        )
    )
    altered = [good[:at] + bytes((good[at] ^ 0x5A,)) + good[at + 1 :] for at in range(len(good))]
    for parameter in (wrong_master, short, None, *altered):
        with pytest.raises((Refused, ServiceError)):
            line.run(client.action(64, UTILITY_SETUP, 2, parameter))
        assert line.keys.current == before
    assert line.run(client.get(7, PROFILE, 2)) == VALUE


def test_a_client_refuses_to_send_keys_of_another_size() -> None:
    line = Line(server_settings(Suite.ONE))
    client = connect(line, client_settings(Suite.ONE))
    for new in ({KeyId.MASTER: bytes(32)}, {}):
        with pytest.raises(Malformed):
            line.run(client.transfer_keys(new))
    with pytest.raises(Unsupported):
        line.run(client.transfer_keys({KeyId.BROADCAST_ENCRYPTION: bytes(16)}))
    with pytest.raises(Malformed):
        read_transfer(transfer_data(new_keys(Suite.ONE, *ALL), bytes(16)), b"")


def test_keys_do_not_change_in_an_association_that_is_not_ciphered() -> None:
    line = Line(server_settings(Suite.ZERO, Mechanism.HLS_SHA256))
    client = connect(line, client_settings(Suite.ZERO, Mechanism.HLS_SHA256, CipherMode.NONE))
    with pytest.raises(Refused) as caught:
        line.run(client.transfer_keys(new_keys(Suite.ZERO, *ALL)))
    assert caught.value.result is DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
    with pytest.raises(Malformed):
        line.run(client.agree_keys(KeyId.MASTER))


def opens(line: Line, keys: KeySet) -> DlmsError | None:
    """Try an association with these keys."""
    counter = max(line.keys.counters.received, 0) + 100
    client = Client(using(client_settings(Suite.ZERO), keys, counter))
    try:
        Line(server_settings(Suite.ZERO), line.keys).run(client.associate())
    except DlmsError as error:
        return error
    return None


class Lost(Exception):
    """The line was cut."""


def cut(_apdu: bytes) -> bytes:
    raise Lost


@pytest.mark.parametrize("broken", ["nothing", "request", "answer", "refused"])
def test_whatever_breaks_one_of_the_candidates_opens_the_meter(broken: str) -> None:
    line, settings = Line(server_settings(Suite.ZERO)), client_settings(Suite.ZERO)
    client = connect(line, settings)
    new = new_keys(Suite.ZERO, *ALL)
    change = KeyChange(settings.keys, settings.keys.replaced(new))
    assert change.candidates == (settings.keys,)
    hooks: dict[str, Callable[[], None]] = {
        "nothing": lambda: None,
        "request": lambda: setattr(line, "ask", cut),
        "answer": lambda: setattr(line, "answer", cut),
        "refused": lambda: setattr(line.keys, "current", replace(line.keys.current, master_key=bytes(16))),
    }
    hooks[broken]()
    try:
        line.run(client.transfer_keys(new))
    except (DlmsError, Lost) as error:
        change.failed(error)
    else:
        change.taken()
    expected = {"nothing": KeyState.TAKEN, "refused": KeyState.REFUSED}.get(broken, KeyState.UNKNOWN)
    assert change.state is expected
    for keys in change.candidates:
        error = opens(line, keys)
        change.tried(keys, error)
        if error is None:
            break
    assert change.state is (KeyState.TAKEN if broken in ("nothing", "answer") else KeyState.REFUSED)
    assert opens(line, change.candidates[0]) is None


def test_a_confirmed_key_that_does_not_open_is_rolled_back_to_the_old_one() -> None:
    old = client_settings(Suite.ZERO).keys
    change = KeyChange(old, old.replaced(new_keys(Suite.ZERO, *ALL)))
    change.taken()
    assert change.candidates == (change.new, old)
    change.tried(change.new, TagCheckFailed("no"))
    assert change.candidates[:2] == (old, change.new)
    change.tried(old)
    assert change.candidates == (old,)


def test_an_unprotected_error_decides_nothing() -> None:
    old = client_settings(Suite.ZERO).keys
    change = KeyChange(old, old.replaced(new_keys(Suite.ZERO, *ALL)))
    change.failed(ServiceError("made up by whoever is on the line"))
    assert change.state is KeyState.UNKNOWN
    assert change.candidates[:2] == (old, change.new)
    change.failed(Refused(DataAccessResult.READ_WRITE_DENIED))
    assert change.candidates == (old,)


@pytest.mark.parametrize("broken", ["request", "answer"])
def test_a_new_master_key_is_neither_lost_nor_believed_because_an_association_opens(broken: str) -> None:
    line, settings = Line(server_settings(Suite.ZERO)), client_settings(Suite.ZERO)
    client = connect(line, settings)
    new = new_keys(Suite.ZERO, KeyId.MASTER)
    change = KeyChange(settings.keys, settings.keys.replaced(new))
    assert not change.shows
    setattr(line, {"request": "ask"}.get(broken, broken), cut)
    with pytest.raises(Lost) as lost:
        line.run(client.transfer_keys(new))
    change.failed(lost.value)
    assert opens(line, change.candidates[0]) is None
    change.tried(change.candidates[0])
    assert change.state is KeyState.UNKNOWN
    assert {keys.master_key for keys in change.candidates} == {change.old.master_key, change.new.master_key}
    again = Line(server_settings(Suite.ZERO), line.keys)
    caller = connect(again, using(settings, change.new, 10_000))
    try:
        again.run(caller.transfer_keys({KeyId.AUTHENTICATION: settings.keys.authentication_key}))
    except Refused as refused:
        change.wrapped(change.new, refused)
    else:
        change.wrapped(change.new)
    assert change.state is (KeyState.TAKEN if broken == "answer" else KeyState.REFUSED)
    assert change.candidates[0].master_key == line.keys.current.master_key


@pytest.mark.parametrize("took", [KeyId.UNICAST_ENCRYPTION, KeyId.AUTHENTICATION])
def test_a_meter_that_took_one_key_only_is_opened_and_brought_on(took: KeyId) -> None:
    line, settings = Line(server_settings(Suite.ZERO)), client_settings(Suite.ZERO)
    new = new_keys(Suite.ZERO, *ALL[:2])
    change = KeyChange(settings.keys, settings.keys.replaced(new), KeyState.UNKNOWN)
    line.keys.replace({took: new[took]})
    opening = [keys for keys in change.candidates if opens(line, keys) is None]
    assert len(opening) == 1
    change.tried(opening[0])
    assert change.state is KeyState.UNKNOWN
    again = Line(server_settings(Suite.ZERO), line.keys)
    again.run(connect(again, using(settings, opening[0], 10_000)).transfer_keys(new))
    assert opens(line, change.new) is None


def test_an_offer_stored_before_it_is_sent_opens_a_recorded_answer() -> None:
    line, settings = Line(server_settings(Suite.ONE)), client_settings(Suite.ONE)
    client = connect(line, settings)
    offer = KeyOffer.make(settings.keys, KeyId.UNICAST_ENCRYPTION)
    stored = dict(offer.ephemeral)
    taken = line.run(client.agree_keys(offer=offer))
    assert line.keys.current.encryption_key == taken.encryption_key
    assert KeyOffer(settings.keys, stored).encode()[:40] == offer.encode()[:40]


@pytest.mark.parametrize("suite", Suite)
def test_the_security_setup_tells_policy_suite_and_titles_and_takes_only_a_stronger_policy(suite: Suite) -> None:
    line = Line(server_settings(suite, protection=Protection.AUTHENTICATED))
    client = connect(line, client_settings(suite))
    read = lambda attribute: axdr.decode_all(line.run(client.get(64, UTILITY_SETUP, attribute))).value  # noqa: E731
    weak, strong = (1, 3) if suite is Suite.ZERO else (0x24, 0x6C)
    assert [read(2), read(3), read(4), read(5)] == [weak, int(suite), b"DEM\0\0\0\0\1", b"MMM\0\0\xbc\x61\x4e"]
    line.run(client.action(64, UTILITY_SETUP, 1, axdr.encode(data.enum(strong))))
    assert read(2) == strong
    with pytest.raises(Refused) as caught:
        line.run(client.action(64, UTILITY_SETUP, 1, axdr.encode(data.enum(weak))))
    assert caught.value.result is DataAccessResult.READ_WRITE_DENIED
    for bad in (data.enum(0x77), data.u8(strong)):
        with pytest.raises(Refused):
            line.run(client.action(64, UTILITY_SETUP, 1, axdr.encode(bad)))
    for method in (4, 9):
        with pytest.raises(Refused):
            line.run(client.action(64, UTILITY_SETUP, method, axdr.encode(data.null())))
    with pytest.raises(Refused):
        line.run(client.get(64, UTILITY_SETUP, 6))
    assert line.keys.policy is Protection.AUTHENTICATED_ENCRYPTED
    assert SAP in line.session._states


def test_no_key_is_shown_where_a_program_shows_its_values() -> None:
    offer = KeyOffer(KeySet(b"E" * 16, b"A" * 16, Suite.ONE), {KeyId.UNICAST_ENCRYPTION: b"\xaa" * 32})
    request = InitiateRequest(Conformance(0), 1024, b"\xbb" * 16)
    assert "xaa" not in repr(offer)
    assert "xbb" not in repr(request)
