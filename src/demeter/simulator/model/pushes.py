"""Push setups (class 40), the push schedule (class 22) and the event status word: what a meter says unasked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from demeter.protocols.dlms.classes import PushSetup, SingleActionSchedule
from demeter.protocols.dlms.classes.structures import ActionItem
from demeter.protocols.dlms.classes.timing import ExecutionTime, ScheduleKind
from demeter.protocols.dlms.data import BitString, Data, Tag
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CLOCK, CaptureObject
from demeter.simulator.event_log import ENTRIES, EventLog, is_occurrence
from demeter.simulator.fleet import MeterKind
from demeter.simulator.model.objects import (
    DATA,
    PROFILE,
    REGISTER,
    CosemObject,
    TypedObject,
    data_object,
    name,
    refused,
)
from demeter.simulator.pushing import ALERT, INSTANT, LOAD, Pushes, PushPoint

PUSH_SCRIPTS: Final = Obis(0, 0, 10, 0, 108, 255)
PUSH_SCHEDULE: Final = Obis(0, 0, 15, 0, 4, 255)
STATUS_WORD: Final = Obis(0, 0, 94, 91, 18, 255)
DEVICE: Final = Obis(0, 0, 96, 1, 2, 255)

_PUSH_CLASS: Final = PushSetup.interface.class_id
_STATUS_BITS: Final = 128
_BIT_OF: Final = {
    1: 0,
    3: 1,
    5: 2,
    7: 3,
    9: 4,
    11: 5,
    51: 6,
    53: 7,
    55: 8,
    63: 9,
    65: 10,
    67: 11,
    205: 12,
    69: 51,
    201: 81,
    203: 82,
    251: 83,
    301: 84,
    101: 85,
    102: 86,
}
"""Bits of the event status word by event code (IS 15959-2, from memory: verify before relying on it)."""
_VALUES: Final = {
    MeterKind.SINGLE_PHASE: ("1.0.1.8.0.255", "1.0.9.8.0.255", "1.0.1.7.0.255", "1.0.12.7.0.255", "1.0.11.7.0.255"),
    MeterKind.THREE_PHASE: ("1.0.1.8.0.255", "1.0.9.8.0.255", "1.0.1.7.0.255", "1.0.32.7.0.255", "1.0.31.7.0.255"),
    MeterKind.WATER: ("8.0.1.0.0.255", "8.0.2.0.0.255"),
}


def set_up(pushes: Pushes) -> None:
    """Give a meter's push setups what they carry: who, which push, when, and then the values."""
    meter = pushes.meter
    registers = [CaptureObject(REGISTER, name(obis), 2) for obis in _VALUES[meter.config.kind]]
    pushes.add(INSTANT, (*_header(INSTANT), *registers))
    codes = [CaptureObject(DATA, Obis(0, 0, 96, kind, group, 255), 2) for kind in (11, 15) for group in ENTRIES]
    pushes.add(ALERT, (*_header(ALERT), CaptureObject(DATA, STATUS_WORD, 2), *codes))
    rows = meter.config.push.load_rows
    if rows:
        media = 8 if meter.config.kind is MeterKind.WATER else 1
        profile = CaptureObject(PROFILE, Obis(media, 0, 99, 1, 0, 255), 2, rows)
        pushes.add(LOAD, (*_header(LOAD), profile))
    pushes.begin()


def _header(obis: Obis) -> tuple[CaptureObject, ...]:
    return CaptureObject(DATA, DEVICE, 2), CaptureObject(_PUSH_CLASS, obis, 1), CLOCK


def push_objects(pushes: Pushes) -> list[CosemObject]:
    """Return the push setups, their schedule and the event status word."""
    setups = [_setup(pushes, point) for point in pushes.points.values()]
    word = data_object(str(STATUS_WORD), lambda: _status_word(pushes.meter.log))
    return [*setups, _schedule(pushes), word]


def _setup(pushes: Pushes, point: PushPoint) -> TypedObject:
    def written(name: str) -> Callable[[Any], None]:
        return lambda value: setattr(point, name, value)

    def push(_parameter: int) -> None:
        if not pushes.push(point.obis):
            raise refused("there is nowhere to push to")

    kind = PushSetup
    return TypedObject(
        kind,
        point.obis,
        {
            kind.push_object_list: lambda: point.captures,
            kind.send_destination_and_method: lambda: point.target,
            kind.communication_window: lambda: point.windows,
            kind.randomisation_start_interval: lambda: point.random_s,
            kind.number_of_retries: lambda: point.retries,
            kind.repetition_delay: lambda: point.retry_s,
        },
        {
            kind.push_object_list: written("captures"),
            kind.send_destination_and_method: written("target"),
            kind.communication_window: written("windows"),
            kind.randomisation_start_interval: written("random_s"),
            kind.number_of_retries: written("retries"),
            kind.repetition_delay: written("retry_s"),
        },
        {kind.push: push},
    )


def _schedule(pushes: Pushes) -> TypedObject:
    def set_times(times: tuple[ExecutionTime, ...]) -> None:
        pushes.times, pushes.every_s = times, 0

    kind = SingleActionSchedule
    return TypedObject(
        kind,
        PUSH_SCHEDULE,
        {
            kind.executed_script: lambda: ActionItem(PUSH_SCRIPTS, 1),
            kind.type: lambda: ScheduleKind.SEVERAL_TIMES_WILDCARDS_IN_DATE,
            kind.execution_time: lambda: pushes.times,
        },
        {kind.execution_time: set_times},
    )


def _status_word(log: EventLog) -> Data:
    """Return the 128 bits: what has begun and not ended; failure and restoration of the supply show the last one."""
    standing: dict[int, bool] = {}
    for event in log.all():
        begun = event.code in _BIT_OF
        code = event.code if begun else event.code - 1
        if code in _BIT_OF:
            standing[code] = begun and (is_occurrence(event.code) or event.code == 102)
        if event.code in (101, 102):
            standing[203 - event.code] = False
    raised = {_BIT_OF[code] for code, on in standing.items() if on}
    bits = "".join("1" if bit in raised else "0" for bit in range(_STATUS_BITS))
    return Data(Tag.BIT_STRING, BitString(_STATUS_BITS, int(bits, 2).to_bytes(_STATUS_BITS // 8, "big")))
