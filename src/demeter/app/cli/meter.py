"""Commands that operate a meter: asked for here, carried out by the acquisition process, confirmed by looking."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from demeter import estate, headend
from demeter.app.cli import output
from demeter.app.cli.data import OrganizationOption, meter_app, owners_scope, working
from demeter.app.wiring import Wiring, opened
from demeter.headend import Command, CommandState, Order
from demeter.kernel import Invalid, NotFound
from demeter.runtime.database import Scope, UnitOfWork
from demeter.sdk import OperationKind

FAILED, UNREACHED = 1, 6
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
GRACE_S = 5
MOST_METERS = 2**31
WARNINGS = {
    OperationKind.DISCONNECT: "The supply behind this meter will be cut.",
    OperationKind.CONNECT: "The supply behind this meter will be live, whoever is working on it.",
    OperationKind.ARM: "Whoever is at the meter will be able to switch the supply on.",
    OperationKind.LOAD_LIMIT: "The supply will be cut when the load is above this limit.",
}

MeterArgument = Annotated[str, typer.Argument(help="Serial of the meter, or its number.", metavar="METER")]
FileArgument = Annotated[Path, typer.Argument(help="A JSON file; see docs/administration/operating-meters.md.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="For the audit trail.")]
ExpiresOption = Annotated[str, typer.Option("--expires", help="For example 90s, 15m, 2h, 1d; left out: by kind.")]
NotBeforeOption = Annotated[
    datetime | None,
    typer.Option("--not-before", formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"], help="2026-12-01T06:00+0530"),
]
KeyOption = Annotated[str, typer.Option("--key", help="Idempotency key: the same key never makes a second command.")]
SupersedeFlag = Annotated[bool, typer.Option("--supersede", help="Cancel waiting commands of the same family.")]
WaitFlag = Annotated[bool, typer.Option("--wait", help="Wait until it has ended; the exit code tells how.")]
YesFlag = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Show what would be asked for, and do nothing.")]
ModeOption = Annotated[
    int | None, typer.Option("--control-mode", min=0, max=6, help="Write this control mode of the relay first.")
]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a command is asked for: what all of them have in common."""

    reason: str = ""
    expires: str = ""
    not_before: datetime | None = None
    key: str = ""
    supersede: bool = False
    wait: bool = False
    yes: bool = False
    dry_run: bool = False
    organization: str = ""
    as_json: bool = False

    def order(self, kind: OperationKind, arguments: Mapping[str, Any]) -> Order:
        """Return the order.

        Raises:
            Invalid: the expiry or the arguments cannot be understood.
        """
        life = duration(self.expires) if self.expires else None
        order = Order(kind, dict(arguments), self.reason, self.key, self.not_before, life, self.supersede)
        headend.checked(order)
        return order


def duration(text: str) -> timedelta:
    """Return a duration written as a whole number and s, m, h or d.

    Raises:
        Invalid: it is not one.
    """
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if found is None:
        raise Invalid(f"{text!r} is not a duration", hint="For example 90s, 15m, 2h or 1d.")
    return timedelta(seconds=int(found[1]) * UNITS_S[found[2]])


def operate(
    context: typer.Context, meter: str, kind: OperationKind, arguments: Mapping[str, Any], manner: Manner
) -> None:
    """Ask for a command as the machine's owner, after asking the person where a supply is touched."""
    order = manner.order(kind, arguments)
    with opened(context.obj) as wiring:
        scope = owners_scope(wiring, manner.organization)
        with wiring.database.unit_of_work(scope) as work:
            known = meter_named(work, meter)
            place = _place(work, known)
        if manner.dry_run:
            _show_dry_run(known, place, order, as_json=manner.as_json)
            return
        if kind in WARNINGS and not manner.yes:
            typer.confirm(f"{kind}: meter {known.serial}{place}. {WARNINGS[kind]} Go on?", abort=True, err=True)
        with wiring.database.unit_of_work(scope) as work:
            asked = headend.request_command(work, known.id, order)
        follow(wiring, scope, asked, known.serial, manner)


