"""The server side, sans-I/O: a meter's associations, what each may see, and the services on its objects.

Three associations by client address (the Indian companion standard's): 16 public (no authentication, no ciphering, a
few named objects), 32 reader (password; may be ciphered; reads), 48 utility (HLS-GMAC, always ciphered; everything).
A request never raises: what cannot be served is answered by an exception-response or a data-access-result.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final, Protocol

from demeter.protocols.dlms import acse, apdu, axdr, data
from demeter.protocols.dlms.acse import Conformance, Context, Diagnostic, Mechanism, Result
from demeter.protocols.dlms.apdu import ActionResult, AttributeRef, Outcome, ServiceFault, StateError
from demeter.protocols.dlms.errors import (
    AssociationRejected,
    DataAccessResult,
    DlmsError,
    Malformed,
    Refused,
    Replayed,
    TagCheckFailed,
    Truncated,
)
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import GENERAL_GLO, Channel, Counters, is_ciphered, suite_keys

PUBLIC_SAP: Final = 16
READER_SAP: Final = 32
UTILITY_SAP: Final = 48

CLOCK: Final = Obis(0, 0, 1, 0, 0, 255)
SERIAL: Final = Obis(0, 0, 96, 1, 0, 255)
INVOCATION_COUNTERS: Final = frozenset(Obis(0, 0, 43, 1, e, 255) for e in (2, 3))
"""Where the highest invocation counter accepted is read (reader, utility): one counter, as both use one key."""

PUBLIC_OBJECTS: Final = frozenset({CLOCK, SERIAL, *INVOCATION_COUNTERS})
CURRENT_ASSOCIATION: Final = Obis(0, 0, 40, 0, 0, 255)
CHALLENGE_SIZE: Final = 16
SMALLEST_PDU: Final = 64
"""The smallest APDU size of a client that is served, in octets; every block must carry data."""

OFFERED: Final = (
    Conformance.GENERAL_PROTECTION
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.ACTION
)

_RULES: Final[dict[int, tuple[Mechanism, tuple[bool, ...]]]] = {
    PUBLIC_SAP: (Mechanism.NONE, (False,)),
    READER_SAP: (Mechanism.LLS, (False, True)),
    UTILITY_SAP: (Mechanism.HLS_GMAC, (True,)),
}
"""Client address: its mechanism, and whether its association may be ciphered."""

_BLOCK_HEADER: Final = 12
"""Octets of a datablock response before its data, at most."""


@dataclass(frozen=True, slots=True)
class Association:
    """As whom a request comes: what the object model may base its own decisions on."""

    client_sap: int
    mechanism: Mechanism
    ciphered: bool


class ObjectModel(Protocol):
    """The meter's objects. Values, parameters and selections are A-XDR octets; to refuse, raise :class:`Refused`.

    Other errors of the DLMS tree (from decoding a selection or value) become a data-access-result too.
    """

    def get(
        self, association: Association, class_id: int, obis: Obis, attribute: int, selection: bytes | None
    ) -> bytes:
        """Return an attribute's value; ``selection`` is the access selector octet and its parameters."""
        ...

    def set(self, association: Association, class_id: int, obis: Obis, attribute: int, value: bytes) -> None:
        """Write an attribute."""
        ...

    def action(
        self, association: Association, class_id: int, obis: Obis, method: int, parameter: bytes | None
    ) -> bytes | None:
        """Invoke a method; return what it returns."""
        ...


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """A meter's title (8 octets), keys (16 octets each) and password; ``max_pdu`` is what it receives, in octets."""

    system_title: bytes
    encryption_key: bytes = field(repr=False)
    authentication_key: bytes = field(repr=False)
    password: bytes = field(repr=False)
    max_pdu: int = 1024
    public_objects: frozenset[Obis] = PUBLIC_OBJECTS


@dataclass(slots=True)
class _Transfer:
    """A value on its way in blocks: ``at`` octets and ``number`` blocks of it are sent."""

    value: bytes
    at: int = 0
    number: int = 0


@dataclass(slots=True)
class _State:
    """One open association. ``challenge`` is ours and ``theirs`` the client's until HLS is through."""

    association: Association
    channel: Channel | None
    conformance: Conformance
    max_pdu: int
    challenge: bytes = b""
    theirs: bytes = b""
    transfer: _Transfer | None = None

    @property
    def room(self) -> int:
        """Octets of a plain response that still fit the client's APDU size after protection."""
        return self.max_pdu - (0 if self.channel is None else self.channel.overhead)


