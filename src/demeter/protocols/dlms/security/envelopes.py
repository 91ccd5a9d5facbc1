"""The envelopes of protected APDUs with the meter's own keys: glo-, ded-, general-glo- and general-ded-ciphering.

*Service-specific* ciphering has one tag per service and leaves the system title out; the *general* forms (219, 220)
have one tag for all and carry it. Global ciphering uses the unicast key, dedicated ciphering a key made for one
association, sent in its initiate-request.
"""

from __future__ import annotations

from enum import StrEnum
from struct import Struct
from typing import Final, NamedTuple

from demeter.protocols.dlms.axdr import decode_length, encode_length
from demeter.protocols.dlms.errors import (
    Downgraded,
    Malformed,
    TagCheckFailed,
    Truncated,
    Unsupported,
)
from demeter.protocols.dlms.security.sealing import HEADER_SIZE, TAG_SIZE, TITLE_SIZE, Opened, Protection, SuiteKeys

GENERAL_GLO: Final = 219
GENERAL_DED: Final = 220
GENERAL_CIPHERING: Final = 221
GENERAL_SIGNING: Final = 223

GLO_OF: Final[dict[int, int]] = {
    0x01: 0x21,  # initiate-request
    0x08: 0x28,  # initiate-response
    0x0E: 0x2E,  # confirmed-service-error
    0xC0: 0xC8,  # get-request
    0xC1: 0xC9,  # set-request
    0xC2: 0xCA,  # event-notification-request
    0xC3: 0xCB,  # action-request
    0xC4: 0xCC,  # get-response
    0xC5: 0xCD,  # set-response
    0xC7: 0xCF,  # action-response
}
"""The tag of the service-specific global ciphering for the tag of each plain APDU."""

DED_OF: Final[dict[int, int]] = {
    0x0E: 0x4E,
    0xC0: 0xD0,
    0xC1: 0xD1,
    0xC2: 0xD2,
    0xC3: 0xD3,
    0xC4: 0xD4,
    0xC5: 0xD5,
    0xC7: 0xD7,
}
"""The same for dedicated ciphering; an initiate is never under the key it carries."""

PLAIN_OF: Final = {sealed: plain for table in (GLO_OF, DED_OF) for plain, sealed in table.items()}
DEDICATED: Final = frozenset({*DED_OF.values(), GENERAL_DED})
_GENERAL: Final = frozenset({GENERAL_GLO, GENERAL_DED})
_ALL: Final = frozenset({*PLAIN_OF, *_GENERAL, GENERAL_CIPHERING, GENERAL_SIGNING})
_GENERAL_GLO: Final = bytes((GENERAL_GLO,))
_BOTH: Final = Protection.AUTHENTICATED_ENCRYPTED


class CipherMode(StrEnum):
    """How the APDUs of an association are enveloped."""

    NONE = "none"
    GLO = "glo"
    GENERAL_GLO = "general-glo"
    DED = "ded"
    GENERAL_DED = "general-ded"
    GENERAL = "general-ciphering"

    @property
    def dedicated(self) -> bool:
        """Whether the association has a key of its own."""
        return self in (CipherMode.DED, CipherMode.GENERAL_DED)


_TAGS: Final = {CipherMode.GENERAL_GLO: GENERAL_GLO, CipherMode.GENERAL_DED: GENERAL_DED}


class Ciphered(NamedTuple):
    """The envelope of a protected APDU: ``body`` is ``SC | IC | ciphertext | T``, which starts at ``offset``.

    ``tag`` is a glo or ded tag, :data:`GENERAL_GLO` or :data:`GENERAL_DED`; ``title`` is the sender's where the
    envelope carries it.
    """

    tag: int
    title: bytes | None
    body: bytes
    offset: int


def is_ciphered(apdu: bytes) -> bool:
    """Tell whether the first octet announces ciphering or a signature, in any form."""
    return bool(apdu) and apdu[0] in _ALL


def carrying(mode: CipherMode, apdu: bytes) -> CipherMode:
    """Return ``mode``, or its general form for an APDU that has no service-specific one (ACCESS, data-notification)."""
    if mode is CipherMode.GLO and apdu[:1] and apdu[0] not in GLO_OF:
        return CipherMode.GENERAL_GLO
    if mode is CipherMode.DED and apdu[:1] and apdu[0] not in DED_OF:
        return CipherMode.GENERAL_DED
    return mode


def mode_of(apdu: bytes) -> CipherMode:
    """Return the form of a ciphered APDU, by its first octet (:attr:`CipherMode.NONE`: not ciphered)."""
    tag = apdu[0] if apdu else 0
    if tag == GENERAL_CIPHERING:
        return CipherMode.GENERAL
    if tag in _GENERAL:
        return CipherMode.GENERAL_DED if tag == GENERAL_DED else CipherMode.GENERAL_GLO
    if tag in PLAIN_OF:
        return CipherMode.DED if tag in DEDICATED else CipherMode.GLO
    return CipherMode.NONE


