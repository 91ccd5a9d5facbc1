"""Checks of single options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from demeter.sdk import FailureKind, ReadFailure

T = TypeVar("T")


def wrong(message: str) -> ReadFailure:
    """Return the failure to raise for an option that cannot be used."""
    return ReadFailure(FailureKind.NOT_CONFIGURED, message)


def choice(given: Mapping[str, object], name: str, known: Mapping[str, T], default: str) -> T:
    """Return what the word of an option stands for.

    Raises:
        ReadFailure: NOT_CONFIGURED, naming the words that are known.
    """
    word = str(given.get(name, default))
    if word not in known:
        raise wrong(f"the option {name} is {word!r}, not one of {', '.join(known)}")
    return known[word]


def number(given: Mapping[str, object], name: str, default: float, low: float, high: float) -> float:
    """Return the number of an option, within ``low`` and ``high`` (both included).

    Raises:
        ReadFailure: NOT_CONFIGURED.
    """
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise wrong(f"the option {name} is {value!r}, not a number from {low} to {high}")
    return value


def flag(given: Mapping[str, object], name: str) -> bool:
    """Return an option that is true or false (not given: false).

    Raises:
        ReadFailure: NOT_CONFIGURED.
    """
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise wrong(f"the option {name} is {value!r}, not true or false")
    return value
