"""The server side of a connection: a meter's associations, what each may see, and the way of every request.

Three associations by client address (the Indian companion standard's): 16 public (no authentication, no ciphering, a
few named objects), 32 reader (password; may be ciphered; reads), 48 utility (HLS-GMAC, always ciphered; everything).
"""

from __future__ import annotations

from typing import Final

from demeter.protocols.dlms import acse, apdu, axdr, data
from demeter.protocols.dlms.acse import Conformance, Context, Diagnostic, Mechanism, Result
from demeter.protocols.dlms.admission import Admission, Admitted, MeterKeys, ServerSettings
from demeter.protocols.dlms.apdu import MAX_WINDOW, ActionResult, Notification, ServiceFault, StateError
from demeter.protocols.dlms.apdu.general_block import GENERAL_BLOCK_TRANSFER, read_general_block
from demeter.protocols.dlms.errors import (
    AssociationRejected,
    DlmsError,
    Malformed,
    Replayed,
    TagCheckFailed,
    Unsupported,
)
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import Counters, is_ciphered
from demeter.protocols.dlms.server.dispatch import serve
from demeter.protocols.dlms.server.general import GeneralTransfer
from demeter.protocols.dlms.server.model import ObjectModel
from demeter.protocols.dlms.server.services import Objects
from demeter.protocols.dlms.server.state import State

CURRENT_ASSOCIATION: Final = Obis(0, 0, 40, 0, 0, 255)

_ACSE: Final = (bytes((acse.AARQ,)), bytes((acse.RLRQ,)))
_GENERAL: Final = bytes((GENERAL_BLOCK_TRANSFER,))


class ServerSession:
    """The associations over one connection.

    ``keys`` and their counters belong to the meter, not to the connection: hand the same object to all sessions of a
    meter, so that a counter once accepted stays refused and new keys are in force everywhere. By default they are made
    from the settings, with ``counters`` or fresh ones (0 sent, 0 received).
    """

    __slots__ = ("_admission", "_objects", "_settings", "_states")

    def __init__(
        self,
        model: ObjectModel,
        settings: ServerSettings,
        counters: Counters | None = None,
        keys: MeterKeys | None = None,
    ) -> None:
        self._settings = settings
        held = MeterKeys(settings, counters) if keys is None else keys
        self._admission = Admission(settings, held)
        self._objects = Objects(model, settings, held)
        self._states: dict[int, State] = {}

    def receive(self, client_sap: int, request: bytes) -> bytes:
        """Answer one APDU of the client at ``client_sap`` by one APDU; never raises on bad input.

        Empty where no answer is due: within a window of general blocks, which only comes with settings that allow it.
        """
        answers = self.answers(client_sap, request, most=1)
        return answers[0] if answers else b""

    def answers(self, client_sap: int, request: bytes, *, most: int = MAX_WINDOW) -> list[bytes]:
        """Answer one APDU by as many as are due: none or several (at most ``most``) within a window of general blocks.

        Never raises on bad input.
        """
        try:
            if request[:1] == _GENERAL:
                return self._serve_blocks(client_sap, request, most)
            if request[:1] in _ACSE:
                return [self._associate_or_release(client_sap, request)]
            return self._serve(client_sap, request)
        except DlmsError as error:
            return [_failure(error)]

    def notify(self, client_sap: int, notification: Notification) -> bytes:
        """The APDU that tells the associated client something unasked, protected as the association is.

        Raises:
            Unsupported: no association is open, or it did not agree to such notifications.
        """
        state = self._states.get(client_sap)
        event = isinstance(notification, apdu.EventNotification)
        needed = Conformance.EVENT_NOTIFICATION if event else Conformance.DATA_NOTIFICATION
        if state is None or state.admitted.challenge or needed not in state.conformance:
            raise Unsupported("the client has no association that takes such notifications")
        plain = notification.encode()
        return plain if state.channel is None else state.channel.seal(plain)

    # Associations

    def _associate_or_release(self, sap: int, request: bytes) -> bytes:
        return self._associate(sap, request) if request[0] == acse.AARQ else self._release(sap, request)

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
        self._states[sap] = self._state_of(admitted)
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

    def _state(self, sap: int) -> State | None:
        """Return the association of a client address; one that is pre-established begins with its first request."""
        if sap not in self._states:
            admitted = self._admission.pre_established(sap)
            if admitted is not None:
                self._states[sap] = self._state_of(admitted)
        return self._states.get(sap)

    def _state_of(self, admitted: Admitted) -> State:
        settings = self._settings
        return State(admitted, GeneralTransfer(admitted.max_pdu, settings.window, settings.max_transfer))

    # Services

    def _serve_blocks(self, sap: int, request: bytes, most: int) -> list[bytes]:
        state = self._state(sap)
        if state is None or Conformance.GENERAL_BLOCK_TRANSFER not in state.conformance:
            return [_exception(ServiceFault.OPERATION_NOT_POSSIBLE)]
        taken = state.general.take(read_general_block(request), most)
        if isinstance(taken, bytes):
            state.whole = True
            answer = self._answered(state, taken)
            taken = state.general.send(answer)
        return [block.encode() for block in taken]

    def _serve(self, sap: int, request: bytes) -> list[bytes]:
        state = self._state(sap)
        if state is None:
            return [_exception(ServiceFault.OPERATION_NOT_POSSIBLE)]
        state.whole = False
        answer = self._answered(state, request)
        if len(answer) > state.admitted.max_pdu and Conformance.GENERAL_BLOCK_TRANSFER in state.conformance:
            return [block.encode() for block in state.general.begin(answer)]
        state.general.clear()
        return [answer]

    def _answered(self, state: State, request: bytes) -> bytes:
        """The whole answer to a whole request, protected as it is."""
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

    def _answer(self, state: State, request: apdu.Apdu, before: int) -> apdu.Apdu:
        if state.admitted.challenge:
            if isinstance(request, apdu.ActionRequest) and _is_proof(request):
                return self._prove(state, request, before)
            return apdu.ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceFault.OPERATION_NOT_POSSIBLE)
        return serve(state, self._objects, self._settings.max_transfer, request)

    def _prove(self, state: State, request: apdu.ActionRequest, before: int) -> apdu.Apdu:
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


def _failure(error: DlmsError) -> bytes:
    if isinstance(error, Replayed):
        return _exception(ServiceFault.INVOCATION_COUNTER_ERROR, error.last)
    wrong_keys = isinstance(error, TagCheckFailed)
    return _exception(ServiceFault.DECIPHERING_ERROR if wrong_keys else ServiceFault.OTHER_REASON)


def _exception(fault: ServiceFault, counter: int | None = None) -> bytes:
    return apdu.ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, fault, counter).encode()


def _rejected(diagnostic: Diagnostic) -> bytes:
    return acse.AssociationResponse(Context.PLAIN, Result.REJECTED_PERMANENT, diagnostic).encode()