def envelope(apdu: bytes) -> Ciphered:
    """Read the envelope of a protected APDU, without any key.

    Raises:
        Truncated: the APDU is shorter than its length says.
        Malformed: bytes follow it, or the system title has not 8 octets (0: the receiver knows it).
        Unsupported: neither global nor dedicated ciphering.
    """
    if not apdu:
        raise Truncated("an APDU is missing", offset=0)
    tag, at, title = apdu[0], 1, None
    if tag in _GENERAL:
        size, at = decode_length(apdu, 1)
        if size not in (0, TITLE_SIZE):
            raise Malformed(f"a system title has {TITLE_SIZE} octets, not {size}", offset=1)
        if at + size > len(apdu):
            raise Truncated("the APDU ends inside the system title", offset=at)
        title = apdu[at : at + size] or None
        at += size
    elif tag not in PLAIN_OF:
        raise Unsupported(f"APDU tag 0x{tag:02x} is neither global nor dedicated ciphering", offset=0)
    length, start = decode_length(apdu, at)
    if start + length != len(apdu):
        kind = Truncated if start + length > len(apdu) else Malformed
        raise kind(
            f"a protected APDU of {length} octets has {len(apdu) - start}", offset=min(start + length, len(apdu))
        )
    return Ciphered(tag, title, apdu[start:], start)


def protect(
    keys: SuiteKeys,
    title: bytes,
    counter: int,
    apdu: bytes,
    *,
    mode: CipherMode = CipherMode.GLO,
    protection: Protection = _BOTH,
) -> bytes:
    """Protect a plain APDU in one of the forms glo, ded, general-glo, general-ded.

    Raises:
        Unsupported: the APDU has no service-specific tag, or the form is another.
        Malformed: the counter is used up.
    """
    body = keys.seal(title, counter, apdu, protection)
    if mode in _TAGS:
        return bytes((_TAGS[mode], TITLE_SIZE)) + title + encode_length(len(body)) + body
    table = {CipherMode.GLO: GLO_OF, CipherMode.DED: DED_OF}.get(mode, {})
    tag = table.get(apdu[0]) if apdu else None
    if tag is None:
        raise Unsupported("this APDU has no service-specific ciphering", offset=0)
    return bytes((tag,)) + encode_length(len(body)) + body


def unprotect(keys: SuiteKeys, title: bytes | None, apdu: bytes, protection: int = _BOTH) -> Opened:
    """Open a protected APDU sent by ``title``, which must agree with the title in the envelope where there is one.

    ``protection`` is the least that is accepted: the sender does not choose it, or one altered bit would turn
    authenticated octets into unauthenticated ones.

    The invocation counter is returned, not judged: that is the part of :class:`Counters`.

    Raises:
        TagCheckFailed: wrong key, or the sender is another than ``title``.
        Downgraded: protected less than ``protection``.
        Malformed: the plain tag disagrees with the ciphered one, or nobody says who sent it.
        Truncated, Unsupported: as :func:`envelope` and :meth:`SuiteKeys.open`.
    """
    sealed = envelope(apdu)
    sender = sealed.title or title
    if sender is None:
        raise Malformed("the sender's system title is not known", offset=0)
    if title is not None and sender != title:
        raise TagCheckFailed("the APDU comes from another system title than the association", offset=2)
    opened = keys.open(sender, sealed.body, sealed.offset)
    require(opened, protection, sealed.offset)
    inner = opened.plaintext[:1]
    if sealed.tag not in _GENERAL and inner != bytes((PLAIN_OF[sealed.tag],)):
        raise Malformed("the deciphered APDU is not what its tag announced", offset=sealed.offset + HEADER_SIZE)
    return opened


def require(opened: Opened, protection: int, offset: int) -> None:
    """Refuse less protection than expected.

    Raises:
        Downgraded: with both.
    """
    if opened.protection & protection != protection:
        raise Downgraded(
            f"protected as 0x{opened.protection:02x}, where 0x{protection:02x} is the least accepted", offset=offset
        )


_LONG: Final = 268
"""Longer APDUs have their length in two octets (after 0x82), as profiles do."""
_TWO_OCTETS: Final = 0x82
_TITLED: Final = _GENERAL_GLO + bytes((TITLE_SIZE,))
_GENERAL_HEAD: Final = Struct(">2s8sBHB4s")
_OWN_HEAD: Final = Struct(">BBHB4s")
"""What stands before the ciphertext: tag, (title,) form of the length, length, SC, IC."""


def plaintext(keys: SuiteKeys, title: bytes | None, apdu: bytes) -> bytes:
    """Return what is inside a protected APDU: ``unprotect(keys, title, apdu).plaintext``, with the same errors.

    Long APDUs in their usual form (as profiles come) are opened here with as few steps as possible, because batches
    over many meters spend their time here; whatever is not plainly right is left to :func:`unprotect`.
    """
    if len(apdu) > _LONG and apdu[:2] == _TITLED:
        _, sender, form, length, control, number = _GENERAL_HEAD.unpack_from(apdu)
        if form == _TWO_OCTETS and length == len(apdu) - 13 and control == keys.both and title in (None, sender):
            plain = keys.opens_plainly(sender + number, apdu, 18)
            if plain is not None:
                return plain
    elif len(apdu) > _LONG and title:
        tag, form, length, control, number = _OWN_HEAD.unpack_from(apdu)
        if form == _TWO_OCTETS and length == len(apdu) - 4 and control == keys.both and tag in PLAIN_OF:
            plain = keys.opens_plainly(title + number, apdu, 9)
            if plain is not None and PLAIN_OF[tag] == plain[0]:
                return plain
    return unprotect(keys, title, apdu).plaintext


OVERHEAD: Final = 1 + 1 + TITLE_SIZE + 4 + HEADER_SIZE + TAG_SIZE
"""Octets these envelopes add to an APDU, at most."""
