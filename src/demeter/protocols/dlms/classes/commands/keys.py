"""Keys and policy of an association (class 64). Keys travel wrapped with the master key (AES key wrap, RFC 3394)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from demeter.protocols.dlms.classes.access import KeyId, SecurityPolicy0, SecuritySetup, SecuritySetup1, WrappedKey
from demeter.protocols.dlms.classes.commands.steps import Invoke, Read, invoke, read
from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.obis import Obis

SECURITY: Final = Obis(0, 0, 43, 0, 0, 255)
"""The security setup of the association in use; IS 15959 has one per association: 0.0.43.0.n.255."""

_KEY_SIZES: Final = (16, 32)


def read_security(obis: Obis = SECURITY, version: int = 0) -> tuple[Read, ...]:
    """Return the reads of policy, suite and titles."""
    return read(SecuritySetup1 if version else SecuritySetup, obis)


def transfer_keys(keys: Mapping[KeyId, bytes], master_key: bytes, obis: Obis = SECURITY) -> Invoke:
    """Return the transfer of new keys, all at once: the meter takes all of them or none.

    The meter uses them from the next message on (or, by some makers, the next association); the old ones are to be
    kept until it has answered under the new ones.

    Raises:
        Malformed: no key, or one that is not of 16 or 32 octets.
    """
    if not keys:
        raise Malformed("no key to transfer")
    for name, key in (*keys.items(), ("master key", master_key)):
        if len(key) not in _KEY_SIZES:
            words = name.name.lower().replace("_", " ") if isinstance(name, KeyId) else name
            raise Malformed(f"a key has 16 or 32 octets; {words} has {len(key)}")
    wrapped = tuple(WrappedKey(name, aes_key_wrap(master_key, key)) for name, key in sorted(keys.items()))
    return invoke(SecuritySetup, obis, SecuritySetup.key_transfer, wrapped)


def activate_policy(policy: SecurityPolicy0, obis: Obis = SECURITY) -> Invoke:
    """Return the strengthening of the policy (version 0); a meter never lowers it."""
    return invoke(SecuritySetup, obis, SecuritySetup.security_activate, policy)


def activate_policy_bits(policy: int, obis: Obis = SECURITY) -> Invoke:
    """Return the strengthening of the policy in version 1: bits 2 to 4 for requests, 5 to 7 for responses."""
    return invoke(SecuritySetup1, obis, SecuritySetup1.security_activate, policy)
