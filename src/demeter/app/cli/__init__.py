"""The command ``demeter``: noun, verb; every command has ``--json`` where it prints data."""

from demeter.app.cli import data, events, exchange, meter, serving, simulate  # importing them registers their commands
from demeter.app.cli.root import app

__all__ = ["app", "data", "events", "exchange", "main", "meter", "serving", "simulate"]


def main() -> None:
    """Run the command line."""
    app()
