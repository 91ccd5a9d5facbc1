"""Changing the keys of a meter: the data of the security setup's methods, and which keys are in force meanwhile.

Security setup is class 64 (Blue Book). Method 2 (key_transfer, in version 0 global_key_transfer) brings keys wrapped
with the master key; method 3 (key_agreement) agrees on them by C(2e, 0s), so that they never travel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.errors import DlmsError, Malformed, Refused, Unsupported
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security.asymmetric import (
    check_signature,
    derive_key,
    new_private_key,
    public_key,
    shared_secret,
    sign,
    unwrap_key,
    wrap_key,
)
from demeter.protocols.dlms.security.keys import KeyId, KeySet

SECURITY_SETUP: Final = 64
ACTIVATE, KEY_TRANSFER, KEY_AGREEMENT = 1, 2, 3
"""Methods of the class."""

UTILITY_SETUP: Final = Obis(0, 0, 43, 0, 3, 255)


def transfer_data(new: Mapping[KeyId, bytes], master_key: bytes) -> bytes:
    """Return the parameter of key_transfer: an array of key id and wrapped key.

    Raises:
        Malformed: no key, or one of a size AES does not have.
    """
    if not new:
        raise Malformed("no key to transfer")
    items = [
        data.structure(data.enum(int(key_id)), data.octets(wrap_key(master_key, key))) for key_id, key in new.items()
    ]
    return axdr.encode(data.array(*items))


def read_transfer(parameter: bytes | None, master_key: bytes) -> dict[KeyId, bytes]:
    """Return the keys a client transfers; none is taken unless all open.

    Raises:
        TagCheckFailed: wrapped with another master key, or altered.
        Malformed, Truncated, Unsupported: not a key transfer, or no master key.
    """
    return {key_id: unwrap_key(master_key, wrapped) for key_id, wrapped in _items(parameter).items()}


@dataclass(frozen=True, slots=True)
class KeyOffer:
    """One side's part in key_agreement: ephemeral private keys by key id. ``keys`` sign and verify."""

    keys: KeySet
    ephemeral: Mapping[KeyId, bytes] = field(repr=False)

    @classmethod
    def make(cls, keys: KeySet, *key_ids: KeyId) -> KeyOffer:
        """Make an ephemeral key for each key to agree on.

        Raises:
            Unsupported: suite 0 has no key agreement.
        """
        return cls(keys, {key_id: new_private_key(keys.suite) for key_id in key_ids})

    def encode(self) -> bytes:
        """Return the parameter (or return value) of key_agreement: key id, public key and signature of each."""
        suite, signing = self.keys.suite, self.keys.pairs.signing
        items = []
        for key_id, private in self.ephemeral.items():
            point = public_key(suite, private)
            signature = sign(suite, signing, bytes((key_id,)) + point)
            items.append(data.structure(data.enum(int(key_id)), data.octets(point + signature)))
        return axdr.encode(data.array(*items))

    def agree(self, theirs: bytes | None, client: bytes, server: bytes) -> dict[KeyId, bytes]:
        """Return the keys agreed on; ``client`` and ``server`` are the system titles.

        Raises:
            TagCheckFailed: a signature is not the peer's.
            Malformed: the peer speaks of other keys.
        """
        offered = offered_points(self.keys, theirs)
        if offered.keys() != self.ephemeral.keys():
            raise Malformed("the other side agrees on other keys")
        suite = self.keys.suite
        return {
            key_id: derive_key(suite, shared_secret(suite, self.ephemeral[key_id], point), client, server)
            for key_id, point in offered.items()
        }


def offered_points(keys: KeySet, offer: bytes | None) -> dict[KeyId, bytes]:
    """Return the peer's ephemeral public keys by key id, their signatures checked; errors as :meth:`KeyOffer.agree`."""
    size = 2 * keys.suite.coordinate_size
    points = {}
    for key_id, value in _items(offer).items():
        point, signature = value[:size], value[size:]
        check_signature(keys.suite, keys.pairs.peer_signing, signature, bytes((key_id,)) + point)
        points[key_id] = point
    return points


