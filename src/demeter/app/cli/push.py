"""Commands about pushes that were not taken."""

from __future__ import annotations

import getpass
from dataclasses import replace
from typing import Annotated

import typer

from demeter import headend
from demeter.app.cli import output
from demeter.app.cli.root import app
from demeter.app.wiring import opened
from demeter.ingest import IngestWriter
from demeter.kernel import Invalid
from demeter.runtime.database import Database

push_app = typer.Typer(help="What meters send unasked.", no_args_is_help=True)
quarantine_app = typer.Typer(
    help="Pushes that were not taken: unknown senders, wrong keys, replays.", no_args_is_help=True
)
app.add_typer(push_app, name="push")
push_app.add_typer(quarantine_app, name="quarantine")

Numbers = Annotated[list[int] | None, typer.Argument(help="As list shows them.")]
AllFlag = Annotated[bool, typer.Option("--all", help="Everything quarantine holds.")]
MOST = 100_000


@quarantine_app.command("list")
@output.command
def quarantine_list(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, the newest first.")] = 100,
    as_json: output.JsonFlag = False,
) -> None:
    """List what is held, the newest first, of the whole installation."""
    with opened(context.obj) as wiring:
        entries = headend.held(wiring.database, limit)
    if as_json:
        output.print_json([_fields(entry) for entry in entries])
        return
    rows = [
        (e.id, e.source, e.title or e.names or "—", e.reason, e.count, e.size, e.last_seen_at.isoformat(" ", "seconds"))
        for e in entries
    ]
    columns = ("id", "source", "title or name", "reason", "count", "bytes", "last seen")
    output.print_table("Pushes in quarantine", columns, rows)


@quarantine_app.command("show")
@output.command
def quarantine_show(context: typer.Context, number: int, as_json: output.JsonFlag = False) -> None:
    """Print one message with its bytes."""
    with opened(context.obj) as wiring:
        (entry,) = headend.found(wiring.database, [number])
    shown = {**_fields(entry), "payload": entry.payload.hex()}
    if as_json:
        output.print_json(shown)
    else:
        output.print_table(f"Message {number}", ("what", "value"), list(shown.items()))


@quarantine_app.command("release")
@output.command
def quarantine_release(
    context: typer.Context, numbers: Numbers = None, everything: AllFlag = False, as_json: output.JsonFlag = False
) -> None:
    """Decode messages again and store what they say: after the meter, its key or its title was entered."""
    with opened(context.obj) as wiring:
        ids = _chosen(wiring.database, numbers, everything)
        writer = IngestWriter(wiring.database, wiring.decoders())
        actor = f"cli:{getpass.getuser()}"
        results = headend.release(
            wiring.database, wiring.secrets, wiring.push_receivers(), writer.write_now, ids, actor
        )
    if as_json:
        output.print_json(results)
    else:
        rows = [(r.id, r.meter_id, r.readings, r.reason or "released") for r in results]
        output.print_table("Released", ("id", "meter", "readings", "what became of it"), rows)
    if any(result.reason for result in results):
        raise typer.Exit(1)


@quarantine_app.command("drop")
@output.command
def quarantine_drop(
    context: typer.Context, numbers: Numbers = None, everything: AllFlag = False, as_json: output.JsonFlag = False
) -> None:
    """Remove messages for good."""
    with opened(context.obj) as wiring:
        gone = headend.drop(wiring.database, _chosen(wiring.database, numbers, everything))
    if as_json:
        output.print_json({"dropped": gone})
    else:
        output.say(f"{gone} dropped.")


def _chosen(database: Database, numbers: list[int] | None, everything: bool) -> list[int]:
    if bool(numbers) == everything:
        raise Invalid("name messages by their numbers, or all of them with --all")
    return numbers or [entry.id for entry in headend.held(database, MOST)]


def _fields(entry: headend.Quarantined) -> dict[str, object]:
    plain = output.plain(replace(entry, payload=b""))
    assert isinstance(plain, dict)
    return {name: value for name, value in plain.items() if name != "payload"}
