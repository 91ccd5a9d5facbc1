"""Commands that run: ``serve`` and the processes it supervises, ``demo``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from demeter.app import processes
from demeter.app.cli import output
from demeter.app.cli.root import app
from demeter.runtime.config import Settings

PortOption = Annotated[int | None, typer.Option(help="Port of the web pages and the API.")]


def _with_port(settings: Settings, port: int | None) -> Settings:
    if port is None:
        return settings
    return replace(settings, http_port=port, origin={**settings.origin, "http_port": "flag --port"})


@app.command()
@output.command
def serve(context: typer.Context, port: PortOption = None) -> None:
    """Run everything on this machine and keep it running; Ctrl-C stops it in order."""
    settings = _with_port(context.obj, port)
    address = f"http://{settings.http_host}:{settings.http_port}"
    processes.serve(settings, on_ready=lambda: output.say(f"Demeter runs at {address} (Ctrl-C stops it)."))


@app.command()
@output.command
def api(context: typer.Context, port: PortOption = None) -> None:
    """Run only the web pages and the API (the database must be up)."""
    processes.run_part("api", _with_port(context.obj, port))


@app.command()
@output.command
def acquisition(context: typer.Context) -> None:
    """Run only the head-end and the ingest writer (the database must be up)."""
    processes.run_part("acquisition", context.obj)


@app.command()
@output.command
def worker(context: typer.Context) -> None:
    """Run only the jobs (the database must be up)."""
    processes.run_part("worker", context.obj)


@app.command()
@output.command
def demo(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Run without a person; print one JSON document.")] = False,
    port: PortOption = None,
) -> None:
    """Show Demeter: a housing society of simulated meters, read over DLMS/COSEM, on a web page."""
    from demeter.app.demo import run

    settings = context.obj
    if settings.origin.get("data_dir") is None:
        settings = replace(settings, data_dir=Path(".demo"), origin={**settings.origin, "data_dir": "demo"})
    sys.exit(run.demo_check(_with_port(settings, port)) if check else run.demo(_with_port(settings, port)))
