"""Load switch and load limit: disconnect control (class 70) and limiter (class 71)."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.classes import DisconnectControl, Limiter
from demeter.protocols.dlms.classes.commands.supply import LIMITER, RELAY
from demeter.protocols.dlms.classes.control import Crossing, EmergencyProfile
from demeter.protocols.dlms.classes.structures import ActionItem, ValueRef
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data, Tag, u32
from demeter.protocols.dlms.errors import DataAccessResult
from demeter.protocols.dlms.obis import Obis
from demeter.simulator.event_log import LIMIT_OFF, LIMIT_ON, LOAD_LIMIT
from demeter.simulator.fleet import MeterKind
from demeter.simulator.limiter import NO_LIMIT
from demeter.simulator.meter import Meter
from demeter.simulator.model.clock import instant
from demeter.simulator.model.objects import REGISTER, CosemObject, TypedObject, refused

SWITCH_SCRIPTS = Obis(0, 0, 10, 0, 106, 255)
OPEN_SCRIPT, CLOSE_SCRIPT = 1, 2
ACTIVE_POWER = Obis(1, 0, 1, 7, 0, 255)

_MODES = range(7)
_ACTIONS = Crossing(ActionItem(SWITCH_SCRIPTS, OPEN_SCRIPT), ActionItem(SWITCH_SCRIPTS, CLOSE_SCRIPT))


def switching_objects(meter: Meter) -> list[CosemObject]:
    """Return the load switch of a meter, if it has one (of water: a valve), and its limit of power."""
    if not meter.config.switched:
        return []
    return [_switch(meter)] if meter.config.kind is MeterKind.WATER else [_switch(meter), _limit(meter)]


def _switch(meter: Meter) -> TypedObject:
    relay = meter.relay

    def commanded(step: Callable[[int], bool]) -> Callable[[int], None]:
        def carry_out(_parameter: int) -> None:
            if not step(meter.true_now_s()):
                raise refused(f"control mode {int(relay.mode)} does not allow this")

        return carry_out

    def set_mode(mode: int) -> None:
        if mode not in _MODES:
            raise refused(f"there is no control mode {mode}")
        relay.mode = type(relay.mode)(mode)

    kind = DisconnectControl
    return TypedObject(
        kind,
        RELAY,
        {
            kind.output_state: lambda: relay.closed,
            kind.control_state: lambda: relay.state,
            kind.control_mode: lambda: relay.mode,
        },
        {kind.control_mode: set_mode},
        {
            kind.remote_disconnect: commanded(relay.remote_disconnect),
            kind.remote_reconnect: commanded(relay.remote_reconnect),
        },
    )


class _Limit:
    """What a client writes to the limiter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._limits = meter.limiter.limits

    def normal(self, value: Data) -> None:
        """Take the threshold of ordinary times."""
        before, now = self._limits.normal, _threshold(value)
        self._limits.normal = now
        self._meter.noted(LOAD_LIMIT)
        if (before == NO_LIMIT) is not (now == NO_LIMIT):
            self._meter.noted(LIMIT_OFF if now == NO_LIMIT else LIMIT_ON)

    def emergency(self, value: Data) -> None:
        """Take the threshold of emergencies."""
        self._limits.emergency = _threshold(value)
        self._meter.noted(LOAD_LIMIT)

    def over_s(self, seconds: int) -> None:
        """Take how long the load may be over the threshold."""
        self._limits.over_s = seconds
        self._meter.noted(LOAD_LIMIT)

    def under_s(self, seconds: int) -> None:
        """Take how long the load must be under it again."""
        self._limits.under_s = seconds
        self._meter.noted(LOAD_LIMIT)

    def profile(self, profile: EmergencyProfile) -> None:
        """Take an emergency, or take it back."""
        moment = profile.activation_time
        unset = moment == CosemDateTime(status=moment.status)
        self._limits.emergency_at_s = None if unset else instant(moment, ZoneInfo(self._meter.zone))
        self._limits.emergency_profile = profile
        self._meter.noted(LOAD_LIMIT)

    def groups(self, groups: tuple[int, ...]) -> None:
        """Take the emergencies that concern this meter."""
        self._limits.emergency_groups = groups


def _limit(meter: Meter) -> TypedObject:
    limits, written, kind = meter.limiter.limits, _Limit(meter), Limiter
    return TypedObject(
        kind,
        LIMITER,
        {
            kind.monitored_value: lambda: ValueRef(REGISTER, ACTIVE_POWER, 2),
            kind.threshold_active: lambda: u32(limits.active(meter.true_now_s())),
            kind.threshold_normal: lambda: u32(limits.normal),
            kind.threshold_emergency: lambda: u32(limits.emergency),
            kind.min_over_threshold_duration: lambda: limits.over_s,
            kind.min_under_threshold_duration: lambda: limits.under_s,
            kind.emergency_profile: lambda: limits.emergency_profile,
            kind.emergency_profile_group_id_list: lambda: limits.emergency_groups,
            kind.emergency_profile_active: lambda: limits.emergency_active(meter.true_now_s()),
            kind.actions: lambda: _ACTIONS,
        },
        {
            kind.threshold_normal: written.normal,
            kind.threshold_emergency: written.emergency,
            kind.min_over_threshold_duration: written.over_s,
            kind.min_under_threshold_duration: written.under_s,
            kind.emergency_profile: written.profile,
            kind.emergency_profile_group_id_list: written.groups,
        },
    )


def _threshold(value: Data) -> int:
    """Return a threshold in W; it has the type of the power it is compared with."""
    if value.tag is not Tag.UINT32:
        raise refused("a threshold is of the type of the monitored value", DataAccessResult.TYPE_UNMATCHED)
    return int(value.value)
