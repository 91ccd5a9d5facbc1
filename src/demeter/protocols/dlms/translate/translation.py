"""Octets to trees and back: what callers use."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.translate.apdus import enter
from demeter.protocols.dlms.translate.associations import ASSOCIATIONS
from demeter.protocols.dlms.translate.ciphering import ciphered
from demeter.protocols.dlms.translate.context import Context, Keyring
from demeter.protocols.dlms.translate.frames import read_stream, write_stream
from demeter.protocols.dlms.translate.node import Node
from demeter.protocols.dlms.translate.services import SERVICES

FORMS: Final = ("auto", "wrapper", "hdlc", "apdu", "data")
MAX_ERRORS: Final = 64
"""Errors kept of one input; damaged streams have many, and the first ones tell."""

enter(SERVICES)
enter(ASSOCIATIONS)
enter(ciphered())


@dataclass(frozen=True, slots=True)
class Translation:
    """What octets say: frames in their order, and what is wrong with them."""

    frames: tuple[Node, ...]
    errors: tuple[DlmsError, ...] = ()

    @property
    def error(self) -> DlmsError | None:
        """The first error."""
        return self.errors[0] if self.errors else None


class Translator:
    """Translates pieces of one conversation; what AARQ, AARE and initiate-request tell is used for what follows."""

    def __init__(self, keyring: Keyring | None = None, name_of: Callable[[Obis], str] | None = None) -> None:
        self._context = Context(copy(keyring) if keyring else Keyring())
        if name_of is not None:
            self._context.name_of = name_of

    def translate(self, octets: bytes, form: str = "auto") -> Translation:
        """Read octets; never raises for what they contain.

        ``form`` is one of :data:`FORMS`: what the octets begin with, where they do not tell by themselves.
        """
        context = self._context
        context.problems = []
        frames = read_stream(octets, context, form=form)
        return Translation(tuple(frames), tuple(context.problems[:MAX_ERRORS]))

    def octets_of(self, frames: tuple[Node, ...] | list[Node]) -> bytes:
        """Write frames; protected content whose plaintext and key are there is sealed anew.

        Raises:
            Malformed: a tree that is no frame; the message names the part.
        """
        return write_stream(list(frames), self._context)


def translate(
    octets: bytes,
    keyring: Keyring | None = None,
    *,
    form: str = "auto",
    name_of: Callable[[Obis], str] | None = None,
) -> Translation:
    """Read octets once; see :class:`Translator`."""
    return Translator(keyring, name_of).translate(octets, form)


def octets_of(frames: tuple[Node, ...] | list[Node], keyring: Keyring | None = None) -> bytes:
    """Write frames once; see :meth:`Translator.octets_of`."""
    return Translator(keyring).octets_of(frames)
