"""The high level security mechanisms: what proves to the other side who one is (Green Book 9.2.2.2.2.4, 9.2.7.4).

Each side answers the other's challenge with a function of it. With the own title O, the peer's title P, the peer's
challenge c and the own challenge o:

== ========== ======================================= ==============================
id mechanism  f(c)                                     needs
== ========== ======================================= ==============================
2  by maker   AES-ECB(secret, c)                       a secret of 16 or 32 octets
3  MD5        MD5(c | secret)                          a secret
4  SHA-1      SHA-1(c | secret)                        a secret
5  GMAC       SC | IC | GMAC(SC | AK | c)              the global keys, titles
6  SHA-256    SHA-256(secret | O | P | c | o)          a secret, titles
7  ECDSA      ECDSA(O | P | c | o)                     signing keys, titles
== ========== ======================================= ==============================
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.errors import Malformed, TagCheckFailed
from demeter.protocols.dlms.security.asymmetric import check_signature, sign
from demeter.protocols.dlms.security.keys import KeySet

BLOCK: int = 16


class MakerVariant(StrEnum):
    """What mechanism 2, which every maker defines, means; meters must be told apart by their profile.

    ``aes-ecb``: the challenge, filled with zeros to whole blocks, under AES-ECB with the secret as key (IS 15959).
    """

    AES_ECB = "aes-ecb"


@dataclass(frozen=True, slots=True)
class Prover:
    """What one side knows. ``keys`` are needed for GMAC and ECDSA, ``title`` and ``peer`` where the proof names them.

    Raises:
        Malformed: what the mechanism needs is missing.
    """

    mechanism: Mechanism
    secret: bytes = field(default=b"", repr=False)
    title: bytes = b""
    peer: bytes = b""
    keys: KeySet | None = None
    variant: MakerVariant = MakerVariant.AES_ECB

    def answer(self, theirs: bytes, ours: bytes, counter: int = 0) -> bytes:
        """Return f(``theirs``), the answer to the peer's challenge; ``counter`` is used by GMAC only."""
        if self.mechanism is Mechanism.HLS_GMAC:
            return self._keys().sealing.gmac(self.title, counter, theirs)
        if self.mechanism is Mechanism.HLS_ECDSA:
            keys = self._keys()
            return sign(keys.suite, keys.pairs.signing, self.title + self.peer + theirs + ours)
        return self._digest(self.title, self.peer, theirs, ours)

    def check(self, answer: bytes, ours: bytes, theirs: bytes) -> int | None:
        """Check the peer's answer to our challenge; returns the invocation counter it used (GMAC only).

        Raises:
            TagCheckFailed: the peer has another secret or other keys.
            Malformed: not an answer of this mechanism.
        """
        if self.mechanism is Mechanism.HLS_GMAC:
            return self._keys().sealing.check_gmac(self.peer, answer, ours)
        if self.mechanism is Mechanism.HLS_ECDSA:
            keys = self._keys()
            check_signature(keys.suite, keys.pairs.peer_signing, answer, self.peer + self.title + ours + theirs)
        elif not compare_digest(self._digest(self.peer, self.title, ours, theirs), answer):
            raise TagCheckFailed("the answer to the challenge does not match")
        return None

    def _keys(self) -> KeySet:
        if self.keys is None or len(self.title) != 8 or len(self.peer) != 8:
            raise Malformed(f"{self.mechanism.name} needs keys and both system titles")
        return self.keys

    def _digest(self, sender: bytes, receiver: bytes, challenge: bytes, other: bytes) -> bytes:
        if not self.secret:
            raise Malformed(f"{self.mechanism.name} needs a secret")
        if self.mechanism is Mechanism.HLS_MAKER:
            return _encrypted(self.secret, challenge)
        # The hashes of mechanisms 3 and 4 are what the standard demands; they protect nothing else.
        if self.mechanism is Mechanism.HLS_MD5:
            return hashlib.md5(challenge + self.secret, usedforsecurity=False).digest()
        if self.mechanism is Mechanism.HLS_SHA1:
            return hashlib.sha1(challenge + self.secret, usedforsecurity=False).digest()
        if self.mechanism is Mechanism.HLS_SHA256:
            return hashlib.sha256(self.secret + sender + receiver + challenge + other).digest()
        raise Malformed(f"{self.mechanism.name} has no challenge")


def _encrypted(secret: bytes, challenge: bytes) -> bytes:
    if len(secret) not in (16, 32):
        raise Malformed(f"the secret of mechanism 2 is an AES key of 16 or 32 octets, not {len(secret)}")
    whole = challenge + bytes(-len(challenge) % BLOCK)
    encryptor = Cipher(algorithms.AES(secret), modes.ECB()).encryptor()  # noqa: S305 the meters' mechanism 2 is ECB
    return encryptor.update(whole) + encryptor.finalize()
