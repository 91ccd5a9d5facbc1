"""The session keys of general-ciphering: identified, wrapped, or agreed on (Green Book 9.2.3.4.6, 9.2.7.2.4.5)."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from demeter.protocols.dlms.errors import Malformed, TagCheckFailed, Unsupported
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
from demeter.protocols.dlms.security.counters import Counters
from demeter.protocols.dlms.security.general import (
    AgreedKey,
    AgreementScheme,
    Header,
    IdentifiedKey,
    KeyInfo,
    WrappedKey,
)
from demeter.protocols.dlms.security.keys import KeySet
from demeter.protocols.dlms.security.sealing import SuiteKeys

KEPT: Final = 8
"""Session keys of the peer that are remembered in one association."""


class KeyScheme(StrEnum):
    """Where the key of a general-ciphering APDU comes from.

    ``identified``: the global unicast key. ``wrapped``: made by the sender, under the master key. ``one-pass``:
    C(1e, 1s), from an ephemeral key of the sender, signed, and the static key of the receiver. ``static``: C(0e, 2s),
    from both static keys and the transaction id.
    """

    IDENTIFIED = "identified"
    WRAPPED = "wrapped"
    EPHEMERAL = "one-pass"
    STATIC = "static"


@dataclass(frozen=True, slots=True)
class Session:
    """A key, its counters, and what stands in the APDU about it.

    ``fresh``: a key made for this association or transaction; its counters do not see replays from earlier ones.
    """

    keys: SuiteKeys
    counters: Counters
    info: KeyInfo
    fresh: bool


def scheme_of(info: KeyInfo | None) -> KeyScheme:
    """Return which scheme a key-info means.

    Raises:
        Unsupported: C(2e, 0s), which is for changing keys only, or a number nobody defined.
    """
    if isinstance(info, WrappedKey):
        return KeyScheme.WRAPPED
    if isinstance(info, AgreedKey):
        if info.scheme == AgreementScheme.ONE_PASS:
            return KeyScheme.EPHEMERAL
        if info.scheme == AgreementScheme.STATIC_UNIFIED:
            return KeyScheme.STATIC
        raise Unsupported(f"key agreement scheme {info.scheme}")
    return KeyScheme.IDENTIFIED


class Sessions:
    """The keys that go with general-ciphering APDUs at one side of an association.

    A wrapped or one-pass key is made once and its key-info sent with every APDU, so that each can be opened alone.
    """

    __slots__ = ("_counters", "_kept", "_keys", "_last", "_own", "_title")

    def __init__(self, keys: KeySet, title: bytes, counters: Counters) -> None:
        self._keys = keys
        self._title = title
        self._counters = counters
        self._own: dict[KeyScheme, Session] = {}
        self._kept: OrderedDict[tuple[KeyInfo, bytes], Session] = OrderedDict()
        self._last: Session | None = None

    def outgoing(self, scheme: KeyScheme, header: Header) -> Session:
        """Return the key to seal with.

        Raises:
            Malformed, Unsupported: a key the scheme needs is missing or does not fit the suite.
        """
        if scheme is KeyScheme.IDENTIFIED:
            return self._identified()
        if scheme is KeyScheme.STATIC:
            # The counter of the global key: were a transaction ever repeated, no nonce would be.
            keys = self._keys.session(self._static(header))
            return Session(keys, self._counters, AgreedKey(AgreementScheme.STATIC_UNIFIED), fresh=True)
        if scheme not in self._own:
            self._own[scheme] = self._wrapped() if scheme is KeyScheme.WRAPPED else self._one_pass(header)
        return self._own[scheme]

    def incoming(self, info: KeyInfo | None, header: Header) -> Session:
        """Return the key to open with; it is remembered only by :meth:`keep`, once the tag has been checked.

        Raises:
            TagCheckFailed: the wrapped key does not open, or the signature of an ephemeral key is not the peer's.
            Malformed, Unsupported: a key is missing, or the key-info is of another kind.
        """
        if info is None:
            return self._last or self._identified()
        scheme = scheme_of(info)
        if isinstance(info, IdentifiedKey):
            if info.key_id != 0:
                raise Unsupported(f"identified key {info.key_id} is not the global unicast key")
            return self._identified()
        place = _place(info, header)
        if place in self._kept:
            return self._kept[place]
        if isinstance(info, WrappedKey):
            if info.kek_id != 0:
                raise Unsupported(f"key encrypting key {info.kek_id} is not the master key")
            key = unwrap_key(self._need(self._keys.master_key, "master key"), info.wrapped)
        elif scheme is KeyScheme.EPHEMERAL:
            key = self._one_pass_key(info.data, header)
        else:
            key = self._static(header)
        return Session(self._keys.session(key), Counters(), info, fresh=True)

    def keep(self, session: Session, header: Header) -> None:
        """Remember a session of the peer whose APDU was genuine."""
        self._last = session
        if session.fresh:
            place = _place(session.info, header)
            self._kept[place] = session
            self._kept.move_to_end(place)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def _identified(self) -> Session:
        return Session(self._keys.sealing, self._counters, IdentifiedKey(0), fresh=False)

    def _wrapped(self) -> Session:
        key = secrets.token_bytes(self._keys.suite.key_size)
        wrapped = wrap_key(self._need(self._keys.master_key, "master key"), key)
        return Session(self._keys.session(key), Counters(), WrappedKey(0, wrapped), fresh=True)

    def _one_pass(self, header: Header) -> Session:
        suite, pairs = self._keys.suite, self._keys.pairs
        ephemeral = new_private_key(suite)
        point = public_key(suite, ephemeral)
        secret = shared_secret(suite, ephemeral, self._need(pairs.peer_agreement, "peer's key agreement key"))
        signature = sign(suite, self._need(pairs.signing, "signing key"), point)
        key = derive_key(suite, secret, header.originator, header.recipient)
        info = AgreedKey(AgreementScheme.ONE_PASS, point + signature)
        return Session(self._keys.session(key), Counters(), info, fresh=True)

    def _one_pass_key(self, data: bytes, header: Header) -> bytes:
        suite, pairs = self._keys.suite, self._keys.pairs
        size = 2 * suite.coordinate_size
        if not size or len(data) != 2 * size:
            raise Malformed(f"{len(data)} octets are no public key with its signature in suite {suite.value}")
        point, signature = data[:size], data[size:]
        check_signature(suite, self._need(pairs.peer_signing, "peer's signing key"), signature, point)
        secret = shared_secret(suite, self._need(pairs.agreement, "key agreement key"), point)
        return derive_key(suite, secret, header.originator, self._title)

    def _static(self, header: Header) -> bytes:
        suite, pairs = self._keys.suite, self._keys.pairs
        if not header.transaction:
            raise Malformed("C(0e, 2s) without a transaction id would use one key twice")
        own = self._need(pairs.agreement, "key agreement key")
        secret = shared_secret(suite, own, self._need(pairs.peer_agreement, "peer's key agreement key"))
        return derive_key(suite, secret, header.originator, header.recipient, header.transaction)

    def _need(self, key: bytes, what: str) -> bytes:
        if not key:
            raise Malformed(f"no {what} is given")
        return key


def _place(info: KeyInfo, header: Header) -> tuple[KeyInfo, bytes]:
    """Under what a session key is remembered: a static one is another in every transaction."""
    return info, header.transaction if scheme_of(info) is KeyScheme.STATIC else b""


def addressed(header: Header, title: bytes, peer: bytes | None) -> None:
    """Refuse what comes from somebody else or is for somebody else.

    Raises:
        TagCheckFailed: with whose title it is.
    """
    if peer is not None and header.originator != peer:
        raise TagCheckFailed("the APDU comes from another system title than the association", offset=1)
    if header.recipient not in (title, b""):
        raise TagCheckFailed("the APDU is for another system title", offset=1)
