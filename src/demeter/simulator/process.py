"""The simulator as a process: ``python -m demeter.simulator --fleet fleet.json``.

When every meter listens, one JSON line goes to standard output: ``ready``, the control port, the process id and where
each meter is. The process ends on SIGINT, SIGTERM, or when its standard input closes if ``--until-stdin-closes`` is
given (so that it never outlives who started it).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from demeter.kernel import DemeterError
from demeter.simulator.fleet import FleetConfig
from demeter.simulator.fleet_file import load_fleet
from demeter.simulator.simulation import Simulation


def main(arguments: list[str] | None = None) -> int:
    """Run the simulator; return the exit code (2: the fleet cannot be used)."""
    parser = argparse.ArgumentParser(prog="python -m demeter.simulator", description="Simulated DLMS/COSEM meters")
    parser.add_argument("--fleet", type=Path, required=True, help="the fleet, .yaml, .json or .toml")
    parser.add_argument("--folder", type=Path, help="where recordings are (default: beside the fleet)")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input closes")
    options = parser.parse_args(arguments)
    try:
        run_fleet(
            load_fleet(options.fleet, folder=options.folder),
            options.folder or options.fleet.parent,
            _say_ready,
            until_stdin_closes=options.until_stdin_closes,
        )
    except DemeterError as refused:
        sys.stderr.write(f"{refused.message}\n" + (f"{refused.hint}\n" if refused.hint else ""))
        return 2
    return 0


def run_fleet(
    fleet: FleetConfig,
    folder: Path,
    ready: Callable[[Simulation], None],
    *,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    until_stdin_closes: bool = False,
) -> None:
    """Simulate a fleet until SIGINT or SIGTERM; ``ready`` is called when every meter listens.

    Raises:
        Unavailable: a port is taken, or too many files would be open.
        Invalid: the meters contradict each other.
    """
    import uvloop

    _allow_many_sockets()
    # Thousands of meters are millions of objects that live as long as the process: looking through them often for
    # something to throw away costs more than anything else they do.
    gc.set_threshold(100_000, 50, 100)
    uvloop.run(_run(fleet, folder, ready, progress, until_stdin_closes))


async def _run(
    fleet: FleetConfig,
    folder: Path,
    ready: Callable[[Simulation], None],
    progress: Callable[[int, int], None],
    until_stdin_closes: bool,
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if until_stdin_closes:
        loop.add_reader(sys.stdin.fileno(), _watch_stdin, stopped)
    async with Simulation(fleet, folder=folder, progress=progress) as running:
        ready(running)
        await stopped.wait()


def _say_ready(running: Simulation) -> None:
    places = {name: [place.host, place.port, place.server_sap] for name, place in running.addresses.items()}
    told = {"ready": True, "pid": os.getpid(), "control_port": running.desk.port, "meters": places}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _watch_stdin(stopped: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        stopped.set()
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


def _allow_many_sockets() -> None:
    """Raise the soft limit of open files to the hard one: thousands of meters are thousands of sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
