"""``demeter estate import``: buildings, units, service points and meters with their keys, from a file."""

from __future__ import annotations

import getpass
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from demeter import estate
from demeter.app.cli import output
from demeter.app.cli.data import OrganizationOption, SiteOption, organization_of, site_of
from demeter.app.cli.root import app
from demeter.app.wiring import Wiring, opened, writing
from demeter.runtime.database import Scope
from demeter.runtime.secrets import MasterKey, SecretBox

estate_app = typer.Typer(help="Buildings, units, service points and meters.", no_args_is_help=True)
app.add_typer(estate_app, name="estate")


@estate_app.command("columns")
@output.command
def estate_columns(as_json: output.JsonFlag = False) -> None:
    """List what a file for `demeter estate import` may say."""
    if as_json:
        output.print_json(estate.COLUMNS)
    else:
        output.print_table("Columns of an estate file", ("column", "what it says"), list(estate.COLUMNS.items()))


@estate_app.command("import")
@output.command
def estate_import(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with a header, or JSON: an array of objects with the same names.")],
    site: SiteOption = "",
    organization: OrganizationOption = "",
    dry_run: output.DryRunFlag = False,
    yes: output.YesFlag = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Bring a site's estate to what a file says, all of it or nothing; again with the same file, nothing changes."""
    with opened(context.obj) as wiring:
        scope = Scope.system(organization_of(wiring, organization), f"cli:{getpass.getuser()}")
        try:
            report = _imported(wiring, scope, file, site, dry_run=True)
            if report.changed and not dry_run:
                output.confirm(f"Of what is there, {_counts(report.changed)} would change. Go on?", yes=yes)
            if not dry_run:
                report = _imported(wiring, scope, file, site, dry_run=False)
        except estate.ImportRefused as refused:
            _tell(refused, as_json=as_json)
            raise
    if as_json:
        output.print_json({"dry_run": dry_run, **_document(report)})
        return
    done = "Would make" if dry_run else "Made"
    output.say(f"{done}: {_counts(report.made)}. Changed: {_counts(report.changed)}.")
    output.say(f"{report.unchanged} of {report.rows} rows say nothing new.")


def _imported(wiring: Wiring, scope: Scope, file: Path, site: str, *, dry_run: bool) -> estate.Report:
    box = SecretBox(MasterKey.from_file(wiring.settings.key_file, create=False))  # keeps no key that is taken back
    with writing(wiring.database, scope, dry_run=dry_run) as work:
        place = site_of(work, site)
        rows = estate.read_rows(file, place.zone, wiring.drivers().keys())
        return estate.import_rows(work, box, place, rows, file.name)


def _counts(counted: Counter[str]) -> str:
    things = (f"{number} {what.removesuffix('s') if number == 1 else what}" for what, number in counted.items())
    return ", ".join(things) or "nothing"


def _document(report: estate.Report) -> dict[str, object]:
    return {"rows": report.rows, "made": report.made, "changed": report.changed, "unchanged": report.unchanged}


def _tell(refused: estate.ImportRefused, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"errors": refused.errors})
        return
    for error in refused.errors:
        where = f"line {error.line}" + (f", {error.column}" if error.column else "")
        output.complain(f"{where}: {error.reason}. {error.fix}")
