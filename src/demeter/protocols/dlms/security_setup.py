"""The security setup object of a meter (class 64): its policy, suite and titles, and how its keys are changed."""

from __future__ import annotations

from typing import Final

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.admission import MeterKeys, ServerSettings
from demeter.protocols.dlms.errors import DataAccessResult, Malformed, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import Channel, KeyOffer, Protection, Suite, offered_points, read_transfer
from demeter.protocols.dlms.security.rekey import ACTIVATE, KEY_AGREEMENT, KEY_TRANSFER

SECURITY_SETUPS: Final = frozenset(Obis(0, 0, 43, 0, e, 255) for e in (0, 2, 3))

_POLICY_0: Final = {Protection.AUTHENTICATED: 1, Protection.ENCRYPTED: 2, Protection.AUTHENTICATED_ENCRYPTED: 3}
"""Policies of version 0 (suite 0): enumerated."""
_POLICY_1: Final = {
    Protection.AUTHENTICATED: 0x24,
    Protection.ENCRYPTED: 0x48,
    Protection.AUTHENTICATED_ENCRYPTED: 0x6C,
}
"""Policies of version 1: bits 2 to 4 for requests, 5 to 7 for responses (authenticated, encrypted, signed)."""
_SIGNED: Final = 0x90


class SecuritySetup:
    """Serves the attributes and methods of class 64 from the keys the meter's connections share."""

    __slots__ = ("_keys", "_settings")

    def __init__(self, settings: ServerSettings, keys: MeterKeys) -> None:
        self._settings = settings
        self._keys = keys

    def get(self, obis: Obis, attribute: int, channel: Channel | None) -> bytes:
        """Return an attribute as A-XDR: 2 policy, 3 suite, 4 client's and 5 meter's system title.

        Raises:
            Refused: another attribute (certificates are not kept).
        """
        client = b"" if channel is None or channel.peer is None else channel.peer
        values = {
            1: data.octets(obis.to_bytes()),
            2: data.enum(self._policy()),
            3: data.enum(int(self._settings.suite)),
            4: data.octets(client),
            5: data.octets(self._settings.system_title),
        }
        if attribute not in values:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED)
        return axdr.encode(values[attribute])

    def invoke(self, method: int, parameter: bytes | None, channel: Channel | None) -> bytes | None:
        """Invoke a method: 1 activate a policy, 2 transfer keys, 3 agree on keys.

        Raises:
            Refused: not in a ciphered association, or another method.
            TagCheckFailed, Malformed, Unsupported: the parameter; nothing has changed then.
        """
        if channel is None or channel.peer is None:
            raise Refused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        if method == ACTIVATE:
            self._activate(parameter)
            return None
        if method == KEY_TRANSFER:
            self._keys.replace(read_transfer(parameter, self._keys.current.master_key))
            return None
        if method == KEY_AGREEMENT:
            return self._agree(parameter, channel.peer)
        raise Refused(DataAccessResult.OBJECT_UNDEFINED)

    def _policy(self) -> int:
        if self._settings.suite is Suite.ZERO:
            return _POLICY_0[self._keys.policy]
        return _POLICY_1[self._keys.policy] | (_SIGNED if self._settings.signed else 0)

    def _activate(self, parameter: bytes | None) -> None:
        """Take a stronger policy; a weaker one is never taken."""
        asked = axdr.decode_all(parameter or b"")
        table = _POLICY_0 if self._settings.suite is Suite.ZERO else _POLICY_1
        policy = next((known for known, number in table.items() if number == asked.value), None)
        if asked.tag is not data.Tag.ENUM or policy is None:
            raise Malformed("not a security policy")
        if policy & self._keys.policy != self._keys.policy:
            raise Refused(DataAccessResult.READ_WRITE_DENIED)
        self._keys.policy = policy

    def _agree(self, parameter: bytes | None, client: bytes) -> bytes:
        keys = self._keys.current
        offer = KeyOffer.make(keys, *offered_points(keys, parameter))
        self._keys.replace(offer.agree(parameter, client, self._settings.system_title))
        return offer.encode()