def follow(wiring: Wiring, scope: Scope, asked: Command, serial: str, manner: Manner) -> None:
    """Wait for the end of a command where that is wanted, show it, and exit as it ended."""
    if manner.wait:
        asked = _awaited(wiring, scope, asked)
    _show(asked, serial, as_json=manner.as_json)
    if manner.wait:
        _exit_as(asked)


def meter_named(work: UnitOfWork, name: str) -> estate.Meter:
    """Return the meter with this serial, or else this number."""
    try:
        return estate.meter_with_serial(work, name)
    except NotFound:
        if not name.isdecimal() or int(name) >= MOST_METERS:
            raise
        return estate.meter(work, int(name))


def _place(work: UnitOfWork, meter: estate.Meter) -> str:
    points = {point.id: point.label for point in estate.service_points(work, meter.site_id)}
    here = [
        points[each.service_point_id]
        for each in estate.installations(work, meter.site_id)
        if each.meter_id == meter.id and each.ends_at is None
    ]
    return f" ({here[0]}, {meter.commodity})" if here else f" ({meter.commodity}, installed nowhere)"


def _show_dry_run(meter: estate.Meter, place: str, order: Order, *, as_json: bool) -> None:
    arguments = headend.checked(order)
    if as_json:
        known = {"meter": meter.serial, "address": meter.address}
        output.print_json({**known, **asdict(order), "arguments": arguments, "asked": False})
        return
    told = f" with {json.dumps(arguments)}" if arguments else ""
    typer.echo(
        f"Meter {meter.serial}{place} at {meter.address} would be told: {order.kind}{told}. Nothing was asked for."
    )


def _awaited(wiring: Wiring, scope: Scope, asked: Command) -> Command:
    """Wait a little longer than the command may take; say what is waited for."""
    now = wiring.database.clock.now()
    within_s = max((asked.expires_at - now).total_seconds(), 0) + GRACE_S
    output.say(f"Command {asked.id} ({asked.kind}) waits for the meter, until {asked.expires_at.isoformat()} at most…")
    return headend.await_command(wiring.database, scope, asked.id, within_s)


