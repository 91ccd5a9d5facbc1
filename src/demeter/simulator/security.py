"""How a simulated meter is secured: suite, mechanism of the utility association, policy and keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demeter.kernel import Invalid
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import KeyPairs, Protection, Suite
from demeter.protocols.dlms.server import PUBLIC_SAP, READER_SAP, UTILITY_SAP, Rule, ServerSettings
from demeter.simulator.push_config import SILENT, PushConfig

PUSH_SAP: Final = 64
"""Whom pushes go to: the pre-established association of IS 15959."""

MECHANISMS = {
    "hls": Mechanism.HLS_MAKER,
    "hls-md5": Mechanism.HLS_MD5,
    "hls-sha1": Mechanism.HLS_SHA1,
    "hls-gmac": Mechanism.HLS_GMAC,
    "hls-sha256": Mechanism.HLS_SHA256,
    "hls-ecdsa": Mechanism.HLS_ECDSA,
}
PROTECTIONS = {
    "authenticated": Protection.AUTHENTICATED,
    "encrypted": Protection.ENCRYPTED,
    "authenticated-encrypted": Protection.AUTHENTICATED_ENCRYPTED,
}


@dataclass(frozen=True, slots=True)
class SecurityConfig:
    """The utility association of a meter; keys are hex, private ones scalars, public ones ``x | y``.

    ``mechanism``: a word of :data:`MECHANISMS`; ``protection``: one of :data:`PROTECTIONS`, the meter's policy;
    ``plain``: whether the association may also be without ciphering; ``signed``: only signed APDUs are served.
    ``hls_secret`` (text) serves mechanisms 2, 3, 4 and 6.
    """

    suite: int = 0
    mechanism: str = "hls-gmac"
    protection: str = "authenticated-encrypted"
    plain: bool = False
    signed: bool = False
    hls_secret: str = ""
    master_key: str = ""
    signing_key: str = ""
    agreement_key: str = ""
    client_signing_key: str = ""
    client_agreement_key: str = ""

    @property
    def utility_mechanism(self) -> Mechanism:
        """The mechanism of the utility association.

        Raises:
            Invalid: an unknown word.
        """
        if self.mechanism not in MECHANISMS:
            raise Invalid(f"unknown mechanism {self.mechanism!r}", hint="known: " + ", ".join(MECHANISMS))
        return MECHANISMS[self.mechanism]


ORDINARY: Final = SecurityConfig()
"""Suite 0, HLS-GMAC, authenticated and encrypted."""


def server_settings(
    security: SecurityConfig,
    *,
    system_title: str,
    encryption_key: str,
    authentication_key: str,
    password: str,
    public_objects: frozenset[Obis],
    push: PushConfig = SILENT,
    max_pdu: int = 1024,
) -> ServerSettings:
    """Return the settings of a meter's server.

    Raises:
        Invalid: an unknown suite, mechanism or protection, or a key that is no hex.
    """
    if security.protection not in PROTECTIONS:
        raise Invalid(f"unknown protection {security.protection!r}", hint="known: " + ", ".join(PROTECTIONS))
    ciphered = (False, True) if security.plain else (True,)
    try:
        return ServerSettings(
            bytes.fromhex(system_title),
            bytes.fromhex(encryption_key),
            bytes.fromhex(authentication_key),
            password.encode(),
            max_pdu=max_pdu,
            public_objects=public_objects,
            suite=Suite(security.suite),
            protection=PROTECTIONS[security.protection],
            signed=security.signed,
            master_key=bytes.fromhex(security.master_key),
            pairs=KeyPairs(
                *(
                    bytes.fromhex(key)
                    for key in (
                        security.signing_key,
                        security.agreement_key,
                        security.client_signing_key,
                        security.client_agreement_key,
                    )
                )
            ),
            hls_secret=security.hls_secret.encode(),
            pre_established=frozenset({PUSH_SAP}),
            client_title=b"" if push.plain else bytes.fromhex(push.client_title),
            rules=(
                Rule(PUBLIC_SAP, Mechanism.NONE, (False,)),
                Rule(READER_SAP, Mechanism.LLS, (False, True)),
                Rule(UTILITY_SAP, security.utility_mechanism, ciphered),
            ),
        )
    except ValueError as wrong:
        raise Invalid(f"the security of a meter: {wrong}") from wrong
