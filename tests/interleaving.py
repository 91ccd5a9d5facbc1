"""Let something happen between two statements of a unit of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from demeter.runtime.database import UnitOfWork


@contextmanager
def before_statement(work: UnitOfWork, number: int, happens: Callable[[], object]) -> Iterator[None]:
    """Let something happen right before the unit of work's statement ``number``, counted from 0."""
    left = [number]

    class Interrupted(psycopg.Cursor):
        def execute(self, *given, **named):
            if left[0] == 0:
                happens()
            left[0] -= 1
            return super().execute(*given, **named)

    work.raw.cursor_factory = Interrupted
    try:
        yield
    finally:
        work.raw.cursor_factory = psycopg.Cursor
