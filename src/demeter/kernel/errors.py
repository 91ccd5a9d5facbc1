"""The error tree every slice builds on.

::

    DemeterError
    ├── NotFound      what was asked for does not exist, or is not yours to see
    ├── Conflict      the state of the thing forbids it (already there, changed meanwhile)
    ├── Invalid       the input cannot be accepted as it is
    ├── Denied        the scope lacks the permission
    └── Unavailable   a device, process or network did not answer; trying again may help

Each error has a stable ``code`` (for the API and translations), a sentence for a person, and ``hint``: what to do.
Protocol packages do not import Demeter and have trees of their own; drivers translate.
"""

from __future__ import annotations


class DemeterError(Exception):
    """Base of all errors Demeter raises on purpose; ``str(error)`` is a sentence for a person."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code


class NotFound(DemeterError):
    """What was asked for does not exist, or is outside the caller's scope (the two are not told apart)."""

    code = "not_found"


class Conflict(DemeterError):
    """The present state forbids the change."""

    code = "conflict"


class Invalid(DemeterError):
    """The input cannot be accepted as it is."""

    code = "invalid"


class Denied(DemeterError):
    """The scope lacks the permission."""

    code = "denied"


class Unavailable(DemeterError):
    """A device, process or network did not answer."""

    code = "unavailable"
