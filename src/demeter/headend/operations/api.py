"""Commands over HTTP: ask for one, see where it stands, cancel it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, status
from pydantic import Field, WithJsonSchema

from demeter.headend.operations import model, service
from demeter.headend.operations.firmware import firmwares
from demeter.headend.operations.model import CommandState, Order
from demeter.headend.operations.plans import COMMAND
from demeter.headend.operations.waiting import await_command
from demeter.identity.api import REFUSALS, AppDatabase, Id, IdPath, Instant, Text, Wire, authorize
from demeter.runtime.database import Scope
from demeter.sdk import OperationKind

LONGEST_WAIT_S = 30

CommandPath = Annotated[int, Path(ge=1, le=2**63 - 1), WithJsonSchema({"type": "string"})]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Made up by the caller, one per command: the same key with the same body gives the same command.",
    ),
]


class CommandRequest(Wire):
    """What a meter is to do."""

    kind: OperationKind
    arguments: dict[str, Any] = Field(default_factory=dict, description="By kind; see the documentation.")
    reason: Text = Field(default="", max_length=500, description="For the audit trail.")
    not_before: Instant | None = Field(default=None, description="Left out: at once.")
    expires_in_s: int | None = Field(default=None, ge=1, le=5_356_800, description="Left out: by kind.")
    supersede: bool = Field(default=False, description="Cancel the waiting commands that this one makes pointless.")


class CommandAnswer(Wire):
    """A command and where it stands."""

    id: Id
    meter_id: Id
    kind: OperationKind
    arguments: dict[str, Any]
    requested_by: str
    reason: str
    created_at: Instant
    not_before: Instant
    expires_at: Instant
    state: CommandState = Field(description="confirmed: the meter was looked at and shows the effect.")
    attempts: int = Field(description="How often it was sent.")
    sent_at: Instant | None
    before: dict[str, Any] | None = Field(description="What the meter showed before anything was sent.")
    after: dict[str, Any] | None = Field(description="What it showed last.")
    ended_at: Instant | None
    outcome: str | None = Field(description="A stable word.")
    detail: str | None = Field(description="A sentence for a person.")
    progress: dict[str, Any] | None


class StepAnswer(Wire):
    """One step of a command's way."""

    at: Instant
    actor: str
    state: CommandState
    attempt: int
    outcome: str
    detail: str
    seen: dict[str, Any] | None


class CommandHistory(CommandAnswer):
    """A command with every step it took."""

    steps: list[StepAnswer]


class CommandsAnswer(Wire):
    """The commands of a meter, newest first."""

    commands: list[CommandAnswer]


class FirmwareAnswer(Wire):
    """A firmware image that is kept: the arguments of an upgrade-firmware command but for ``activate_at``."""

    image: str = Field(description="Its SHA-256, hexadecimal.")
    identifier: str
    version: str = Field(description="What a meter shows that runs it.")
    size: int
    added_at: Instant
    added_by: str


class FirmwaresAnswer(Wire):
    """The images that are kept, newest first."""

    images: list[FirmwareAnswer]


router = APIRouter(prefix="/api", tags=["headend"], responses=REFUSALS)
Commanding = Annotated[Scope, Depends(authorize(COMMAND))]
Reading = Annotated[Scope, Depends(authorize(service.READ))]


@router.post("/meters/{meter_id}/commands", operation_id="request_command", status_code=status.HTTP_202_ACCEPTED)
def request_command(
    meter_id: IdPath, body: CommandRequest, key: Key, scope: Commanding, database: AppDatabase
) -> CommandAnswer:
    """Ask for a command. What touches a supply needs the permission headend.supply too.

    It is carried out as soon as the meter can be reached, unless it expires or is cancelled before; look at it again to
    see how it ended.
    """
    life = None if body.expires_in_s is None else timedelta(seconds=body.expires_in_s)
    order = Order(body.kind, body.arguments, body.reason, key, body.not_before, life, body.supersede)
    with database.unit_of_work(scope) as work:
        return CommandAnswer(**_fields(service.request_command(work, meter_id, order), work.now()))


@router.get("/meters/{meter_id}/commands", operation_id="commands")
def commands(
    meter_id: IdPath, scope: Reading, database: AppDatabase, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> CommandsAnswer:
    """List a meter's commands, newest first."""
    with database.unit_of_work(scope) as work:
        now = work.now()
        found = [CommandAnswer(**_fields(each, now)) for each in service.commands(work, meter_id, limit)]
    return CommandsAnswer(commands=found)


@router.get("/commands/{command_id}", operation_id="command")
def command(
    command_id: CommandPath,
    scope: Reading,
    database: AppDatabase,
    wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S, description="Wait so long for its end.")] = 0,
) -> CommandHistory:
    """Tell where a command stands, step by step."""
    if wait_s:
        await_command(database, scope, command_id, wait_s)
    with database.unit_of_work(scope) as work:
        found = service.command(work, command_id)
        steps = [StepAnswer(**_step(each)) for each in service.steps(work, command_id)]
        return CommandHistory(**_fields(found, work.now()), steps=steps)


@router.delete("/commands/{command_id}", operation_id="cancel_command")
def cancel_command(command_id: CommandPath, scope: Commanding, database: AppDatabase) -> CommandAnswer:
    """Cancel a command that was not sent; 409 when it was, or has ended."""
    with database.unit_of_work(scope) as work:
        return CommandAnswer(**_fields(service.cancel_command(work, command_id), work.now()))


@router.get("/firmware", operation_id="firmware")
def firmware(scope: Reading, database: AppDatabase) -> FirmwaresAnswer:
    """List the firmware images that meters can be given; they are brought on the command line."""
    with database.unit_of_work(scope) as work:
        found = firmwares(work)
    names = [name for name in FirmwareAnswer.model_fields if name != "image"]
    told = [{name: getattr(each, name) for name in names} for each in found]
    return FirmwaresAnswer(
        images=[FirmwareAnswer(image=each.sha256, **fields) for each, fields in zip(found, told, strict=True)]
    )


def _fields(found: model.Command, now: datetime) -> Mapping[str, Any]:
    names = set(CommandAnswer.model_fields) - {"id", "meter_id", "state"}
    plain = {name: getattr(found, name) for name in names}
    return {**plain, "id": str(found.id), "meter_id": str(found.meter_id), "state": found.standing(now)}


def _step(found: model.Step) -> Mapping[str, Any]:
    return {name: getattr(found, name) for name in StepAnswer.model_fields}
