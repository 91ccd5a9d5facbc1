"""Keys and titles derived from a fleet's seed: the same file gives the same credentials on every machine."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final

from demeter.protocols.dlms.security import Suite, public_key
from demeter.simulator.noise import secret
from demeter.simulator.security import SecurityConfig

_ORDERS: Final = {
    Suite.ONE: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    Suite.TWO: int(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
    ),
}
"""The orders of the groups of P-256 and P-384: private keys lie below them."""

_SHARED_SECRET: Final = ("hls", "hls-md5", "hls-sha1", "hls-sha256")
HEAD_END: Final = "head-end"
PASSWORD_OCTETS: Final = 4


def derived(seed: int, name: str, what: str, size: int) -> str:
    """Return a symmetric key as hexadecimal digits."""
    return secret(seed, f"{name}/{what}", size).hex()


@lru_cache(maxsize=4096)
def private_key(seed: int, name: str, what: str, suite: Suite) -> str:
    """Return a private key of the suite's curve as hexadecimal digits."""
    number = int.from_bytes(secret(seed, f"{name}/{what}", 64), "big") % (_ORDERS[suite] - 1) + 1
    return number.to_bytes(suite.coordinate_size, "big").hex()


@lru_cache(maxsize=4096)
def public_of(suite: Suite, private: str) -> str:
    """Return the public key of a private one, both as hexadecimal digits."""
    return public_key(suite, bytes.fromhex(private)).hex()


def completed(security: SecurityConfig, seed: int, name: str) -> SecurityConfig:
    """Return a meter's security with every key it lacks derived from the seed.

    In suites 1 and 2 the head-end's key pairs are derived too, unless its public keys are given.
    """
    suite = Suite(security.suite)
    master = security.master_key or derived(seed, name, "master", suite.key_size)
    told = security.hls_secret or security.mechanism not in _SHARED_SECRET
    secret_text = security.hls_secret if told else secret(seed, f"{name}/hls", 8).hex()
    if suite is Suite.ZERO:
        return replace(security, master_key=master, hls_secret=secret_text)
    return replace(
        security,
        master_key=master,
        hls_secret=secret_text,
        signing_key=security.signing_key or private_key(seed, name, "signing", suite),
        agreement_key=security.agreement_key or private_key(seed, name, "agreement", suite),
        client_signing_key=security.client_signing_key
        or public_of(suite, private_key(seed, HEAD_END, "signing", suite)),
        client_agreement_key=security.client_agreement_key
        or public_of(suite, private_key(seed, HEAD_END, "agreement", suite)),
    )
