"""Commands with many flags: the flags are a dataclass whose fields carry their typer options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_type_hints

import typer

F = TypeVar("F")


def with_flags(kind: type[F]) -> Callable[[Callable[[typer.Context, F], None]], Callable[..., None]]:
    """Give a command the flags that are the fields of ``kind``; it takes the context and one such object."""
    hints = get_type_hints(kind, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("context", keyword, annotation=typer.Context)]
    for one in fields(kind):  # type: ignore[arg-type]
        default = inspect.Parameter.empty if one.default is MISSING else one.default
        parameters.append(inspect.Parameter(one.name, keyword, default=default, annotation=hints[one.name]))

    def decorate(command: Callable[[typer.Context, F], None]) -> Callable[..., None]:
        def run(context: typer.Context, **given: Any) -> None:
            command(context, kind(**given))

        return as_command(run, command, parameters)

    return decorate


def as_command(
    run: Callable[..., None], like: Callable[..., None], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """Make typer see ``run`` with the words of ``like`` and with these parameters."""
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {}
    run.__doc__, run.__name__ = like.__doc__, like.__name__
    return run
