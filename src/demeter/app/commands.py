"""Commands of plug-ins (entry point group ``demeter.commands``): listed without loading them, loaded when called."""

from __future__ import annotations

import ast
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from demeter.sdk.commands import GROUP, ExitCode, say

OURS = "demeter"
"""The distribution whose plug-ins never have the name of a built-in command."""


@lru_cache(maxsize=1)
def plugged_in() -> dict[str, EntryPoint]:
    """Return the installed command plug-ins by name; of two with one name the first counts."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, point)
    return found


def own(name: str) -> EntryPoint | None:
    """Return Demeter's own plug-in of that name."""
    point = plugged_in().get(name)
    return point if point is not None and point.dist is not None and point.dist.name == OURS else None


def loaded(point: EntryPoint) -> Any:
    """Return a plug-in as a command.

    Raises:
        typer.Exit: it cannot be loaded; why was said.
    """
    try:
        app = point.load()
        return typer.main.get_command(app)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a plug-in is its own affair
        say(f"Error: the command {point.name} cannot be loaded: {type(error).__name__}: {error}")
        say(f"Hint: it comes from {_origin(point)}; reinstall or remove that package.")
        raise typer.Exit(ExitCode.FAILURE) from None


def _origin(point: EntryPoint) -> str:
    return point.value if point.dist is None else f"{point.dist.name} ({point.value})"


def summary(point: EntryPoint) -> str:
    """Return the first line of the docstring of a plug-in's module, read without importing it."""
    fallback = f"Commands of {_origin(point)}."
    try:
        file = _source(point.module)
        words = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) if file else None
    except (ImportError, OSError, SyntaxError, ValueError):
        return fallback
    return words.splitlines()[0] if words else fallback


def _source(module: str) -> Path | None:
    """The file of a module, found without importing any of its packages."""
    package, *rest = module.split(".")
    spec = find_spec(package)
    if spec is None:
        return None
    if not spec.submodule_search_locations:
        return None if spec.origin is None or rest else Path(spec.origin)
    place = Path(spec.submodule_search_locations[0], *rest)
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


class Deferred(TyperCommand):
    """A plug-in's command that is not loaded: it has a name and a line of help."""

    def __init__(self, point: EntryPoint) -> None:
        line = summary(point)
        super().__init__(point.name, help=line, short_help=line, add_help_option=False)
        self._point = point

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Load the plug-in; the context is that of its command."""
        return loaded(self._point).make_context(info_name, args, parent=parent, **extra)


class WithPlugins(TyperGroup):
    """The built-in commands and, behind them, those of plug-ins with other names."""

    def list_commands(self, ctx: Any) -> list[str]:
        """List all commands."""
        built_in = super().list_commands(ctx)
        return [*built_in, *sorted(set(plugged_in()) - set(built_in))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; a plug-in's is not loaded by this."""
        found = super().get_command(ctx, cmd_name)
        if found is not None:
            return found
        point = plugged_in().get(cmd_name)
        return None if point is None else Deferred(point)


def calls_plugin(context: typer.Context) -> bool:
    """Tell whether the command that is about to run is a plug-in's."""
    group, name = context.command, context.invoked_subcommand
    return isinstance(group, WithPlugins) and isinstance(group.get_command(context, name or ""), Deferred)
