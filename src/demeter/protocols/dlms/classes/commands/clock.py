"""Clock: set, shift, adjust, and how far it is off (class 8)."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.classes.commands.steps import Invoke, Read, Write, invoke, read, write
from demeter.protocols.dlms.classes.timing import Clock, PresetTime
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.obis import Obis

CLOCK: Final = Obis(0, 0, 1, 0, 0, 255)
MOST_SHIFT_S: Final = 900
"""What ``shift_time`` accepts, forwards and backwards (Blue Book, Clock)."""


def read_time(obis: Obis = CLOCK) -> tuple[Read, ...]:
    """Return the reads that show time and status."""
    return read(Clock, obis, Clock.time, Clock.status)


def set_time(at: datetime, zone: ZoneInfo, obis: Obis = CLOCK) -> Write:
    """Return the setting of the clock to the aware instant ``at``, written as a meter in ``zone`` writes it."""
    return write(Clock, obis, Clock.time, CosemDateTime.from_utc(at, zone))


def shift(seconds: int, obis: Obis = CLOCK) -> Invoke:
    """Return the shifting of the clock by up to 900 seconds either way: no interval is lost or doubled.

    Raises:
        Malformed: further than that.
    """
    if abs(seconds) > MOST_SHIFT_S:
        raise Malformed(f"a clock is shifted by at most {MOST_SHIFT_S} s, not {seconds}")
    return invoke(Clock, obis, Clock.shift_time, seconds)


def adjust_to_quarter(obis: Obis = CLOCK) -> Invoke:
    """Return the rounding of the clock to the nearest quarter of an hour."""
    return invoke(Clock, obis, Clock.adjust_to_quarter)


def adjust_to_measuring_period(obis: Obis = CLOCK) -> Invoke:
    """Return the rounding of the clock to the nearest start of a measuring period."""
    return invoke(Clock, obis, Clock.adjust_to_measuring_period)


def adjust_to_minute(obis: Obis = CLOCK) -> Invoke:
    """Return the rounding of the clock to the nearest minute."""
    return invoke(Clock, obis, Clock.adjust_to_minute)


def preset(
    at: datetime, valid_from: datetime, valid_until: datetime, zone: ZoneInfo, obis: Obis = CLOCK
) -> tuple[Invoke, Invoke]:
    """Return the two steps that give a time beforehand and, between two aware instants, take it over.

    The second is sent at the instant ``at`` itself; its effect does not depend on how long the first travelled.

    Raises:
        Malformed: ``at`` is not within the two.
    """
    if not valid_from <= at <= valid_until:
        raise Malformed("a preset time lies within the time it is valid for")
    times = PresetTime(*(CosemDateTime.from_utc(each, zone) for each in (at, valid_from, valid_until)))
    return (
        invoke(Clock, obis, Clock.preset_adjusting_time, times),
        invoke(Clock, obis, Clock.adjust_to_preset_time),
    )


def drift_s(found: Clock, read_at: datetime, zone: ZoneInfo | None = None) -> int | None:
    """Return by how many seconds the clock is ahead (behind: negative) of ``read_at``; None when it was not read.

    Raises:
        Malformed, Unsupported: the time is no instant, see ``CosemDateTime.to_utc``.
    """
    time = found.time
    return None if time is None else round((time.to_utc(zone) - read_at).total_seconds())


def correct(ahead_s: int, now: datetime, zone: ZoneInfo, obis: Obis = CLOCK) -> Invoke | Write:
    """Return the gentler correction of a clock ``ahead_s`` seconds ahead: a shift where it is enough, else setting."""
    return shift(-ahead_s, obis) if abs(ahead_s) <= MOST_SHIFT_S else set_time(now, zone, obis)
