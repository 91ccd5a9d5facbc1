"""Hexadecimal text as people paste it."""

from __future__ import annotations

import re
from typing import Final

from demeter.protocols.dlms.errors import Malformed

_COMMENT: Final = re.compile(r"#[^\n]*")
_PREFIX: Final = re.compile(r"(?<![0-9a-zA-Z])0[xX](?=[0-9a-fA-F])|\\x(?=[0-9a-fA-F])")
_BETWEEN: Final = re.compile(r"[\s:,;.\-_]+")
_OTHER: Final = re.compile(r"[^0-9a-fA-F]")


_TEXT: Final = re.compile(rb"[0-9a-fA-FxX\s:,;.\-_\\]*")
_REMARKS: Final = re.compile(rb"#[^\n]*")


def is_hexadecimal(octets: bytes) -> bool:
    """Tell whether octets are hexadecimal text; a frame in binary begins with none of its letters."""
    return _TEXT.fullmatch(_REMARKS.sub(b"", octets)) is not None


def octets_from_text(text: str) -> bytes:
    """Return octets from digits with spaces, line ends, ``0x``, colons, commas, dashes between; ``#`` begins a comment.

    Raises:
        Malformed: another character, or half an octet; ``offset`` counts octets up to there.
    """
    digits = _BETWEEN.sub("", _PREFIX.sub("", _COMMENT.sub("", text)))
    wrong = _OTHER.search(digits)
    if wrong is not None:
        raise Malformed(f"{wrong.group()!r} is no hexadecimal digit", offset=wrong.start() // 2)
    if len(digits) % 2:
        raise Malformed("half an octet: the number of hexadecimal digits is odd", offset=len(digits) // 2)
    return bytes.fromhex(digits)
