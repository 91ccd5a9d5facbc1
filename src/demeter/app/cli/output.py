"""How commands speak: data to stdout, messages to stderr, documented exit codes.

Exit codes: 0 ok · 1 failure (doctor: a line says fail; explain: something does not match) · 2 usage · 3 not found ·
4 not allowed · 5 conflict or invalid (also: it runs already, its port is taken) · 6 unreachable ·
7 partial (usage export: statements are missing; explain: readings are not worked in yet) · 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import wraps
from typing import Annotated, ParamSpec, TypeVar

import psycopg
import sqlalchemy.exc
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demeter.kernel import Conflict, DemeterError, Denied, Invalid, NotFound, Unavailable

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


def plain(value: object) -> object:
    """Return ``value`` as JSON-ready data: decimals as strings, instants as ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def print_json(value: object) -> None:
    """Print one JSON document to stdout."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


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


def say(message: str) -> None:
    """Write a message for the person at the keyboard to stderr."""
    sys.stderr.write(message + "\n")


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


JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