def _items(parameter: bytes | None) -> dict[KeyId, bytes]:
    """Read an array of structures of key id and octets, each id once."""
    whole = axdr.decode_all(parameter or b"")
    if whole.tag is not data.Tag.ARRAY or not whole.value:
        raise Malformed("keys come as an array of structures")
    found: dict[KeyId, bytes] = {}
    for item in whole.value:
        fields = item.value if item.tag is data.Tag.STRUCTURE else ()
        if [field.tag for field in fields] != [data.Tag.ENUM, data.Tag.OCTET_STRING]:
            raise Malformed("a key is a structure of an enum and an octet-string")
        number, octets = (field.value for field in fields)
        if number not in {known.value for known in KeyId}:
            raise Unsupported(f"key {number}")
        if KeyId(number) in found:
            raise Malformed(f"key {number} twice")
        found[KeyId(number)] = octets
    return found


class KeyState(StrEnum):
    """How far a key change is. ``unknown``: the meter may have either keys, because its answer never came."""

    PROPOSED = "proposed"
    TAKEN = "taken"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class KeyChange:
    """Which keys are in force while a meter's keys change.

    Store both sets and the state before the request is sent: whatever breaks, one of :attr:`candidates` opens the
    meter. The new set is in force only once the meter said so (:meth:`taken`) or an association with it succeeded.

    An association shows encryption and authentication key only. Where the sets differ in nothing else but the master
    key, it decides nothing: only a further transfer wrapped with one of the master keys does (:meth:`wrapped`).
    """

    old: KeySet
    new: KeySet
    state: KeyState = KeyState.PROPOSED

    @property
    def shows(self) -> bool:
        """Tell whether an association can tell the sets apart."""
        return _shown(self.old) != _shown(self.new)

    @property
    def candidates(self) -> tuple[KeySet, ...]:
        """The sets to associate with, in this order; the last resort of a change that was confirmed is the old one.

        While it is unknown what the meter has, also those of a meter that took one key and not the other. Sets that
        an association cannot tell apart all stay: each may hold the master key the meter has.
        """
        if self.state in (KeyState.PROPOSED, KeyState.REFUSED):
            return (self.old,)
        if self.state is KeyState.TAKEN:
            return (self.new, self.old)
        return (self.old, self.new, *half_taken(self.old, self.new))

    def taken(self) -> None:
        """The meter answered success."""
        self.state = KeyState.TAKEN

    def failed(self, error: BaseException) -> None:
        """The exchange failed: a refusal keeps the old keys, anything else leaves it open which the meter has.

        Only a refusal inside a protected answer is certain. Exceptions and service errors travel unprotected, so that
        whoever is on the line can make one up.
        """
        self.state = KeyState.REFUSED if isinstance(error, Refused) else KeyState.UNKNOWN

    def tried(self, keys: KeySet, error: DlmsError | None = None) -> None:
        """Tell how an association with one of the candidates went: it decides what was open, where it can show it.

        An association with the new keys that succeeds confirms them; with the old ones, rolls the change back. One with
        half of each leaves it open: transfer again.
        """
        if not self.shows:
            return
        if error is None and _shown(keys) == _shown(self.new):
            self.state = KeyState.TAKEN
        elif error is None and _shown(keys) == _shown(self.old):
            self.state = KeyState.REFUSED
        elif error is None or (keys == self.new and self.state is KeyState.TAKEN):
            self.state = KeyState.UNKNOWN

    def wrapped(self, keys: KeySet, error: DlmsError | None = None) -> None:
        """Tell how a further transfer wrapped with the master key of one of the sets went; it decides between them."""
        if self.old.master_key == self.new.master_key or not (error is None or isinstance(error, Refused)):
            return
        has_new = (keys.master_key == self.new.master_key) == (error is None)
        self.state = KeyState.TAKEN if has_new else KeyState.REFUSED


def _shown(keys: KeySet) -> tuple[bytes, bytes]:
    return keys.encryption_key, keys.authentication_key


def half_taken(old: KeySet, new: KeySet) -> tuple[KeySet, ...]:
    """Return the sets of a meter that took one of two keys that an association shows, and not the other."""
    if old.encryption_key == new.encryption_key or old.authentication_key == new.authentication_key:
        return ()
    return (
        replace(old, encryption_key=new.encryption_key),
        replace(old, authentication_key=new.authentication_key),
    )
