"""AES-GCM for APDUs and GMAC for HLS, in all security suites (Green Book 9.2.3, IEC 62056-5-3).

Protected content is ``SC | IC | ciphertext | T``: SC is the security control octet (the suite in its low four bits),
IC the 32-bit invocation counter, T the first 12 octets of the GCM tag. The nonce is ``system title (8) | IC (4)``; the
additional data is ``SC | AK | header`` (for authentication only: ``SC | AK | header | plaintext``), where only
general-ciphering has a header.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from hmac import compare_digest
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from demeter.protocols.dlms.errors import Malformed, TagCheckFailed, Truncated, Unsupported
from demeter.protocols.dlms.security.counters import counter_octets
from demeter.protocols.dlms.security.suites import Suite

TITLE_SIZE: Final = 8
TAG_SIZE: Final = 12
HEADER_SIZE: Final = 5
"""Octets of SC and IC together."""


class Protection(IntEnum):
    """How content is protected: the bits 0x30 of the security control octet."""

    AUTHENTICATED = 0x10
    ENCRYPTED = 0x20
    AUTHENTICATED_ENCRYPTED = 0x30


_AUTHENTICATED: Final = int(Protection.AUTHENTICATED)
_ENCRYPTED: Final = int(Protection.ENCRYPTED)
_BOTH: Final = int(Protection.AUTHENTICATED_ENCRYPTED)


class Opened(NamedTuple):
    """What was inside a protected APDU, and how it was protected (:class:`Protection`, without the suite)."""

    plaintext: bytes
    counter: int
    protection: int


class SuiteKeys:
    """An encryption key (EK) and the authentication key (AK) of one meter, ready for use in one security suite.

    Use :func:`suite_keys`, which keeps the key schedules of recently used keys.
    """

    __slots__ = ("_aad", "_aad_both", "_gcm", "both", "suite")

    def __init__(self, encryption_key: bytes, authentication_key: bytes, suite: Suite = Suite.ZERO) -> None:
        for name, key in (("encryption", encryption_key), ("authentication", authentication_key)):
            if len(key) != suite.key_size:
                raise Malformed(f"the {name} key of suite {suite.value} has {suite.key_size} octets, not {len(key)}")
        self._gcm = AESGCM(encryption_key)
        self._aad = {p | suite: bytes((p | suite,)) + authentication_key for p in Protection}
        self.suite = suite
        self.both = _BOTH | suite
        self._aad_both = self._aad[self.both]

    def seal(self, title: bytes, counter: int, plaintext: bytes, protection: int = _BOTH, header: bytes = b"") -> bytes:
        """Return ``SC | IC | ciphertext | T`` (no T for encryption only).

        Raises:
            Malformed: the counter is outside 32 bits (then the keys must be changed) or the title has not 8 octets.
            Unsupported: another protection than those of :class:`Protection`.
        """
        control = protection | self.suite
        aad = self._additional(control, 0) + header
        number = counter_octets(counter)
        nonce = title + number
        if len(nonce) != TITLE_SIZE + 4:
            raise Malformed(f"a system title has {TITLE_SIZE} octets, not {len(title)}")
        head = bytes((control,)) + number
        if protection == _AUTHENTICATED:
            return head + plaintext + self._gcm.encrypt(nonce, b"", aad + plaintext)[:TAG_SIZE]
        sealed = self._gcm.encrypt(nonce, plaintext, aad)
        return head + sealed[: -4 if protection == _BOTH else -16]

    def open(self, title: bytes, body: bytes, offset: int = 0, header: bytes = b"") -> Opened:
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
        aad = self._additional(body[0], offset) + header
        protection = body[0] & _BOTH
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

    def opens_plainly(self, nonce: bytes, apdu: bytes, at: int) -> bytes | None:
        """Open ``ciphertext | T``, which begins ``at``, with as few steps as possible (None: the tag differs).

        Batches over many meters spend their time here. The caller has looked at SC (authenticated and
        encrypted) and made the nonce.
        """
        encrypt = self._gcm.encrypt
        plain = encrypt(nonce, apdu[at:-TAG_SIZE], None)[:-16]
        right = compare_digest(encrypt(nonce, plain, self._aad_both)[-16:-4], apdu[-TAG_SIZE:])
        return plain if right else None

    def gmac(self, title: bytes, counter: int, challenge: bytes) -> bytes:
        """Return ``SC | IC | T`` over a challenge: f(StoC) or f(CtoS) of HLS mechanism 5, 17 octets (GB 9.2.7.4)."""
        control = bytes((_AUTHENTICATED | self.suite,))
        return control + counter_octets(counter) + self._tag(title, counter, challenge)

    def check_gmac(self, title: bytes, answer: bytes, challenge: bytes) -> int:
        """Check the peer's f(challenge) and return the invocation counter it used.

        Raises:
            Malformed: not 17 octets beginning with the security control octet of the suite (0x10, 0x11, 0x12).
            TagCheckFailed: the peer has other keys.
        """
        control = _AUTHENTICATED | self.suite
        if len(answer) != HEADER_SIZE + TAG_SIZE or answer[0] != control:
            raise Malformed(f"a GMAC answer is security control 0x{control:02x}, a counter and 12 octets")
        counter = int.from_bytes(answer[1:5], "big")
        if not compare_digest(self._tag(title, counter, challenge), answer[5:]):
            raise TagCheckFailed("the answer to the challenge does not match")
        return counter

    def _tag(self, title: bytes, counter: int, challenge: bytes) -> bytes:
        aad = self._aad[_AUTHENTICATED | self.suite] + challenge
        return self._gcm.encrypt(title + counter_octets(counter), b"", aad)[:TAG_SIZE]

    def _additional(self, control: int, offset: int) -> bytes:
        aad = self._aad.get(control)
        if aad is None:
            raise Unsupported(
                f"security control 0x{control:02x} is not suite {self.suite.value} with the unicast key", offset=offset
            )
        return aad


@lru_cache(maxsize=16_384)
def suite_keys(encryption_key: bytes, authentication_key: bytes, suite: Suite = Suite.ZERO) -> SuiteKeys:
    """Return the (kept) key schedules.

    Raises:
        Malformed: a key has not the suite's size (16 octets; suite 2: 32).
    """
    return SuiteKeys(encryption_key, authentication_key, suite)
