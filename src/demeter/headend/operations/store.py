"""The tables of commands. Every function works inside the scope of the unit of work it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row, tuple_row

from demeter.headend.operations.model import Command, CommandState, Firmware, Outcome, Step
from demeter.runtime.database import UnitOfWork
from demeter.sdk import OperationKind
from demeter.sdk.operations import RULES

COMMAND_CHANNEL = "demeter_command"
DONE_CHANNEL = "demeter_command_done"

COLUMNS = ", ".join(column.name for column in fields(Command))
STEP_COLUMNS = ", ".join(column.name for column in fields(Step))


def _command(row: Mapping[str, Any]) -> Command:
    return Command(**{**row, "kind": OperationKind(row["kind"]), "state": CommandState(row["state"])})


def _one(work: UnitOfWork, statement: str, values: tuple[object, ...]) -> Command | None:
    with work.raw.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement, values).fetchone()
    return None if row is None else _command(row)


@dataclass(frozen=True, slots=True)
class NewCommand:
    """The row of a command that is asked for now."""

    site_id: int
    meter_id: int
    kind: OperationKind
    arguments: str
    idempotency_key: str
    request_hash: bytes
    requested_by: str
    reason: str
    created_at: datetime
    not_before: datetime
    expires_at: datetime


def insert(work: UnitOfWork, new: NewCommand) -> Command | None:
    """Write a command; None when the meter has one of that idempotency key."""
    names = [column.name for column in fields(NewCommand)]
    return _one(
        work,
        f"INSERT INTO headend.command ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"
        f" ON CONFLICT (site_id, meter_id, idempotency_key) DO NOTHING RETURNING {COLUMNS}",
        tuple(getattr(new, name) for name in names),
    )


def by_key(work: UnitOfWork, site_id: int, meter_id: int, key: str) -> tuple[Command, bytes]:
    """Return the command of an idempotency key, and the hash of what was asked for."""
    with work.raw.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT {COLUMNS}, request_hash FROM headend.command"
            " WHERE site_id = %s AND meter_id = %s AND idempotency_key = %s",
            (site_id, meter_id, key),
        ).fetchone()
    assert row is not None
    asked = bytes(row.pop("request_hash"))
    return _command(row), asked


def command(work: UnitOfWork, command_id: int) -> Command | None:
    """Return a command, as far as the scope sees it."""
    return _one(work, f"SELECT {COLUMNS} FROM headend.command WHERE id = %s", (command_id,))


def commands(work: UnitOfWork, site_id: int, meter_id: int, limit: int) -> list[Command]:
    """Return a meter's commands, newest first."""
    with work.raw.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM headend.command WHERE site_id = %s AND meter_id = %s ORDER BY id DESC LIMIT %s",
            (site_id, meter_id, limit),
        )
        return [_command(row) for row in cursor]


def waiting(work: UnitOfWork, site_id: int, meter_id: int, kinds: tuple[OperationKind, ...]) -> list[Command]:
    """Return a meter's waiting commands of some kinds, oldest first."""
    with work.raw.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM headend.command WHERE site_id = %s AND meter_id = %s AND state = 'waiting'"
            " AND kind = ANY(%s) ORDER BY id",
            (site_id, meter_id, [str(kind) for kind in kinds]),
        )
        return [_command(row) for row in cursor]


def unended(work: UnitOfWork, site_id: int, meter_id: int) -> list[Command]:
    """Return a meter's commands that have not ended, oldest first."""
    with work.raw.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM headend.command"
            " WHERE site_id = %s AND meter_id = %s AND ended_at IS NULL ORDER BY id",
            (site_id, meter_id),
        )
        return [_command(row) for row in cursor]


def keyed(work: UnitOfWork, site_id: int, meter_id: int, key: str) -> Command | None:
    """Return the command of an idempotency key, if the meter has one."""
    return _one(
        work,
        f"SELECT {COLUMNS} FROM headend.command WHERE site_id = %s AND meter_id = %s AND idempotency_key = %s",
        (site_id, meter_id, key),
    )


def overdue(work: UnitOfWork, now: datetime) -> list[Command]:
    """Return all waiting commands of the scope that have expired."""
    with work.raw.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM headend.command WHERE state = 'waiting' AND expires_at <= %s ORDER BY id", (now,)
        )
        return [_command(row) for row in cursor]


def steps(work: UnitOfWork, asked: Command) -> list[Step]:
    """Return the steps of a command, oldest first."""
    with work.raw.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            f"SELECT {STEP_COLUMNS} FROM headend.command_step WHERE site_id = %s AND command_id = %s ORDER BY id",
            (asked.site_id, asked.id),
        )
        return [Step(**{**row, "state": CommandState(row["state"])}) for row in cursor]


def next_of(work: UnitOfWork, site_id: int, meter_id: int, now: datetime) -> Command | None:
    """Return what a meter is to be told next: a command that was sent and not seen to, else the oldest that is due.

    What is done in shares gives way to all others.
    """
    return _one(
        work,
        f"SELECT {COLUMNS} FROM headend.command WHERE site_id = %s AND meter_id = %s AND ended_at IS NULL"
        " AND (state = 'sent' OR not_before <= %s)"
        " ORDER BY state = 'sent' AND kind = ANY(%s), state = 'waiting', id LIMIT 1",
        (site_id, meter_id, now, [str(kind) for kind, rule in RULES.items() if rule.resumes]),
    )


