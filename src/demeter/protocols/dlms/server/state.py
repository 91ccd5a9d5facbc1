"""What a server remembers of one open association."""

from __future__ import annotations

from dataclasses import dataclass, field

from demeter.protocols.dlms.acse import Conformance
from demeter.protocols.dlms.admission import Admitted, Association
from demeter.protocols.dlms.apdu import AttributeRef, DataBlock, MethodRef
from demeter.protocols.dlms.security import Channel
from demeter.protocols.dlms.server.general import GeneralTransfer


@dataclass(slots=True)
class Download:
    """A value on its way in blocks: ``at`` octets and ``number`` blocks of it are sent; ``service`` fetches them."""

    value: bytes
    service: Conformance
    at: int = 0
    number: int = 0

    def next(self, room: int) -> DataBlock:
        """The next block, of at most ``room`` octets."""
        piece = self.value[self.at : self.at + room]
        self.at += len(piece)
        self.number += 1
        return DataBlock(self.at >= len(self.value), self.number, piece)


@dataclass(slots=True)
class Upload:
    """What a client is sending in blocks for ``targets`` (one, or with ``many`` a list)."""

    invoke: int
    targets: tuple[AttributeRef, ...] | tuple[MethodRef, ...]
    many: bool
    parts: list[bytes] = field(default_factory=list)
    size: int = 0


@dataclass(slots=True)
class State:
    """One open association and what is under way on it.

    ``general`` holds what comes and goes in general blocks; ``whole`` says that the present request came so, and its
    response goes so, whatever its length.
    """

    admitted: Admitted
    general: GeneralTransfer
    download: Download | None = None
    upload: Upload | None = None
    whole: bool = False

    @property
    def association(self) -> Association:
        """As whom the client speaks."""
        return self.admitted.association

    @property
    def channel(self) -> Channel | None:
        """What protects it, if anything."""
        return self.admitted.channel

    @property
    def conformance(self) -> Conformance:
        """The services agreed on."""
        return self.admitted.conformance

    @property
    def room(self) -> int:
        """Octets of a plain response that still fit the client's APDU size after protection."""
        return self.admitted.max_pdu - (0 if self.channel is None else self.channel.overhead)

    def fits(self, size: int, blocks: Conformance) -> bool:
        """Whether a response of ``size`` octets goes without the ``blocks`` of its own service."""
        if size <= self.room or self.whole:
            return True
        return blocks not in self.conformance and Conformance.GENERAL_BLOCK_TRANSFER in self.conformance
