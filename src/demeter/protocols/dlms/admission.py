"""Who gets which association with a meter: the server side of opening one, and the keys its connections share."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from demeter.protocols.dlms import acse
from demeter.protocols.dlms.acse import Conformance, Context, Diagnostic, Mechanism, Result
from demeter.protocols.dlms.errors import AssociationRejected, Malformed
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import (
    NO_PAIRS,
    Channel,
    Counters,
    KeyId,
    KeyPairs,
    KeySet,
    MakerVariant,
    Protection,
    Prover,
    Suite,
)

PUBLIC_SAP: Final = 16
READER_SAP: Final = 32
UTILITY_SAP: Final = 48

CLOCK: Final = Obis(0, 0, 1, 0, 0, 255)
SERIAL: Final = Obis(0, 0, 96, 1, 0, 255)
INVOCATION_COUNTERS: Final = frozenset(Obis(0, 0, 43, 1, e, 255) for e in (2, 3))
"""Where the highest invocation counter accepted is read (reader, utility): one counter, as both use one key."""

PUBLIC_OBJECTS: Final = frozenset({CLOCK, SERIAL, *INVOCATION_COUNTERS})
SMALLEST_PDU: Final = 64
"""The smallest APDU size of a client that is served, in octets; every block must carry data."""


OFFERED: Final = (
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
"""The services of this server."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an association takes: its mechanism, and whether it is ciphered, plain, or either."""

    client_sap: int
    mechanism: Mechanism
    ciphered: tuple[bool, ...]


RULES: Final = (
    Rule(PUBLIC_SAP, Mechanism.NONE, (False,)),
    Rule(READER_SAP, Mechanism.LLS, (False, True)),
    Rule(UTILITY_SAP, Mechanism.HLS_GMAC, (True,)),
)
"""The associations of the Indian companion standard by client address."""


@dataclass(frozen=True, slots=True)
class Association:
    """As whom a request comes: what the object model may base its own decisions on."""

    client_sap: int
    mechanism: Mechanism
    ciphered: bool


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """A meter's title (8 octets), keys and password; ``max_pdu`` is what it receives, in octets.

    ``protection`` is the security policy: the least accepted in requests and used in answers; ``signed`` demands
    general-signing as well. ``hls_secret`` is that of mechanisms 2, 3, 4 and 6. The associations of the addresses in
    ``pre_established`` are open without asking; ciphered, if ``client_title`` is given.

    ``conformance`` are the services offered. ``window`` is how many general blocks are received in one go; more than 1
    only where the line asks for ``ServerSession.answers``. ``max_transfer`` bounds what is put together from blocks.
    """

    system_title: bytes
    encryption_key: bytes = field(repr=False)
    authentication_key: bytes = field(repr=False)
    password: bytes = field(repr=False)
    max_pdu: int = 1024
    public_objects: frozenset[Obis] = PUBLIC_OBJECTS
    suite: Suite = Suite.ZERO
    protection: Protection = Protection.AUTHENTICATED_ENCRYPTED
    signed: bool = False
    master_key: bytes = field(default=b"", repr=False)
    pairs: KeyPairs = NO_PAIRS
    hls_secret: bytes = field(default=b"", repr=False)
    maker_variant: MakerVariant = MakerVariant.AES_ECB
    rules: tuple[Rule, ...] = RULES
    pre_established: frozenset[int] = frozenset()
    client_title: bytes = b""
    conformance: Conformance = OFFERED
    window: int = 1
    max_transfer: int = 1 << 20

    @property
    def keys(self) -> KeySet:
        """The keys the meter was made with."""
        return KeySet(self.encryption_key, self.authentication_key, self.suite, self.master_key, self.pairs)


class MeterKeys:
    """What all connections of one meter share: the keys in force, their counters, and the security policy.

    ``counters`` are those of the global key; ``transactions`` tells which transaction ids a client has used. An open
    association goes on with the keys and counters it began with.
    """

    __slots__ = ("counters", "current", "policy", "transactions")

    def __init__(self, settings: ServerSettings, counters: Counters | None = None) -> None:
        self.current = settings.keys
        self.counters = Counters(0, 0) if counters is None else counters
        self.transactions = Counters()
        self.policy = settings.protection

    def replace(self, new: Mapping[KeyId, bytes]) -> None:
        """Take new keys, for associations from now on; a new encryption key has counters of its own.

        Raises:
            Malformed, Unsupported: a key that does not fit; then none is taken.
        """
        self.current = self.current.replaced(new)
        if KeyId.UNICAST_ENCRYPTION in new:
            self.counters = Counters(self.counters.sent, 0, self.counters.window)


@dataclass(slots=True)
class Admitted:
    """An association as it was opened. ``challenge`` is ours and ``theirs`` the client's until HLS is through."""

    association: Association
    channel: Channel | None
    conformance: Conformance
    max_pdu: int
    counters: Counters
    prover: Prover | None = None
    challenge: bytes = b""
    theirs: bytes = b""


