"""The command ``demeter``: noun, verb; every command has ``--json`` where it prints data."""

from demeter.app.cli import (  # importing them registers their commands
    data,
    discover,
    events,
    exchange,
    meter,
    serving,
    simulate,
)
from demeter.app.cli.root import app

__all__ = ["app", "data", "discover", "events", "exchange", "main", "meter", "serving", "simulate"]


def main() -> None:
    """Run the command line."""
    app()
