"""The command ``demeter``: noun, verb; every command has ``--json`` where it prints data."""

# Importing them registers their commands on the root.
from demeter.app.cli import data, discover, events, exchange, importing, meter, push, serving, simulate, upkeep
from demeter.app.cli.root import app

__all__ = [
    "app",
    "data",
    "discover",
    "events",
    "exchange",
    "importing",
    "main",
    "meter",
    "push",
    "serving",
    "simulate",
    "upkeep",
]


def main() -> None:
    """Run the command line."""
    app()
