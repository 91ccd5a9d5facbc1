"""Keeps the processes of an installation running: PostgreSQL, api, acquisition, worker.

All state is in PostgreSQL, so any of them may be killed at any moment; the supervisor starts it again within a second
(longer if it keeps dying). A child whose supervisor has gone ends itself, so a second start finds a clean table.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from demeter.runtime import logging
from demeter.runtime.database import EmbeddedPostgres

log = logging.get("supervisor")
CHECK_EVERY_S = 0.2
CALM_AFTER_S = 30  # a process that lived this long starts again at once
LONGEST_PAUSE_S = 4.0
ADOPTED_CHECK_EVERY_S = 2.0  # asking a server we did not start costs a connection
STOP_WITHIN_S = 15


@dataclass
class Child:
    """One process to keep alive. ``command`` follows the interpreter: ``("-m", "demeter", "api")``."""

    name: str
    command: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.0
    restarts: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    log_file: Path | None = None  # where it writes; None: where the supervisor does

    def start(self) -> None:
        """Start it; in a session of its own, so that Ctrl-C reaches the supervisor only."""
        with self.log_file.open("ab") if self.log_file else nullcontext() as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                [sys.executable, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log or subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self.environment, "DEMETER_SUPERVISED": "1"},
            )
        self.started = time.monotonic()

    def keep_alive(self) -> None:
        """Start it again if it has ended, after a pause that grows while it keeps dying."""
        if self.process is None or self.process.poll() is None:
            return
        lived = time.monotonic() - self.started
        if lived < self.pause:
            return
        code = self.process.returncode
        self.pause = 0.5 if lived > CALM_AFTER_S else min(LONGEST_PAUSE_S, max(0.5, self.pause * 2))
        self.restarts += 1
        log.warning("process ended, starting it again", process=self.name, exit_code=code, restarts=self.restarts)
        self.start()

    def stop(self) -> None:
        """Ask it to end, then insist."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Supervisor:
    """Runs until told to stop (Ctrl-C, SIGTERM or :meth:`stop`), then stops everything in order."""

    def __init__(self, database: EmbeddedPostgres | None, children: list[Child]) -> None:
        self._database = database
        self._children = children
        self._stopping = threading.Event()
        self._next_question = 0.0

    def run(self, *, on_ready: Callable[[], None] = lambda: None) -> None:
        """Start the children and keep everything alive until stopped."""
        for child in self._children:
            child.start()
        on_ready()
        try:
            while not self._stopping.wait(CHECK_EVERY_S):
                if self._database is not None and not self._database_lives():
                    log.warning("PostgreSQL ended, starting it again")
                    self._database.start()
                for child in self._children:
                    child.keep_alive()
        finally:
            self._stop_all()

    def stop(self, *_: object) -> None:
        """Ask :meth:`run` to end; usable as a signal handler."""
        self._stopping.set()

    def stop_on_signals(self) -> None:
        """Stop in order on Ctrl-C and SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def _database_lives(self) -> bool:
        assert self._database is not None
        if self._database.process is not None:
            return self._database.process.poll() is None
        if time.monotonic() < self._next_question:
            return True
        self._next_question = time.monotonic() + ADOPTED_CHECK_EVERY_S
        return self._database.answers()

    def _stop_all(self) -> None:
        for child in reversed(self._children):
            child.stop()
        if self._database is not None:
            self._database.stop(adopted=True)


def end_with_parent() -> None:
    """In a supervised child: end this process soon after its supervisor has gone."""
    if os.environ.get("DEMETER_SUPERVISED") != "1":
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="watch supervisor", daemon=True).start()
