"""general-ciphering (221) and general-signing (223): APDUs that name both parties (Green Book 9.5, 9.2.7.2.4).

Both begin with the same header: transaction id, originator, recipient, date-time and other information, each an
octet-string. It is part of what is authenticated or signed, with its lengths. The content's length is not signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from demeter.protocols.dlms.axdr import decode_length, encode_length
from demeter.protocols.dlms.errors import Malformed, TagCheckFailed, Truncated, Unsupported
from demeter.protocols.dlms.security.envelopes import GENERAL_CIPHERING, GENERAL_SIGNING, require
from demeter.protocols.dlms.security.sealing import Opened, SuiteKeys


@dataclass(frozen=True, slots=True)
class Header:
    """Who says it to whom, in which exchange. Titles have 8 octets or none, transaction ids usually 8."""

    transaction: bytes
    originator: bytes
    recipient: bytes
    date_time: bytes = b""
    other: bytes = b""

    def encode(self) -> bytes:
        """Encode: five octet-strings, one after the other."""
        fields = (self.transaction, self.originator, self.recipient, self.date_time, self.other)
        return b"".join(_octet_string(field) for field in fields)


class IdentifiedKey(NamedTuple):
    """key-info: a key both sides have; 0 is the global unicast key."""

    key_id: int

    def encode(self) -> bytes:
        """Encode the optional key-info."""
        return bytes((1, 0, self.key_id))


class WrappedKey(NamedTuple):
    """key-info: a session key, wrapped with the key ``kek_id`` (0: the master key)."""

    kek_id: int
    wrapped: bytes

    def encode(self) -> bytes:
        """Encode the optional key-info."""
        return bytes((1, 1, self.kek_id)) + _octet_string(self.wrapped)


class AgreementScheme(IntEnum):
    """key-parameters of an agreed key."""

    EPHEMERAL_UNIFIED = 0
    ONE_PASS = 1
    STATIC_UNIFIED = 2


class AgreedKey(NamedTuple):
    """key-info: a key agreed on by ECDH. C(1e, 1s) carries the ephemeral public key and its signature."""

    scheme: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Encode the optional key-info."""
        return bytes((1, 2, 1, self.scheme)) + _octet_string(self.data)


KeyInfo = IdentifiedKey | WrappedKey | AgreedKey


@dataclass(frozen=True, slots=True)
class GeneralCiphering:
    """A general-ciphering APDU; ``body`` is ``SC | IC | ciphertext | T``, which starts at ``offset``."""

    header: Header
    key_info: KeyInfo | None
    body: bytes
    offset: int = 0

    def encode(self) -> bytes:
        """Encode."""
        info = b"\x00" if self.key_info is None else self.key_info.encode()
        return bytes((GENERAL_CIPHERING,)) + self.header.encode() + info + _octet_string(self.body)


@dataclass(frozen=True, slots=True)
class GeneralSigning:
    """A general-signing APDU: ``content`` is an APDU, plain or ciphered; ``signature`` is ``r | s``."""

    header: Header
    content: bytes
    signature: bytes
    offset: int = 0

    def encode(self) -> bytes:
        """Encode."""
        parts = (bytes((GENERAL_SIGNING,)), self.header.encode(), _octet_string(self.content))
        return b"".join(parts) + _octet_string(self.signature)

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        return self.header.encode() + self.content


def decode_general_ciphering(apdu: bytes) -> GeneralCiphering:
    """Decode the envelope, without any key.

    Raises:
        Truncated, Malformed: with the offset.
        Unsupported: another APDU, or another kind of key-info.
    """
    reader = _Reader(apdu, GENERAL_CIPHERING)
    header, info = reader.header(), reader.key_info()
    body = reader.octet_string()
    reader.finish()
    return GeneralCiphering(header, info, body, len(apdu) - len(body))


def decode_general_signing(apdu: bytes) -> GeneralSigning:
    """Decode the envelope, without any key; as :func:`decode_general_ciphering`."""
    reader = _Reader(apdu, GENERAL_SIGNING)
    header = reader.header()
    content = reader.octet_string()
    start = reader.at - len(content)
    signature = reader.octet_string()
    reader.finish()
    return GeneralSigning(header, content, signature, start)


def signed_content(apdu: bytes) -> bytes:
    """Return what a general-signing APDU carries, its signature unchecked, and any other APDU as it is."""
    return decode_general_signing(apdu).content if apdu[:1] == bytes((GENERAL_SIGNING,)) else apdu


def open_general(keys: SuiteKeys, title: bytes | None, apdu: bytes, protection: int) -> Opened:
    """Open a general-ciphering APDU that was sealed by ``title`` with an identified key.

    Raises:
        TagCheckFailed, Downgraded: as :func:`unprotect`.
        Unsupported: the key is another.
    """
    sealed = decode_general_ciphering(apdu)
    if sealed.key_info not in (None, IdentifiedKey(0)):
        raise Unsupported("sealed with a session key, not the global one", offset=1)
    if title not in (None, sealed.header.originator):
        raise TagCheckFailed("the APDU comes from another system title than the association", offset=1)
    opened = keys.open(sealed.header.originator, sealed.body, sealed.offset, sealed.header.encode())
    require(opened, protection, sealed.offset)
    return opened


def _octet_string(value: bytes) -> bytes:
    return encode_length(len(value)) + value


class _Reader:
    """Fields one after the other."""

    __slots__ = ("apdu", "at")

    def __init__(self, apdu: bytes, tag: int) -> None:
        if not apdu:
            raise Truncated("an APDU is missing", offset=0)
        if apdu[0] != tag:
            raise Unsupported(f"APDU tag 0x{apdu[0]:02x} where 0x{tag:02x} belongs", offset=0)
        self.apdu = apdu
        self.at = 1

    def octet(self) -> int:
        if self.at >= len(self.apdu):
            raise Truncated("the APDU ends early", offset=self.at)
        self.at += 1
        return self.apdu[self.at - 1]

    def octet_string(self) -> bytes:
        size, start = decode_length(self.apdu, self.at)
        if start + size > len(self.apdu):
            raise Truncated(f"{size} octets are needed, {len(self.apdu) - start} are left", offset=start)
        self.at = start + size
        return self.apdu[start : self.at]

    def title(self) -> bytes:
        start, title = self.at, self.octet_string()
        if len(title) not in (0, 8):
            raise Malformed(f"a system title has 8 octets, not {len(title)}", offset=start)
        return title

    def header(self) -> Header:
        transaction = self.octet_string()
        if len(transaction) > 255:
            raise Malformed("a transaction id has at most 255 octets", offset=1)
        return Header(transaction, self.title(), self.title(), self.octet_string(), self.octet_string())

    def key_info(self) -> KeyInfo | None:
        flag = self.octet()
        if flag > 1:
            raise Malformed(f"presence flag {flag}", offset=self.at - 1)
        if not flag:
            return None
        choice = self.octet()
        if choice == 0:
            return IdentifiedKey(self.octet())
        if choice == 1:
            return WrappedKey(self.octet(), self.octet_string())
        if choice != 2:
            raise Unsupported(f"key-info {choice}", offset=self.at - 1)
        start, parameters = self.at, self.octet_string()
        if len(parameters) != 1:
            raise Unsupported(f"key parameters {parameters.hex()}", offset=start)
        return AgreedKey(parameters[0], self.octet_string())

    def finish(self) -> None:
        if self.at != len(self.apdu):
            raise Malformed("octets follow the APDU", offset=self.at)
