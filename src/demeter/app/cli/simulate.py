"""``demeter simulate``: a fleet of simulated meters from a file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from demeter.app.cli import output
from demeter.app.cli.root import app
from demeter.simulator import EXAMPLE, FleetConfig, Simulation, credentials, load_fleet, run_fleet, write_credentials
from demeter.simulator.credentials import flat

SHOWN = 40
"""Meters in the table; of larger fleets the rest is counted."""

_COLUMNS = {
    "name": "meter",
    "serial": "serial",
    "kind": "kind",
    "address": "address",
    "server_sap": "SAP",
    "system_title": "system title",
    "encryption_key": "encryption key",
    "authentication_key": "authentication key",
    "password": "password",
}


@app.command()
@output.command
def simulate(
    fleet: Annotated[Path | None, typer.Argument(help="The fleet: a .yaml, .json or .toml file.")] = None,
    fleet_option: Annotated[Path | None, typer.Option("--fleet", help="The same as the argument.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only check the file; says what is wrong, by line.")] = False,
    example: Annotated[bool, typer.Option("--example", help="Print a fleet file with every part explained.")] = False,
    secrets: Annotated[
        Path | None, typer.Option("--credentials", help="Write addresses, options and keys there (.json or .csv).")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Run simulated DLMS/COSEM meters, faults included; Ctrl-C ends them."""
    if example:
        sys.stdout.write(EXAMPLE)
        return
    path = fleet or fleet_option
    if path is None:
        raise typer.BadParameter("name a fleet file, or see --example")
    config = load_fleet(path)
    if check:
        _say_checked(config, path, as_json=as_json)
        return

    def ready(running: Simulation) -> None:
        records = credentials(config, running.addresses)
        if secrets is not None:
            write_credentials(records, secrets)
        _say_ready(running, records, as_json=as_json)

    large = sys.stderr.isatty() and len(config.meters) > SHOWN
    run_fleet(config, path.parent, ready, progress=_say_progress if large else _say_nothing)
    if not as_json:
        output.say("All meters are off.")


def _say_checked(config: FleetConfig, path: Path, *, as_json: bool) -> None:
    kinds: dict[str, int] = {}
    for meter in config.meters:
        kinds[meter.kind.value] = kinds.get(meter.kind.value, 0) + 1
    if as_json:
        output.print_json({"ok": True, "meters": len(config.meters), "kinds": kinds})
    else:
        words = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        sys.stdout.write(f"{path} is fine: {len(config.meters)} meters ({words}).\n")


def _say_ready(running: Simulation, records: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        told = {"ready": True, "pid": os.getpid(), "control_port": running.desk.port, "meters": records}
        sys.stdout.write(json.dumps(told) + "\n")  # one line: whoever waits for it reads one line
        sys.stdout.flush()
        return
    rows = [tuple(flat(record)[name] for name in _COLUMNS) for record in records[:SHOWN]]
    output.print_table(f"{len(records)} simulated meters", tuple(_COLUMNS.values()), rows)
    if len(records) > SHOWN:
        sys.stdout.write(f"… and {len(records) - SHOWN} more: use --json, or --credentials FILE.\n")
    sys.stdout.flush()
    output.say(f"All meters listen (control port {running.desk.port}). Ctrl-C ends them.")


def _say_progress(done: int, everything: int) -> None:
    output.say(f"{done} of {everything} meters listen…")


def _say_nothing(_done: int, _everything: int) -> None:
    """Say nothing: nobody watches, or it is over at once."""
