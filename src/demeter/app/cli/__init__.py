"""The command ``demeter``: noun, verb; every command has ``--json`` where it prints data."""

from demeter.app.cli.root import main

__all__ = ["main"]
