"""What is known besides the octets: keys, titles learned on the way, blocks not yet whole, names for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import KeyPairs, KeySet, Suite


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one meter, as octets; empty: not known. The suite is told by the frames."""

    encryption_key: bytes = field(default=b"", repr=False)
    authentication_key: bytes = field(default=b"", repr=False)
    master_key: bytes = field(default=b"", repr=False)
    pairs: KeyPairs = field(default=KeyPairs(), repr=False)

    def of(self, suite: Suite) -> KeySet:
        """Return the key set of a suite. A missing authentication key counts as zeros: then tags are not right."""
        ak = self.authentication_key or bytes(suite.key_size)
        return KeySet(self.encryption_key, ak, suite, self.master_key, self.pairs)


@dataclass(slots=True)
class Keyring:
    """Which keys to try.

    ``by_title``: the keys of known system titles; ``others``: keys that go with any title. ``client`` and ``server``
    are the titles of the two sides, ``dedicated`` the key of the association; all three are also learned from AARQ,
    AARE and the initiate-request.
    """

    by_title: Mapping[bytes, Keys] = field(default_factory=dict)
    others: tuple[Keys, ...] = ()
    client: bytes = b""
    server: bytes = b""
    dedicated: bytes = field(default=b"", repr=False)

    def candidates(self, *titles: bytes) -> tuple[Keys, ...]:
        """Return the keys that may fit, the likeliest first."""
        named = [self.by_title[title] for title in titles if title in self.by_title]
        return (*named, *self.others) if named or self.others else tuple(self.by_title.values())

    @property
    def empty(self) -> bool:
        """Whether no key is known at all."""
        return not self.by_title and not self.others


def _no_name(_obis: Obis) -> str:
    return ""


@dataclass(slots=True)
class Context:
    """What one translation knows and learns.

    ``name_of`` puts logical names into words. ``problems`` are what did not stop the reading: a tag that does not
    match, an octet behind an APDU. ``blocks`` are the pieces of transfers under way.
    """

    keyring: Keyring = field(default_factory=Keyring)
    name_of: Callable[[Obis], str] = _no_name
    problems: list[DlmsError] = field(default_factory=list)
    blocks: dict[str, list[bytes]] = field(default_factory=dict)
