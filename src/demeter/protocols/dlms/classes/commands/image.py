"""Firmware image transfer (class 18): initiate, blocks, verify, activate; resumable from what the meter has.

The order is the Blue Book's: the transfer is enabled and initiated, blocks go in any order, missing ones go again, the
image is verified and, at once or by a schedule, activated. Verification and activation may answer "temporary failure"
while they go on: the status is read until it changes (:func:`next_step` says ``WAIT``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from demeter.protocols.dlms.classes.commands.steps import Invoke, Read, Write, invoke, read, write
from demeter.protocols.dlms.classes.control import ImageBlock, ImageStart, ImageStatus, ImageTransfer
from demeter.protocols.dlms.data import BitString
from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.obis import Obis

IMAGE: Final = Obis(0, 0, 44, 0, 0, 255)


def read_state(obis: Obis = IMAGE) -> tuple[Read, ...]:
    """Return the reads that show how far a transfer is."""
    return read(ImageTransfer, obis)


def enable(obis: Obis = IMAGE) -> Write:
    """Return the permission to transfer images."""
    return write(ImageTransfer, obis, ImageTransfer.image_transfer_enabled, True)


def initiate(identifier: bytes, size: int, obis: Obis = IMAGE) -> Invoke:
    """Return the start of a transfer of ``size`` octets; the meter forgets any earlier one."""
    return invoke(ImageTransfer, obis, ImageTransfer.image_transfer_initiate, ImageStart(identifier, size))


def block_count(size: int, block_size: int) -> int:
    """Return into how many blocks an image of ``size`` octets is cut.

    Raises:
        Malformed: blocks without octets.
    """
    if block_size <= 0:
        raise Malformed(f"a block has at least one octet, not {block_size}")
    return -(-size // block_size)


def blocks(image: bytes, block_size: int, only: Iterable[int] | None = None, obis: Obis = IMAGE) -> Iterator[Invoke]:
    """Yield the transfer of every block, or of ``only`` these (counted from 0); the last block may be shorter.

    Raises:
        Malformed: a block the image does not have.
    """
    count = block_count(len(image), block_size)
    for number in range(count) if only is None else only:
        if not 0 <= number < count:
            raise Malformed(f"the image has the blocks 0 to {count - 1}, not {number}")
        octets = image[number * block_size : (number + 1) * block_size]
        yield invoke(ImageTransfer, obis, ImageTransfer.image_block_transfer, ImageBlock(number, octets))


def missing(status: BitString, count: int) -> tuple[int, ...]:
    """Return the blocks a meter has not got; a bitmap shorter than the image says nothing of the rest: missing."""
    got = str(status)
    return tuple(number for number in range(count) if number >= len(got) or got[number] == "0")


def verify(obis: Obis = IMAGE) -> Invoke:
    """Return the verification of the transferred image."""
    return invoke(ImageTransfer, obis, ImageTransfer.image_verify)


def activate(obis: Obis = IMAGE) -> Invoke:
    """Return the activation at once."""
    return invoke(ImageTransfer, obis, ImageTransfer.image_activate)


class Next(StrEnum):
    """What a transfer needs next."""

    ENABLE = "enable"
    INITIATE = "initiate"
    SEND_BLOCKS = "send blocks"
    VERIFY = "verify"
    WAIT = "wait"
    ACTIVATE = "activate"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """What comes next, and which blocks are still to send."""

    step: Next
    resume: tuple[int, ...] = ()
    why: str = ""


def next_step(found: ImageTransfer, size: int, identifier: bytes | None = None) -> Progress:
    """Return how to go on with an image of ``size`` octets, from whatever state the meter is in.

    ``identifier``: what the image is called in ``image_to_activate_info``; a verified image of another name or size
    makes the transfer begin anew.

    Raises:
        Malformed: the meter's state was not read whole, or not of the types the class defines.
    """
    status, block_size, got = (
        found.image_transfer_status,
        found.image_block_size,
        found.image_transferred_blocks_status,
    )
    if status is None or block_size is None or found.image_transfer_enabled is None:
        raise Malformed("the state of the image transfer was not read whole")
    if not found.image_transfer_enabled:
        return Progress(Next.ENABLE)
    if status == ImageStatus.INITIATED:
        left = missing(got or BitString(0, b""), block_count(size, block_size))
        return Progress(Next.SEND_BLOCKS, left) if left else Progress(Next.VERIFY)
    if status == ImageStatus.VERIFICATION_SUCCESSFUL and not _same_image(found, size, identifier):
        return Progress(Next.INITIATE, why="another image is waiting for activation")
    return _BY_STATUS.get(int(status), Progress(Next.FAILED, why=f"status {int(status)} is not in the standard"))


_BY_STATUS: Final = {
    int(ImageStatus.NOT_INITIATED): Progress(Next.INITIATE),
    int(ImageStatus.VERIFICATION_INITIATED): Progress(Next.WAIT, why="the meter verifies the image"),
    int(ImageStatus.VERIFICATION_SUCCESSFUL): Progress(Next.ACTIVATE),
    int(ImageStatus.VERIFICATION_FAILED): Progress(Next.FAILED, why="the meter found the image faulty"),
    int(ImageStatus.ACTIVATION_INITIATED): Progress(Next.WAIT, why="the meter activates the image"),
    int(ImageStatus.ACTIVATION_SUCCESSFUL): Progress(Next.DONE),
    int(ImageStatus.ACTIVATION_FAILED): Progress(Next.FAILED, why="the meter could not activate the image"),
}


def _same_image(found: ImageTransfer, size: int, identifier: bytes | None) -> bool:
    infos = found.image_to_activate_info
    if not infos or identifier is None:
        return True
    return any(info.size == size and info.identification == identifier for info in infos)
