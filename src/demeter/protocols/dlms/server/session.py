"""The server side of a connection: a meter's associations, what each may see, and the way of every request.

Three associations by client address (the Indian companion standard's): 16 public (no authentication, no ciphering, a
few named objects), 32 reader (password; may be ciphered; reads), 48 utility (HLS-GMAC, always ciphered; everything).
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from demeter.protocols.dlms import acse, apdu, axdr, data
from demeter.protocols.dlms.acse import Conformance, Context, Diagnostic, Mechanism, Result
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
from demeter.protocols.dlms.security import GENERAL_GLO, GLO_OF, Channel, Counters, is_ciphered, suite_keys
from demeter.protocols.dlms.server.dispatch import serve
from demeter.protocols.dlms.server.general import GeneralTransfer
from demeter.protocols.dlms.server.services import Objects
from demeter.protocols.dlms.server.settings import (
    CHALLENGE_SIZE,
    CURRENT_ASSOCIATION,
    PUBLIC_SAP,
    READER_SAP,
    SMALLEST_PDU,
    UTILITY_SAP,
    Association,
    ObjectModel,
    ServerSettings,
)
from demeter.protocols.dlms.server.state import State

_RULES: Final[dict[int, tuple[Mechanism, tuple[bool, ...]]]] = {
    PUBLIC_SAP: (Mechanism.NONE, (False,)),
    READER_SAP: (Mechanism.LLS, (False, True)),
    UTILITY_SAP: (Mechanism.HLS_GMAC, (True,)),
}
"""Client address: its mechanism, and whether its association may be ciphered."""

_ACSE: Final = (bytes((acse.AARQ,)), bytes((acse.RLRQ,)))
_GENERAL: Final = bytes((GENERAL_BLOCK_TRANSFER,))


class ServerSession:
    """The associations over one connection.

    ``counters`` belong to the meter, not to the connection: hand the same object to all sessions of a meter, so that a
    counter once accepted stays refused. They default to fresh ones (0 sent, 0 received).
    """

    __slots__ = ("_counters", "_objects", "_settings", "_states")

    def __init__(self, model: ObjectModel, settings: ServerSettings, counters: Counters | None = None) -> None:
        self._settings = settings
        self._counters = Counters(0, 0) if counters is None else counters
        self._objects = Objects(model, settings, self._counters)
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

    def notify(self, client_sap: int, notification: Notification, *, general: bool = True) -> bytes:
        """The APDU that tells the associated client something unasked, protected as the association is.

        Raises:
            Unsupported: no association is open, or it did not agree to such notifications.
        """
        state = self._states.get(client_sap)
        event = isinstance(notification, apdu.EventNotification)
        needed = Conformance.EVENT_NOTIFICATION if event else Conformance.DATA_NOTIFICATION
        if state is None or state.challenge or needed not in state.conformance:
            raise Unsupported("the client has no association that takes such notifications")
        return self._sealed(state, notification.encode(), general=general)

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

    def _open(self, sap: int, asked: acse.AssociationRequest) -> State:
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
        settings = self._settings
        state = State(
            Association(sap, asked.mechanism, channel is not None),
            channel,
            proposed.conformance & settings.conformance,
            client_pdu,
            GeneralTransfer(client_pdu, settings.window, settings.max_transfer),
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

    def _serve_blocks(self, sap: int, request: bytes, most: int) -> list[bytes]:
        state = self._states.get(sap)
        if state is None or Conformance.GENERAL_BLOCK_TRANSFER not in state.conformance:
            return [_exception(ServiceFault.OPERATION_NOT_POSSIBLE)]
        taken = state.general.take(read_general_block(request), most)
        if isinstance(taken, bytes):
            state.whole = True
            answer = self._answered(state, taken)
            taken = state.general.send(answer, protected=state.channel is not None)
        return [block.encode() for block in taken]

    def _serve(self, sap: int, request: bytes) -> list[bytes]:
        state = self._states.get(sap)
        if state is None:
            return [_exception(ServiceFault.OPERATION_NOT_POSSIBLE)]
        state.whole = False
        answer = self._answered(state, request)
        if len(answer) > state.max_pdu and Conformance.GENERAL_BLOCK_TRANSFER in state.conformance:
            return [block.encode() for block in state.general.begin(answer)]
        state.general.clear()
        return [answer]

    def _answered(self, state: State, request: bytes) -> bytes:
        """The whole answer to a whole request, protected as it is."""
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
        return self._sealed(state, plain, general=request[0] == GENERAL_GLO)

    def _sealed(self, state: State, plain: bytes, *, general: bool) -> bytes:
        if state.channel is None:
            return plain
        return state.channel.seal(plain, general=general or plain[0] not in GLO_OF)

    def _answer(self, state: State, request: apdu.Apdu, before: int) -> apdu.Apdu:
        if state.challenge:
            if isinstance(request, apdu.ActionRequest) and _is_proof(request):
                return self._prove(state, request, before)
            return apdu.ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceFault.OPERATION_NOT_POSSIBLE)
        return serve(state, self._objects, self._settings.max_transfer, request)

    def _prove(self, state: State, request: apdu.ActionRequest, before: int) -> apdu.Apdu:
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


def _failure(error: DlmsError) -> bytes:
    if isinstance(error, Replayed):
        return _exception(ServiceFault.INVOCATION_COUNTER_ERROR, error.last)
    wrong_keys = isinstance(error, TagCheckFailed)
    return _exception(ServiceFault.DECIPHERING_ERROR if wrong_keys else ServiceFault.OTHER_REASON)


def _exception(fault: ServiceFault, counter: int | None = None) -> bytes:
    return apdu.ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, fault, counter).encode()


def _rejected(diagnostic: Diagnostic) -> bytes:
    return acse.AssociationResponse(Context.PLAIN, Result.REJECTED_PERMANENT, diagnostic).encode()
