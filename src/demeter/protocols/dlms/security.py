"""Security suite 0: AES-GCM-128 for APDUs and GMAC for HLS (Green Book 9.2.3, IEC 62056-5-3).

A protected APDU is ``tag | [system title] | length | SC | IC | ciphertext | T``: SC is the security control octet, IC
the 32-bit invocation counter, T the first 12 octets of the GCM tag. The nonce is ``system title (8) | IC (4)``; the
additional data is ``SC | AK`` (for authentication only: ``SC | AK | plaintext``). *Service-specific* global ciphering
(glo) has one tag per service and leaves the system title out, *general* global ciphering (general-glo, 219) carries it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from hmac import compare_digest
from typing import ClassVar, Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from demeter.protocols.dlms.axdr import decode_length, encode_length
from demeter.protocols.dlms.errors import DlmsError, Malformed, Replayed, TagCheckFailed, Truncated, Unsupported

KEY_SIZE: Final = 16
TITLE_SIZE: Final = 8
TAG_SIZE: Final = 12
HEADER_SIZE: Final = 5
"""Octets of SC and IC together."""

MAX_COUNTER: Final = 0xFFFF_FFFF
GENERAL_GLO: Final = 219
_GENERAL_GLO: Final = bytes((GENERAL_GLO,))

GLO_OF: Final[dict[int, int]] = {
    0x01: 0x21,  # initiate-request
    0x08: 0x28,  # initiate-response
    0x0E: 0x2E,  # confirmed-service-error
    0xC0: 0xC8,  # get-request
    0xC1: 0xC9,  # set-request
    0xC3: 0xCB,  # action-request
    0xC4: 0xCC,  # get-response
    0xC5: 0xCD,  # set-response
    0xC7: 0xCF,  # action-response
}
"""The tag of the service-specific global ciphering for the tag of each plain APDU."""

PLAIN_OF: Final = {glo: plain for plain, glo in GLO_OF.items()}


class Protection(IntEnum):
    """The security control octets of suite 0 with the unicast key that are read and written here."""

    AUTHENTICATED = 0x10
    ENCRYPTED = 0x20
    AUTHENTICATED_ENCRYPTED = 0x30


_AUTHENTICATED: Final = int(Protection.AUTHENTICATED)
_ENCRYPTED: Final = int(Protection.ENCRYPTED)
_BOTH: Final = int(Protection.AUTHENTICATED_ENCRYPTED)


class Opened(NamedTuple):
    """What was inside a protected APDU, and how it was protected."""

    plaintext: bytes
    counter: int
    protection: int


class SuiteKeys:
    """The global unicast encryption key (EK) and authentication key (AK) of one meter, ready for use.

    Use :func:`suite_keys`, which keeps the key schedules of recently used keys.
    """

    __slots__ = ("_aad", "_gcm")

    def __init__(self, encryption_key: bytes, authentication_key: bytes) -> None:
        for name, key in (("encryption", encryption_key), ("authentication", authentication_key)):
            if len(key) != KEY_SIZE:
                raise Malformed(f"the {name} key of suite 0 has {KEY_SIZE} octets, not {len(key)}")
        self._gcm = AESGCM(encryption_key)
        self._aad = {int(p): bytes((p,)) + authentication_key for p in Protection}

    def seal(self, title: bytes, counter: int, plaintext: bytes, protection: int = 0x30) -> bytes:
        """Return ``SC | IC | ciphertext | T`` (no T for encryption only).

        Raises:
            Malformed: the counter is outside 32 bits (then the keys must be changed) or the title has not 8 octets.
            Unsupported: another protection than those of :class:`Protection`.
        """
        aad = self._additional(protection, 0)
        number = counter_octets(counter)
        nonce = title + number
        if len(nonce) != TITLE_SIZE + 4:
            raise Malformed(f"a system title has {TITLE_SIZE} octets, not {len(title)}")
        head = bytes((protection,)) + number
        if protection == _AUTHENTICATED:
            return head + plaintext + self._gcm.encrypt(nonce, b"", aad + plaintext)[:TAG_SIZE]
        sealed = self._gcm.encrypt(nonce, plaintext, aad)
        return head + sealed[: -4 if protection == _BOTH else -16]

    def open(self, title: bytes, body: bytes, offset: int = 0) -> Opened:
        """Open ``SC | IC | ciphertext | T``; ``offset`` is where ``body`` began, for the errors.

        The AEAD interface of the library has no 12-octet tags. Encrypting the ciphertext under the same nonce gives the
        plaintext (GCM is a stream cipher); encrypting that gives the tag to compare. Nothing leaves before the tag
        has been compared. This is faster than the library's streaming interface, which has them.

        Raises:
            Truncated: shorter than SC, IC and T.
            Unsupported: another suite, the broadcast key or compression.
            TagCheckFailed: wrong key, wrong system title or altered bytes.
        """
        size = len(body)
        if size < HEADER_SIZE:
            raise Truncated("a protected APDU ends inside its security header", offset=offset + size)
        protection = body[0]
        aad = self._additional(protection, offset)
        nonce = title + body[1:5]
        if len(nonce) != TITLE_SIZE + 4:
            raise Malformed(f"a system title has {TITLE_SIZE} octets, not {len(title)}", offset=offset)
        counter = int.from_bytes(body[1:5], "big")
        if protection == _ENCRYPTED:
            return Opened(self._gcm.encrypt(nonce, body[5:], None)[:-16], counter, protection)
        end = size - TAG_SIZE
        if end < HEADER_SIZE:
            raise Truncated("a protected APDU ends inside its authentication tag", offset=offset + size)
        content, tag = body[5:end], body[end:]
        if protection == _BOTH:
            content = self._gcm.encrypt(nonce, content, None)[:-16]
            expected = self._gcm.encrypt(nonce, content, aad)[-16:-4]
        else:
            expected = self._gcm.encrypt(nonce, b"", aad + content)[:TAG_SIZE]
        if not compare_digest(expected, tag):
            raise TagCheckFailed("the authentication tag does not match", offset=offset + end)
        return Opened(content, counter, protection)

    def plaintext(self, title: bytes | None, apdu: bytes) -> bytes:
        """Return what is inside a protected APDU: ``unprotect(self, title, apdu).plaintext``, with the same errors.

        Long APDUs in their usual form (as profiles come) are opened here with as few steps as possible, because batches
        over many meters spend their time here; whatever is not plainly right is left to :func:`unprotect`.
        """
        size = len(apdu)
        start = 13 if apdu[:1] == _GENERAL_GLO else 4
        if size > 255 + start and apdu[start - 3] == 0x82 and apdu[start] == _BOTH:
            sender = title if start == 4 else apdu[2:10] if apdu[1] == TITLE_SIZE else None
            if apdu[start - 2 : start] == (size - start).to_bytes(2, "big") and sender and title in (None, sender):
                encrypt, nonce = self._gcm.encrypt, sender + apdu[start + 1 : start + 5]
                plain = encrypt(nonce, apdu[start + 5 : -TAG_SIZE], None)[:-16]
                right = compare_digest(encrypt(nonce, plain, self._aad[_BOTH])[-16:-4], apdu[-TAG_SIZE:])
                if right and (start == 13 or PLAIN_OF.get(apdu[0]) == plain[0]):
                    return plain
        return unprotect(self, title, apdu).plaintext

    def gmac(self, title: bytes, counter: int, challenge: bytes) -> bytes:
        """Return ``SC | IC | T`` over a challenge: f(StoC) or f(CtoS) of HLS mechanism 5, 17 octets (GB 9.2.7.4)."""
        return bytes((_AUTHENTICATED,)) + counter_octets(counter) + self._tag(title, counter, challenge)

    def check_gmac(self, title: bytes, answer: bytes, challenge: bytes) -> int:
        """Check the peer's f(challenge) and return the invocation counter it used.

        Raises:
            Malformed: not 17 octets beginning with the security control octet 0x10.
            TagCheckFailed: the peer has other keys.
        """
        if len(answer) != HEADER_SIZE + TAG_SIZE or answer[0] != _AUTHENTICATED:
            raise Malformed("a GMAC answer is security control 0x10, a counter and 12 octets")
        counter = int.from_bytes(answer[1:5], "big")
        if not compare_digest(self._tag(title, counter, challenge), answer[5:]):
            raise TagCheckFailed("the answer to the challenge does not match")
        return counter

    def _tag(self, title: bytes, counter: int, challenge: bytes) -> bytes:
        aad = self._aad[_AUTHENTICATED] + challenge
        return self._gcm.encrypt(title + counter_octets(counter), b"", aad)[:TAG_SIZE]

    def _additional(self, protection: int, offset: int) -> bytes:
        aad = self._aad.get(protection)
        if aad is None:
            raise Unsupported(f"security control 0x{protection:02x} is not suite 0 with the unicast key", offset=offset)
        return aad


@lru_cache(maxsize=16_384)
def suite_keys(encryption_key: bytes, authentication_key: bytes) -> SuiteKeys:
    """Return the (kept) key schedules.

    Raises:
        Malformed: a key has not 16 octets.
    """
    return SuiteKeys(encryption_key, authentication_key)


def counter_octets(counter: int) -> bytes:
    """The four octets of an invocation counter.

    Raises:
        Malformed: it does not fit 32 bits; the keys are used up and must be changed.
    """
    if not 0 <= counter <= MAX_COUNTER:
        raise Malformed(f"the invocation counter {counter} is used up: the keys must be changed")
    return counter.to_bytes(4, "big")


@dataclass(slots=True)
class Counters:
    """The invocation counters of one encryption key at one side: never sent twice, never accepted twice.

    ``sent`` is the last one used for sending, ``received`` the highest accepted from the peer (-1: none yet). Keep the
    object (or its two numbers) as long as the keys: a counter used twice under one key gives the key away.
    """

    sent: int = 0
    received: int = -1

    def draw(self) -> int:
        """Return the next counter for sending, which is then used up."""
        self.sent += 1
        return self.sent

    def check(self, counter: int) -> None:
        """Compare a received counter without taking it.

        Raises:
            Replayed: it is not above ``received``.
        """
        if counter <= self.received:
            raise Replayed(
                f"invocation counter {counter} is not above {self.received}, the last one accepted",
                received=counter,
                last=self.received,
            )

    def accept(self, counter: int) -> None:
        """Take a received counter whose tag has been checked; as :meth:`check`."""
        self.check(counter)
        self.received = counter


class Ciphered(NamedTuple):
    """The envelope of a protected APDU: ``body`` is ``SC | IC | ciphertext | T``, which starts at ``offset``.

    ``tag`` is a glo tag or :data:`GENERAL_GLO`; ``title`` is the sender's where the envelope carries it.
    """

    tag: int
    title: bytes | None
    body: bytes
    offset: int


def is_ciphered(apdu: bytes) -> bool:
    """Tell whether the first octet announces global ciphering."""
    return bool(apdu) and (apdu[0] == GENERAL_GLO or apdu[0] in PLAIN_OF)


def envelope(apdu: bytes) -> Ciphered:
    """Read the envelope of a protected APDU, without any key.

    Raises:
        Truncated: the APDU is shorter than its length says.
        Malformed: bytes follow it, or the system title has not 8 octets (0: the receiver knows it).
        Unsupported: not global ciphering.
    """
    if not apdu:
        raise Truncated("an APDU is missing", offset=0)
    tag, at, title = apdu[0], 1, None
    if tag == GENERAL_GLO:
        size, at = decode_length(apdu, 1)
        if size not in (0, TITLE_SIZE):
            raise Malformed(f"a system title has {TITLE_SIZE} octets, not {size}", offset=1)
        if at + size > len(apdu):
            raise Truncated("the APDU ends inside the system title", offset=at)
        title = apdu[at : at + size] or None
        at += size
    elif tag not in PLAIN_OF:
        raise Unsupported(f"APDU tag 0x{tag:02x} is not global ciphering", offset=0)
    length, start = decode_length(apdu, at)
    if start + length != len(apdu):
        kind = Truncated if start + length > len(apdu) else Malformed
        raise kind(
            f"a protected APDU of {length} octets has {len(apdu) - start}", offset=min(start + length, len(apdu))
        )
    return Ciphered(tag, title, apdu[start:], start)


def protect(keys: SuiteKeys, title: bytes, counter: int, apdu: bytes, *, general: bool = False) -> bytes:
    """Authenticate and encrypt a plain APDU, service-specific or (``general``) as general-glo-ciphering.

    Raises:
        Unsupported: the APDU has no service-specific tag.
        Malformed: the counter is used up.
    """
    body = keys.seal(title, counter, apdu)
    if general:
        return b"\xdb\x08" + title + encode_length(len(body)) + body
    tag = GLO_OF.get(apdu[0]) if apdu else None
    if tag is None:
        raise Unsupported("this APDU has no service-specific ciphering", offset=0)
    return bytes((tag,)) + encode_length(len(body)) + body


def unprotect(keys: SuiteKeys, title: bytes | None, apdu: bytes, protection: int = _BOTH) -> Opened:
    """Open a protected APDU sent by ``title``, which must agree with the title in the envelope where there is one.

    ``protection`` is the only security control octet accepted: the sender does not choose it, or one altered bit
    would turn authenticated octets into unauthenticated ones.

    The invocation counter is returned, not judged: that is the part of :class:`Counters`.

    Raises:
        TagCheckFailed: wrong key, or the sender is another than ``title``.
        Malformed: otherwise protected, or the plain tag disagrees with the ciphered one, or nobody says who sent it.
        Truncated, Unsupported: as :func:`envelope` and :meth:`SuiteKeys.open`.
    """
    sealed = envelope(apdu)
    sender = sealed.title or title
    if sender is None:
        raise Malformed("the sender's system title is not known", offset=0)
    if title is not None and sender != title:
        raise TagCheckFailed("the APDU comes from another system title than the association", offset=2)
    opened = keys.open(sender, sealed.body, sealed.offset)
    if opened.protection != protection:
        raise Malformed(f"protected as 0x{opened.protection:02x}, not 0x{protection:02x}", offset=sealed.offset)
    inner = opened.plaintext[:1]
    if sealed.tag != GENERAL_GLO and inner != bytes((PLAIN_OF[sealed.tag],)):
        raise Malformed("the deciphered APDU is not what its tag announced", offset=sealed.offset + HEADER_SIZE)
    return opened


class Channel:
    """One side of a protected association: seals what is sent, opens what is received, authenticated and encrypted.

    ``title`` is the own system title, ``peer`` the other side's.
    """

    __slots__ = ("counters", "keys", "peer", "title")

    overhead: ClassVar[int] = 1 + 1 + TITLE_SIZE + 4 + HEADER_SIZE + TAG_SIZE
    """Octets protection adds to an APDU, at most."""

    def __init__(self, keys: SuiteKeys, title: bytes, peer: bytes | None, counters: Counters) -> None:
        self.keys = keys
        self.title = title
        self.peer = peer
        self.counters = counters

    def seal(self, apdu: bytes, *, general: bool = False) -> bytes:
        """Protect a plain APDU under the next counter; as :func:`protect`."""
        return protect(self.keys, self.title, self.counters.draw(), apdu, general=general)

    def open(self, apdu: bytes) -> bytes:
        """Return the plain APDU inside a protected one and take its counter.

        Raises:
            TagCheckFailed: wrong key, wrong system title or altered bytes; the counter is not taken.
            Replayed: the counter is not above the last one accepted.
            Malformed: not both authenticated and encrypted; else as :func:`unprotect`.
        """
        opened = unprotect(self.keys, self.peer, apdu)
        self.counters.accept(opened.counter)
        return opened.plaintext


def open_many(batch: Iterable[tuple[SuiteKeys, bytes | None, bytes]]) -> list[bytes | DlmsError]:
    """Open many protected APDUs, each ``(keys, sender's title or None, APDU)``, authenticated and encrypted.

    Returns the plain APDUs; an error stands where it happened. Invocation counters are not judged.
    """
    results: list[bytes | DlmsError] = []
    append = results.append
    for keys, title, apdu in batch:
        try:
            append(keys.plaintext(title, apdu))
        except DlmsError as error:
            append(error)
    return results
