"""The firmware bank of a meter: an image comes in blocks, is verified and becomes the meter's firmware (class 18).

What has come survives lost connections and reboots. An image made by :func:`firmware_image` carries its version and a
SHA-256 of its own, which is really checked; any other image is taken as it is and named by its identifier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from demeter.protocols.dlms.classes.control import ImageInfo, ImageStatus
from demeter.protocols.dlms.data import BitString
from demeter.simulator.event_log import FIRMWARE
from demeter.simulator.faults import FaultBook, FaultKind
from demeter.simulator.relay import Note
from demeter.simulator.schedules import Times, next_occurrence

FACTORY_VERSION: Final = "DMT-1.0.0"
MOST_OCTETS: Final = 16 << 20
_MAGIC: Final = b"DMT-FIRMWARE "
_DIGEST: Final = 32


def firmware_image(version: str, size: int = 4096) -> bytes:
    """Return an image of about ``size`` octets that makes a simulated meter show ``version``."""
    head = _MAGIC + version.encode("ascii") + b"\n"
    body = head + hashlib.shake_128(head).digest(max(size - len(head) - _DIGEST, 0))
    return body + hashlib.sha256(body).digest()


def _is_whole(image: bytes) -> bool:
    if not image.startswith(_MAGIC):
        return True
    return hashlib.sha256(image[:-_DIGEST]).digest() == image[-_DIGEST:]


def _version_of(image: bytes, identifier: bytes) -> str:
    named = image.startswith(_MAGIC) and b"\n" in image[:80]
    octets = image[len(_MAGIC) : image.index(b"\n")] if named else identifier
    return octets.decode("ascii", "replace").strip() or FACTORY_VERSION


class ImageBank:
    """The image being transferred, and the firmware in use. Methods return why they refuse; empty: done.

    ``seconds``: how long verification and activation take each.
    """

    def __init__(
        self, book: FaultBook, note: Note, clock: Callable[[], int], zone: str, block_size: int, seconds: int = 0
    ) -> None:
        self._book = book
        self._note = note
        self._clock = clock
        self._zone = zone
        self._seconds = seconds
        self._blocks: dict[int, bytes] = {}
        self._received = 0
        self._until_s: int | None = None
        self._times: tuple[Times, int | None] = ((), None)
        self.block_size = block_size
        self.enabled = False
        self.status = ImageStatus.NOT_INITIATED
        self.identifier = b""
        self.size = 0
        self.version = FACTORY_VERSION

    @property
    def count(self) -> int:
        """How many blocks the image has."""
        return -(-self.size // self.block_size)

    @property
    def bitmap(self) -> BitString:
        """Which blocks are here, first to last."""
        bits = "".join("1" if number in self._blocks else "0" for number in range(self.count))
        octets = int(bits.ljust(-(-len(bits) // 8) * 8, "0") or "0", 2).to_bytes(-(-len(bits) // 8), "big")
        return BitString(len(bits), octets)

    @property
    def first_missing(self) -> int:
        """The first block that is not here; the number of blocks where all are."""
        return next((number for number in range(self.count) if number not in self._blocks), self.count)

    @property
    def ready(self) -> tuple[ImageInfo, ...]:
        """The image that can be activated, if it was verified."""
        verified = (
            ImageStatus.VERIFICATION_SUCCESSFUL,
            ImageStatus.ACTIVATION_INITIATED,
            ImageStatus.ACTIVATION_SUCCESSFUL,
        )
        if self.status not in verified:
            return ()
        return (ImageInfo(self.size, self.identifier, hashlib.sha256(self._image()).digest()),)

    @property
    def busy(self) -> bool:
        """Whether a verification or activation is going on."""
        return self._until_s is not None

    @property
    def times(self) -> Times:
        """When an image is activated by schedule."""
        return self._times[0]

    def schedule(self, times: Times) -> None:
        """Take another activation schedule."""
        self._times = times, next_occurrence(times, self._zone, self._clock())

    def initiate(self, identifier: bytes, size: int) -> str:
        """Begin a transfer; an earlier one is forgotten."""
        if not self.enabled:
            return "image transfer is not enabled"
        if not 0 < size <= MOST_OCTETS:
            return f"an image has 1 to {MOST_OCTETS} octets"
        self._blocks, self._received, self._until_s = {}, 0, None
        self.identifier, self.size, self.status = identifier, size, ImageStatus.INITIATED
        return ""

    def take(self, number: int, octets: bytes) -> str:
        """Take a block; the same one may come again."""
        if not self.enabled or self.status is not ImageStatus.INITIATED:
            return "no transfer is initiated"
        if not 0 <= number < self.count:
            return f"the image has the blocks 0 to {self.count - 1}"
        due = min(self.block_size, self.size - number * self.block_size)
        if len(octets) != due:
            return f"block {number} has {due} octets, not {len(octets)}"
        self._received += 1
        lost = self._book.active(FaultKind.LOST_BLOCK, self._clock())
        if lost is None or self._received % lost.one_in:
            self._blocks[number] = octets
        return ""

    def verify(self) -> str:
        """Check the image; what comes of it shows in the status."""
        if self.status is ImageStatus.VERIFICATION_SUCCESSFUL:
            return ""
        if (
            self.status not in (ImageStatus.INITIATED, ImageStatus.VERIFICATION_FAILED)
            or self.first_missing < self.count
        ):
            return f"block {self.first_missing} is missing" if self.count else "no transfer is initiated"
        self.status = ImageStatus.VERIFICATION_INITIATED
        self._until_s = self._clock() + self._seconds
        self.advance()
        return ""

    def activate(self) -> str:
        """Make the verified image the firmware."""
        if self.status is not ImageStatus.VERIFICATION_SUCCESSFUL:
            return "no verified image is here"
        self.status = ImageStatus.ACTIVATION_INITIATED
        self._until_s = self._clock() + self._seconds
        self.advance()
        return ""

    def advance(self) -> None:
        """Finish what is due."""
        now_s = self._clock()
        times, due_s = self._times
        if due_s is not None and now_s >= due_s:
            self._times = times, next_occurrence(times, self._zone, now_s)
            self.activate()
        if self._until_s is None or now_s < self._until_s:
            return
        at_s, self._until_s = self._until_s, None
        if self.status is ImageStatus.VERIFICATION_INITIATED:
            spoiled = self._book.active(FaultKind.BAD_CHECKSUM, at_s) is not None
            whole = not spoiled and _is_whole(self._image())
            self.status = ImageStatus.VERIFICATION_SUCCESSFUL if whole else ImageStatus.VERIFICATION_FAILED
        elif self.status is ImageStatus.ACTIVATION_INITIATED:
            self.status = ImageStatus.ACTIVATION_SUCCESSFUL
            self.version = _version_of(self._image(), self.identifier)
            self._note(at_s, FIRMWARE)

    def _image(self) -> bytes:
        return b"".join(self._blocks[number] for number in range(self.count) if number in self._blocks)
