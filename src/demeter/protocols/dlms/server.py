"""The server side, sans-I/O: a meter's associations, what each may see, and the services on its objects.

Three associations by client address (the Indian companion standard's): 16 public (no authentication, no ciphering, a
few named objects), 32 reader (password; may be ciphered; reads), 48 utility (HLS-GMAC, always ciphered; everything).
A request never raises: what cannot be served is answered by an exception-response or a data-access-result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from demeter.protocols.dlms import acse, apdu, axdr, data
from demeter.protocols.dlms.acse import Conformance, Context, Diagnostic, Mechanism, Result
from demeter.protocols.dlms.admission import (
    CLOCK,
    INVOCATION_COUNTERS,
    PUBLIC_OBJECTS,
    PUBLIC_SAP,
    READER_SAP,
    SERIAL,
    UTILITY_SAP,
    Admission,
    Admitted,
    Association,
    MeterKeys,
    Rule,
    ServerSettings,
)
from demeter.protocols.dlms.apdu import ActionResult, AttributeRef, MethodRef, Outcome, ServiceFault, StateError
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
from demeter.protocols.dlms.security import SECURITY_SETUP, Channel, Counters, is_ciphered
from demeter.protocols.dlms.security_setup import SECURITY_SETUPS, SecuritySetup

__all__ = [
    "CLOCK",
    "PUBLIC_OBJECTS",
    "PUBLIC_SAP",
    "READER_SAP",
    "SERIAL",
    "UTILITY_SAP",
    "Association",
    "MeterKeys",
    "ObjectModel",
    "Rule",
    "ServerSession",
    "ServerSettings",
]

CURRENT_ASSOCIATION: Final = Obis(0, 0, 40, 0, 0, 255)

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

_BLOCK_HEADER: Final = 12
"""Octets of a datablock response before its data, at most."""


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


@dataclass(slots=True)
class _Transfer:
    """A value on its way in blocks: ``at`` octets and ``number`` blocks of it are sent."""

    value: bytes
    at: int = 0
    number: int = 0


@dataclass(slots=True)
class _State:
    """One open association and what of a long value is still to be sent."""

    admitted: Admitted
    transfer: _Transfer | None = None

    @property
    def association(self) -> Association:
        """As whom the client speaks."""
        return self.admitted.association

    @property
    def channel(self) -> Channel | None:
        """What protects it, if anything."""
        return self.admitted.channel

    @property
    def conformance(self) -> Conformance:
        """The services agreed on."""
        return self.admitted.conformance

    @property
    def room(self) -> int:
        """Octets of a plain response that still fit the client's APDU size after protection."""
        return self.admitted.max_pdu - (0 if self.channel is None else self.channel.overhead)