class Admission:
    """Opens associations for the connections of one meter."""

    __slots__ = ("_keys", "_offered", "_settings")

    def __init__(self, settings: ServerSettings, keys: MeterKeys) -> None:
        self._settings = settings
        self._keys = keys
        self._offered = settings.conformance

    def open(self, sap: int, asked: acse.AssociationRequest) -> Admitted:
        """Open what was asked for.

        Raises:
            AssociationRejected: with the diagnostic to answer.
            TagCheckFailed, Replayed, Downgraded, Malformed: from opening the initiate-request.
        """
        reason = self._objection(sap, asked)
        if reason is not None:
            raise AssociationRejected("this client does not get an association of this kind", diagnostic=reason)
        channel = None
        information = asked.user_information
        if asked.context is Context.CIPHERED:
            channel = self._channel(asked.system_title)
            information = channel.open_initiate(information, follow=True)
        proposed = acse.decode_initiate_request(information)
        client_pdu = proposed.max_pdu or 0xFFFF
        if proposed.version != acse.DLMS_VERSION or client_pdu < SMALLEST_PDU:
            raise AssociationRejected(
                "this DLMS version or APDU size is not served", diagnostic=Diagnostic.NO_REASON_GIVEN
            )
        if proposed.dedicated_key is not None and channel is not None:
            if not channel.form.protection & Protection.ENCRYPTED:
                raise Malformed("a dedicated key travelled unencrypted")
            channel.dedicate(proposed.dedicated_key)
        association = Association(sap, asked.mechanism, channel is not None)
        counters = self._keys.counters if channel is None else channel.counters
        admitted = Admitted(association, channel, proposed.conformance & self._offered, client_pdu, counters)
        if asked.mechanism.high:
            admitted.prover = self._prover(asked)
            admitted.challenge = secrets.token_bytes(asked.mechanism.challenge_size)
            admitted.theirs = asked.authentication or b""
        return admitted

    def response(self, asked: acse.AssociationRequest, admitted: Admitted) -> acse.AssociationResponse:
        """Return the AARE that accepts it."""
        channel, high = admitted.channel, asked.mechanism.high
        agreed = acse.InitiateResponse(admitted.conformance, self._settings.max_pdu).encode()
        titled = channel is not None or asked.mechanism.titled
        return acse.AssociationResponse(
            asked.context,
            Result.ACCEPTED,
            Diagnostic.AUTHENTICATION_REQUIRED if high else Diagnostic.NULL,
            agreed if channel is None else channel.seal_initiate(agreed),
            asked.mechanism if high else Mechanism.NONE,
            admitted.challenge if high else None,
            self._settings.system_title if titled else None,
        )

    def pre_established(self, sap: int) -> Admitted | None:
        """Return the association that needs no opening, if this address has one."""
        settings = self._settings
        if sap not in settings.pre_established:
            return None
        channel = self._channel(settings.client_title) if settings.client_title else None
        association = Association(sap, Mechanism.NONE, channel is not None)
        return Admitted(association, channel, self._offered, 0xFFFF, self._keys.counters)

    def _channel(self, peer: bytes | None) -> Channel:
        settings, keys = self._settings, self._keys
        channel = Channel(
            keys.current,
            settings.system_title,
            peer,
            keys.counters,
            policy=keys.policy,
            sign_policy=settings.signed,
            transactions=keys.transactions,
        )
        channel.form.protection = keys.policy
        return channel

    def _prover(self, asked: acse.AssociationRequest) -> Prover:
        settings = self._settings
        return Prover(
            asked.mechanism,
            settings.hls_secret,
            settings.system_title,
            asked.system_title or b"",
            self._keys.current,
            settings.maker_variant,
        )

    def _objection(self, sap: int, asked: acse.AssociationRequest) -> Diagnostic | None:
        """Why this client does not get an association of this kind."""
        ciphered = asked.context is Context.CIPHERED
        rule = next((rule for rule in self._settings.rules if rule.client_sap == sap), None)
        if rule is None:
            return Diagnostic.NO_REASON_GIVEN
        mechanism, secret = rule.mechanism, asked.authentication or b""
        shortest = 32 if mechanism is Mechanism.HLS_ECDSA else 8
        objections = (
            (asked.mechanism is not mechanism, Diagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED),
            (ciphered not in rule.ciphered, Diagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED),
            (
                (ciphered or mechanism.titled) and asked.system_title is None,
                Diagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED,
            ),
            (
                mechanism is Mechanism.LLS and not hmac.compare_digest(secret, self._settings.password),
                Diagnostic.AUTHENTICATION_FAILURE,
            ),
            (mechanism.high and not shortest <= len(secret) <= 64, Diagnostic.AUTHENTICATION_FAILURE),
        )
        return next((diagnostic for objects, diagnostic in objections if objects), None)
