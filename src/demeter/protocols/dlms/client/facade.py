"""The client: one association with one meter, and every service on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from demeter.protocols.dlms.apdu import ActionReply, AttributeRef, MethodRef, Notification, Selection
from demeter.protocols.dlms.association import Exchange
from demeter.protocols.dlms.client.acting import invoke_many, invoke_one, value_of
from demeter.protocols.dlms.client.line import Line, refusal
from demeter.protocols.dlms.client.mixing import Access, access
from demeter.protocols.dlms.client.reading import read_many, read_one
from demeter.protocols.dlms.client.writing import write_many, write_one
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DataAccessResult, Malformed, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import KeyId, KeyOffer, KeySet
from demeter.protocols.dlms.security.rekey import (
    KEY_AGREEMENT,
    KEY_TRANSFER,
    SECURITY_SETUP,
    UTILITY_SETUP,
    transfer_data,
)


class Client(Line):
    """One association with one meter. Exchanges are used one after the other, never two at a time."""

    __slots__ = ()

    def take_notifications(self) -> list[Notification]:
        """Take what the meter sent unasked while answers were awaited (the last 64), oldest first."""
        taken = list(self._notifications)
        self._notifications.clear()
        return taken

    def get(self, class_id: int, obis: Obis, attribute: int, selection: Selection = None) -> Exchange[bytes]:
        """Read one attribute; returns its A-XDR octets, put together from blocks and deciphered.

        ``selection`` is a ``RangeSelection`` or ``EntrySelection`` (see :mod:`demeter.protocols.dlms.profile`), or the
        access selector octet and its A-XDR parameters.

        Raises:
            Refused: with the meter's data-access-result.
        """
        reference = AttributeRef.of(class_id, obis, attribute, selection)
        result = yield from read_one(self, reference)
        if isinstance(result, DataAccessResult):
            raise refusal(result, reference)
        return result

    def get_many(self, attributes: Sequence[AttributeRef]) -> Exchange[list[bytes | Refused]]:
        """Read several attributes with as few requests as the meter's APDU size allows.

        A meter that did not agree to multiple references is asked one by one. Refusals stand in the list.
        """
        return read_many(self, attributes)

    def set(
        self, class_id: int, obis: Obis, attribute: int, value: bytes, selection: Selection = None
    ) -> Exchange[None]:
        """Write one attribute, in blocks where it is long; ``value`` is A-XDR.

        Raises:
            Refused: with the meter's data-access-result.
            Unsupported: longer than the meter's APDU size, and it agreed to no block transfer.
        """
        reference = AttributeRef.of(class_id, obis, attribute, selection)
        result = yield from write_one(self, reference, value)
        if result is not DataAccessResult.SUCCESS:
            raise refusal(result, reference)

    def set_many(self, writes: Sequence[tuple[AttributeRef, bytes]]) -> Exchange[list[Refused | None]]:
        """Write several attributes, in order, with as few requests as possible; refusals stand in the list.

        Raises:
            Unsupported: as :meth:`set`.
        """
        return write_many(self, writes)

    def action(self, class_id: int, obis: Obis, method: int, parameter: bytes | None = None) -> Exchange[bytes | None]:
        """Invoke one method, in blocks where its parameter is long; it and the value returned are A-XDR.

        Raises:
            Refused: with the meter's action-result (its numbers are those of data-access-result).
            Unsupported: longer than the meter's APDU size, and it agreed to no block transfer.
        """
        target = MethodRef(class_id, obis, method)
        value = value_of((yield from invoke_one(self, target, parameter)), target)
        if isinstance(value, Refused):
            raise value
        return value

    def action_many(self, calls: Sequence[tuple[MethodRef, bytes | None]]) -> Exchange[list[bytes | Refused | None]]:
        """Invoke several methods, in order, with as few requests as possible; refusals stand in the list.

        Raises:
            Unsupported: as :meth:`action`.
        """
        return invoke_many(self, calls)

    def access(
        self, parts: Sequence[Access], *, break_on_error: bool = False, at: CosemDateTime | None = None
    ) -> Exchange[list[bytes | Refused | None]]:
        """Read, write and invoke in one ACCESS request, in order.

        Returns for each part the A-XDR octets read or returned, None, or the refusal. With ``break_on_error`` what
        follows the first refusal is not carried out (and refused); ``at`` is our time, where the meter wants it.

        Raises:
            Unsupported: the meter did not agree to ACCESS, or the request is longer than it receives.
        """
        octets = b"" if at is None else at.to_bytes()
        return access(self, parts, octets, break_on_error=break_on_error)

    def transfer_keys(self, new: Mapping[KeyId, bytes], setup: Obis = UTILITY_SETUP) -> Exchange[KeySet]:
        """Bring new keys to the meter, wrapped with the master key; returns the set for the *next* association.

        The keys of this association stay as they are. See :class:`~demeter.protocols.dlms.security.KeyChange` for what
        to believe when no answer comes.

        Raises:
            Refused: the meter keeps its keys.
            Malformed: a key of another size than the suite's, or no master key.
        """
        keys = self._settings.keys
        taken = keys.replaced(new)
        yield from self.action(SECURITY_SETUP, setup, KEY_TRANSFER, transfer_data(new, keys.master_key))
        return taken

    def agree_keys(
        self, *key_ids: KeyId, setup: Obis = UTILITY_SETUP, offer: KeyOffer | None = None
    ) -> Exchange[KeySet]:
        """Agree on new keys with the meter by C(2e, 0s), so that they never travel; as :meth:`transfer_keys`.

        ``offer``: made (:meth:`KeyOffer.make`) and stored by the caller before, so that the answer can be opened again
        from a record of it. Without the answer nobody can know the new keys: a meter that took them is lost to all but
        a local reset, which is why transfer is to be preferred on lines that break.

        Raises:
            TagCheckFailed: the meter's part is not signed with its key.
            Unsupported: suite 0 has no key agreement.
        """
        keys, channel = self._settings.keys, self._channel
        if channel is None or channel.peer is None:
            raise Malformed("keys are agreed on in a ciphered association only")
        offer = offer or KeyOffer.make(keys, *key_ids)
        answer = yield from self.action(SECURITY_SETUP, setup, KEY_AGREEMENT, offer.encode())
        return keys.replaced(offer.agree(answer, channel.title, channel.peer))

    def _action(self, target: MethodRef, parameter: bytes | None) -> Exchange[ActionReply]:
        return invoke_one(self, target, parameter)
