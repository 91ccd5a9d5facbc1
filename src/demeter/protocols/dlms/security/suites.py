"""The security suites of DLMS/COSEM (Green Book 9.2.3.7): which ciphers, curves and hashes belong together."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec


class Suite(IntEnum):
    """A security suite; its number stands in the low four bits of every security control octet.

    0: AES-GCM-128 and AES-128 key wrap. 1: also ECDSA and ECDH on P-256 with SHA-256. 2: AES-GCM-256, AES-256 key wrap,
    ECDSA and ECDH on P-384 with SHA-384.
    """

    ZERO = 0
    ONE = 1
    TWO = 2

    @property
    def key_size(self) -> int:
        """Octets of every symmetric key: encryption, authentication, dedicated and master key."""
        return 32 if self is Suite.TWO else 16

    @property
    def coordinate_size(self) -> int:
        """Octets of a private key, and of each coordinate of a public key and each half of a signature (0: none)."""
        return (0, 32, 48)[self]

    @property
    def algorithm_id(self) -> bytes:
        """The AlgorithmID of the AES-GCM keys this suite derives: 2.16.756.5.8.3.0 (128) or .1 (256)."""
        return _ALGORITHM + (b"\x01" if self is Suite.TWO else b"\x00")

    def curve(self) -> ec.EllipticCurve:
        """The curve of suites 1 and 2."""
        return ec.SECP384R1() if self is Suite.TWO else ec.SECP256R1()

    def hash(self) -> hashes.HashAlgorithm:
        """The hash of signatures and key derivation in suites 1 and 2."""
        return hashes.SHA384() if self is Suite.TWO else hashes.SHA256()


_ALGORITHM: Final = bytes.fromhex("608574050803")
