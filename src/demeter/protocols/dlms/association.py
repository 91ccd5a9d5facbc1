"""The client side of an association: opening it with any mechanism, and releasing it; :mod:`.client` adds services."""

from __future__ import annotations

import hmac
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Final, TypeVar

from demeter.protocols.dlms import acse, apdu, axdr, data
from demeter.protocols.dlms.acse import Conformance, Context, Diagnostic, InitiateRequest, Mechanism, Result
from demeter.protocols.dlms.apdu import MAX_WINDOW, ActionReply, MethodRef
from demeter.protocols.dlms.errors import AssociationRejected, Malformed, Replayed, TagCheckFailed, Unsupported
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import (
    NO_PAIRS,
    Channel,
    CipherMode,
    Counters,
    Form,
    KeyPairs,
    KeyScheme,
    KeySet,
    MakerVariant,
    Protection,
    Prover,
    Suite,
    is_ciphered,
)

T = TypeVar("T")
Exchange = Generator[bytes, bytes, T]

CURRENT_ASSOCIATION: Final = Obis(0, 0, 40, 0, 0, 255)
ASSOCIATION_CLASS: Final = 15
MAX_LEAP: Final = 1 << 24
"""Invocation counters a meter may be ahead before it is not believed."""

MAX_UNASKED: Final = 16
"""Notifications passed over while one answer is awaited."""

_NOTIFICATIONS: Final = (bytes((apdu.DATA_NOTIFICATION,)), bytes((apdu.EVENT_NOTIFICATION,)))

PROPOSED: Final = (
    Conformance.GENERAL_PROTECTION
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_SET
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.DATA_NOTIFICATION
    | Conformance.ACCESS
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
)
"""What is proposed to a meter, which agrees to a part of it."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """As whom a meter is spoken to. Titles have 8 octets, keys the suite's size; ``max_pdu`` is what is received here.

    ``password`` is the secret of LLS and of the HLS mechanisms that have one. ``invocation_counter`` is the first
    counter this association uses: the driver reads the meter's counter object through the public association and adds
    one. ``server_counter`` is the highest counter seen from this meter under these keys (-1: none): an answer recorded
    earlier is then refused even in a new association. ``seen`` tells it by the system title that the AARE names, where
    it is not known beforehand which meter answers.

    ``protection`` is how requests are protected and the least accepted in answers; ``signed`` adds general-signing,
    both ways. ``key_scheme`` says where the keys of general-ciphering come from. A dedicated key is made anew for every
    association. ``server_title``: the meter must have this one (needed for pre-established associations only).

    ``window`` is how many general blocks come or go without waiting for each other. With more than 1, requests travel
    in general blocks where the meter agreed to them, and exchanges yield what ``Quiet`` and ``WAIT`` of :mod:`.client`
    stand for; whoever drives them must know these.

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
    suite: Suite = Suite.ZERO
    protection: Protection = Protection.AUTHENTICATED_ENCRYPTED
    key_scheme: KeyScheme = KeyScheme.IDENTIFIED
    signed: bool = False
    master_key: bytes = field(default=b"", repr=False)
    pairs: KeyPairs = NO_PAIRS
    server_title: bytes = b""
    maker_variant: MakerVariant = MakerVariant.AES_ECB
    conformance: Conformance = PROPOSED
    window: int = 1
    seen: Callable[[bytes], int] | None = None

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if not 1 <= self.window <= MAX_WINDOW:
            raise Malformed(f"a window has 1 to {MAX_WINDOW} blocks, not {self.window}")
        ciphered = self.cipher is not CipherMode.NONE
        if (ciphered or self.mechanism.titled) and len(self.system_title) != 8:
            raise Malformed(f"a system title has 8 octets, not {len(self.system_title)}")
        if ciphered or self.mechanism is Mechanism.HLS_GMAC:
            _ = self.keys.sealing
        if self.signed and not ciphered:
            raise Malformed("only ciphered APDUs are signed here")
        curves = self.signed or self.key_scheme in (KeyScheme.EPHEMERAL, KeyScheme.STATIC)
        if self.suite is Suite.ZERO and (curves or self.mechanism is Mechanism.HLS_ECDSA):
            raise Malformed("suite 0 has neither signatures nor key agreement")

    @property
    def keys(self) -> KeySet:
        """All keys."""
        return KeySet(self.encryption_key, self.authentication_key, self.suite, self.master_key, self.pairs)

    @property
    def form(self) -> Form:
        """How requests are sent."""
        return Form(self.cipher, self.protection, self.key_scheme, self.signed)