class ServerSession:
    """The associations over one connection.

    ``counters`` belong to the meter, not to the connection: hand the same object to all sessions of a meter, so that a
    counter once accepted stays refused. They default to fresh ones (0 sent, 0 received).
    """

    __slots__ = ("_counters", "_model", "_settings", "_states")

    def __init__(self, model: ObjectModel, settings: ServerSettings, counters: Counters | None = None) -> None:
        self._model = model
        self._settings = settings
        self._counters = Counters(0, 0) if counters is None else counters
        self._states: dict[int, _State] = {}

    def receive(self, client_sap: int, request: bytes) -> bytes:
        """Answer one APDU of the client at ``client_sap``; never raises on bad input."""
        try:
            if request[:1] == b"\x60":
                return self._associate(client_sap, request)
            if request[:1] == b"\x62":
                return self._release(client_sap, request)
            return self._serve(client_sap, request)
        except TagCheckFailed:
            return _exception(ServiceFault.DECIPHERING_ERROR)
        except Replayed as error:
            return _exception(ServiceFault.INVOCATION_COUNTER_ERROR, error.last)
        except DlmsError:
            return _exception(ServiceFault.OTHER_REASON)

    # Associations

    def _associate(self, sap: int, request: bytes) -> bytes:
        self._states.pop(sap, None)
        try:
            asked = acse.decode_acse(request)
        except DlmsError:
            return _rejected(Diagnostic.NO_REASON_GIVEN)
        if not isinstance(asked, acse.AssociationRequest):
            return _rejected(Diagnostic.NO_REASON_GIVEN)
        reason = self._objection(sap, asked)
        if reason is not None:
            return _rejected(reason)
        try:
            state = self._open(sap, asked)
        except AssociationRejected as error:
            return _rejected(Diagnostic(error.diagnostic or Diagnostic.NO_REASON_GIVEN))
        self._states[sap] = state
        agreed = acse.InitiateResponse(state.conformance, self._settings.max_pdu).encode()
        if state.channel is not None:
            agreed = state.channel.seal(agreed)
        high = asked.mechanism is Mechanism.HLS_GMAC
        return acse.AssociationResponse(
            asked.context,
            Result.ACCEPTED,
            Diagnostic.AUTHENTICATION_REQUIRED if high else Diagnostic.NULL,
            agreed,
            asked.mechanism if high else Mechanism.NONE,
            state.challenge if high else None,
            self._settings.system_title if state.channel is not None else None,
        ).encode()

    def _objection(self, sap: int, asked: acse.AssociationRequest) -> Diagnostic | None:
        """Why this client does not get an association of this kind."""
        ciphered = asked.context is Context.CIPHERED
        mechanism, protections = _RULES.get(sap, (None, ()))
        secret = asked.authentication or b""
        objections = (
            (mechanism is None, Diagnostic.NO_REASON_GIVEN),
            (asked.mechanism is not mechanism, Diagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED),
            (ciphered not in protections, Diagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED),
            (ciphered and asked.system_title is None, Diagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED),
            (
                mechanism is Mechanism.LLS and not hmac.compare_digest(secret, self._settings.password),
                Diagnostic.AUTHENTICATION_FAILURE,
            ),
            (mechanism is Mechanism.HLS_GMAC and not 8 <= len(secret) <= 64, Diagnostic.AUTHENTICATION_FAILURE),
        )
        return next((diagnostic for objects, diagnostic in objections if objects), None)

    def _open(self, sap: int, asked: acse.AssociationRequest) -> _State:
        channel = None
        information = asked.user_information
        if asked.context is Context.CIPHERED:
            keys = suite_keys(self._settings.encryption_key, self._settings.authentication_key)
            channel = Channel(keys, self._settings.system_title, asked.system_title, self._counters)
            information = channel.open(information)
        proposed = acse.decode_initiate_request(information)
        client_pdu = proposed.max_pdu or 0xFFFF
        if proposed.version != acse.DLMS_VERSION or client_pdu < SMALLEST_PDU:
            raise AssociationRejected(
                "this DLMS version or APDU size is not served", diagnostic=Diagnostic.NO_REASON_GIVEN
            )
        state = _State(
            Association(sap, asked.mechanism, channel is not None), channel, proposed.conformance & OFFERED, client_pdu
        )
        if asked.mechanism is Mechanism.HLS_GMAC:
            state.challenge = secrets.token_bytes(CHALLENGE_SIZE)
            state.theirs = asked.authentication or b""
        return state

    def _release(self, sap: int, request: bytes) -> bytes:
        asked = acse.decode_acse(request)
        state = self._states.get(sap)
        if not isinstance(asked, acse.Release) or state is None:
            return _exception(ServiceFault.OPERATION_NOT_POSSIBLE)
        if state.channel is not None and asked.user_information is not None:
            state.channel.open(asked.user_information)
        del self._states[sap]
        return acse.Release(response=True).encode()

    # Services

    def _serve(self, sap: int, request: bytes) -> bytes:
        state = self._states.get(sap)
        if state is None:
            return _exception(ServiceFault.OPERATION_NOT_POSSIBLE)
        channel = state.channel
        if channel is None:
            return self._answer(state, apdu.decode(request), 0).encode()
        if not is_ciphered(request):
            return _exception(ServiceFault.OPERATION_NOT_POSSIBLE)
        before = self._counters.received
        answer = self._answer(state, apdu.decode(channel.open(request)), before)
        plain = answer.encode()
        if isinstance(answer, apdu.ExceptionResponse):
            return plain
        return channel.seal(plain, general=request[0] == GENERAL_GLO)

    def _answer(self, state: _State, request: apdu.Apdu, before: int) -> apdu.Apdu:
        if state.challenge:
            if isinstance(request, apdu.ActionRequest) and _is_proof(request):
                return self._prove(state, request, before)
            return apdu.ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceFault.OPERATION_NOT_POSSIBLE)
        if not isinstance(request, apdu.GetNext):
            state.transfer = None
        match request:
            case apdu.GetRequest():
                answer = self._get(state, request)
            case apdu.GetNext():
                answer = self._next_block(state, request)
            case apdu.GetListRequest():
                answer = self._get_list(state, request)
            case apdu.SetRequest():
                answer = self._set(state, request)
            case apdu.ActionRequest():
                answer = self._action(state, request)
            case _:
                answer = apdu.ExceptionResponse(StateError.SERVICE_UNKNOWN, ServiceFault.SERVICE_NOT_SUPPORTED)
        return answer

    def _get(self, state: _State, request: apdu.GetRequest) -> apdu.Apdu:
        value = self._read(state.association, request.attribute)
        if isinstance(value, bytes) and len(value) + 4 > state.room:
            return self._in_blocks(state, request.invoke, value)
        return apdu.GetResponse(request.invoke, value)

    def _get_list(self, state: _State, request: apdu.GetListRequest) -> apdu.Apdu:
        if Conformance.MULTIPLE_REFERENCES not in state.conformance:
            return apdu.ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceFault.SERVICE_NOT_SUPPORTED)
        results = tuple(self._read(state.association, attribute) for attribute in request.attributes)
        response = apdu.GetListResponse(request.invoke, results)
        encoded = apdu.encode_results(results)
        return response if len(encoded) + 3 <= state.room else self._in_blocks(state, request.invoke, encoded)

    def _in_blocks(self, state: _State, invoke: int, value: bytes) -> apdu.Apdu:
        if Conformance.BLOCK_TRANSFER_WITH_GET not in state.conformance:
            return apdu.GetResponse(invoke, DataAccessResult.OTHER_REASON)
        state.transfer = _Transfer(value)
        return _block(state, state.transfer, invoke)

    def _next_block(self, state: _State, request: apdu.GetNext) -> apdu.Apdu:
        transfer = state.transfer
        if transfer is None:
            return apdu.GetResponse(request.invoke, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        if request.block != transfer.number:
            state.transfer = None
            invalid = DataAccessResult.DATA_BLOCK_NUMBER_INVALID
            return apdu.GetBlock(request.invoke, last=True, number=request.block, result=invalid)
        return _block(state, transfer, request.invoke)

    def _set(self, state: _State, request: apdu.SetRequest) -> apdu.Apdu:
        target = request.attribute
        if state.association.client_sap != UTILITY_SAP or target.obis in INVOCATION_COUNTERS:
            return apdu.SetResponse(request.invoke, DataAccessResult.READ_WRITE_DENIED)
        result = DataAccessResult.SUCCESS
        try:
            if target.selection is not None:
                raise Refused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
            self._model.set(state.association, target.class_id, target.obis, target.attribute, request.value)
        except DlmsError as error:
            result = _result_of(error)
        return apdu.SetResponse(request.invoke, result)

    def _action(self, state: _State, request: apdu.ActionRequest) -> apdu.Apdu:
        if state.association.client_sap != UTILITY_SAP:
            return apdu.ActionResponse(request.invoke, ActionResult.READ_WRITE_DENIED)
        target = request.method
        try:
            value = self._model.action(
                state.association, target.class_id, target.obis, target.method, request.parameter
            )
        except DlmsError as error:
            return apdu.ActionResponse(request.invoke, _action_result(_result_of(error)))
        return apdu.ActionResponse(request.invoke, ActionResult.SUCCESS, value)

    def _read(self, association: Association, target: AttributeRef) -> Outcome:
        if association.client_sap == PUBLIC_SAP and target.obis not in self._settings.public_objects:
            return DataAccessResult.READ_WRITE_DENIED
        try:
            if target.obis in INVOCATION_COUNTERS:
                return self._counter_object(target)
            return self._model.get(association, target.class_id, target.obis, target.attribute, target.selection)
        except DlmsError as error:
            return _result_of(error)

    def _counter_object(self, target: AttributeRef) -> bytes:
        if target.class_id != 1:
            raise Refused(DataAccessResult.OBJECT_CLASS_INCONSISTENT)
        if target.attribute == 1:
            return axdr.encode(data.octets(target.obis.to_bytes()))
        if target.attribute == 2:
            return axdr.encode(data.u32(self._counters.received))
        raise Refused(DataAccessResult.OBJECT_UNDEFINED)

    def _prove(self, state: _State, request: apdu.ActionRequest, before: int) -> apdu.Apdu:
        """Passes 3 and 4 of HLS: check f(StoC), answer f(CtoS). After a wrong proof the association is gone."""
        settings = self._settings
        challenge, state.challenge = state.challenge, b""
        try:
            proof = axdr.decode_all(request.parameter or b"")
            if proof.tag is not data.Tag.OCTET_STRING or state.channel is None or state.channel.peer is None:
                raise Malformed("an answer to a challenge is an octet-string")
            keys = suite_keys(settings.encryption_key, settings.authentication_key)
            counter = keys.check_gmac(state.channel.peer, proof.value, challenge)
            # The proof is made before the APDU that carries it is sealed, so its counter is the lower of the two.
            Counters(received=before).check(counter)
        except DlmsError:
            self._states.pop(state.association.client_sap, None)
            return apdu.ActionResponse(request.invoke, ActionResult.OTHER_REASON)
        self._counters.received = max(self._counters.received, counter)
        answer = keys.gmac(settings.system_title, self._counters.draw(), state.theirs)
        return apdu.ActionResponse(request.invoke, ActionResult.SUCCESS, axdr.encode(data.octets(answer)))


def _is_proof(request: apdu.ActionRequest) -> bool:
    target = request.method
    return target.class_id == 15 and target.obis == CURRENT_ASSOCIATION and target.method == 1


def _block(state: _State, transfer: _Transfer, invoke: int) -> apdu.GetBlock:
    piece = transfer.value[transfer.at : transfer.at + state.room - _BLOCK_HEADER]
    transfer.at += len(piece)
    transfer.number += 1
    last = transfer.at >= len(transfer.value)
    if last:
        state.transfer = None
    return apdu.GetBlock(invoke, last, transfer.number, piece)


def _result_of(error: DlmsError) -> DataAccessResult:
    if isinstance(error, Refused):
        return error.result
    wrong = isinstance(error, (Truncated, Malformed))
    return DataAccessResult.TYPE_UNMATCHED if wrong else DataAccessResult.OTHER_REASON


def _action_result(result: DataAccessResult) -> ActionResult:
    try:
        return ActionResult(result.value)
    except ValueError:
        return ActionResult.OTHER_REASON


def _exception(fault: ServiceFault, counter: int | None = None) -> bytes:
    return apdu.ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, fault, counter).encode()


def _rejected(diagnostic: Diagnostic) -> bytes:
    return acse.AssociationResponse(Context.PLAIN, Result.REJECTED_PERMANENT, diagnostic).encode()
