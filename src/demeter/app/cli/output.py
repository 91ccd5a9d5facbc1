"""How commands speak: data to stdout, messages to stderr, documented exit codes.

Every command takes ``--quiet``, ``--verbose`` and ``--no-color``; those that print data take ``--json`` (one document;
decimals are strings, instants ISO 8601), those that write take ``--dry-run``, and those that ask before they change
what is there take ``--yes``.

Exit codes: 0 ok · 1 failure (doctor: a line says fail; explain: something does not match; a question was answered no) ·
2 usage · 3 not found · 4 not allowed · 5 conflict or invalid (also: it runs already, its port is taken) ·
6 unreachable · 7 partial (usage export: statements are missing; explain: readings are not worked in yet) ·
130 interrupted.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Annotated, ParamSpec, TypeVar, cast

import psycopg
import sqlalchemy.exc
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demeter.kernel import Conflict, DemeterError, Denied, Invalid, NotFound, Unavailable
from demeter.runtime import logging
from demeter.sdk.commands import JsonFlag, plain, print_json
from demeter.sdk.commands import say as complain

__all__ = [
    "EXIT_CODES",
    "PARTIAL",
    "DryRunFlag",
    "JsonFlag",
    "YesFlag",
    "command",
    "complain",
    "confirm",
    "helpful_errors",
    "plain",
    "print_json",
    "print_table",
    "say",
    "verbose",
]

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
NO = 1
P = ParamSpec("P")
R = TypeVar("R")
MANNERS = {
    "quiet": "Say nothing but errors and what was asked for.",
    "verbose": "Log everything, and show where an error came from.",
    "no_color": "No colours (NO_COLOR in the environment does the same).",
}


_asked: ContextVar[frozenset[str]] = ContextVar("asked", default=frozenset())


def _behave(asked: frozenset[str], context: typer.Context | None) -> None:
    """Keep what was asked for before or after the command's name; the root begins anew."""
    begins = context is not None and context.parent is None
    _asked.set(asked if begins else _asked.get() | asked)
    if "verbose" in asked and context is not None and context.obj is not None:  # the root could not know yet
        logging.configure("debug", as_json=context.obj.log_json)


def verbose() -> bool:
    """Tell whether everything is to be logged."""
    return "verbose" in _asked.get()


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
    (Console(color_system=None) if "no_color" in _asked.get() else Console()).print(table)


def say(message: str) -> None:
    """Write a message for the person at the keyboard to stderr, unless they asked for quiet."""
    if "quiet" not in _asked.get():
        complain(message)


def confirm(question: str, *, yes: bool) -> None:
    """Go on only if the person says so, or said so with ``--yes``; nobody at the keyboard means they did not.

    Raises:
        Invalid: there is nobody to ask.
        typer.Exit: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Invalid(f"{question} Nobody is there to answer.", code="not_confirmed", hint="Say so with --yes.")
    if not typer.confirm(question, err=True):
        complain("Nothing was changed.")
        raise typer.Exit(NO)


@contextmanager
def helpful_errors() -> Iterator[None]:
    """Turn errors raised on purpose into a sentence, its hint and the documented exit code."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except tuple(kind for kind, _ in EXIT_CODES) as error:
        complain(f"Error: {_sentence(error)}")
        hint = getattr(error, "hint", "")
        if hint:
            complain(f"Hint: {hint}")
        if verbose():  # where, without the errors behind it: libpq's repeat what they were given
            complain("".join(traceback.format_tb(error.__traceback__)))
        raise typer.Exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind))) from None


def _sentence(error: Exception) -> str:
    if isinstance(error, DemeterError | OSError):
        return str(error)
    return "the database does not answer; is it running? (" + str(error).splitlines()[0] + ")"


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a command so that its errors are helpful and it takes what every command takes."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        asked = frozenset(name for name in MANNERS if kwargs.pop(name, False))
        with helpful_errors():
            _behave(asked, cast("typer.Context | None", kwargs.get("context")))
            return function(*args, **kwargs)

    own = inspect.signature(function, eval_str=True)
    every = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[bool, typer.Option(f"--{name.replace('_', '-')}", help=what)],
        )
        for name, what in MANNERS.items()
    ]
    vars(wrapper)["__signature__"] = own.replace(parameters=[*own.parameters.values(), *every])
    return wrapper


DryRunFlag = Annotated[
    bool, typer.Option("--dry-run", help="Check everything and tell what would happen; change nothing.")
]
YesFlag = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
