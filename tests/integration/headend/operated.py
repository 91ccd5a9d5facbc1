"""A meter of the tests that can be operated: relay, limiter, calendar, special days, billing, over a line that fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.classes import (
    ActivityCalendar,
    ControlMode,
    ControlState,
    DisconnectControl,
    SpecialDaysTable,
)
from demeter.protocols.dlms.classes.commands import supply, tariff
from demeter.protocols.dlms.classes.commands.tariff import Calendar, day_profile, season
from demeter.protocols.dlms.classes.structures import VALUE_REF, ValueRef
from demeter.protocols.dlms.classes.timing import Week
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.server import Association
from demeter.protocols.dlms.wrapper import Unwrapper, wrap
from tests.integration.drivers.peer import INDIA, PeerMeter

POWER = Obis.parse("1.0.1.7.0.255")
OLD = Calendar(b"OLD", (season("1", 1, 1, "1"),), (Week(b"1", *[1] * 7),), (day_profile(1, {time(0): 1}),))


@dataclass
class OperatedMeter(PeerMeter):
    """``lose``: how many of the next commands are not answered, ``deaf``: how many do not arrive; ``hold``: answers to
    commands wait for it, ``hold_deaf``: so does the line that swallowed one. ``commands``: what was carried out, in order."""

    mode: int = ControlMode.MODE_4
    control: int = ControlState.CONNECTED
    welded: bool = False
    shifts: bool = True
    resets: int = 7
    limit: int = 5000
    over_s: int = 60
    counts: bool = True
    lose: int = 0
    deaf: int = 0
    hold: asyncio.Event | None = None
    hold_deaf: asyncio.Event | None = None
    commands: list[str] = field(default_factory=list)
    calendar: dict[int, data.Data] = field(default_factory=dict)
    special: data.Data = field(default_factory=data.array)

    def __post_init__(self) -> None:
        kind = ActivityCalendar
        names = ("calendar_name", "season_profile", "week_profile_table", "day_profile_table")
        parts = (OLD.name, OLD.seasons, OLD.weeks, OLD.days)
        for side in ("active", "passive"):
            for name, value in zip(names, parts, strict=True):
                attribute = kind.interface.attribute(f"{name}_{side}")
                self.calendar[attribute.number] = attribute.encode(value)
        self.calendar[10] = kind.activate_passive_calendar_time.encode(CosemDateTime())
        self._commanded = False
        self._dropping = False

    @property
    def contact(self) -> bool:
        return self.welded or self.control == ControlState.CONNECTED

    def get(self, access: Association, class_id: int, obis: Obis, attribute: int, selection: bytes | None) -> bytes:
        found = self._operated(class_id, obis, attribute)
        if found is not None:
            return axdr.encode(found)
        return super().get(access, class_id, obis, attribute, selection)

    def _operated(self, class_id: int, obis: Obis, attribute: int) -> data.Data | None:
        if (class_id, obis) == (70, supply.RELAY):
            return {2: data.boolean(self.contact), 3: data.enum(self.control), 4: data.enum(self.mode)}.get(attribute)
        if (class_id, obis) == (71, supply.LIMITER):
            watched = VALUE_REF.encode(ValueRef(3, POWER, 2))
            limit = data.u32(self.limit)
            return {2: watched, 3: limit, 4: limit, 6: data.u32(self.over_s), 10: data.boolean(False)}.get(attribute)
        if (class_id, obis, attribute) == (3, POWER, 3):
            return data.structure(data.i8(0), data.enum(27))
        if (class_id, obis) == (20, tariff.CALENDAR):
            return self.calendar.get(attribute)
        if (class_id, obis, attribute) == (11, tariff.SPECIAL_DAYS, 2):
            return self.special
        if (class_id, str(obis), attribute) == (1, "0.0.0.1.0.255", 2) and self.counts:
            return data.u32(self.resets)
        return None

    def set(self, access: Association, class_id: int, obis: Obis, attribute: int, value: bytes) -> None:
        self._fate()
        read = axdr.decode_all(value)
        if (class_id, obis, attribute) == (70, supply.RELAY, 4):
            self.mode = read.value
        elif (class_id, obis, attribute) == (71, supply.LIMITER, 4):
            self.limit = read.value
        elif (class_id, obis, attribute) == (71, supply.LIMITER, 6):
            self.over_s = read.value
        elif (class_id, obis) == (20, tariff.CALENDAR) and attribute in range(6, 11):
            self.calendar[attribute] = read
        elif (class_id, obis, attribute) == (11, tariff.SPECIAL_DAYS, 2):
            self.special = read
        else:
            super().set(access, class_id, obis, attribute, value)
        self.commands.append(f"set {class_id}/{attribute}")

    def action(self, _as: Association, class_id: int, obis: Obis, method: int, parameter: bytes | None) -> None:
        self._fate()
        if (class_id, obis) == (70, supply.RELAY):
            self._switch(method)
        elif (class_id, obis, method) == (8, Obis.parse("0.0.1.0.0.255"), 6) and self.shifts:
            self.drift += timedelta(seconds=axdr.decode_all(parameter or b"").value)
        elif (class_id, obis, method) == (20, tariff.CALENDAR, 1):
            self.calendar |= {number: self.calendar[number + 4] for number in range(2, 6)}
        elif (class_id, obis, method) == (9, tariff.BILLING_RESET, 1):
            self.resets += 1
        else:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED)
        self.commands.append(f"action {class_id}/{method}")

    def _switch(self, method: int) -> None:
        if self.mode == ControlMode.ALWAYS_CONNECTED:
            raise Refused(DataAccessResult.READ_WRITE_DENIED)
        if method == 1:
            self.control = ControlState.DISCONNECTED
        elif self.control != ControlState.CONNECTED:
            at_once = self.mode in supply.RECONNECTS_AT_ONCE
            self.control = ControlState.CONNECTED if at_once else ControlState.READY_FOR_RECONNECTION

    def _fate(self) -> None:
        """Decide what becomes of a command and its answer."""
        self._commanded = True
        if self.deaf:
            self.deaf -= 1
            self._dropping = True
            raise Refused(DataAccessResult.TEMPORARY_FAILURE)  # nobody hears it
        if self.lose:
            self.lose -= 1
            self._dropping = True

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, unwrapper = self.session(), Unwrapper()
        while received := await reader.read(65_536):
            for frame in unwrapper.feed(received):
                self.requests += 1
                if self.silent:
                    continue
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                answer = wrap(session.receive(frame.source, frame.apdu), frame.destination, frame.source)
                commanded, self._commanded = self._commanded, False
                if self._dropping:
                    self._dropping = False
                    if self.hold_deaf is not None:
                        await self.hold_deaf.wait()
                    return
                if commanded and self.hold is not None:
                    await self.hold.wait()
                writer.write(answer)

    def drift_by(self, seconds: float) -> None:
        self.drift = timedelta(seconds=seconds)

    def relay(self) -> str:
        found = {2: data.boolean(self.contact), 3: data.enum(self.control), 4: data.enum(self.mode)}
        return str(supply.relay_state(DisconnectControl(supply.RELAY, found)))

    def active_calendar(self) -> Calendar | None:
        return tariff.active_calendar(ActivityCalendar(tariff.CALENDAR, self.calendar))

    def activation(self) -> datetime:
        return ActivityCalendar.activate_passive_calendar_time.decode(self.calendar[10]).to_utc(INDIA)

    def special_days(self) -> list[tuple[str, int]]:
        return [(str(day.date), day.day_id) for day in SpecialDaysTable.entries.decode(self.special)]
