"""The relay and the load limit: observed and commanded."""

from __future__ import annotations

from decimal import Decimal

from demeter.drivers.dlms.operations.line import Line, not_understood
from demeter.protocols.dlms.classes import ControlMode, DisconnectControl, Limiter
from demeter.protocols.dlms.classes.commands import Read, Step, supply
from demeter.protocols.dlms.classes.structures import SCALER_UNIT, ScalerUnit
from demeter.protocols.dlms.classes.units import symbol_of
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.errors import DlmsError, Malformed, Unsupported
from demeter.sdk import Operation, OperationKind, OperationRefused, RelayState, Report, Words

DEMAND_REGISTER = 5
REGISTERS = (3, 4, DEMAND_REGISTER)


async def observe_relay(line: Line, _operation: Operation) -> Words:
    """Read contact, control and mode of the relay."""
    doing = "reading the relay"
    found = await line.read(DisconnectControl, supply.read_relay(), doing)
    try:
        return {
            "relay": str(RelayState(supply.relay_state(found))),
            "output_state": found.output_state,
            "control_state": _number(found.control_state),
            "control_mode": _number(found.control_mode),
        }
    except DlmsError as error:
        raise not_understood(doing, error) from error


def _number(value: int | None) -> int | None:
    return None if value is None else int(value)


async def switch(line: Line, operation: Operation, seen: Words, _report: Report) -> None:
    """Disconnect, connect or arm, as far as the control mode lets.

    Raises:
        OperationRefused: ``control_mode``, ``not_disconnected``; nothing was sent.
    """
    wanted, mode = operation.arguments.get("control_mode"), seen.get("control_mode")
    steps: list[Step] = []
    if wanted is not None and wanted != mode:
        steps.append(supply.set_control_mode(ControlMode(wanted)))
        mode = wanted
    steps += _switching(operation.kind, mode, seen)
    for step in steps:
        await line.do(step, f"telling the relay to {operation.kind}")


def _switching(kind: OperationKind, mode: int | None, seen: Words) -> tuple[Step, ...]:
    if mode == ControlMode.ALWAYS_CONNECTED:
        raise _forbidden(mode, "the supply is always connected; nothing can switch it")
    if kind is OperationKind.DISCONNECT:
        return (supply.disconnect(),)
    if kind is OperationKind.CONNECT:
        if mode is not None and mode not in supply.RECONNECTS_AT_ONCE:
            raise _forbidden(mode, "it can be armed from here, but somebody at the meter must connect (see 'arm')")
        return (supply.reconnect(),)
    if seen.get("relay") == RelayState.CONNECTED:
        raise OperationRefused("not_disconnected", "the supply is connected: there is nothing to make ready")
    if mode is None:
        raise OperationRefused("control_mode", "the meter does not tell its control mode, so it may connect at once")
    try:
        return supply.arm(mode)
    except Unsupported as error:
        raise OperationRefused("control_mode", error.message) from error


def _forbidden(mode: int, why: str) -> OperationRefused:
    return OperationRefused("control_mode", f"the relay is in control mode {int(mode)}: {why}")


async def observe_limit(line: Line, _operation: Operation) -> Words:
    """Read the load limit in the unit of what it watches."""
    doing = "reading the load limit"
    found = await line.read(Limiter, supply.read_limiter(), doing)
    scale = await _scale(line, found)
    try:
        return {
            "limit": _amount(found.threshold_normal, scale),
            "limit_active": _amount(found.threshold_active, scale),
            "unit": symbol_of(int(scale.unit)) if scale else None,
            "over_s": found.min_over_threshold_duration,
            "emergency": found.emergency_profile_active,
        }
    except DlmsError as error:
        raise not_understood(doing, error) from error


async def _scale(line: Line, found: Limiter) -> ScalerUnit | None:
    """Read by which scaler and in which unit the watched value counts; None where the meter does not tell."""
    doing = "reading what the load limit watches"
    try:
        watched = found.monitored_value
        if watched is None or watched.class_id not in REGISTERS:
            return None
        attribute = 4 if watched.class_id == DEMAND_REGISTER else 3
        answer = await line.value(Read(watched.class_id, watched.logical_name, attribute), doing)
        return None if answer is None else SCALER_UNIT.decode(answer)
    except DlmsError as error:
        raise not_understood(doing, error) from error


def _amount(threshold: Data | None, scale: ScalerUnit | None) -> str | None:
    if threshold is None or scale is None or isinstance(threshold.value, bool) or not isinstance(threshold.value, int):
        return None
    return format(Decimal(threshold.value).scaleb(scale.scaler).normalize(), "f")


async def limit_load(line: Line, operation: Operation, seen: Words, _report: Report) -> None:
    """Set the normal threshold, and how long it must be exceeded.

    Raises:
        OperationRefused: ``unit``, ``limit``; nothing was sent.
    """
    arguments = operation.arguments
    if seen.get("unit") != arguments["unit"]:
        raise OperationRefused("unit", f"the meter limits by {seen.get('unit')}, not by {arguments['unit']}")
    found = await line.read(Limiter, supply.read_limiter(), "reading the load limit")
    scale = await _scale(line, found)
    if scale is None or found.threshold_normal is None:
        raise OperationRefused("limit", "the meter does not tell by what it counts its limit")
    try:
        steps = supply.limit_load(
            Decimal(arguments["limit"]), scale.scaler, found.threshold_normal, arguments.get("over_s")
        )
    except Malformed as error:
        raise OperationRefused("limit", error.message) from error
    for step in steps:
        await line.do(step, "setting the load limit")
