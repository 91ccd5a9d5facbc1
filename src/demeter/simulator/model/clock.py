"""The clock of a meter (class 8): read, set, shifted, adjusted. It may run ahead or behind (fault ``drift``)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.classes import Clock
from demeter.protocols.dlms.classes.commands.clock import CLOCK, MOST_SHIFT_S
from demeter.protocols.dlms.classes.timing import ClockBase, PresetTime
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError
from demeter.simulator.meter import Meter
from demeter.simulator.model.objects import TypedObject, refused

_QUARTER_S = 900
_NEVER = CosemDateTime()


def local_moment(at_s: int, zone: ZoneInfo) -> CosemDateTime:
    """Return an instant as a meter of ``zone`` shows it."""
    return CosemDateTime.from_utc(datetime.fromtimestamp(at_s, UTC), zone)


def instant(moment: CosemDateTime, zone: ZoneInfo) -> int:
    """Return a date-time a client wrote as UTC epoch seconds.

    Raises:
        Refused: it is no instant.
    """
    try:
        return int(moment.to_utc(zone).timestamp())
    except DlmsError as unusable:
        raise refused(f"no instant: {unusable}", DataAccessResult.TYPE_UNMATCHED) from unusable


def clock_object(meter: Meter) -> TypedObject:
    """Return the clock; whatever changes it is noted as an event."""
    zone = ZoneInfo(meter.zone)
    standard = datetime(2026, 1, 1, tzinfo=UTC).astimezone(zone).utcoffset()
    behind_min = -int(standard.total_seconds()) // 60 if standard else 0
    preset: list[tuple[int, int, int]] = []

    def shift(seconds: int) -> None:
        if abs(seconds) > MOST_SHIFT_S:
            raise refused(f"a clock is shifted by at most {MOST_SHIFT_S} s")
        meter.set_clock(meter.now_s() + seconds)

    def round_to(step_s: int) -> Callable[[int], None]:
        def carry_out(_parameter: int) -> None:
            meter.set_clock((meter.now_s() + step_s // 2) // step_s * step_s)

        return carry_out

    def take_preset(_parameter: int) -> None:
        if not preset or not preset[-1][1] <= meter.now_s() <= preset[-1][2]:
            raise refused("no preset time is valid now")
        meter.set_clock(preset.pop()[0])

    def give_preset(times: PresetTime) -> None:
        given = (times.preset_time, times.valid_from, times.valid_until)
        at_s, from_s, until_s = (instant(moment, zone) for moment in given)
        preset[:] = [(at_s, from_s, until_s)]

    def status() -> int:
        return local_moment(meter.now_s(), zone).status or 0

    return TypedObject(
        Clock,
        CLOCK,
        {
            Clock.time: lambda: local_moment(meter.now_s(), zone),
            Clock.time_zone: lambda: behind_min,
            Clock.status: status,
            Clock.daylight_savings_begin: lambda: _NEVER,
            Clock.daylight_savings_end: lambda: _NEVER,
            Clock.daylight_savings_deviation: lambda: 0,
            Clock.daylight_savings_enabled: lambda: False,
            Clock.clock_base: lambda: ClockBase.INTERNAL_CRYSTAL,
        },
        {Clock.time: lambda moment: meter.set_clock(instant(moment, zone))},
        {
            Clock.adjust_to_quarter: round_to(_QUARTER_S),
            Clock.adjust_to_measuring_period: round_to(meter.period_s),
            Clock.adjust_to_minute: round_to(60),
            Clock.adjust_to_preset_time: take_preset,
            Clock.preset_adjusting_time: give_preset,
            Clock.shift_time: shift,
        },
    )
