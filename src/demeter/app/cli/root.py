"""The root of the command line: flags all commands share, and the list of commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import demeter
from demeter.app import commands
from demeter.app import doctor as examination
from demeter.app.cli import output
from demeter.app.wiring import opened, schema_of
from demeter.runtime import config, logging
from demeter.runtime.database import newest_revision, present_revision, upgrade

app = typer.Typer(
    name="demeter",
    cls=commands.WithPlugins,
    help="Demeter: from the meter's own protocol to a number nobody has to argue about.\n\n"
    "First steps: demeter demo · demeter doctor · demeter serve",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Settings and where they come from.", no_args_is_help=True)
database_app = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(database_app, name="db")


@app.callback()
@output.command
def common(
    context: typer.Context,
    config_file: Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where Demeter keeps everything.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Read the settings once for every command; those of plug-ins need none."""
    if commands.calls_plugin(context):
        return
    flags = {"data_dir": data_dir, "log_level": log_level}
    settings = config.load(flags, file=config_file)
    logging.configure("debug" if output.verbose() else settings.log_level, as_json=settings.log_json)
    context.obj = settings


@app.command()
@output.command
def version(as_json: output.JsonFlag = False) -> None:
    """Print the version."""
    if as_json:
        output.print_json({"version": demeter.__version__})
    else:
        typer.echo(f"demeter {demeter.__version__}")


@app.command()
@output.command
def doctor(context: typer.Context, as_json: output.JsonFlag = False) -> None:
    """Look at everything Demeter stands on; each line says OK, warn or fail, and the fix."""
    findings = list(examination.examine(context.obj))
    if as_json:
        output.print_json(findings)
    else:
        rows = [(f.verdict, f.subject, f.detail, f.fix) for f in findings]
        output.print_table("Demeter's health", ("", "what", "how it stands", "what to do"), rows)
    if any(f.verdict is examination.Verdict.FAIL for f in findings):
        raise typer.Exit(1)


@config_app.command("show")
@output.command
def config_show(
    context: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Tell where each value comes from.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Print the settings in force; secrets are masked."""
    rows = context.obj.shown()
    if as_json:
        output.print_json({name: {"value": value, "origin": where} for name, value, where in rows})
    elif origin:
        output.print_table("Settings", ("name", "value", "origin"), rows)
    else:
        output.print_table("Settings", ("name", "value"), [row[:2] for row in rows])


@database_app.command("upgrade")
@output.command
def database_upgrade(
    context: typer.Context, dry_run: output.DryRunFlag = False, as_json: output.JsonFlag = False
) -> None:
    """Set up what is not there yet and bring the database to this version's schema; again, it changes nothing."""
    newest = newest_revision()
    if dry_run:
        before = schema_of(context.obj)
    else:
        with opened(context.obj, setting_up=True) as wiring:
            before = present_revision(wiring.database)
            upgrade(wiring.database)
    if as_json:
        output.print_json({"before": before, "after": newest, "changed": before != newest and not dry_run})
    else:
        would = "would be brought to" if dry_run else "is now at"
        output.say(f"The schema {'is' if dry_run else 'was'} at {before or 'nothing'} and {would} {newest}.")