class ClientAssociation(ABC):
    """One association with one meter: opening, proving, releasing; :class:`Client` adds the services."""

    __slots__ = ("_channel", "_counters", "_dedicated", "_invoke", "_open", "_server", "_settings")

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._counters = Counters(settings.invocation_counter - 1, settings.server_counter)
        self._channel: Channel | None = None
        self._dedicated: bytes | None = None
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

    @property
    def dedicated_key(self) -> bytes | None:
        """The key of this association alone, if it has one; recorded answers open with it."""
        return self._dedicated

    def associate(self) -> Exchange[None]:
        """Open the association, with all passes of the mechanism.

        Raises:
            AssociationRejected: the meter says no (password, context, mechanism), or does not answer the challenge.
            TagCheckFailed: the meter has other keys; ``Replayed``: it has seen our counter (then see
                :meth:`resynchronise`), or we its.
        """
        settings = self._settings
        self._open = False
        self._begin(None)
        challenge = secrets.token_bytes(settings.mechanism.challenge_size)
        answer = yield from _awaited(self._association_request(challenge))
        response = self._association_response(answer)
        self._server = self._agreed(response)
        if settings.mechanism.high:
            yield from self._prove(challenge, response)
        self._open = True

    def resynchronise(self, told: int) -> None:
        """Go on above the counter the meter says it has reached (``Replayed.last``, or its counter object).

        A meter says so without proof: whoever is on the line could use the counters up. So a leap is limited, and it
        is the caller who tries again, once.

        Raises:
            Replayed: nothing is gained by trying again: our counter is above already, or the leap is too long.
        """
        if told - self._counters.sent > MAX_LEAP:
            raise Replayed(f"the meter claims to be at {told}, more than {MAX_LEAP} ahead", last=told)
        self._counters.resynchronise(told)

    def pre_establish(self, conformance: Conformance = PROPOSED, max_pdu: int = 0xFFFF) -> None:
        """Use an association that both sides hold to be open without asking (Green Book 4.5.4, pre-established).

        ``conformance`` and ``max_pdu`` are what is known of the meter, as nothing is negotiated.

        Raises:
            Malformed: a mechanism that needs an exchange, a dedicated key, or no ``server_title`` in a ciphered one.
        """
        settings = self._settings
        if settings.mechanism.high or settings.cipher.dedicated:
            raise Malformed("a pre-established association has neither a challenge nor a dedicated key")
        if settings.cipher is not CipherMode.NONE and len(settings.server_title) != 8:
            raise Malformed("a ciphered pre-established association needs the meter's system title")
        self._begin(settings.server_title)
        self._server = acse.InitiateResponse(conformance, max_pdu)
        self._open = True

    def release(self) -> Exchange[None]:
        """Release the association; the connection may be closed afterwards.

        Raises:
            ServiceError, Malformed: the meter answered something else; the association is over all the same.
        """
        self._open = False
        information = None if self._channel is None else self._channel.seal_initiate(self._initiate())
        answer = yield from _awaited(acse.Release(user_information=information).encode())
        if answer[:1] == b"\xd8":
            self._checked(apdu.decode(answer))
        response = acse.decode_acse(answer)
        if not isinstance(response, acse.Release) or not response.response:
            raise Malformed("a release was answered by another service", offset=0)

    # The association

    def _begin(self, peer: bytes | None) -> None:
        settings = self._settings
        self._channel, self._dedicated = None, None
        if settings.cipher is CipherMode.NONE:
            return
        form = settings.form
        self._channel = Channel(
            settings.keys,
            settings.system_title,
            peer,
            self._counters,
            form=form,
            policy=settings.protection,
            sign_policy=settings.signed,
        )
        if settings.cipher.dedicated:
            self._dedicated = secrets.token_bytes(settings.suite.key_size)
            self._channel.dedicate(self._dedicated)

    def _initiate(self, dedicated: bytes | None = None) -> bytes:
        return InitiateRequest(self._settings.conformance, self._settings.max_pdu, dedicated).encode()

    def _association_request(self, challenge: bytes) -> bytes:
        settings, information = self._settings, self._initiate(self._dedicated)
        if self._channel is not None:
            information = self._channel.seal_initiate(information, secret=self._dedicated is not None)
        secret = settings.password if settings.mechanism is Mechanism.LLS else challenge
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
        if self._settings.seen is not None and response.system_title is not None:
            self._counters.received = max(self._counters.received, self._settings.seen(response.system_title))
        return response

    def _agreed(self, response: acse.AssociationResponse) -> acse.InitiateResponse:
        information = response.user_information
        if information is None:
            raise Malformed("the AARE carries no initiate-response")
        if self._channel is not None:
            if response.context is not Context.CIPHERED or response.system_title is None:
                raise Malformed("the AARE of a ciphered association names neither context nor system title")
            if self._settings.server_title not in (b"", response.system_title):
                raise TagCheckFailed("another meter answered: its system title is not the one expected")
            self._channel.peer = response.system_title
            information = self._channel.open_initiate(information)
        agreed = acse.decode_initiate_response(information)
        if agreed.version != acse.DLMS_VERSION:
            raise Unsupported(f"DLMS version {agreed.version}")
        return agreed

    def _prove(self, challenge: bytes, response: acse.AssociationResponse) -> Exchange[None]:
        """Passes 3 and 4 of HLS (Green Book 9.2.7.4): answer the meter's challenge, check its answer to ours."""
        settings = self._settings
        theirs, title = response.authentication, response.system_title or b""
        if not theirs or (settings.mechanism.titled and not title):
            raise Malformed("the AARE carries no challenge or no system title")
        if hmac.compare_digest(theirs, challenge):
            raise AssociationRejected(
                "the meter sent our own challenge back", diagnostic=Diagnostic.AUTHENTICATION_FAILURE
            )
        prover = Prover(
            settings.mechanism, settings.password, settings.system_title, title, settings.keys, settings.maker_variant
        )
        counter = self._counters.draw() if settings.mechanism is Mechanism.HLS_GMAC else 0
        proof = prover.answer(theirs, challenge, counter)
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
        used = prover.check(value.value, challenge, theirs)
        if used is not None:
            Counters(received=before).check(used)

    @abstractmethod
    def _action(self, target: MethodRef, parameter: bytes | None) -> Exchange[ActionReply]:
        """Invoke a method."""

    @abstractmethod
    def _checked(self, answer: apdu.Apdu) -> apdu.Response:
        """Raise what an error APDU means."""


def _awaited(request: bytes) -> Exchange[bytes]:
    """Send an ACSE request and return what answers it: neither that nor an error is ever ciphered."""
    answer = yield request
    for _ in range(MAX_UNASKED):
        if not (is_ciphered(answer) or answer[:1] in _NOTIFICATIONS):
            break
        answer = yield b""
    return answer


def _diagnostic(response: acse.AssociationResponse) -> str:
    try:
        return Diagnostic(response.diagnostic).name.lower().replace("_", " ")
    except ValueError:
        return f"diagnostic {response.diagnostic}"
