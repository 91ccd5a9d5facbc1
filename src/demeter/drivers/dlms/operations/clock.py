"""The clock: how far it is off, and the gentler way to correct it."""

from __future__ import annotations

from demeter.drivers.dlms.operations.line import Line, not_understood
from demeter.protocols.dlms.classes import Clock
from demeter.protocols.dlms.classes.commands import Invoke, clock
from demeter.protocols.dlms.errors import DlmsError
from demeter.sdk import FailureKind, Operation, OperationRefused, ReadFailure, Report, Words

DEFINITE = (FailureKind.REFUSED, FailureKind.NOT_SUPPORTED)


async def observe_clock(line: Line, _operation: Operation) -> Words:
    """Read by how many seconds the clock is ahead of the middle of question and answer."""
    doing = "reading the clock"
    asked = line.clock.now()
    found = await line.read(Clock, clock.read_time(), doing)
    now = line.clock.now()
    try:
        return {
            "drift_s": clock.drift_s(found, asked + (now - asked) / 2, line.zone),
            "clock_status": found.status,
        }
    except DlmsError as error:
        raise not_understood(doing, error) from error


async def correct(line: Line, _operation: Operation, seen: Words, _report: Report) -> None:
    """Shift the clock by what it is off, or set it where that is more than 900 s or the meter does not shift.

    A shift is reckoned from the newest observation: after a lost answer the meter is read anew, so that it is never
    shifted twice by the same amount.
    """
    drift_s = seen.get("drift_s")
    if drift_s is None:
        raise OperationRefused("clock", "the meter does not tell its time")
    step = clock.correct(drift_s, line.clock.now(), line.zone)
    try:
        await line.do(step, "correcting the clock")
    except ReadFailure as failure:
        if not isinstance(step, Invoke) or failure.kind not in DEFINITE:
            raise
        await line.do(clock.set_time(line.clock.now(), line.zone), "setting the clock")
