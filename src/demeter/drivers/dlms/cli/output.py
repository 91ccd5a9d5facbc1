"""Errors of the DLMS tools: what happened, why, what to do, and the exit code."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from demeter.kernel import Invalid
from demeter.protocols.dlms.errors import DlmsError
from demeter.sdk import FailureKind
from demeter.sdk.commands import helpful_errors

P = ParamSpec("P")
R = TypeVar("R")

WIDEST: Final = 120

HINTS: Final = {
    FailureKind.NO_ANSWER: "Look at address and port, at power and network; --transport must be the meter's. "
    "--trace shows what goes over the line.",
    FailureKind.TRUNCATED: "The answer stopped in the middle: a bad line, or a slow one (--answer-s).",
    FailureKind.GARBLED: "What came is no answer. Look at --transport, and whether another system uses the line.",
    FailureKind.WRONG_KEY: "The meter answered, but under other keys or another password. Look at the key file, "
    "--suite and --client-title.",
    FailureKind.REPLAYED: "The meter has seen this invocation counter: "
    "another system spoke to it, or --counter is too low.",
    FailureKind.IMPLAUSIBLE_COUNTER: "If another system did use the meter, give --counter-at-least; "
    "else somebody is on the line.",
    FailureKind.REFUSED: "The meter does not allow it to this client: look at --mechanism and --client-sap.",
    FailureKind.NOT_SUPPORTED: "The object or the encoding is not there; --list shows what the meter has.",
    FailureKind.NOT_CONFIGURED: "See --help; keys go into a file: --key-file meter.toml",
    FailureKind.WRONG_METER: "The serial number at the address is another one.",
}


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a command so that its errors are helpful."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with helpful_errors(HINTS):
            try:
                return function(*args, **kwargs)
            except DlmsError as error:
                raise Invalid(str(error)) from error

    return wrapper


def width() -> int:
    """Return how many characters a line may have."""
    return min(shutil.get_terminal_size().columns, WIDEST)
