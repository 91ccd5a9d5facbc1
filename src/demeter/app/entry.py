"""The process ``demeter``: Demeter's own plug-in commands start without loading the rest of it."""

from __future__ import annotations

import sys

import typer

from demeter.app import commands


def main() -> None:
    """Run the command line."""
    point = commands.own(sys.argv[1]) if len(sys.argv) > 1 else None
    if point is None:
        from demeter.app.cli import main as whole

        whole()
        return
    try:
        command = commands.loaded(point)
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    command(args=sys.argv[2:], prog_name=f"demeter {point.name}")
