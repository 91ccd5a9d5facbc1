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

import hmac
import secrets
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from demeter.protocols.dlms import acse, apdu, axdr, data
from demeter.protocols.dlms.acse import Conformance, Context, Diagnostic, InitiateRequest, Mechanism, Result
from demeter.protocols.dlms.apdu import AttributeRef, GetBlock, GetListResponse, GetResponse, MethodRef, Outcome
from demeter.protocols.dlms.errors import (
    AssociationRejected,
    DataAccessResult,
    Malformed,
    Refused,
    Replayed,
    ServiceError,
    TagCheckFailed,
    Unsupported,
)
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import Channel, Counters, is_ciphered, suite_keys

T = TypeVar("T")
Exchange = Generator[bytes, bytes, T]

MAX_VALUE: Final = 4 * 1024 * 1024
"""Longest attribute value put together from blocks, in octets: a year of a wide 15-minute profile is far below."""

CURRENT_ASSOCIATION: Final = Obis(0, 0, 40, 0, 0, 255)
ASSOCIATION_CLASS: Final = 15
CHALLENGE_SIZE: Final = 16
_CONFIRMED_HIGH: Final = 0xC0
"""Invoke-id-and-priority: confirmed service, high priority; the invoke id is in the low four bits."""

PROPOSED: Final = (
    Conformance.GENERAL_PROTECTION
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.ACTION
)


class CipherMode(StrEnum):
    """How the APDUs of an association are protected."""

    NONE = "none"
    GLO = "glo"
    GENERAL_GLO = "general-glo"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """As whom a meter is spoken to. Titles have 8 octets, keys 16; ``max_pdu`` is what this side receives, in octets.

    ``invocation_counter`` is the first counter this association uses: the driver reads the meter's counter object
    through the public association and adds one. ``server_counter`` is the highest counter seen from this meter under
    these keys (-1: none): an answer recorded earlier is then refused even in a new association.

    Raises:
        Malformed: a title or key that the cipher mode or mechanism needs is missing or has another size.
    """

    client_sap: int = 16
    server_sap: int = 1
    mechanism: Mechanism = Mechanism.NONE
    password: bytes = field(default=b"", repr=False)
    system_title: bytes = b""
    encryption_key: bytes = field(default=b"", repr=False)
    authentication_key: bytes = field(default=b"", repr=False)
    invocation_counter: int = 1
    cipher: CipherMode = CipherMode.NONE
    max_pdu: int = 0xFFFF
    server_counter: int = -1

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if self.mechanism is Mechanism.HLS_GMAC or self.cipher is not CipherMode.NONE:
            if len(self.system_title) != 8:
                raise Malformed(f"a system title has 8 octets, not {len(self.system_title)}")
            suite_keys(self.encryption_key, self.authentication_key)


