"""The keys one side of an association holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from demeter.protocols.dlms.errors import Malformed, Unsupported
from demeter.protocols.dlms.security.sealing import SuiteKeys, suite_keys
from demeter.protocols.dlms.security.suites import Suite


class KeyId(IntEnum):
    """Which symmetric key a key transfer or key-info means (Blue Book, security setup; Green Book 9.5 key-info)."""

    UNICAST_ENCRYPTION = 0
    BROADCAST_ENCRYPTION = 1
    AUTHENTICATION = 2
    MASTER = 3


@dataclass(frozen=True, slots=True)
class KeyPairs:
    """Elliptic-curve keys as raw octets: own private keys (scalar), the peer's public ones (``x | y``); empty: none."""

    signing: bytes = field(default=b"", repr=False)
    agreement: bytes = field(default=b"", repr=False)
    peer_signing: bytes = b""
    peer_agreement: bytes = b""


NO_PAIRS: Final = KeyPairs()


@dataclass(frozen=True, slots=True)
class KeySet:
    """All keys of one meter, as one side knows them. Symmetric keys have 16 octets, in suite 2 all have 32."""

    encryption_key: bytes = field(repr=False)
    authentication_key: bytes = field(repr=False)
    suite: Suite = Suite.ZERO
    master_key: bytes = field(default=b"", repr=False)
    pairs: KeyPairs = NO_PAIRS

    @property
    def sealing(self) -> SuiteKeys:
        """The global unicast key and the authentication key, ready for use.

        Raises:
            Malformed: a key of another size.
        """
        return suite_keys(self.encryption_key, self.authentication_key, self.suite)

    def session(self, key: bytes) -> SuiteKeys:
        """A dedicated, wrapped or agreed encryption key with this set's authentication key; as :attr:`sealing`."""
        return SuiteKeys(key, self.authentication_key, self.suite)

    def replaced(self, new: Mapping[KeyId, bytes]) -> KeySet:
        """Return the set with some keys replaced.

        Raises:
            Malformed: a key of another size than the suite's.
            Unsupported: the broadcast key.
        """
        for key_id, key in new.items():
            if len(key) != self.suite.key_size:
                name = key_id.name.lower().replace("_", " ")
                raise Malformed(f"the {name} key of suite {self.suite.value} has {self.suite.key_size} octets")
        if KeyId.BROADCAST_ENCRYPTION in new:
            raise Unsupported("no broadcast key is kept")
        return replace(
            self,
            encryption_key=new.get(KeyId.UNICAST_ENCRYPTION, self.encryption_key),
            authentication_key=new.get(KeyId.AUTHENTICATION, self.authentication_key),
            master_key=new.get(KeyId.MASTER, self.master_key),
        )
