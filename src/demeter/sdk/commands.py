"""How commands of plug-ins speak (entry point group ``demeter.commands``): data to stdout, messages to stderr.

A plug-in registers ``name = "package.module:app"``, a :class:`typer.Typer`; ``demeter name …`` then runs it. The first
line of the module's docstring is its line in ``demeter --help``: nothing of the plug-in is loaded until it is called.
A plug-in gets no settings, no database and no data directory.

Exit codes: 0 ok · 1 failure · 2 usage · 3 not found · 4 not allowed · 5 conflict or invalid · 6 unreachable · 7 partly
done · 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Annotated, Final

import typer

from demeter.kernel import Conflict, DemeterError, Denied, Invalid, NotFound, Unavailable
from demeter.sdk.driver import FailureKind, ReadFailure

GROUP: Final = "demeter.commands"


class ExitCode(IntEnum):
    """What a process ends with."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    INVALID = 5
    UNREACHABLE = 6
    PARTLY = 7
    INTERRUPTED = 130


_BY_ERROR: Final[tuple[tuple[type[Exception], ExitCode], ...]] = (
    (NotFound, ExitCode.NOT_FOUND),
    (Denied, ExitCode.NOT_ALLOWED),
    (Conflict, ExitCode.INVALID),
    (Invalid, ExitCode.INVALID),
    (Unavailable, ExitCode.UNREACHABLE),
    (DemeterError, ExitCode.FAILURE),
    (OSError, ExitCode.FAILURE),
)
_BY_FAILURE: Final = {
    FailureKind.NO_ANSWER: ExitCode.UNREACHABLE,
    FailureKind.TRUNCATED: ExitCode.UNREACHABLE,
    FailureKind.GARBLED: ExitCode.UNREACHABLE,
    FailureKind.REFUSED: ExitCode.NOT_ALLOWED,
    FailureKind.WRONG_KEY: ExitCode.NOT_ALLOWED,
    FailureKind.REPLAYED: ExitCode.NOT_ALLOWED,
    FailureKind.IMPLAUSIBLE_COUNTER: ExitCode.NOT_ALLOWED,
    FailureKind.NOT_SUPPORTED: ExitCode.NOT_FOUND,
    FailureKind.NOT_CONFIGURED: ExitCode.INVALID,
    FailureKind.WRONG_METER: ExitCode.INVALID,
}


def exit_code(error: Exception) -> ExitCode:
    """Return what a process ends with after an error."""
    if isinstance(error, ReadFailure):
        return _BY_FAILURE.get(error.kind, ExitCode.FAILURE)
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), ExitCode.FAILURE)


def plain(value: object) -> object:
    """Return ``value`` as JSON-ready data: decimals as strings without an exponent, instants as ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def print_json(value: object) -> None:
    """Print one JSON document to stdout."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


def say(message: str) -> None:
    """Write a message for the person at the keyboard to stderr."""
    sys.stderr.write(message + "\n")


@contextmanager
def helpful_errors(hints: Mapping[FailureKind, str] | None = None) -> Iterator[None]:
    """Turn errors raised on purpose into a sentence, what to do about it, and the exit code.

    ``hints``: what to do about each kind of failed read.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except (DemeterError, ReadFailure, OSError) as error:
        say(f"Error: {error}")
        hint = (hints or {}).get(error.kind, "") if isinstance(error, ReadFailure) else getattr(error, "hint", "")
        if hint:
            say(f"Hint: {hint}")
        raise typer.Exit(exit_code(error)) from None


JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
