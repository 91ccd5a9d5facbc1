"""The client side of an association, sans-I/O: every exchange is a generator of APDUs.

An exchange yields an APDU to send, is sent the APDU that came back, and returns its result::

    exchange = client.get(7, Obis.parse("1.0.99.1.0.255"), 2, selection)
    apdu = next(exchange)
    while True:
        try:
            apdu = exchange.send(ask(apdu))
        except StopIteration as done:
            return done.value

Errors are those of :mod:`demeter.protocols.dlms.errors`. After :class:`Refused` or :class:`ServiceError` the
association goes on; an exchange left in the middle leaves nothing behind here, but its late answer must not be fed to
the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from demeter.protocols.dlms import apdu
from demeter.protocols.dlms.acse import Conformance
from demeter.protocols.dlms.apdu import AttributeRef, GetBlock, GetListResponse, GetResponse, MethodRef, Outcome
from demeter.protocols.dlms.association import ClientAssociation, ClientSettings, Exchange
from demeter.protocols.dlms.errors import (
    AssociationRejected,
    DataAccessResult,
    Downgraded,
    Malformed,
    Refused,
    Replayed,
    ServiceError,
    TagCheckFailed,
    Unsupported,
)
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import CipherMode, KeyId, KeyOffer, KeySet, is_ciphered
from demeter.protocols.dlms.security.rekey import (
    KEY_AGREEMENT,
    KEY_TRANSFER,
    SECURITY_SETUP,
    UTILITY_SETUP,
    transfer_data,
)

__all__ = ["CipherMode", "Client", "ClientSettings", "Exchange"]

MAX_VALUE: Final = 4 * 1024 * 1024
"""Longest attribute value put together from blocks, in octets: a year of a wide 15-minute profile is far below."""

_CONFIRMED_HIGH: Final = 0xC0
"""Invoke-id-and-priority: confirmed service, high priority; the invoke id is in the low four bits."""


class Client(ClientAssociation):
    """One association with one meter. Exchanges are used one after the other, never two at a time."""

    __slots__ = ()

    def get(self, class_id: int, obis: Obis, attribute: int, selection: bytes | None = None) -> Exchange[bytes]:
        """Read one attribute; returns its A-XDR octets, put together from blocks and deciphered.

        ``selection`` is the access selector octet and its A-XDR parameters (see :mod:`demeter.protocols.dlms.profile`).

        Raises:
            Refused: with the meter's data-access-result.
        """
        invoke = self._next_invoke()
        answer = yield from self._call(
            apdu.GetRequest(invoke, AttributeRef(class_id, obis, attribute, selection)).encode(), invoke
        )
        result = yield from self._value(answer, invoke)
        if isinstance(result, DataAccessResult):
            raise _refused(result, f"class {class_id} {obis} attribute {attribute}")
        return result

    def get_many(self, attributes: Sequence[AttributeRef]) -> Exchange[list[bytes | Refused]]:
        """Read several attributes with as few requests as the meter's APDU size allows.

        A meter that did not agree to multiple references is asked one by one. Refusals stand in the list.
        """
        results: list[bytes | Refused] = []
        for group in self._groups(attributes):
            outcomes = yield from self._get_group(group)
            for reference, outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, DataAccessResult):
                    what = f"class {reference.class_id} {reference.obis} attribute {reference.attribute}"
                    results.append(_refused(outcome, what))
                else:
                    results.append(outcome)
        return results

    def set(self, class_id: int, obis: Obis, attribute: int, value: bytes) -> Exchange[None]:
        """Write one attribute; ``value`` is A-XDR.

        Raises:
            Refused: with the meter's data-access-result.
            Unsupported: longer than the meter's APDU size (SET with blocks is not spoken).
        """
        invoke = self._next_invoke()
        request = apdu.SetRequest(invoke, AttributeRef(class_id, obis, attribute), value).encode()
        self._fits(request)
        answer = yield from self._call(request, invoke)
        if not isinstance(answer, apdu.SetResponse):
            raise Malformed("a SET was answered by another service")
        if answer.result is not DataAccessResult.SUCCESS:
            raise _refused(answer.result, f"class {class_id} {obis} attribute {attribute}")

    def action(self, class_id: int, obis: Obis, method: int, parameter: bytes | None = None) -> Exchange[bytes | None]:
        """Invoke one method; ``parameter`` and the value returned are A-XDR.

        Raises:
            Refused: with the meter's action-result (its numbers are those of data-access-result).
            Unsupported: longer than the meter's APDU size.
        """
        answer = yield from self._action(MethodRef(class_id, obis, method), parameter)
        what = f"class {class_id} {obis} method {method}"
        if answer.result is not apdu.ActionResult.SUCCESS:
            raise _refused(DataAccessResult(answer.result.value), what)
        if isinstance(answer.value, DataAccessResult):
            raise _refused(answer.value, what)
        return answer.value

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

    def agree_keys(self, *key_ids: KeyId, setup: Obis = UTILITY_SETUP) -> Exchange[KeySet]:
        """Agree on new keys with the meter by C(2e, 0s), so that they never travel; as :meth:`transfer_keys`.

        Raises:
            TagCheckFailed: the meter's part is not signed with its key.
            Unsupported: suite 0 has no key agreement.
        """
        keys, channel = self._settings.keys, self._channel
        if channel is None or channel.peer is None:
            raise Malformed("keys are agreed on in a ciphered association only")
        offer = KeyOffer.make(keys, *key_ids)
        answer = yield from self.action(SECURITY_SETUP, setup, KEY_AGREEMENT, offer.encode())
        return keys.replaced(offer.agree(answer, channel.title, channel.peer))

    # Services

    def _next_invoke(self) -> int:
        self._invoke = (self._invoke + 1) & 0x0F
        return _CONFIRMED_HIGH | self._invoke

    def _call(self, request: bytes, invoke: int) -> Exchange[apdu.Service]:
        """Send one service request, protected as agreed, and return the checked answer."""
        if not self._open:
            raise AssociationRejected("no association is open")
        channel = self._channel
        if channel is None:
            raw = yield request
            if is_ciphered(raw):
                raise Malformed("a protected answer in an unprotected association", offset=0)
        else:
            raw = yield channel.seal(request)
            if is_ciphered(raw):
                raw = channel.open(raw)
            elif raw[:1] not in (b"\xd8", b"\x0e"):
                raise Downgraded("an unprotected answer in a protected association", offset=0)
        answer = self._checked(apdu.decode(raw))
        if (answer.invoke ^ invoke) & 0x0F:
            raise Malformed("the answer belongs to another request", offset=2)
        return answer

    def _checked(self, answer: apdu.Apdu) -> apdu.Service:
        """Raise what an error APDU means.

        Raises:
            TagCheckFailed, Replayed: the meter could not open, or had already seen, what we sent.
            ServiceError: any other refusal of the service.
        """
        if isinstance(answer, apdu.ExceptionResponse):
            if answer.service is apdu.ServiceFault.DECIPHERING_ERROR:
                raise TagCheckFailed("the meter could not decipher the request: it has other keys")
            if answer.service is apdu.ServiceFault.INVOCATION_COUNTER_ERROR:
                raise Replayed(
                    f"invocation counter {self._counters.sent} was sent, the meter is already at {answer.counter}",
                    received=self._counters.sent,
                    last=answer.counter,
                )
            words = f"{answer.state.name}, {answer.service.name}".lower().replace("_", " ")
            raise ServiceError(f"the meter refused the service: {words}", state=answer.state, service=answer.service)
        if isinstance(answer, apdu.ConfirmedServiceError):
            raise ServiceError(
                f"the meter refused the service: error {answer.value} of group {answer.group}",
                state=answer.group,
                service=answer.value,
            )
        return answer

    def _action(self, target: MethodRef, parameter: bytes | None) -> Exchange[apdu.ActionResponse]:
        invoke = self._next_invoke()
        request = apdu.ActionRequest(invoke, target, parameter).encode()
        self._fits(request)
        answer = yield from self._call(request, invoke)
        if not isinstance(answer, apdu.ActionResponse):
            raise Malformed("an ACTION was answered by another service")
        return answer

    def _value(self, answer: apdu.Service, invoke: int) -> Exchange[Outcome]:
        if isinstance(answer, GetResponse):
            return answer.result
        if isinstance(answer, GetBlock):
            return (yield from self._blocks(answer, invoke))
        raise Malformed("a GET was answered by another service")

    def _blocks(self, block: GetBlock, invoke: int) -> Exchange[Outcome]:
        """Ask for block after block; returns the octets of all, or why the transfer stopped."""
        parts: list[bytes] = []
        size, number = 0, 1
        while True:
            piece = block.result
            if isinstance(piece, DataAccessResult):
                return piece
            if block.number != number:
                raise Malformed(f"block {block.number} came where block {number} was due")
            parts.append(piece)
            size += len(piece)
            if size > MAX_VALUE or not (piece or block.last):
                raise Malformed(f"the blocks do not end within {MAX_VALUE} octets")
            if block.last:
                return b"".join(parts)
            answer = yield from self._call(apdu.GetNext(invoke, number).encode(), invoke)
            if isinstance(answer, GetResponse) and isinstance(answer.result, DataAccessResult):
                return answer.result
            if not isinstance(answer, GetBlock):
                raise Malformed("a block was answered by something else")
            block = answer
            number += 1

    def _get_group(self, group: Sequence[AttributeRef]) -> Exchange[Sequence[Outcome]]:
        invoke = self._next_invoke()
        if len(group) == 1:
            answer = yield from self._call(apdu.GetRequest(invoke, group[0]).encode(), invoke)
            return [(yield from self._value(answer, invoke))]
        answer = yield from self._call(apdu.GetListRequest(invoke, tuple(group)).encode(), invoke)
        outcomes: Sequence[Outcome]
        if isinstance(answer, GetListResponse):
            outcomes = answer.results
        elif isinstance(answer, GetResponse) and isinstance(answer.result, bytes):
            raise Malformed("a list was answered by a single value")
        else:
            whole = yield from self._value(answer, invoke)
            outcomes = [whole] * len(group) if isinstance(whole, DataAccessResult) else apdu.decode_results(whole)
        if len(outcomes) != len(group):
            raise Malformed(f"{len(outcomes)} results for {len(group)} attributes")
        return outcomes

    def _groups(self, attributes: Sequence[AttributeRef]) -> list[list[AttributeRef]]:
        if self._server is None or Conformance.MULTIPLE_REFERENCES not in self._server.conformance:
            return [[attribute] for attribute in attributes]
        room = self._room() - 6
        groups: list[list[AttributeRef]] = []
        used = room
        for attribute in attributes:
            size = len(attribute.encode())
            if used + size > room or len(groups[-1]) >= apdu.MAX_REFERENCES:
                groups.append([])
                used = 0
            groups[-1].append(attribute)
            used += size
        return groups

    def _room(self) -> int:
        """Octets a plain request may have so that it fits the meter's APDU size after protection."""
        limit = (self._server.max_pdu if self._server else 0) or 0xFFFF
        return limit - (0 if self._channel is None else self._channel.overhead)

    def _fits(self, request: bytes) -> None:
        if len(request) > self._room():
            raise Unsupported(f"a request of {len(request)} octets is longer than the meter receives")


def _refused(result: DataAccessResult, what: str) -> Refused:
    return Refused(result, f"{what}: {result.name.lower().replace('_', ' ')}")
