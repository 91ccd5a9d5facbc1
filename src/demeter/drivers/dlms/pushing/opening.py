"""From what came over the line to the plain notification: whose it is, whether it is genuine, what must be new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from demeter.drivers.dlms.pushing.options import PushOptions
from demeter.protocols.dlms import apdu as plain_apdu
from demeter.protocols.dlms.apdu import Notification
from demeter.protocols.dlms.errors import Downgraded, Malformed, TagCheckFailed, Unsupported
from demeter.protocols.dlms.security import (
    GENERAL_CIPHERING,
    GENERAL_GLO,
    GENERAL_SIGNING,
    PLAIN_OF,
    Counters,
    GeneralSigning,
    IdentifiedKey,
    KeyPairs,
    KeySet,
    Opened,
    Sessions,
    Suite,
    check_signature,
    decode_general_ciphering,
    decode_general_signing,
    envelope,
    is_ciphered,
    mode_of,
    unprotect,
)
from demeter.protocols.dlms.security.envelopes import require

GLOBAL: Final = "global"
"""Invocation counters under the meter's global key."""
TRANSACTION: Final = "transaction"
"""Transaction ids, where a key is made for one message and its own counters begin anew, or nothing is ciphered."""

PLAIN: Final = "plain"


@dataclass(frozen=True, slots=True)
class Genuine:
    """A plain APDU, and the numbers that tell a replay."""

    plain: bytes
    counters: tuple[tuple[str, int], ...] = ()


def sender_of(apdu: bytes) -> str:
    """Return the system title a protected APDU names, in hexadecimal (empty: none).

    Raises:
        Unsupported: protection that pushes cannot have.
        DlmsError: its envelope is broken.
    """
    tag = apdu[0]
    if tag == GENERAL_SIGNING:
        signed = _signature(apdu)
        if is_ciphered(signed.content):
            sender_of(signed.content)
        return signed.header.originator.hex()
    if tag == GENERAL_CIPHERING:
        return decode_general_ciphering(apdu).header.originator.hex()
    if mode_of(apdu).dedicated:
        raise Unsupported("ciphered with a dedicated key, which only an association has", offset=0)
    sealed = envelope(apdu)
    if tag != GENERAL_GLO and PLAIN_OF[tag] != plain_apdu.EVENT_NOTIFICATION:
        raise Unsupported(f"APDU tag 0x{tag:02x} is no notification", offset=0)
    return (sealed.title or b"").hex()


def _signature(apdu: bytes) -> GeneralSigning:
    signed = decode_general_signing(apdu)
    if not signed.content or signed.content[0] == GENERAL_SIGNING:
        raise Unsupported("a signature over a signature, or over nothing", offset=signed.offset)
    return signed


def keys_of(secrets: Mapping[str, bytes], suite: Suite, pairs: KeyPairs) -> KeySet:
    """Return a meter's keys.

    Raises:
        Malformed: one is missing or of another size.
    """
    missing = [name for name in ("encryption_key", "authentication_key") if not secrets.get(name)]
    if missing:
        raise Malformed(f"no {' and no '.join(missing)} is stored for this meter")
    keys = KeySet(
        secrets["encryption_key"], secrets["authentication_key"], suite, secrets.get("master_key", b""), pairs
    )
    _ = keys.sealing
    return keys


def pairs_of(secrets: Mapping[str, bytes], options: PushOptions) -> KeyPairs:
    """Return a meter's elliptic-curve keys."""
    return KeyPairs(
        signing=secrets.get("signing_key", b""),
        agreement=secrets.get("agreement_key", b""),
        peer_signing=options.meter_signing_key,
        peer_agreement=options.meter_agreement_key,
    )


def opened(
    apdu: bytes, keys: KeySet | None, title: bytes | None, least: int, *, signature: bool = True, fresh: bool = False
) -> Genuine:
    """Open an APDU that ``title`` sent (None: whoever it says).

    ``least`` is the protection accepted; ``signature`` says whether signatures are checked; ``fresh`` whether messages
    whose replay nothing would tell are refused.

    Raises:
        TagCheckFailed: the keys do not fit, or the signature.
        Downgraded: protected less than ``least``.
        DlmsError: it cannot be opened.
    """
    if not is_ciphered(apdu):
        return Genuine(apdu)
    if keys is None:
        raise TagCheckFailed("it is protected and no keys are given")
    if apdu[0] == GENERAL_SIGNING:
        return _signed(apdu, keys, title, least, signature=signature, fresh=fresh)
    if apdu[0] == GENERAL_CIPHERING:
        return _general(apdu, keys, title, least, fresh=fresh)
    found = unprotect(keys.sealing, title, apdu, least)
    return Genuine(found.plaintext, ((GLOBAL, found.counter),))


def _signed(apdu: bytes, keys: KeySet, title: bytes | None, least: int, *, signature: bool, fresh: bool) -> Genuine:
    outer = _signature(apdu)
    if title not in (None, outer.header.originator):
        raise TagCheckFailed("the APDU is signed by another system title", offset=1)
    if signature:
        check_signature(keys.suite, keys.pairs.peer_signing, outer.signature, outer.signed)
    if is_ciphered(outer.content):
        return opened(outer.content, keys, title, least, fresh=fresh)
    return Genuine(outer.content, _transaction(outer.header.transaction, fresh=fresh))


def _general(apdu: bytes, keys: KeySet, title: bytes | None, least: int, *, fresh: bool) -> Genuine:
    sealed = decode_general_ciphering(apdu)
    header = sealed.header
    if title not in (None, header.originator):
        raise TagCheckFailed("the APDU comes from another system title", offset=1)
    session = Sessions(keys, header.recipient, Counters()).incoming(sealed.key_info, header)
    found: Opened = session.keys.open(header.originator, sealed.body, sealed.offset, header.encode())
    require(found, least, sealed.offset)
    if isinstance(session.info, IdentifiedKey):
        return Genuine(found.plaintext, ((GLOBAL, found.counter),))
    return Genuine(found.plaintext, _transaction(header.transaction, fresh=fresh))


def _transaction(transaction: bytes, *, fresh: bool) -> tuple[tuple[str, int], ...]:
    if fresh and not transaction:
        raise Downgraded("without a transaction id nothing would tell a replay", offset=1)
    return ((TRANSACTION, int.from_bytes(transaction[-8:], "big")),)


def notification(plain: bytes) -> Notification:
    """Return the notification an APDU is.

    Raises:
        Unsupported: it is another APDU.
        DlmsError: it is broken.
    """
    if plain[:1] not in (bytes((plain_apdu.DATA_NOTIFICATION,)), bytes((plain_apdu.EVENT_NOTIFICATION,))):
        raise Unsupported(f"APDU tag 0x{plain[:1].hex()} is no notification", offset=0)
    found = plain_apdu.decode(plain)
    assert isinstance(found, Notification)
    return found


def recipient_of(apdu: bytes) -> bytes:
    """Return whom a protected APDU is addressed to (empty: anybody)."""
    if apdu[0] == GENERAL_SIGNING:
        return decode_general_signing(apdu).header.recipient
    if apdu[0] == GENERAL_CIPHERING:
        return decode_general_ciphering(apdu).header.recipient
    return b""


def form_of(apdu: bytes) -> str:
    """Return the form of protection in a word."""
    if apdu[0] == GENERAL_SIGNING:
        return "general-signing"
    return str(mode_of(apdu)) if is_ciphered(apdu) else PLAIN
