"""What all services of an association share: protection, invoke ids, sizes, and what an answer means."""

from __future__ import annotations

from abc import ABC
from collections import deque
from typing import Final

from demeter.protocols.dlms import apdu
from demeter.protocols.dlms.acse import Conformance, InitiateResponse
from demeter.protocols.dlms.apdu import DATA_NOTIFICATION, EVENT_NOTIFICATION, Notification
from demeter.protocols.dlms.association import MAX_UNASKED, ClientAssociation, ClientSettings, Exchange
from demeter.protocols.dlms.client.carrier import WAIT, Limits, carry
from demeter.protocols.dlms.errors import (
    AssociationRejected,
    DataAccessResult,
    DlmsError,
    Downgraded,
    Malformed,
    Refused,
    Replayed,
    ServiceError,
    TagCheckFailed,
)
from demeter.protocols.dlms.security import is_ciphered

CONFIRMED_HIGH: Final = 0xC0
"""Invoke-id-and-priority: confirmed service, high priority; the invoke id is in the low four bits."""

MAX_PDU: Final = 0xFFFF
"""The APDU size of a meter that tells no limit, in octets."""

MAX_NOTIFICATIONS: Final = 64
"""Notifications kept until somebody takes them; older ones are dropped."""

_ERRORS: Final = (b"\xd8", b"\x0e")
_UNASKED: Final = (DATA_NOTIFICATION, EVENT_NOTIFICATION)


class Line(ClientAssociation, ABC):
    """An association and how requests go over it; :mod:`.facade` adds the services."""

    __slots__ = ("_known", "_limits", "_long_invoke", "_mask", "_notifications")

    def __init__(self, settings: ClientSettings) -> None:
        super().__init__(settings)
        self._notifications: deque[Notification] = deque(maxlen=MAX_NOTIFICATIONS)
        self._long_invoke = 0
        self._known: InitiateResponse | None = None
        self._mask = 0
        self._limits = Limits(False, MAX_PDU, settings.window)

    def next_invoke(self) -> int:
        """The invoke-id-and-priority of the next request."""
        self._invoke = (self._invoke + 1) & 0x0F
        return CONFIRMED_HIGH | self._invoke

    def next_long_invoke(self) -> int:
        """The long-invoke-id-and-priority of the next ACCESS request."""
        self._long_invoke = (self._long_invoke + 1) & apdu.LONG_INVOKE_ID
        return apdu.CONFIRMED | apdu.HIGH_PRIORITY | self._long_invoke

    def agreed(self, service: Conformance) -> bool:
        """Whether the meter agreed to a service that was proposed."""
        self._learn()
        return not int(service) & ~self._mask

    @property
    def room(self) -> int:
        """Octets a plain request may have so that it fits the meter's APDU size after protection."""
        self._learn()
        return self._limits.pdu - (0 if self._channel is None else self._channel.overhead)

    def _learn(self) -> None:
        """Work out once for each association what was agreed on: it is asked for with every request."""
        server = self._server
        if server is self._known:
            return
        self._known = server
        self._mask = 0 if server is None else int(server.conformance & self._settings.conformance)
        general = self._mask & int(Conformance.GENERAL_BLOCK_TRANSFER) != 0
        pdu = MAX_PDU if server is None else server.max_pdu or MAX_PDU
        self._limits = Limits(general, pdu, self._settings.window)

    def fits(self, request: bytes, blocks: Conformance) -> bool:
        """Whether a request goes in one piece, or in general blocks because its own ``blocks`` are not agreed on."""
        if len(request) <= self.room:
            return True
        general = self.agreed(Conformance.GENERAL_BLOCK_TRANSFER)
        return general and (self._settings.window > 1 or not self.agreed(blocks))

    def ask(self, request: bytes) -> Exchange[bytes]:
        """Send one plain APDU, protected as agreed, and return the plain APDU of the answer.

        Notifications that come instead are kept and passed over.
        """
        if not self._open:
            raise AssociationRejected("no association is open")
        channel = self._channel
        self._learn()
        sealed = request if channel is None else channel.seal(request)
        answer = self._opened((yield from carry(sealed, self._limits)))
        for _ in range(MAX_UNASKED):
            if not answer or answer[0] not in _UNASKED:
                return answer
            self._keep(answer)
            answer = self._opened((yield WAIT))
        raise Malformed("the meter keeps sending notifications instead of an answer", offset=0)

    def _opened(self, raw: bytes) -> bytes:
        """The plain APDU of what came."""
        ciphered = is_ciphered(raw)
        if self._channel is None:
            if ciphered:
                raise Malformed("a protected answer in an unprotected association", offset=0)
            return raw
        if ciphered:
            return self._channel.open(raw)
        if raw[:1] not in _ERRORS:
            raise Downgraded("an unprotected answer in a protected association", offset=0)
        return raw

    def _keep(self, raw: bytes) -> None:
        try:
            unasked = apdu.decode(raw)
        except DlmsError:
            return  # it is no answer, and nobody asked for it
        if isinstance(unasked, Notification):
            self._notifications.append(unasked)

    def call(self, request: bytes, invoke: int) -> Exchange[apdu.Response]:
        """Send one service request and return the answer that belongs to it.

        Raises:
            TagCheckFailed, Replayed, ServiceError: as :meth:`_checked`.
            Malformed: the answer belongs to another request, or is none.
        """
        answer = self._checked(apdu.decode((yield from self.ask(request))))
        mask = apdu.LONG_INVOKE_ID if isinstance(answer, apdu.AccessResponse) else 0x0F
        if (answer.invoke ^ invoke) & mask:
            raise Malformed("the answer belongs to another request", offset=2)
        return answer

    def _checked(self, answer: apdu.Apdu) -> apdu.Response:
        """Raise what an error APDU means.

        Raises:
            TagCheckFailed, Replayed: the meter could not open, or had already seen, what we sent.
            ServiceError: any other refusal of the service.
            Malformed: no answer at all.
        """
        if isinstance(answer, (apdu.GetResponse, apdu.GetBlock)):
            return answer  # by far the most frequent
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
                f"the meter refused the service: {answer}",
                state=answer.group,
                service=answer.value,
            )
        if not isinstance(answer, apdu.Response):
            raise Malformed(f"{type(answer).__name__} is no answer", offset=0)
        return answer


def refusal(result: DataAccessResult | apdu.ActionResult, what: object) -> Refused:
    """The error for a result other than success; the numbers of action-result are those of data-access-result."""
    return Refused(DataAccessResult(result.value), f"{what}: {result.name.lower().replace('_', ' ')}")
