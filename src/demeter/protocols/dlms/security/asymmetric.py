"""ECDSA, ECDH, key derivation and key wrap of suites 1 and 2 (Green Book 9.2.3.4, NIST SP 800-56A, RFC 3394).

Keys and signatures are raw octets as they travel in DLMS: a private key is the scalar, a public key ``x | y`` without
the leading 04 of X9.62, a signature ``r | s``.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from demeter.protocols.dlms.errors import Malformed, TagCheckFailed, Unsupported
from demeter.protocols.dlms.security.suites import Suite


def new_private_key(suite: Suite) -> bytes:
    """Make a private key.

    Raises:
        Unsupported: suite 0 has no curve.
    """
    _has_curve(suite)
    number = ec.generate_private_key(suite.curve()).private_numbers().private_value
    return number.to_bytes(suite.coordinate_size, "big")


def public_key(suite: Suite, private: bytes) -> bytes:
    """Return the public key that belongs to a private one; errors as :func:`sign`."""
    point = _private(suite, private).public_key()
    return point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def sign(suite: Suite, private: bytes, content: bytes) -> bytes:
    """Sign with ECDSA.

    Raises:
        Malformed: not a private key of the suite's curve.
        Unsupported: suite 0 has no signatures.
    """
    r, s = decode_dss_signature(_private(suite, private).sign(content, ec.ECDSA(suite.hash())))
    size = suite.coordinate_size
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def check_signature(suite: Suite, public: bytes, signature: bytes, content: bytes) -> None:
    """Verify a signature.

    Raises:
        TagCheckFailed: another key, or altered content.
        Malformed: a signature or key of another size, or a point beside the curve.
        Unsupported: suite 0 has no signatures.
    """
    key, size = _public(suite, public), suite.coordinate_size
    if len(signature) != 2 * size:
        raise Malformed(f"a signature of suite {suite.value} has {2 * size} octets, not {len(signature)}")
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    try:
        key.verify(encode_dss_signature(r, s), content, ec.ECDSA(suite.hash()))
    except InvalidSignature:
        raise TagCheckFailed("the signature does not match") from None


def shared_secret(suite: Suite, private: bytes, public: bytes) -> bytes:
    """Return Z, the x coordinate of the ECDH point; errors as :func:`check_signature`."""
    return _private(suite, private).exchange(ec.ECDH(), _public(suite, public))


def derive_key(suite: Suite, secret: bytes, originator: bytes, recipient: bytes, transaction: bytes = b"") -> bytes:
    """Derive an AES-GCM key from Z with the concatenation KDF, as the Green Book uses it (9.2.3.4.6.5).

    OtherInfo is AlgorithmID | PartyUInfo | PartyVInfo: the originator's system title and the recipient's. The static
    unified model C(0e, 2s) puts the transaction id with its length behind the originator's title; otherwise every
    exchange would have the same key.
    """
    nonce = bytes((len(transaction),)) + transaction if transaction else b""
    other = suite.algorithm_id + originator + nonce + recipient
    return ConcatKDFHash(suite.hash(), suite.key_size, other).derive(secret)


def wrap_key(master: bytes, key: bytes) -> bytes:
    """Wrap a key with AES key wrap (RFC 3394): eight octets longer.

    Raises:
        Malformed: a master key or key of a size AES does not have.
    """
    try:
        return aes_key_wrap(master, key)
    except ValueError as error:
        raise Malformed(f"not a key: {error}") from None


def unwrap_key(master: bytes, wrapped: bytes) -> bytes:
    """Return the wrapped key.

    Raises:
        TagCheckFailed: another master key, or altered octets.
        Malformed: a master key of a size AES does not have.
    """
    try:
        return aes_key_unwrap(master, wrapped)
    except InvalidUnwrap:
        raise TagCheckFailed("the wrapped key does not open: another master key, or altered octets") from None
    except ValueError as error:
        raise Malformed(f"not a key: {error}") from None


def _has_curve(suite: Suite) -> None:
    if suite is Suite.ZERO:
        raise Unsupported("suite 0 has neither signatures nor key agreement")


@lru_cache(maxsize=4096)
def _private(suite: Suite, private: bytes) -> ec.EllipticCurvePrivateKey:
    _has_curve(suite)
    if len(private) != suite.coordinate_size:
        raise Malformed(f"a private key of suite {suite.value} has {suite.coordinate_size} octets, not {len(private)}")
    try:
        return ec.derive_private_key(int.from_bytes(private, "big"), suite.curve())
    except ValueError:
        raise Malformed("not a private key of the curve") from None


@lru_cache(maxsize=4096)
def _public(suite: Suite, public: bytes) -> ec.EllipticCurvePublicKey:
    _has_curve(suite)
    if len(public) != 2 * suite.coordinate_size:
        size = 2 * suite.coordinate_size
        raise Malformed(f"a public key of suite {suite.value} has {size} octets, not {len(public)}")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(suite.curve(), b"\x04" + public)
    except ValueError:
        raise Malformed("not a point of the curve") from None