class Client:
    """One association with one meter. Exchanges are used one after the other, never two at a time."""

    __slots__ = ("_channel", "_counters", "_invoke", "_open", "_server", "_settings")

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._counters = Counters(settings.invocation_counter - 1, settings.server_counter)
        self._channel: Channel | None = None
        self._server: acse.InitiateResponse | None = None
        self._invoke = 0
        self._open = False

    @property
    def invocation_counter(self) -> int:
        """The counter the next protected APDU will use; keep it for the next association."""
        return self._counters.sent + 1

    @property
    def server_counter(self) -> int:
        """The highest counter seen from the meter (-1: none)."""
        return self._counters.received

    @property
    def server_title(self) -> bytes | None:
        """The meter's system title, once it has told it in a protected association."""
        return None if self._channel is None else self._channel.peer

    @property
    def negotiated(self) -> acse.InitiateResponse | None:
        """What the meter agreed to."""
        return self._server

    def associate(self) -> Exchange[None]:
        """Open the association, with all passes of the mechanism.

        Raises:
            AssociationRejected: the meter says no (password, context, mechanism), or does not answer the challenge.
            TagCheckFailed: the meter has other keys; ``Replayed``: it has seen our counter, or we its.
        """
        settings = self._settings
        self._open = False
        self._channel = None
        if settings.cipher is not CipherMode.NONE:
            keys = suite_keys(settings.encryption_key, settings.authentication_key)
            self._channel = Channel(keys, settings.system_title, None, self._counters)
        challenge = secrets.token_bytes(CHALLENGE_SIZE)
        answer = yield self._association_request(challenge)
        response = self._association_response(answer)
        self._server = self._agreed(response)
        if settings.mechanism is Mechanism.HLS_GMAC:
            yield from self._prove(challenge, response)
        self._open = True

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

    def release(self) -> Exchange[None]:
        """Release the association; the connection may be closed afterwards.

        Raises:
            ServiceError, Malformed: the meter answered something else; the association is over all the same.
        """
        self._open = False
        information = None if self._channel is None else self._channel.seal(self._initiate())
        answer = yield acse.Release(user_information=information).encode()
        if answer[:1] == b"\xd8":
            self._checked(apdu.decode(answer))
        response = acse.decode_acse(answer)
        if not isinstance(response, acse.Release) or not response.response:
            raise Malformed("a release was answered by another service", offset=0)

    # The association

    def _initiate(self) -> bytes:
        return InitiateRequest(PROPOSED, self._settings.max_pdu).encode()

    def _association_request(self, challenge: bytes) -> bytes:
        settings, information = self._settings, self._initiate()
        if self._channel is not None:
            information = self._channel.seal(information)
        secret = {Mechanism.LLS: settings.password, Mechanism.HLS_GMAC: challenge}.get(settings.mechanism)
        context = Context.PLAIN if self._channel is None else Context.CIPHERED
        title = settings.system_title or None
        return acse.AssociationRequest(context, information, settings.mechanism, secret, title).encode()

    def _association_response(self, answer: bytes) -> acse.AssociationResponse:
        if answer[:1] in (b"\xd8", b"\x0e"):
            self._checked(apdu.decode(answer))
        response = acse.decode_acse(answer)
        if not isinstance(response, acse.AssociationResponse):
            raise Malformed("an AARQ was answered by something other than an AARE", offset=0)
        if response.result != Result.ACCEPTED:
            raise AssociationRejected(
                f"the meter rejected the association: {_diagnostic(response)}",
                result=response.result,
                diagnostic=response.diagnostic,
            )
        return response

    def _agreed(self, response: acse.AssociationResponse) -> acse.InitiateResponse:
        information = response.user_information
        if information is None:
            raise Malformed("the AARE carries no initiate-response")
        if self._channel is not None:
            if response.context is not Context.CIPHERED or response.system_title is None:
                raise Malformed("the AARE of a ciphered association names neither context nor system title")
            self._channel.peer = response.system_title
            information = self._channel.open(information)
        agreed = acse.decode_initiate_response(information)
        if agreed.version != acse.DLMS_VERSION:
            raise Unsupported(f"DLMS version {agreed.version}")
        return agreed

    def _prove(self, challenge: bytes, response: acse.AssociationResponse) -> Exchange[None]:
        """Passes 3 and 4 of HLS (Green Book 9.2.7.4): answer the meter's challenge, check its answer to ours."""
        settings = self._settings
        theirs, title = response.authentication, response.system_title
        if not theirs or title is None:
            raise Malformed("the AARE carries no challenge or no system title")
        if hmac.compare_digest(theirs, challenge):
            raise AssociationRejected(
                "the meter sent our own challenge back", diagnostic=Diagnostic.AUTHENTICATION_FAILURE
            )
        keys = suite_keys(settings.encryption_key, settings.authentication_key)
        proof = keys.gmac(settings.system_title, self._counters.draw(), theirs)
        before = self._counters.received
        self._open = True
        target = MethodRef(ASSOCIATION_CLASS, CURRENT_ASSOCIATION, 1)
        try:
            answer = yield from self._action(target, axdr.encode(data.octets(proof)))
        finally:
            self._open = False
        if answer.result is not apdu.ActionResult.SUCCESS or not isinstance(answer.value, bytes):
            raise AssociationRejected(
                "the meter did not accept our answer to its challenge", diagnostic=Diagnostic.AUTHENTICATION_FAILURE
            )
        value = axdr.decode_all(answer.value)
        if value.tag is not data.Tag.OCTET_STRING:
            raise Malformed("an answer to a challenge is an octet-string")
        counter = keys.check_gmac(title, value.value, challenge)
        Counters(received=before).check(counter)

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
            raw = yield channel.seal(request, general=self._settings.cipher is CipherMode.GENERAL_GLO)
            if is_ciphered(raw):
                raw = channel.open(raw)
            elif raw[:1] not in (b"\xd8", b"\x0e"):
                raise Malformed("an unprotected answer in a protected association", offset=0)
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


def _diagnostic(response: acse.AssociationResponse) -> str:
    try:
        return Diagnostic(response.diagnostic).name.lower().replace("_", " ")
    except ValueError:
        return f"diagnostic {response.diagnostic}"
