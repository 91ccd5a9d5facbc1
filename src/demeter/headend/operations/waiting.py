"""Waiting for the end of a command, outside of any unit of work."""

from __future__ import annotations

import time

from demeter.headend.operations import service
from demeter.headend.operations.model import Command
from demeter.headend.operations.store import DONE_CHANNEL
from demeter.runtime.database import Database, Role, Scope

LOOK_EVERY_S = 1.0


def await_command(database: Database, scope: Scope, command_id: int, within_s: float) -> Command:
    """Wait until a command has ended, or ``within_s`` seconds; return it as it is then. Blocks its thread.

    Raises:
        Denied: without the permission ``headend.read``. NotFound: no such command in the scope.
    """
    deadline = time.monotonic() + within_s
    connection = database.connect(Role.APP, autocommit=True)  # unscoped: a LISTEN, no data
    try:
        connection.execute(f"LISTEN {DONE_CHANNEL}")
        while True:
            with database.unit_of_work(scope) as work:
                found = service.command(work, command_id)
                now = work.now()
            left = deadline - time.monotonic()
            if found.standing(now).final or left <= 0:
                return found
            for note in connection.notifies(timeout=min(left, LOOK_EVERY_S)):
                if note.payload == str(command_id):
                    break
    finally:
        connection.close()
