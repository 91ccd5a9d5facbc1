"""AARQ, AARE, RLRQ, RLRE: BER elements, with the initiate services inside (Green Book 9.4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.translate import words
from demeter.protocols.dlms.translate.apdus import APDU
from demeter.protocols.dlms.translate.context import Context
from demeter.protocols.dlms.translate.engine import (
    Exactly,
    Kind,
    Learn,
    Octets,
    OctetWords,
    Out,
    Part,
    Walk,
    Words,
    as_int,
    as_octets,
)
from demeter.protocols.dlms.translate.node import Node
from demeter.protocols.dlms.translate.values import text_words

_ELEMENT: Final = "Element"
TITLE_SIZE: Final = 8
_TAG: Final = "tag"
_SIZE: Final = "size"


class Elements:
    """BER elements inside one of them. Tags that are not in the table become ``Element``, so that nothing is lost."""

    def __init__(self, options: Mapping[int, Part], learn: Learn | None = None) -> None:
        self._options = options
        self._tags = {part.name: tag for tag, part in options.items()}
        self._learn = learn

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read length and elements."""
        node.items = []
        size, at = walk.length(at, node)
        walk.take(at, size)
        end = at + size
        inner = walk.until(end)
        while at < end:
            tag = inner.number(at)
            if tag & 0x1F == 0x1F:
                raise walk.fail(Malformed, f"tag 0x{tag:02x} announces a tag of several octets", at)
            part = self._options.get(tag, Part(_ELEMENT, _OTHER))
            behind = inner.read(node, part.name, part.kind, at, skip=1)
            if part.name == _ELEMENT:
                node.items[-1].hints[_TAG] = tag
            at = behind
        if self._learn is not None:
            self._learn(node, walk.context)
        return end

    def write(self, out: Out, node: Node) -> None:
        """Write length and elements."""
        content = out.apart()
        for item in node.parts:
            tag = item.hints.get(_TAG, -1) if item.name == _ELEMENT else self._tags.get(item.name, -1)
            if not 0 <= tag <= 0xFF:
                raise Malformed(f"{node.name} has no part {item.name}")
            content.octets.append(tag)
            kind = _OTHER if item.name == _ELEMENT else self._options[tag].kind
            kind.write(content, item)
        out.length(len(content.octets), node)
        out.octets += content.octets
        if self._learn is not None:
            self._learn(node, out.context)


@dataclass(frozen=True, slots=True)
class BerInteger:
    """An INTEGER of up to eight octets."""

    words: Words | None = None

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read it; a form longer than need be is noted."""
        size, start = walk.length(at, node)
        if not 1 <= size <= 8:
            raise walk.fail(Malformed, f"an integer of {size} octets", at)
        number = walk.number(start, size, signed=True)
        node.value = number
        node.meaning = self.words(number) if self.words else ""
        if _octets_of(number) != size:
            node.hints[_SIZE] = size
        return start + size

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        number = as_int(node)
        size = node.hints.get(_SIZE) or _octets_of(number)
        out.length(size, node)
        out.number(node, size, signed=True)


def _octets_of(number: int) -> int:
    return (number + (number < 0)).bit_length() // 8 + 1


_OTHER: Final[Kind] = Octets()


def _string(text: OctetWords | None = None) -> Kind:
    return Elements({0x04: Part("OctetString", Octets(text))})


def _integer(meaning: Words | None = None) -> Kind:
    return Elements({0x02: Part("Integer", BerInteger(meaning))})


_OBJECT = Elements({0x06: Part("ObjectIdentifier", Octets(words.oid_words))})
_AUTHENTICATION = Elements({0x80: Part("CharString", Octets(text_words)), 0x81: Part("BitString", Octets())})
_INFORMATION = Elements({0x04: Part("OctetString", Exactly(APDU))})
_VERSION = Part("ProtocolVersion", Octets())
_MECHANISM = Part("MechanismName", Octets(words.oid_words))
_COMMON: Final = {
    0x80: _VERSION,
    0xA1: Part("ApplicationContextName", _OBJECT),
    0xBD: Part("ImplementationInformation", _string()),
    0xBE: Part("UserInformation", _INFORMATION),
}


def _learn(node: Node, context: Context, *, client: bool) -> None:
    """Remember a system title: what follows may be ciphered under it."""
    part = node.find("OctetString")
    title = b"" if part is None else as_octets(part)
    if len(title) != TITLE_SIZE:
        return
    if client:
        context.keyring.client = title
    else:
        context.keyring.server = title


def _title(*, client: bool) -> Kind:
    return Elements({0x04: Part("OctetString", Octets(words.title))}, partial(_learn, client=client))


AARQ = Elements(
    {
        **_COMMON,
        0xA2: Part("CalledApTitle", _string(words.title)),
        0xA3: Part("CalledAeQualifier", _string()),
        0xA4: Part("CalledApInvocationId", _integer()),
        0xA5: Part("CalledAeInvocationId", _integer()),
        0xA6: Part("CallingApTitle", _title(client=True)),
        0xA7: Part("CallingAeQualifier", _string()),
        0xA8: Part("CallingApInvocationId", _integer()),
        0xA9: Part("CallingAeInvocationId", _integer()),
        0x8A: Part("SenderAcseRequirements", Octets()),
        0x8B: _MECHANISM,
        0xAC: Part("CallingAuthenticationValue", _AUTHENTICATION),
    }
)
AARE = Elements(
    {
        **_COMMON,
        0xA2: Part("Result", _integer(words.among(words.RESULTS))),
        0xA3: Part(
            "ResultSourceDiagnostic",
            Elements(
                {
                    0xA1: Part("AcseServiceUser", _integer(words.among(words.USER_DIAGNOSTICS))),
                    0xA2: Part("AcseServiceProvider", _integer(words.among(words.PROVIDER_DIAGNOSTICS))),
                }
            ),
        ),
        0xA4: Part("RespondingApTitle", _title(client=False)),
        0xA5: Part("RespondingAeQualifier", _string()),
        0xA6: Part("RespondingApInvocationId", _integer()),
        0xA7: Part("RespondingAeInvocationId", _integer()),
        0x88: Part("ResponderAcseRequirements", Octets()),
        0x89: _MECHANISM,
        0xAA: Part("RespondingAuthenticationValue", _AUTHENTICATION),
    }
)
RELEASE = Elements(
    {
        0x80: Part("Reason", BerInteger(words.among(words.RELEASE_REASONS))),
        0xBE: Part("UserInformation", _INFORMATION),
    }
)

ASSOCIATIONS: Final[Mapping[int, Part]] = {
    0x60: Part("AssociationRequest", AARQ),
    0x61: Part("AssociationResponse", AARE),
    0x62: Part("ReleaseRequest", RELEASE),
    0x63: Part("ReleaseResponse", RELEASE),
}
"""APDUs of ACSE by tag."""
