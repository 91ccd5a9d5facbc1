"""Firmware: image transfer (class 18), its activation script (9) and schedule (22)."""

from __future__ import annotations

from typing import Final

from demeter.protocols.dlms.classes import ImageTransfer, SingleActionSchedule
from demeter.protocols.dlms.classes.commands.image import IMAGE
from demeter.protocols.dlms.classes.control import ImageBlock, ImageStart
from demeter.protocols.dlms.classes.structures import ActionItem
from demeter.protocols.dlms.classes.timing import ExecutionTime, ScheduleKind
from demeter.protocols.dlms.errors import DataAccessResult
from demeter.protocols.dlms.obis import Obis
from demeter.simulator.event_log import IMAGE_SCHEDULE
from demeter.simulator.meter import Meter
from demeter.simulator.model.objects import CosemObject, TypedObject, refused

ACTIVATION_SCRIPTS: Final = Obis(0, 0, 10, 0, 107, 255)
ACTIVATION_SCHEDULE: Final = Obis(0, 0, 15, 0, 2, 255)
ACTIVATION_SCRIPT: Final = 1


def firmware_objects(meter: Meter) -> list[CosemObject]:
    """Return the image transfer of a meter and its activation schedule."""
    return [_transfer(meter), _schedule(meter)]


def _transfer(meter: Meter) -> TypedObject:
    bank, kind = meter.image, ImageTransfer

    def enable(wanted: bool) -> None:
        bank.enabled = wanted

    def initiate(start: ImageStart) -> None:
        _check(bank.initiate(start.identifier, start.size))

    def take(block: ImageBlock) -> None:
        _check(bank.take(block.number, block.octets))

    def verify(_parameter: int) -> None:
        _check(bank.verify())
        _check_done(busy=bank.busy)

    def activate(_parameter: int) -> None:
        _check(bank.activate())
        _check_done(busy=bank.busy)

    return TypedObject(
        kind,
        IMAGE,
        {
            kind.image_block_size: lambda: bank.block_size,
            kind.image_transferred_blocks_status: lambda: bank.bitmap,
            kind.image_first_not_transferred_block_number: lambda: bank.first_missing,
            kind.image_transfer_enabled: lambda: bank.enabled,
            kind.image_transfer_status: lambda: bank.status,
            kind.image_to_activate_info: lambda: bank.ready,
        },
        {kind.image_transfer_enabled: enable},
        {
            kind.image_transfer_initiate: initiate,
            kind.image_block_transfer: take,
            kind.image_verify: verify,
            kind.image_activate: activate,
        },
    )


def _check(why_not: str) -> None:
    if why_not:
        raise refused(why_not)


def _check_done(*, busy: bool) -> None:
    """Answer "temporary failure" while the meter is at it, as the Blue Book has it: the status tells when it is not."""
    if busy:
        raise refused("the meter is at it", DataAccessResult.TEMPORARY_FAILURE)


def _schedule(meter: Meter) -> TypedObject:
    def set_times(times: tuple[ExecutionTime, ...]) -> None:
        meter.image.schedule(times)
        meter.noted(IMAGE_SCHEDULE)

    kind = SingleActionSchedule
    return TypedObject(
        kind,
        ACTIVATION_SCHEDULE,
        {
            kind.executed_script: lambda: ActionItem(ACTIVATION_SCRIPTS, ACTIVATION_SCRIPT),
            kind.type: lambda: ScheduleKind.ONE_TIME_WILDCARDS_IN_DATE,
            kind.execution_time: lambda: meter.image.times,
        },
        {kind.execution_time: set_times},
    )
