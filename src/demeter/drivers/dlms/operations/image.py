"""Firmware: an image goes to the meter in blocks, share by share, is verified and activated.

A share takes a few seconds and ends with :class:`demeter.sdk.OperationContinues`, so that the meter's reads and other
commands go in between. Where the next one begins follows from what the meter holds; after a lost line, a restart on
either side or a power cut, that is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from demeter.drivers.dlms.operations.line import Line, not_understood
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.classes import ImageTransfer, SingleActionSchedule
from demeter.protocols.dlms.classes.civil import CosemDate, CosemTime
from demeter.protocols.dlms.classes.commands import image
from demeter.protocols.dlms.classes.commands.image import Next, Progress
from demeter.protocols.dlms.classes.commands.steps import Read, Step, read, write
from demeter.protocols.dlms.classes.control import ImageStatus
from demeter.protocols.dlms.classes.timing import ExecutionTime
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.sdk import FailureKind, Operation, OperationContinues, OperationRefused, ReadFailure, Report, Words

FIRMWARE: Final = Obis(1, 0, 0, 2, 0, 255)
SCHEDULE: Final = Obis(0, 0, 15, 0, 2, 255)
"""The version in use (IS 15959, IDIS); the schedule of image activation."""

DATA_CLASS: Final = 1
SHARE_S: Final = 5.0
LEAST_BLOCKS: Final = 16
"""A share goes on for so long, and on a slow line until so many blocks are sent."""

PAUSE: Final = timedelta(milliseconds=200)
WAIT: Final = timedelta(seconds=2)
LONGEST_WAIT: Final = timedelta(hours=6)
MOST_ROUNDS: Final = 3
"""A block that the meter has not got after being sent so often never gets there."""


async def observe_image(line: Line, _operation: Operation) -> Words:
    """Read the version in use and how far a transfer is."""
    doing = "reading the image transfer"
    found = await _state(line)
    version = await line.value(Read(DATA_CLASS, FIRMWARE, 2), "reading the firmware version")
    try:
        bitmap = str(found.image_transferred_blocks_status or "")
        status = found.image_transfer_status
        return {
            "firmware": None if version is None else _text(version.value),
            "image_status": None if status is None else int(status),
            "blocks": len(bitmap),
            "blocks_held": bitmap.count("1"),
        }
    except DlmsError as error:
        raise not_understood(doing, error) from error


def _text(value: object) -> str:
    return value.decode("latin-1").strip("\0 ") if isinstance(value, bytes) else str(value).strip()


async def _state(line: Line) -> ImageTransfer:
    return await line.read(ImageTransfer, image.read_state(), "reading the image transfer")


async def upgrade(line: Line, operation: Operation, _seen: Words, report: Report) -> None:
    """Take one share of an upgrade.

    Raises:
        OperationContinues: there is more to do, or to wait for.
        OperationRefused: ``no_image``, ``image_faulty``, ``activation_failed``, ``other_version``, ``blocks_lost``.
    """
    content = operation.materials.get("image", b"")
    if len(content) != operation.arguments["size"]:
        raise OperationRefused("no_image", "the image is not kept any more; give it again")
    await _Share(line, operation, content, report).take()


class _Share:
    """A few seconds of an upgrade."""

    def __init__(self, line: Line, operation: Operation, content: bytes, report: Report) -> None:
        self._line = line
        self._operation = operation
        self._content = content
        self._report = report
        self._ours = operation.resumed
        self._until = asyncio.get_running_loop().time() + SHARE_S
        self._sent = 0
        self._left: list[int] = []
        self._declined = 0

    async def take(self) -> None:
        """Do what comes next, until the share is over or nothing is left to do."""
        while True:
            found = await _state(self._line)
            try:
                progress = self._next(found)
            except DlmsError as error:
                raise not_understood("reading the image transfer", error) from error
            await self._do(found, progress)

    def _next(self, found: ImageTransfer) -> Progress:
        """Return what comes next; a transfer that is not this one begins anew."""
        progress = image.next_step(found, len(self._content))
        if progress.step is Next.ENABLE:
            return progress
        if not self._ours:
            self._ours = found.image_transfer_status == ImageStatus.VERIFICATION_SUCCESSFUL and self._is_ready(found)
            return progress if self._ours else Progress(Next.INITIATE)
        infos = found.image_to_activate_info
        finished = progress.step in (Next.ACTIVATE, Next.DONE)
        other_size = finished and infos and all(info.size != len(self._content) for info in infos)
        blocks = len(str(found.image_transferred_blocks_status or ""))
        count = image.block_count(len(self._content), found.image_block_size or 0)
        other_blocks = progress.step in (Next.SEND_BLOCKS, Next.VERIFY, Next.FAILED) and blocks != count
        return Progress(Next.INITIATE) if other_size or other_blocks else progress

    def _is_ready(self, found: ImageTransfer) -> bool:
        named = self._operation.arguments["identifier"].encode(), len(self._content)
        return any((info.identification, info.size) == named for info in found.image_to_activate_info or ())

    async def _do(self, found: ImageTransfer, progress: Progress) -> None:
        arguments, status = self._operation.arguments, found.image_transfer_status
        match progress.step:
            case Next.ENABLE:
                await self._step(image.enable(), "enabling the image transfer")
            case Next.INITIATE:
                identifier = arguments["identifier"].encode()
                await self._step(image.initiate(identifier, len(self._content)), "beginning the image transfer")
                self._ours = True
            case Next.SEND_BLOCKS:
                await self._send(found.image_block_size or 0, progress.resume)
            case Next.VERIFY:
                await self._decide(image.verify(), "verifying the image")
            case Next.ACTIVATE:
                await self._activate()
            case Next.WAIT:
                raise OperationContinues(progress.why, WAIT)
            case Next.DONE:
                wanted = arguments["version"]
                raise OperationRefused("other_version", f"the image is activated, and the firmware is not {wanted}")
            case Next.FAILED:
                verified = status == ImageStatus.VERIFICATION_FAILED
                raise OperationRefused("image_faulty" if verified else "activation_failed", progress.why)

    async def _step(self, step: Step, doing: str) -> None:
        """Take a step; a meter that is busy is asked again later."""
        try:
            await self._line.do(step, doing)
        except ReadFailure as failure:
            if _result(failure) is DataAccessResult.TEMPORARY_FAILURE:
                raise OperationContinues(f"{doing}: the meter is busy", WAIT) from failure
            raise

    async def _decide(self, step: Step, doing: str) -> None:
        """Take a step whose outcome shows in the status, also where the meter declines it; once."""
        try:
            await self._line.do(step, doing)
        except ReadFailure as failure:
            self._declined += 1
            if _result(failure) is None or self._declined > 1:
                raise

    async def _send(self, block_size: int, missing: Sequence[int]) -> None:
        """Send the missing blocks, as many as fit the share."""
        count = image.block_count(len(self._content), block_size)
        self._left.append(len(missing))
        if self._left[-MOST_ROUNDS:] == [len(missing)] * MOST_ROUNDS:
            raise OperationRefused(
                "blocks_lost", f"{len(missing)} blocks were sent {MOST_ROUNDS - 1} times and are not there"
            )
        steps = image.blocks(self._content, block_size, missing)
        for held, (number, step) in enumerate(zip(missing, steps, strict=True), start=count - len(missing)):
            self._report("sending blocks", held, count)
            if self._sent >= LEAST_BLOCKS and asyncio.get_running_loop().time() > self._until:
                raise OperationContinues(f"{held} of {count} blocks are sent", PAUSE)
            await self._step(step, f"sending block {number} of {count}")
            self._sent += 1
        self._report("sending blocks", count, count)

    async def _activate(self) -> None:
        """Activate the verified image, at once or when it is time; a schedule in the meter needs no head-end."""
        text = self._operation.arguments.get("activate_at")
        at = None if text is None else datetime.fromisoformat(text)
        left = timedelta() if at is None else at - self._line.clock.now()
        if at is not None and left > timedelta():
            await self._schedule(at)
            self._report("waiting for activation", 0, 1)
            raise OperationContinues(f"verified; to be activated at {text}", min(left + WAIT, LONGEST_WAIT))
        self._report("activating", 0, 1)
        await self._decide(image.activate(), "activating the image")
        raise OperationContinues("the meter activates the image", WAIT)

    async def _schedule(self, at: datetime) -> None:
        """Write the activation schedule, unless it stands there; a meter that has none is told when it is time."""
        kind, local = SingleActionSchedule, at.astimezone(self._line.zone)
        date, time = CosemDate(local.year, local.month, local.day), CosemTime(local.hour, local.minute, local.second, 0)
        wanted = write(kind, SCHEDULE, kind.execution_time, (ExecutionTime(time, date),))
        (reading,) = read(kind, SCHEDULE, kind.execution_time)
        try:
            stands = await self._line.value(reading, "reading the activation schedule")
            if stands is None or axdr.encode(stands) != wanted.payload:
                await self._line.do(wanted, "writing the activation schedule")
        except ReadFailure as failure:
            if failure.kind not in (FailureKind.REFUSED, FailureKind.NOT_SUPPORTED):
                raise


def _result(failure: ReadFailure) -> DataAccessResult | None:
    """Return the meter's own refusal, where it is one."""
    return failure.__cause__.result if isinstance(failure.__cause__, Refused) else None
