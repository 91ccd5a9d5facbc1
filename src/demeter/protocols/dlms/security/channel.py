"""One side of a protected association: seals what is sent, opens what is received."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.errors import Downgraded, Malformed, Replayed, TagCheckFailed
from demeter.protocols.dlms.security.asymmetric import check_signature, sign
from demeter.protocols.dlms.security.counters import Counters
from demeter.protocols.dlms.security.envelopes import (
    DEDICATED,
    GENERAL_CIPHERING,
    GENERAL_SIGNING,
    OVERHEAD,
    CipherMode,
    carrying,
    mode_of,
    protect,
    require,
    unprotect,
)
from demeter.protocols.dlms.security.general import (
    GeneralCiphering,
    GeneralSigning,
    Header,
    decode_general_ciphering,
    decode_general_signing,
)
from demeter.protocols.dlms.security.keys import KeySet
from demeter.protocols.dlms.security.sealing import HEADER_SIZE, TAG_SIZE, Protection, SuiteKeys
from demeter.protocols.dlms.security.sessions import KeyScheme, Sessions, addressed, scheme_of

TRANSACTION_SIZE: Final = 8
_HEADER_ROOM: Final = 1 + 3 * 9 + 2 + 4
_BOTH: Final = Protection.AUTHENTICATED_ENCRYPTED


@dataclass(slots=True)
class Form:
    """How APDUs are sent: the envelope, its protection, the kind of session key, and whether they are signed."""

    mode: CipherMode = CipherMode.GLO
    protection: Protection = _BOTH
    scheme: KeyScheme = KeyScheme.IDENTIFIED
    signed: bool = False


class Channel:
    """One side of a protected association.

    ``title`` is the own system title, ``peer`` the other side's. ``form`` is how it sends; ``policy`` the least it
    accepts and ``sign_policy`` whether it accepts only signed APDUs. ``transactions`` judges the transaction ids of
    the peer's session keys, whose counters begin anew; it belongs to the meter, like ``counters`` (None: the peer
    answers, and must repeat our id).
    """

    __slots__ = (
        "_dedicated",
        "_keys",
        "_sessions",
        "_transaction",
        "counters",
        "form",
        "keys",
        "peer",
        "policy",
        "sign_policy",
        "title",
        "transactions",
    )

    def __init__(
        self,
        keys: KeySet,
        title: bytes,
        peer: bytes | None,
        counters: Counters,
        *,
        form: Form | None = None,
        policy: Protection = _BOTH,
        sign_policy: bool = False,
        transactions: Counters | None = None,
    ) -> None:
        self._keys = keys
        self.keys = keys.sealing
        self.title = title
        self.peer = peer
        self.counters = counters
        self.form = Form() if form is None else form
        self.policy = policy
        self.sign_policy = sign_policy
        self.transactions = transactions
        self._sessions = Sessions(keys, title, counters)
        self._dedicated: tuple[SuiteKeys, Counters] | None = None
        self._transaction = b""

    @property
    def overhead(self) -> int:
        """Octets protection adds to an APDU, at most."""
        size = self._keys.suite.coordinate_size
        info = {KeyScheme.WRAPPED: 5 + self._keys.suite.key_size + 8, KeyScheme.EPHEMERAL: 7 + 4 * size}
        general = _HEADER_ROOM + info.get(self.form.scheme, 5) + HEADER_SIZE + TAG_SIZE
        sealed = general if self.form.mode is CipherMode.GENERAL else OVERHEAD
        return sealed + (_HEADER_ROOM + 4 + 2 * size if self.form.signed else 0)

    def dedicate(self, key: bytes) -> None:
        """Take the dedicated key of this association, with counters of its own.

        Raises:
            Malformed: it has not the suite's size.
        """
        self._dedicated = self._keys.session(key), Counters()

    def seal_initiate(self, apdu: bytes, *, secret: bool = False) -> bytes:
        """Protect an initiate service or the user-information of a release: always service-specific and global.

        ``secret``: it carries a dedicated key and is encrypted whatever the form says.
        """
        protection = _BOTH if secret else self.form.protection
        return protect(self.keys, self.title, self.counters.draw(), apdu, protection=protection)

    def open_initiate(self, apdu: bytes, *, follow: bool = False) -> bytes:
        """Open an initiate service or the user-information of a release; ``follow`` and errors as :meth:`open`.

        It is never signed: it travels inside an ACSE APDU.
        """
        opened = unprotect(self.keys, self.peer, apdu, self.policy)
        self.counters.accept(opened.counter)
        if follow:
            self.form.protection = Protection(opened.protection)
        return opened.plaintext

    def seal(self, apdu: bytes) -> bytes:
        """Protect a plain APDU as ``form`` says, under the next counter of its key.

        Raises:
            Malformed: the counter is used up, or a key is missing.
            Unsupported: the APDU has no service-specific tag, or suite 0 does not have what the form needs.
        """
        form = self.form
        header = self._header() if form.signed or form.mode is CipherMode.GENERAL else None
        if header is not None and form.mode is CipherMode.GENERAL:
            sealed = self._seal_general(apdu, header)
        else:
            keys, counters = self._held(dedicated=form.mode.dedicated)
            mode = carrying(form.mode, apdu)
            sealed = protect(keys, self.title, counters.draw(), apdu, mode=mode, protection=form.protection)
        if header is None or not form.signed:
            return sealed
        signature = sign(self._keys.suite, self._keys.pairs.signing, header.encode() + sealed)
        return GeneralSigning(header, sealed, signature).encode()

    def open(self, apdu: bytes, *, follow: bool = False) -> bytes:
        """Return the plain APDU inside a protected one and take its counter.

        ``follow``: answers are then sent in the same form, and protected no less.

        Raises:
            TagCheckFailed: wrong key, wrong system title or altered bytes; the counter is not taken.
            Replayed: the counter is not above the last one accepted.
            Downgraded: less protected, or not signed, against the policy.
            Malformed, Truncated, Unsupported: as :func:`unprotect`.
        """
        signed = apdu[:1] == bytes((GENERAL_SIGNING,))
        transaction = None
        if signed:
            apdu, transaction = self._signed(apdu)
        elif self.sign_policy:
            raise Downgraded("not signed, where a signature is expected", offset=0)
        mode = mode_of(apdu)
        if mode is CipherMode.NONE:
            raise Downgraded("not ciphered, where ciphering is expected", offset=0)
        if apdu[0] == GENERAL_CIPHERING:
            plain, protection, scheme, transaction = self._open_general(apdu)
        else:
            keys, counters = self._held(dedicated=apdu[0] in DEDICATED)
            opened = unprotect(keys, self.peer, apdu, self.policy)
            counters.accept(opened.counter)
            plain, protection, scheme = opened.plaintext, opened.protection, KeyScheme.IDENTIFIED
        if follow:
            self.form = Form(mode, Protection(protection), scheme, signed)
            self._transaction = transaction or b""
        return plain

    def _header(self) -> Header:
        if self.peer is None:
            raise Malformed("the other side's system title is not known")
        if self.transactions is None:
            self._transaction = self.counters.draw().to_bytes(TRANSACTION_SIZE, "big")
        return Header(self._transaction, self.title, self.peer)

    def _held(self, *, dedicated: bool) -> tuple[SuiteKeys, Counters]:
        if not dedicated:
            return self.keys, self.counters
        if self._dedicated is None:
            raise TagCheckFailed("the association has no dedicated key")
        return self._dedicated

    def _seal_general(self, apdu: bytes, header: Header) -> bytes:
        session = self._sessions.outgoing(self.form.scheme, header)
        counter = session.counters.draw()
        body = session.keys.seal(self.title, counter, apdu, self.form.protection, header.encode())
        return GeneralCiphering(header, session.info, body).encode()

    def _open_general(self, apdu: bytes) -> tuple[bytes, int, KeyScheme, bytes]:
        sealed = decode_general_ciphering(apdu)
        header = sealed.header
        addressed(header, self.title, self.peer)
        session = self._sessions.incoming(sealed.key_info, header)
        opened = session.keys.open(header.originator, sealed.body, sealed.offset, header.encode())
        require(opened, self.policy, sealed.offset)
        session.counters.check(opened.counter)
        if session.fresh:
            self._judge(header)
        session.counters.accept(opened.counter)
        self._sessions.keep(session, header)
        return opened.plaintext, opened.protection, scheme_of(session.info), header.transaction

    def _signed(self, apdu: bytes) -> tuple[bytes, bytes]:
        """Check the signature; what is inside is ciphered, so that its counter tells replays."""
        outer = decode_general_signing(apdu)
        addressed(outer.header, self.title, self.peer)
        public = self._keys.pairs.peer_signing
        check_signature(self._keys.suite, public, outer.signature, outer.signed)
        return outer.content, outer.header.transaction

    def _judge(self, header: Header) -> None:
        """Refuse a transaction told before: recorded session keys must not come to life again."""
        if self.transactions is not None:
            self.transactions.accept(int.from_bytes(header.transaction, "big"))
        elif header.transaction != self._transaction:
            raise Replayed("the answer belongs to another transaction")
