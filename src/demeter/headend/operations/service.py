"""What other slices and people ask of commands. Everything takes a unit of work and respects its scope."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

from demeter import estate
from demeter.headend.operations import store
from demeter.headend.operations.model import Command, CommandState, Order, Outcome, Step
from demeter.headend.operations.plans import COMMAND, PLANS
from demeter.kernel import Conflict, Invalid, NotFound
from demeter.runtime.database import UnitOfWork
from demeter.sdk import OperationKind, check_arguments
from demeter.sdk.operations import RELAY

READ = "headend.read"
LONGEST_LIFE = timedelta(days=62)
MOST_TEXT = 500
MOST_ARGUMENTS = 65_536


def request_command(work: UnitOfWork, meter_id: int, order: Order) -> Command:
    """Ask for a command; the same order under the same idempotency key gives the same command.

    The acquisition process takes it when this unit of work commits.

    Raises:
        Denied: without ``headend.command``, and ``headend.supply`` for what touches a supply.
        NotFound: no such meter in the scope. Invalid: it cannot be carried out as it is, or nobody can be called.
        Conflict: the key was used for another order.
    """
    plan = PLANS.get(order.kind)
    work.scope.require(COMMAND)
    if plan is None:
        raise Invalid(f"{order.kind} cannot be asked for", code="unknown_kind")
    for permission in plan.permissions:
        work.scope.require(permission)
    meter = estate.meter(work, meter_id)
    if meter.protocol == estate.MANUAL or not meter.active:
        raise Invalid(
            f"meter {meter.serial} cannot be called", hint="A driver must speak to it, and it must be active."
        )
    new = _new_command(work, meter, order, plan.life)
    made = store.insert(work, new)
    if made is None:
        known, asked = store.by_key(work, meter.site_id, meter_id, new.idempotency_key)
        if asked != new.request_hash:
            raise Conflict(
                f"the key {new.idempotency_key!r} was used for another command ({known.id}, {known.kind})",
                code="idempotency_key",
                hint="Take a new key for a new command.",
            )
        return known
    if order.supersede:
        _supersede(work, made)
    store.note(work, _asked(made), None)
    store.notify(work, store.COMMAND_CHANNEL, f"{work.scope.organization_id}:{meter_id}")
    return made


def checked(order: Order) -> dict[str, object]:
    """Return an order's arguments in their normal form.

    Raises:
        Invalid: with a sentence that names what is wrong.
    """
    try:
        arguments = check_arguments(order.kind, order.arguments)
    except ValueError as error:
        raise Invalid(f"{order.kind}: {error}", code="bad_arguments") from error
    if len(json.dumps(arguments)) > MOST_ARGUMENTS:
        raise Invalid(f"{order.kind}: the arguments are too long", code="bad_arguments")
    return arguments


def _new_command(work: UnitOfWork, meter: estate.Meter, order: Order, life: timedelta) -> store.NewCommand:
    now = work.now()
    start = order.not_before or now
    life = order.expires_in or life
    if max(len(order.reason), len(order.idempotency_key)) > MOST_TEXT:
        raise Invalid(f"a reason and a key have at most {MOST_TEXT} characters")
    if not timedelta() < life <= LONGEST_LIFE or start - now > LONGEST_LIFE:
        raise Invalid("a command begins and expires within 62 days", hint="Ask again nearer to the time.")
    if start + life <= now:
        raise Invalid("the command would have expired already")
    arguments = json.dumps(checked(order), sort_keys=True)
    begins = "" if order.not_before is None else order.not_before.astimezone(UTC).isoformat()
    asked = (order.kind, arguments, order.reason, begins, str(order.expires_in), str(order.supersede))
    return store.NewCommand(
        meter.site_id,
        meter.id,
        order.kind,
        arguments,
        order.idempotency_key or uuid4().hex,
        sha256("\x1f".join(asked).encode()).digest(),
        work.scope.actor,
        order.reason,
        now,
        max(start, now),
        start + life,
    )


def _asked(command: Command) -> Command:
    return replace(command, outcome=str(Outcome.ASKED), detail=command.reason)


def _supersede(work: UnitOfWork, newer: Command) -> None:
    """Cancel what waits of the same family; what was sent already is seen to first, and only then the newer is sent."""
    family = tuple(RELAY) if newer.kind in RELAY else (newer.kind,)
    for older in store.waiting(work, newer.site_id, newer.meter_id, family):
        if older.id != newer.id:
            detail = f"superseded by command {newer.id} ({newer.kind})"
            store.move(work, older, store.Move(CommandState.CANCELLED, Outcome.SUPERSEDED, detail))


def command(work: UnitOfWork, command_id: int) -> Command:
    """Return a command.

    Raises:
        Denied: without the permission ``headend.read``. NotFound: no such command in the scope.
    """
    work.scope.require(READ)
    found = store.command(work, command_id)
    if found is None:
        raise NotFound(f"there is no command {command_id}")
    return found


def commands(work: UnitOfWork, meter_id: int, limit: int = 50) -> list[Command]:
    """Return a meter's commands, newest first.

    Raises:
        Denied: without the permission ``headend.read``. NotFound: no such meter in the scope.
    """
    work.scope.require(READ)
    return store.commands(work, estate.meter(work, meter_id).site_id, meter_id, limit)


def steps(work: UnitOfWork, command_id: int) -> list[Step]:
    """Return what happened to a command, step by step, oldest first; raises as :func:`command`."""
    return store.steps(work, command(work, command_id))


def cancel_command(work: UnitOfWork, command_id: int, reason: str = "") -> Command:
    """Cancel a command that has not been sent; cancelling it again changes nothing.

    Raises:
        Denied: without the permissions to ask for it. NotFound: no such command in the scope.
        Conflict: it was sent, or it has ended.
    """
    found = command(work, command_id)
    for permission in (COMMAND, *PLANS[found.kind].permissions):
        work.scope.require(permission)
    if found.state is CommandState.CANCELLED:
        return found
    cancelled = None
    if found.state is CommandState.WAITING:
        step = store.Move(CommandState.CANCELLED, Outcome.CANCELLED, reason[:MOST_TEXT])
        cancelled = store.move(work, found, step)
    if cancelled is None:
        now = command(work, command_id)
        raise Conflict(f"command {command_id} cannot be cancelled, it is {now.state}", code="not_waiting")
    store.notify(work, store.COMMAND_CHANNEL, f"{work.scope.organization_id}:{found.meter_id}")
    return cancelled


def expire(work: UnitOfWork, now: datetime) -> int:
    """End the waiting commands nobody took in time; return how many there were."""
    ended = [store.move(work, each, store.late(each)) for each in store.overdue(work, now)]
    return sum(each is not None for each in ended)


def kinds() -> tuple[OperationKind, ...]:
    """Return the kinds of commands that can be asked for."""
    return tuple(PLANS)
