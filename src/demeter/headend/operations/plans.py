"""What the head-end does about each kind of operation: who may ask, how long it waits, what it needs to be done.

A new kind is a line in :data:`PLANS`, its rule in ``demeter.sdk.operations`` and its steps in the drivers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from demeter.headend.operations import firmware, rekeying
from demeter.headend.operations.model import Command
from demeter.runtime.database import UnitOfWork
from demeter.runtime.secrets import SecretBox
from demeter.sdk import Credentials, OperationKind

COMMAND: Final = "headend.command"
SUPPLY: Final = "headend.supply"
KEYS: Final = "headend.keys"
"""Permissions: making Demeter talk to a meter; switching or limiting somebody's supply; changing meters' keys."""

Materials = Mapping[str, bytes]


def _no_materials(_work: UnitOfWork, _secrets: SecretBox, _command: Command) -> Materials:
    return {}


def _as_stored(_command: Command, stored: Credentials, _materials: Materials) -> Sequence[Credentials]:
    return (stored,)


def _nothing_more(_work: UnitOfWork, _secrets: SecretBox, _command: Command) -> None:
    return


def _unchanged(stored: Credentials, _materials: Materials) -> Credentials:
    return stored


@dataclass(frozen=True, slots=True)
class Plan:
    """How one kind is handled.

    ``permissions``: all of them are needed. ``life``: how long it waits where the order says nothing else. ``turn_s``,
    ``settle_s``: instead of the head-end's (see ``Pacing``). ``materials``: what the arguments only name
    (keys, an image), fetched for each session. ``credentials``: with which secrets to call the meter, the likelier
    first; the next ones are tried when the meter finds the key wrong. ``confirmed``: runs in the transaction that
    confirms the command. ``renewed``: the secrets a meter is called with once the command is confirmed.
    """

    permissions: tuple[str, ...] = (COMMAND,)
    life: timedelta = timedelta(hours=1)
    turn_s: float | None = None
    settle_s: float | None = None
    materials: Callable[[UnitOfWork, SecretBox, Command], Materials] = _no_materials
    credentials: Callable[[Command, Credentials, Materials], Sequence[Credentials]] = _as_stored
    confirmed: Callable[[UnitOfWork, SecretBox, Command], None] = _nothing_more
    renewed: Callable[[Credentials, Materials], Credentials] = _unchanged


_SWITCHING: Final = Plan((COMMAND, SUPPLY), timedelta(minutes=15))

PLANS: Final[Mapping[OperationKind, Plan]] = {
    OperationKind.CONNECT: _SWITCHING,
    OperationKind.DISCONNECT: _SWITCHING,
    OperationKind.ARM: _SWITCHING,
    OperationKind.LOAD_LIMIT: Plan((COMMAND, SUPPLY)),
    OperationKind.SET_CLOCK: Plan(),
    OperationKind.SET_CALENDAR: Plan(life=timedelta(days=1)),
    OperationKind.SET_SPECIAL_DAYS: Plan(life=timedelta(days=1)),
    OperationKind.BILLING_RESET: Plan(),
    OperationKind.UPGRADE_FIRMWARE: Plan(
        permissions=(COMMAND, firmware.FIRMWARE), life=firmware.LIFE, settle_s=0, materials=firmware.materials
    ),
    OperationKind.CHANGE_KEYS: Plan(
        permissions=(COMMAND, KEYS),
        life=timedelta(days=1),
        settle_s=0,
        materials=rekeying.materials,
        credentials=rekeying.credentials,
        confirmed=rekeying.make_current,
        renewed=rekeying.renewed,
    ),
}
"""The kinds that can be asked for."""