def open_meters(work: UnitOfWork, meter_id: int | None = None) -> list[tuple[int, int, datetime]]:
    """Return the meters with open commands, each with its site and when the first is due; all, or only one of them."""
    only = "" if meter_id is None else " AND meter_id = %s"
    with work.raw.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT site_id, meter_id, min(not_before) FROM headend.command"
            f" WHERE ended_at IS NULL{only} GROUP BY site_id, meter_id",
            () if meter_id is None else (meter_id,),
        )
        return [(row[0], row[1], row[2]) for row in cursor]


@dataclass(frozen=True, slots=True)
class Move:
    """A step to take. ``sending``: one more attempt begins; ``seen``: what the meter shows."""

    state: CommandState
    outcome: str
    detail: str = ""
    seen: Mapping[str, Any] | None = None
    sending: bool = False


def late(asked: Command) -> Move:
    """Return the end of a command that waited until its expiry."""
    why = f"; {asked.detail}" if asked.detail else ""
    return Move(CommandState.EXPIRED, Outcome.TOO_LATE, f"nothing was sent before it expired{why}")


def move(work: UnitOfWork, asked: Command, step: Move, sendable_until: datetime | None = None) -> Command | None:
    """Take a step, if the command still is as ``asked`` has it; None, and nothing done, if it is not.

    ``sendable_until``: the command must not expire before that instant. The step, the audit entry and the call of who
    waits for it belong to the same transaction.
    """
    now = work.now()
    final = step.state.final
    shown = None if step.seen is None else json.dumps(step.seen)
    expiry, limits = ("", ()) if sendable_until is None else (" AND expires_at > %s", (sendable_until,))
    moved = _one(
        work,
        "UPDATE headend.command SET state = %s, outcome = %s, detail = %s, attempts = attempts + %s,"
        " sent_at = CASE WHEN %s THEN %s ELSE sent_at END, before = COALESCE(before, %s), after = COALESCE(%s, after),"
        f" ended_at = %s WHERE site_id = %s AND id = %s AND state = %s AND attempts = %s{expiry} RETURNING {COLUMNS}",
        (
            str(step.state),
            step.outcome,
            step.detail,
            int(step.sending),
            step.sending,
            now,
            shown,
            None if step.sending else shown,
            now if final else None,
            asked.site_id,
            asked.id,
            str(asked.state),
            asked.attempts,
            *limits,
        ),
    )
    if moved is None:
        return None
    note(work, moved, step.seen)
    if final:
        notify(work, DONE_CHANNEL, str(moved.id))
    return moved


def note(work: UnitOfWork, asked: Command, seen: Mapping[str, Any] | None) -> None:
    """Append the step a command has just taken, to its own history and to the audit trail."""
    work.raw.execute(
        "INSERT INTO headend.command_step (site_id, command_id, at, actor, state, attempt, outcome, detail, seen)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            asked.site_id,
            asked.id,
            work.now(),
            work.scope.actor,
            str(asked.state),
            asked.attempts,
            asked.outcome or "",
            asked.detail or "",
            None if seen is None else json.dumps(seen),
        ),
    )
    told = {"command": asked.id, "kind": str(asked.kind), "attempt": asked.attempts, "outcome": asked.outcome}
    more = {"detail": asked.detail} if asked.detail else {}
    shown = {} if seen is None else {"seen": dict(seen)}
    work.audit(f"headend.command.{asked.state}", f"meter:{asked.meter_id}", {**told, **more, **shown})


def report(work: UnitOfWork, asked: Command, progress: Mapping[str, Any]) -> None:
    """Write how far a long command is."""
    work.raw.execute(
        "UPDATE headend.command SET progress = %s WHERE site_id = %s AND id = %s AND ended_at IS NULL",
        (json.dumps(progress), asked.site_id, asked.id),
    )


def insert_firmware(work: UnitOfWork, new: Firmware, content: bytes) -> bool:
    """Keep an image; return whether it was not kept already."""
    names = [column.name for column in fields(new)]
    made = work.raw.execute(
        f"INSERT INTO headend.firmware (organization_id, {', '.join(names)}, content)"
        f" VALUES ({', '.join(['%s'] * (len(names) + 2))}) ON CONFLICT DO NOTHING",
        (work.scope.organization_id, *(getattr(new, name) for name in names), content),
    )
    return bool(made.rowcount)


def firmwares(work: UnitOfWork) -> list[Firmware]:
    """Return the images of the scope's organization, newest first."""
    columns = ", ".join(column.name for column in fields(Firmware))
    with work.raw.cursor(row_factory=class_row(Firmware)) as cursor:
        cursor.execute(f"SELECT {columns} FROM headend.firmware ORDER BY added_at DESC, sha256")
        return cursor.fetchall()


def firmware_content(work: UnitOfWork, digest: str) -> bytes | None:
    """Return the octets of an image."""
    with work.raw.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute("SELECT content FROM headend.firmware WHERE sha256 = %s", (digest,)).fetchone()
    return None if row is None else bytes(row[0])


def notify(work: UnitOfWork, channel: str, payload: str) -> None:
    """Wake the listeners of a channel when this transaction commits."""
    work.raw.execute("SELECT pg_notify(%s, %s)", (channel, payload))
