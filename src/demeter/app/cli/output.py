"""How commands speak: data to stdout, messages to stderr, documented exit codes.

Exit codes: 0 ok · 1 failure (doctor: a line says fail; explain: something does not match) · 2 usage · 3 not found ·
4 not allowed · 5 conflict or invalid (also: it runs already, its port is taken) · 6 unreachable ·
7 partial (usage export: statements are missing; explain: readings are not worked in yet) · 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import psycopg
import sqlalchemy.exc
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demeter.kernel import Conflict, DemeterError, Denied, Invalid, NotFound, Unavailable
from demeter.sdk.commands import JsonFlag, plain, print_json, say

__all__ = ["EXIT_CODES", "JsonFlag", "command", "helpful_errors", "plain", "print_json", "print_table", "say"]

EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (NotFound, 3),
    (Denied, 4),
    (Conflict, 5),
    (Invalid, 5),
    (Unavailable, 6),
    (psycopg.OperationalError, 6),
    (sqlalchemy.exc.OperationalError, 6),
    (DemeterError, 1),
    (OSError, 1),
)
PARTIAL = 7
P = ParamSpec("P")
R = TypeVar("R")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table to stdout, or a sentence where it would be empty."""
    if not rows:
        sys.stdout.write(f"{title}: nothing yet.\n")
        return
    table = Table(title=escape(title), title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(("—" if cell is None else escape(str(cell))) for cell in row))
    Console().print(table)


@contextmanager
def helpful_errors() -> Iterator[None]:
    """Turn errors raised on purpose into a sentence, its hint and the documented exit code."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except tuple(kind for kind, _ in EXIT_CODES) as error:
        say(f"Error: {_sentence(error)}")
        hint = getattr(error, "hint", "")
        if hint:
            say(f"Hint: {hint}")
        raise typer.Exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind))) from None


def _sentence(error: Exception) -> str:
    if isinstance(error, DemeterError | OSError):
        return str(error)
    return "the database does not answer; is it running? (" + str(error).splitlines()[0] + ")"


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a command so that its errors are helpful."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with helpful_errors():
            return function(*args, **kwargs)

    return wrapper