def _show(command: Command, serial: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json(command)
        return
    detail = f": {command.detail}" if command.detail else ""
    typer.echo(f"Command {command.id}: {command.kind} of meter {serial} is {command.state}{detail}")
    if command.after:
        typer.echo("The meter shows: " + ", ".join(f"{name} {value}" for name, value in command.after.items()))


def _exit_as(command: Command) -> None:
    if command.state in {CommandState.EXPIRED, CommandState.WAITING, CommandState.SENT}:
        raise typer.Exit(UNREACHED)
    if command.state is not CommandState.CONFIRMED:
        raise typer.Exit(FAILED)


def _register_switching(kind: OperationKind, words: str) -> None:
    """Make the commands of the relay: they differ in a word."""

    @meter_app.command(str(kind), help=words)
    @output.command
    def switch(
        context: typer.Context,
        meter: MeterArgument,
        control_mode: ModeOption = None,
        reason: ReasonOption = "",
        expires: ExpiresOption = "",
        not_before: NotBeforeOption = None,
        key: KeyOption = "",
        supersede: SupersedeFlag = False,
        wait: WaitFlag = False,
        yes: YesFlag = False,
        dry_run: DryRunFlag = False,
        organization: OrganizationOption = "",
        as_json: output.JsonFlag = False,
    ) -> None:
        arguments = {} if control_mode is None else {"control_mode": control_mode}
        manner = Manner(reason, expires, not_before, key, supersede, wait, yes, dry_run, organization, as_json)
        operate(context, meter, kind, arguments, manner)


_register_switching(OperationKind.DISCONNECT, "Cut the supply; confirmed by contact and control.")
_register_switching(OperationKind.CONNECT, "Connect the supply; refused where somebody at the meter must do so.")
_register_switching(OperationKind.ARM, "Make a disconnected meter ready to be connected by its button.")


def _register_plain(kind: OperationKind, name: str, words: str) -> None:
    @meter_app.command(name, help=words)
    @output.command
    def plain(
        context: typer.Context,
        meter: MeterArgument,
        reason: ReasonOption = "",
        expires: ExpiresOption = "",
        not_before: NotBeforeOption = None,
        key: KeyOption = "",
        wait: WaitFlag = False,
        dry_run: DryRunFlag = False,
        organization: OrganizationOption = "",
        as_json: output.JsonFlag = False,
    ) -> None:
        manner = Manner(reason, expires, not_before, key, False, wait, True, dry_run, organization, as_json)
        operate(context, meter, kind, {}, manner)


_register_plain(OperationKind.SET_CLOCK, "set-clock", "Correct the clock: shifted by up to 15 minutes, else set.")
_register_plain(OperationKind.BILLING_RESET, "billing-reset", "End the billing period now, exactly once.")


def _register_from_file(kind: OperationKind, name: str, words: str) -> None:
    @meter_app.command(name, help=words)
    @output.command
    def from_file(
        context: typer.Context,
        meter: MeterArgument,
        file: FileArgument,
        reason: ReasonOption = "",
        expires: ExpiresOption = "",
        not_before: NotBeforeOption = None,
        key: KeyOption = "",
        wait: WaitFlag = False,
        dry_run: DryRunFlag = False,
        organization: OrganizationOption = "",
        as_json: output.JsonFlag = False,
    ) -> None:
        manner = Manner(reason, expires, not_before, key, False, wait, True, dry_run, organization, as_json)
        operate(context, meter, kind, _arguments(file), manner)


def _arguments(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Invalid(f"{file} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Invalid(f"{file} holds no JSON object")
    return found


_register_from_file(OperationKind.SET_CALENDAR, "calendar", "Write the tariff calendar and make it active.")
_register_from_file(OperationKind.SET_SPECIAL_DAYS, "special-days", "Replace the special days of the calendar.")


@meter_app.command("load-limit")
@output.command
def load_limit(
    context: typer.Context,
    meter: MeterArgument,
    limit: Annotated[str, typer.Argument(help="For example 5000.")],
    unit: Annotated[str, typer.Option("--unit", help="Unit of what the meter watches.")] = "W",
    over_s: Annotated[int | None, typer.Option("--over", help="For so many seconds it must be exceeded.")] = None,
    reason: ReasonOption = "",
    expires: ExpiresOption = "",
    key: KeyOption = "",
    wait: WaitFlag = False,
    yes: YesFlag = False,
    dry_run: DryRunFlag = False,
    organization: OrganizationOption = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Limit the load behind a meter."""
    arguments = {"limit": limit, "unit": unit, **({} if over_s is None else {"over_s": over_s})}
    manner = Manner(reason, expires, None, key, False, wait, yes, dry_run, organization, as_json)
    operate(context, meter, OperationKind.LOAD_LIMIT, arguments, manner)


@meter_app.command("commands")
@output.command
def commands(
    context: typer.Context,
    meter: MeterArgument,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 20,
    organization: OrganizationOption = "",
    as_json: output.JsonFlag = False,
) -> None:
    """List what a meter was told, newest first, and what became of it."""
    with working(context, organization) as (_, work):
        known = meter_named(work, meter)
        found = headend.commands(work, known.id, limit)
        now = work.now()
    if as_json:
        output.print_json(found)
        return
    rows = [
        (each.id, each.kind, each.standing(now), each.created_at, each.requested_by, each.reason, became(each))
        for each in found
    ]
    columns = ("id", "kind", "state", "asked for", "by", "why", "what became of it")
    output.print_table(f"Commands of meter {known.serial}", columns, rows)


def became(command: Command) -> str | None:
    """Return what became of a command so far, in words."""
    if command.ended_at is None and command.progress:
        return "{doing}: {done} of {of}".format(**command.progress)
    return command.detail


@meter_app.command("cancel")
@output.command
def cancel(
    context: typer.Context,
    command: Annotated[int, typer.Argument(help="Number of the command.", min=1)],
    reason: ReasonOption = "",
    organization: OrganizationOption = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Cancel a command that has not been sent."""
    with working(context, organization) as (_, work):
        cancelled = headend.cancel_command(work, command, reason)
    if as_json:
        output.print_json(cancelled)
        return
    typer.echo(f"Command {cancelled.id} ({cancelled.kind}) is {cancelled.state}.")
