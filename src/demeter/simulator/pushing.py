"""What a meter pushes and when: the state of its push setups, without any I/O.

Three setups after IS 15959: instantaneous values by schedule (0.0.25.9.0), alerts as events happen (0.4.25.9.0), and,
where the fleet file asks for it, new rows of the load profile (0.5.25.9.0, as several makers have it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.classes.civil import CosemDate, CosemTime
from demeter.protocols.dlms.classes.communication import PushMessage, PushService, PushTarget
from demeter.protocols.dlms.classes.structures import Window
from demeter.protocols.dlms.classes.timing import ExecutionTime
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.simulator.event_log import MeterEvent
from demeter.simulator.meter import Meter
from demeter.simulator.push_config import PushConfig, PushTransport
from demeter.simulator.schedules import Times, next_occurrence

INSTANT: Final = Obis(0, 0, 25, 9, 0, 255)
ALERT: Final = Obis(0, 4, 25, 9, 0, 255)
LOAD: Final = Obis(0, 5, 25, 9, 0, 255)

_HOUR_S, _DAY_S = 3600, 86_400


@dataclass(slots=True)
class PushPoint:
    """One push setup as it is now; the head-end may write all of it."""

    obis: Obis
    captures: tuple[CaptureObject, ...]
    target: PushTarget
    random_s: int
    retries: int
    retry_s: int
    windows: tuple[Window, ...] = ()

    @property
    def destination(self) -> tuple[str, int] | None:
        """Host and port; None: there is nowhere to push to, or by no service that is simulated."""
        host, _, port = self.target.destination.decode("latin-1").rpartition(":")
        known = self.target.service in (PushService.TCP, PushService.UDP)
        usable = known and host and port.isdecimal() and 0 < int(port) < 65_536
        return (host.strip("[]"), int(port)) if usable else None

    def open_at(self, at_s: int, zone: str) -> bool:
        """Tell whether an instant lies in a communication window; without windows all do."""
        return not self.windows or any(_within(window, at_s, ZoneInfo(zone)) for window in self.windows)


def execution_times(every_s: int) -> Times:
    """Return a period as the execution times of a schedule; none where a schedule cannot say it.

    That takes whole minutes that divide an hour, or whole hours that divide a day.
    """
    if every_s and every_s % 60 == 0 and _HOUR_S % every_s == 0:
        minutes = range(0, 60, every_s // 60)
        return tuple(ExecutionTime(CosemTime(None, minute, 0, 0), CosemDate()) for minute in minutes)
    if every_s and every_s % _HOUR_S == 0 and _DAY_S % every_s == 0:
        return tuple(ExecutionTime(CosemTime(hour, 0, 0, 0), CosemDate()) for hour in range(0, 24, every_s // _HOUR_S))
    return ()


@dataclass(slots=True)
class Pushes:
    """The push setups of one meter and their schedule. ``send`` hands a push over to whoever sends it."""

    meter: Meter
    points: dict[Obis, PushPoint] = field(default_factory=dict)
    times: Times = ()
    every_s: int = 0
    send: Callable[[PushPoint], None] | None = None
    _due_s: int | None = None
    _planned: tuple[Times, int] | None = None

    @property
    def active(self) -> bool:
        """Whether there is anywhere to push to."""
        return any(point.destination is not None for point in self.points.values())

    def add(self, obis: Obis, captures: tuple[CaptureObject, ...]) -> None:
        """Set a push setup up as the fleet file has it."""
        config = self.meter.config.push
        self.points[obis] = PushPoint(obis, captures, _target(config), config.random_s, config.retries, config.retry_s)

    def begin(self) -> None:
        """Plan the pushes by schedule, and have events alerted."""
        config = self.meter.config.push
        self.times = execution_times(config.every_s)
        self.every_s = 0 if self.times else config.every_s
        if config.alerts:
            self.meter.log.listeners.append(self._alerted)

    def push(self, obis: Obis) -> bool:
        """Push one setup now; tell whether there is anywhere to push to."""
        point = self.points.get(obis)
        if point is None or point.destination is None or self.send is None:
            return False
        self.send(point)
        return True

    def by_schedule(self) -> None:
        """Push what the schedule has due: called every second or so while there is anywhere to push to."""
        now_s = self.meter.now_s()
        if self._planned != (self.times, self.every_s) or self._due_s is None:
            self._planned = self.times, self.every_s
            self._due_s = self._next(now_s - 1)
        if self._due_s is None or now_s < self._due_s:
            return
        self._due_s = self._next(now_s)
        for obis in (INSTANT, LOAD):
            point = self.points.get(obis)
            if point is not None and point.open_at(now_s, self.meter.zone):
                self.push(obis)

    def _next(self, after_s: int) -> int | None:
        if self.every_s:
            return (after_s // self.every_s + 1) * self.every_s
        return next_occurrence(self.times, self.meter.zone, after_s)

    def _alerted(self, _event: MeterEvent) -> None:
        self.push(ALERT)


def _target(config: PushConfig) -> PushTarget:
    service = PushService.UDP if config.transport is PushTransport.UDP else PushService.TCP
    return PushTarget(service, config.destination.encode("ascii"), PushMessage.A_XDR_ENCODED_APDU)


def _within(window: Window, at_s: int, zone: ZoneInfo) -> bool:
    """Tell whether an instant lies in a window: between two dates, or daily between two times."""
    local = datetime.fromtimestamp(at_s, UTC).astimezone(zone)
    return _order(window.start, local) <= 0 <= _order(window.end, local)


def _order(bound: CosemDateTime, local: datetime) -> int:
    """Return whether a bound lies before (-1), at (0) or after (1) a local time; what is not specified fits any."""
    fields = (
        (bound.year, local.year),
        (bound.month, local.month),
        (bound.day, local.day),
        (bound.hour, local.hour),
        (bound.minute, local.minute),
        (bound.second, local.second),
    )
    for wanted, present in fields:
        if wanted is not None and wanted != present:
            return -1 if wanted < present else 1
    return 0