class ServerSession:
    """The associations over one connection.

    ``keys`` and their counters belong to the meter, not to the connection: hand the same object to all sessions of a
    meter, so that a counter once accepted stays refused and new keys are in force everywhere. By default they are made
    from the settings, with ``counters`` or fresh ones (0 sent, 0 received).
    """

    __slots__ = ("_admission", "_keys", "_model", "_settings", "_setup", "_states")

    def __init__(
        self,
        model: ObjectModel,
        settings: ServerSettings,
        counters: Counters | None = None,
        keys: MeterKeys | None = None,
    ) -> None:
        self._model = model
        self._settings = settings
        self._keys = MeterKeys(settings, counters) if keys is None else keys
        self._admission = Admission(settings, self._keys, OFFERED)
        self._setup = SecuritySetup(settings, self._keys)
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
        try:
            admitted = self._admission.open(sap, asked)
        except AssociationRejected as error:
            return _rejected(Diagnostic(error.diagnostic or Diagnostic.NO_REASON_GIVEN))
        response = self._admission.response(asked, admitted)
        self._states[sap] = _State(admitted)
        return response.encode()

    def _release(self, sap: int, request: bytes) -> bytes:
        asked = acse.decode_acse(request)
        state = self._states.get(sap)
        if not isinstance(asked, acse.Release) or state is None:
            return _exception(ServiceFault.OPERATION_NOT_POSSIBLE)
        if state.channel is not None and asked.user_information is not None:
            state.channel.open_initiate(asked.user_information)
        del self._states[sap]
        return acse.Release(response=True).encode()

    # Services

    def _serve(self, sap: int, request: bytes) -> bytes:
        state = self._state(sap)
        if state is None:
            return _exception(ServiceFault.OPERATION_NOT_POSSIBLE)
        channel = state.channel
        if channel is None:
            return self._answer(state, apdu.decode(request), state.admitted.counters.received).encode()
        if not is_ciphered(request):
            return _exception(ServiceFault.OPERATION_NOT_POSSIBLE)
        before = channel.counters.received
        answer = self._answer(state, apdu.decode(channel.open(request, follow=True)), before)
        plain = answer.encode()
        if isinstance(answer, apdu.ExceptionResponse):
            return plain
        return channel.seal(plain)

    def _state(self, sap: int) -> _State | None:
        """Return the association of a client address; one that is pre-established begins with its first request."""
        if sap not in self._states:
            admitted = self._admission.pre_established(sap)
            if admitted is not None:
                self._states[sap] = _State(admitted)
        return self._states.get(sap)

    def _answer(self, state: _State, request: apdu.Apdu, before: int) -> apdu.Apdu:
        if state.admitted.challenge:
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
        value = self._read(state, request.attribute)
        if isinstance(value, bytes) and len(value) + 4 > state.room:
            return self._in_blocks(state, request.invoke, value)
        return apdu.GetResponse(request.invoke, value)

    def _get_list(self, state: _State, request: apdu.GetListRequest) -> apdu.Apdu:
        if Conformance.MULTIPLE_REFERENCES not in state.conformance:
            return apdu.ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceFault.SERVICE_NOT_SUPPORTED)
        results = tuple(self._read(state, attribute) for attribute in request.attributes)
        response = apdu.GetListResponse(request.invoke, results)
        encoded = apdu.encode_results(results)
        return response if len(encoded) + 3 <= state.room else self._in_blocks(state, request.invoke, encoded)

    def _in_blocks(self, state: _State, invoke: int, value: bytes) -> apdu.Apdu:
        if Conformance.BLOCK_TRANSFER_WITH_GET not in state.conformance or state.room <= _BLOCK_HEADER:
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
        try:
            value = self._invoke(state, request.method, request.parameter)
        except DlmsError as error:
            return apdu.ActionResponse(request.invoke, _action_result(_result_of(error)))
        return apdu.ActionResponse(request.invoke, ActionResult.SUCCESS, value)

    def _invoke(self, state: _State, target: MethodRef, parameter: bytes | None) -> bytes | None:
        if target.class_id == SECURITY_SETUP and target.obis in SECURITY_SETUPS:
            return self._setup.invoke(target.method, parameter, state.channel)
        return self._model.action(state.association, target.class_id, target.obis, target.method, parameter)

    def _read(self, state: _State, target: AttributeRef) -> Outcome:
        association = state.association
        if association.client_sap == PUBLIC_SAP and target.obis not in self._settings.public_objects:
            return DataAccessResult.READ_WRITE_DENIED
        try:
            if target.obis in INVOCATION_COUNTERS:
                return self._counter_object(target)
            if target.class_id == SECURITY_SETUP and target.obis in SECURITY_SETUPS:
                return self._setup.get(target.obis, target.attribute, state.channel)
            return self._model.get(association, target.class_id, target.obis, target.attribute, target.selection)
        except DlmsError as error:
            return _result_of(error)

    def _counter_object(self, target: AttributeRef) -> bytes:
        if target.class_id != 1:
            raise Refused(DataAccessResult.OBJECT_CLASS_INCONSISTENT)
        if target.attribute == 1:
            return axdr.encode(data.octets(target.obis.to_bytes()))
        if target.attribute == 2:
            return axdr.encode(data.u32(self._keys.counters.received))
        raise Refused(DataAccessResult.OBJECT_UNDEFINED)

    def _prove(self, state: _State, request: apdu.ActionRequest, before: int) -> apdu.Apdu:
        """Passes 3 and 4 of HLS: check f(StoC), answer f(CtoS). After a wrong proof the association is gone."""
        admitted = state.admitted
        prover, challenge, admitted.challenge = admitted.prover, admitted.challenge, b""
        counters = admitted.counters
        try:
            proof = axdr.decode_all(request.parameter or b"")
            if proof.tag is not data.Tag.OCTET_STRING or prover is None:
                raise Malformed("an answer to a challenge is an octet-string")
            used = prover.check(proof.value, challenge, admitted.theirs)
            if used is not None:
                # The proof is made before the APDU that carries it is sealed, so its counter is the lower of the two.
                Counters(received=before).check(used)
                counters.received = max(counters.received, used)
            counter = counters.draw() if prover.mechanism is Mechanism.HLS_GMAC else 0
            answer = prover.answer(admitted.theirs, challenge, counter)
        except DlmsError:
            self._states.pop(state.association.client_sap, None)
            return apdu.ActionResponse(request.invoke, ActionResult.OTHER_REASON)
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
