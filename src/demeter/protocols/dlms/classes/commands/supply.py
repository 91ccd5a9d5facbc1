"""Supply: disconnect, reconnect, arm, and the load limit (classes 70 and 71).

The contact (``output_state``) and the control (``control_state``) are read back after every command: a meter that
answered "success" and still conducts has not disconnected anybody.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final

from demeter.protocols.dlms.axdr import NUMBERS
from demeter.protocols.dlms.classes.commands.steps import Invoke, Read, Step, Write, invoke, read, write
from demeter.protocols.dlms.classes.control import (
    ControlMode,
    ControlState,
    DisconnectControl,
    EmergencyProfile,
    Limiter,
)
from demeter.protocols.dlms.classes.shapes import INTEGERS, integer
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data, Tag
from demeter.protocols.dlms.errors import Malformed, Unsupported
from demeter.protocols.dlms.obis import Obis

RELAY: Final = Obis(0, 0, 96, 3, 10, 255)
"""The disconnect control of the supply (IS 15959, IDIS, DSMR)."""

LIMITER: Final = Obis(0, 0, 17, 0, 0, 255)
"""The load limit."""

RECONNECTS_AT_ONCE: Final = frozenset({ControlMode.MODE_2, ControlMode.MODE_4})
"""Modes in which the remote reconnection closes the contact; in 1, 3, 5 and 6 somebody at the meter must do so."""

_ARMING: Final = {ControlMode.MODE_2: ControlMode.MODE_1, ControlMode.MODE_4: ControlMode.MODE_3}
"""The mode that differs only in that a remote reconnection makes ready instead of connecting."""


class Relay(StrEnum):
    """The state of the supply, as both the contact and its control say."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    ARMED = "armed"
    """Disconnected and ready: whoever is at the meter can reconnect by its button."""
    CONTRADICTORY = "contradictory"
    """The contact conducts though the control says it does not, or the reverse: welded, tampered with, or moving."""
    UNKNOWN = "unknown"


_STATES: Final[dict[int, Relay]] = {
    ControlState.CONNECTED: Relay.CONNECTED,
    ControlState.DISCONNECTED: Relay.DISCONNECTED,
    ControlState.READY_FOR_RECONNECTION: Relay.ARMED,
}


def disconnect(obis: Obis = RELAY) -> Invoke:
    """Return the remote disconnection."""
    return invoke(DisconnectControl, obis, DisconnectControl.remote_disconnect)


def reconnect(obis: Obis = RELAY) -> Invoke:
    """Return the remote reconnection; whether it connects or arms depends on the control mode."""
    return invoke(DisconnectControl, obis, DisconnectControl.remote_reconnect)


def arm(mode: int, obis: Obis = RELAY) -> tuple[Step, ...]:
    """Return what makes a disconnected meter of ``mode`` ready for reconnection by its button.

    In modes 2 and 4 the mode is written first (to 1 and 3) and stays so: only then is arming different from connecting.

    Raises:
        Unsupported: the mode (0, or a maker's own) knows no arming.
    """
    if mode in _ARMING:
        return set_control_mode(_ARMING[ControlMode(mode)], obis), reconnect(obis)
    if mode in (ControlMode.MODE_1, ControlMode.MODE_3, ControlMode.MODE_5, ControlMode.MODE_6):
        return (reconnect(obis),)
    raise Unsupported(f"a relay in control mode {mode} cannot be armed")


def set_control_mode(mode: ControlMode, obis: Obis = RELAY) -> Write:
    """Return the writing of the control mode."""
    return write(DisconnectControl, obis, DisconnectControl.control_mode, mode)


def read_relay(obis: Obis = RELAY) -> tuple[Read, ...]:
    """Return the reads that show the relay: contact, control and mode."""
    return read(DisconnectControl, obis)


def relay_state(found: DisconnectControl) -> Relay:
    """Return the state of the supply.

    Raises:
        Malformed: the meter sent other types than the class defines.
    """
    contact, control = found.output_state, found.control_state
    if contact is None or control is None:
        return Relay.UNKNOWN
    if contact is not (control == ControlState.CONNECTED):
        return Relay.CONTRADICTORY
    return _STATES.get(control, Relay.UNKNOWN)


def after_reconnect(mode: int | None) -> frozenset[Relay]:
    """Return the states that confirm a remote reconnection in ``mode``; both, where the mode is not known."""
    if mode in RECONNECTS_AT_ONCE:
        return frozenset({Relay.CONNECTED})
    if mode in (ControlMode.MODE_1, ControlMode.MODE_3, ControlMode.MODE_5, ControlMode.MODE_6):
        return frozenset({Relay.ARMED, Relay.CONNECTED})
    if mode == ControlMode.ALWAYS_CONNECTED:
        return frozenset({Relay.CONNECTED})
    return frozenset({Relay.ARMED, Relay.CONNECTED})


def read_limiter(obis: Obis = LIMITER) -> tuple[Read, ...]:
    """Return the reads that show the load limit. The scaler is that of the object ``monitored_value`` names."""
    return read(Limiter, obis)


def limit_load(
    limit: Decimal, scaler: int, like: Data, over_s: int | None = None, obis: Obis = LIMITER
) -> tuple[Write, ...]:
    """Return what sets the normal threshold to ``limit``, in the unit and by the ``scaler`` of the monitored value.

    ``like`` is a threshold as read from the meter: its type is kept, meters refuse another. ``over_s``: for how many
    seconds the limit must be exceeded; left as it is by default.

    Raises:
        Malformed: the limit cannot be written exactly in that type.
    """
    steps = [write(Limiter, obis, Limiter.threshold_normal, _threshold(limit, scaler, like.tag))]
    if over_s is not None:
        steps.append(write(Limiter, obis, Limiter.min_over_threshold_duration, over_s))
    return tuple(steps)


def emergency_limit(
    limit: Decimal, scaler: int, like: Data, profile: EmergencyProfile, obis: Obis = LIMITER
) -> tuple[Write, ...]:
    """Return what limits the load for a while: threshold, profile and the group it belongs to.

    Raises:
        Malformed: as :func:`limit_load`.
    """
    return (
        write(Limiter, obis, Limiter.threshold_emergency, _threshold(limit, scaler, like.tag)),
        write(Limiter, obis, Limiter.emergency_profile_group_id_list, (profile.identifier,)),
        write(Limiter, obis, Limiter.emergency_profile, profile),
    )


def no_emergency(obis: Obis = LIMITER) -> Write:
    """Return what takes an emergency profile back."""
    return write(Limiter, obis, Limiter.emergency_profile, EmergencyProfile(0, CosemDateTime(), 0))


def limit_of(found: Limiter, scaler: int) -> Decimal | None:
    """Return the threshold in force, in the unit of the monitored value; None where it was not read or is no number."""
    threshold = found.threshold_active
    if threshold is None or threshold.tag not in INTEGERS:
        return None
    return Decimal(threshold.value).scaleb(scaler)


def _threshold(limit: Decimal, scaler: int, tag: Tag) -> Data:
    if tag not in INTEGERS or tag not in NUMBERS:
        raise Malformed("a limit is written as a whole number")
    number = limit.scaleb(-scaler)
    whole = int(number)
    if whole != number:
        raise Malformed(f"{limit} is finer than the scaler {scaler} can hold")
    return integer(tag).encode(whole)
