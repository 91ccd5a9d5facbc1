"""Security of DLMS/COSEM: suites 0, 1 and 2, all forms of ciphering and signing, HLS, and changing keys.

:mod:`.sealing` is AES-GCM with the meter's keys, :mod:`.envelopes` and :mod:`.general` are the forms protected APDUs
come in, :mod:`.sessions` finds the key of a general-ciphering APDU, :mod:`.channel` puts them together for one side of
an association. :mod:`.asymmetric` holds the elliptic curves, :mod:`.challenge` HLS, :mod:`.rekey` changing keys.
"""

from demeter.protocols.dlms.security.asymmetric import (
    check_signature,
    derive_key,
    new_private_key,
    public_key,
    shared_secret,
    sign,
    unwrap_key,
    wrap_key,
)
from demeter.protocols.dlms.security.challenge import MakerVariant, Prover
from demeter.protocols.dlms.security.channel import Channel, Form
from demeter.protocols.dlms.security.counters import MAX_COUNTER, Counters, counter_octets
from demeter.protocols.dlms.security.envelopes import (
    DED_OF,
    GENERAL_CIPHERING,
    GENERAL_DED,
    GENERAL_GLO,
    GENERAL_SIGNING,
    GLO_OF,
    PLAIN_OF,
    Ciphered,
    CipherMode,
    envelope,
    is_ciphered,
    mode_of,
    open_many,
    plaintext,
    protect,
    unprotect,
)
from demeter.protocols.dlms.security.general import (
    AgreedKey,
    AgreementScheme,
    GeneralCiphering,
    GeneralSigning,
    Header,
    IdentifiedKey,
    KeyInfo,
    WrappedKey,
    decode_general_ciphering,
    decode_general_signing,
)
from demeter.protocols.dlms.security.keys import NO_PAIRS, KeyId, KeyPairs, KeySet
from demeter.protocols.dlms.security.rekey import (
    SECURITY_SETUP,
    UTILITY_SETUP,
    KeyChange,
    KeyOffer,
    KeyState,
    offered_points,
    read_transfer,
    transfer_data,
)
from demeter.protocols.dlms.security.sealing import Opened, Protection, SuiteKeys, suite_keys
from demeter.protocols.dlms.security.sessions import KeyScheme, Session, Sessions
from demeter.protocols.dlms.security.suites import Suite

__all__ = [
    "DED_OF",
    "GENERAL_CIPHERING",
    "GENERAL_DED",
    "GENERAL_GLO",
    "GENERAL_SIGNING",
    "GLO_OF",
    "MAX_COUNTER",
    "NO_PAIRS",
    "PLAIN_OF",
    "SECURITY_SETUP",
    "UTILITY_SETUP",
    "AgreedKey",
    "AgreementScheme",
    "Channel",
    "CipherMode",
    "Ciphered",
    "Counters",
    "Form",
    "GeneralCiphering",
    "GeneralSigning",
    "Header",
    "IdentifiedKey",
    "KeyChange",
    "KeyId",
    "KeyInfo",
    "KeyOffer",
    "KeyPairs",
    "KeyScheme",
    "KeySet",
    "KeyState",
    "MakerVariant",
    "Opened",
    "Protection",
    "Prover",
    "Session",
    "Sessions",
    "Suite",
    "SuiteKeys",
    "WrappedKey",
    "check_signature",
    "counter_octets",
    "decode_general_ciphering",
    "decode_general_signing",
    "derive_key",
    "envelope",
    "is_ciphered",
    "mode_of",
    "new_private_key",
    "offered_points",
    "open_many",
    "plaintext",
    "protect",
    "public_key",
    "read_transfer",
    "shared_secret",
    "sign",
    "suite_keys",
    "transfer_data",
    "unprotect",
    "unwrap_key",
    "wrap_key",
]
