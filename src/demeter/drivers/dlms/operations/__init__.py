"""Operations over DLMS/COSEM: per kind, what shows its effect and the steps that bring it about.

A new kind is a line in :data:`PERFORMERS`: ``observe(line, operation)`` returns the words that
``demeter.sdk.operations`` lists for the kind; ``perform(line, operation, seen, report)`` takes the steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from demeter.drivers.dlms.operations import clock, image, keys, supply, tariff
from demeter.drivers.dlms.operations.line import Line
from demeter.sdk import Operation, OperationKind, Report, Words

__all__ = ["PERFORMERS", "Line", "Performer"]


@dataclass(frozen=True, slots=True)
class Performer:
    """How one kind of operation is observed and performed."""

    observe: Callable[[Line, Operation], Awaitable[Words]]
    perform: Callable[[Line, Operation, Words, Report], Awaitable[None]]


_RELAY: Final = Performer(supply.observe_relay, supply.switch)

PERFORMERS: Final[Mapping[OperationKind, Performer]] = {
    OperationKind.CONNECT: _RELAY,
    OperationKind.DISCONNECT: _RELAY,
    OperationKind.ARM: _RELAY,
    OperationKind.LOAD_LIMIT: Performer(supply.observe_limit, supply.limit_load),
    OperationKind.SET_CLOCK: Performer(clock.observe_clock, clock.correct),
    OperationKind.SET_CALENDAR: Performer(tariff.observe_calendar, tariff.write_calendar),
    OperationKind.SET_SPECIAL_DAYS: Performer(tariff.observe_special_days, tariff.write_special_days),
    OperationKind.BILLING_RESET: Performer(tariff.observe_billing, tariff.reset_billing),
    OperationKind.UPGRADE_FIRMWARE: Performer(image.observe_image, image.upgrade),
    OperationKind.CHANGE_KEYS: Performer(keys.observe_keys, keys.change_keys),
}
