"""GET, SET, ACTION and ACCESS at the server's side, in all their forms; what is asked of the object model.

Nothing here raises on what a client asks: a refusal is a data-access-result, an action-result or an
exception-response. A transfer in blocks ends with the first request that is not its next block.
"""

from __future__ import annotations

from demeter.protocols.dlms import apdu, axdr, data
from demeter.protocols.dlms.acse import Conformance
from demeter.protocols.dlms.admission import INVOCATION_COUNTERS, PUBLIC_SAP, UTILITY_SAP, MeterKeys, ServerSettings
from demeter.protocols.dlms.apdu import NULL, AccessKind, ActionReply, ActionResult, AttributeRef, MethodRef, Outcome
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError, Malformed, Refused, Truncated
from demeter.protocols.dlms.security.rekey import SECURITY_SETUP
from demeter.protocols.dlms.security_setup import SECURITY_SETUPS, SecuritySetup
from demeter.protocols.dlms.server.model import ObjectModel, SelectiveWriting
from demeter.protocols.dlms.server.state import State


class Objects:
    """The objects as one association may see them."""

    __slots__ = ("_keys", "_model", "_settings", "_setup")

    def __init__(self, model: ObjectModel, settings: ServerSettings, keys: MeterKeys) -> None:
        self._model = model
        self._settings = settings
        self._keys = keys
        self._setup = SecuritySetup(settings, keys)

    def read(self, state: State, target: AttributeRef) -> Outcome:
        """Read an attribute."""
        association = state.association
        if association.client_sap == PUBLIC_SAP and target.obis not in self._settings.public_objects:
            return DataAccessResult.READ_WRITE_DENIED
        try:
            if target.obis in INVOCATION_COUNTERS:
                return self._counter_object(target)
            if _is_setup(target):
                return self._setup.get(target.obis, target.attribute, state.channel)
            return self._model.get(association, target.class_id, target.obis, target.attribute, target.selection)
        except DlmsError as error:
            return result_of(error)

    def write(self, state: State, target: AttributeRef, value: bytes) -> DataAccessResult:
        """Write an attribute, or a part of it where the model can."""
        association = state.association
        if association.client_sap != UTILITY_SAP or target.obis in INVOCATION_COUNTERS:
            return DataAccessResult.READ_WRITE_DENIED
        model, where = self._model, (association, target.class_id, target.obis, target.attribute)
        try:
            if target.selection is None:
                model.set(*where, value)
            elif isinstance(model, SelectiveWriting):
                model.set_part(*where, target.selection, value)
            else:
                return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        except DlmsError as error:
            return result_of(error)
        return DataAccessResult.SUCCESS

    def invoke(self, state: State, target: MethodRef, parameter: bytes | None) -> ActionReply:
        """Invoke a method."""
        association = state.association
        if association.client_sap != UTILITY_SAP:
            return ActionReply(ActionResult.READ_WRITE_DENIED)
        try:
            if _is_setup(target):
                value = self._setup.invoke(target.method, parameter, state.channel)
            else:
                value = self._model.action(association, target.class_id, target.obis, target.method, parameter)
        except DlmsError as error:
            return ActionReply(action_result_of(error))
        return ActionReply(ActionResult.SUCCESS, value)

    def _counter_object(self, target: AttributeRef) -> bytes:
        if target.class_id != 1:
            raise Refused(DataAccessResult.OBJECT_CLASS_INCONSISTENT)
        if target.attribute == 1:
            return axdr.encode(data.octets(target.obis.to_bytes()))
        if target.attribute == 2:
            return axdr.encode(data.u32(self._keys.counters.received))
        raise Refused(DataAccessResult.OBJECT_UNDEFINED)


def _is_setup(target: AttributeRef | MethodRef) -> bool:
    return target.class_id == SECURITY_SETUP and target.obis in SECURITY_SETUPS


def result_of(error: DlmsError) -> DataAccessResult:
    """The data-access-result an error of the object model stands for."""
    if isinstance(error, Refused):
        return error.result
    wrong = isinstance(error, (Truncated, Malformed))
    return DataAccessResult.TYPE_UNMATCHED if wrong else DataAccessResult.OTHER_REASON


def action_result_of(error: DlmsError) -> ActionResult:
    """The action-result an error of the object model stands for."""
    try:
        return ActionResult(result_of(error).value)
    except ValueError:
        return ActionResult.OTHER_REASON


def not_supported(
    state: apdu.StateError = apdu.StateError.SERVICE_NOT_ALLOWED,
) -> apdu.ExceptionResponse:
    """The answer to a service that is unknown or was not agreed on."""
    return apdu.ExceptionResponse(state, apdu.ServiceFault.SERVICE_NOT_SUPPORTED)


def access(state: State, objects: Objects, request: apdu.AccessRequest) -> apdu.Apdu:
    """Carry out an ACCESS request, part by part in order."""
    if Conformance.ACCESS not in state.conformance:
        return not_supported()
    results: list[apdu.AccessResult] = []
    values: list[bytes] = []
    stopped = False
    for target, value in zip(request.targets, request.values, strict=True):
        result, answer = (_skipped(target.kind), NULL) if stopped else _part(state, objects, target, value)
        results.append(apdu.AccessResult(target.kind, result))
        values.append(answer)
        stopped = stopped or bool(result.value and request.invoke & apdu.BREAK_ON_ERROR)
    echo = request.targets if request.invoke & apdu.SELF_DESCRIPTIVE else None
    response = apdu.AccessResponse(request.invoke, tuple(results), tuple(values), b"", echo)
    if state.fits(len(response.encode()), Conformance.ACCESS) or state.whole:
        return response
    if Conformance.GENERAL_BLOCK_TRANSFER in state.conformance:
        return response
    return apdu.ExceptionResponse(apdu.StateError.SERVICE_NOT_ALLOWED, apdu.ServiceFault.PDU_TOO_LONG)


def _skipped(kind: AccessKind) -> DataAccessResult | ActionResult:
    return ActionResult.OTHER_REASON if kind is AccessKind.ACTION else DataAccessResult.OTHER_REASON


def _part(
    state: State, objects: Objects, target: apdu.AccessTarget, value: bytes
) -> tuple[DataAccessResult | ActionResult, bytes]:
    what = target.target
    if isinstance(what, MethodRef):
        reply = objects.invoke(state, what, None if value == NULL else value)
        return reply.result, reply.value if isinstance(reply.value, bytes) else NULL
    if target.kind is AccessKind.SET:
        return objects.write(state, what, value), NULL
    outcome = objects.read(state, what)
    return (outcome, NULL) if isinstance(outcome, DataAccessResult) else (DataAccessResult.SUCCESS, outcome)
