"""``make fuzz``: coverage-guided fuzzing with atheris, every parser in a process of its own.

``python -m tests.fuzz.with_atheris TARGET RUNS [SEED]`` fuzzes one parser. A finding ends the run: an exception that is no
``DlmsError`` (or one whose offset lies outside), more than 50 ms of process time, more than 64 MB of memory.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["demeter.protocols"]):
    from tests.fuzz.dlms_parsers import TARGETS, run_one

LIMIT_S = 0.05
LIMIT_KB = 64 * 1024
LONGEST = 512
"""Octets of an input: enough for every shape, and fast."""


class Watched:
    """Runs one target, and looks at the time and the memory it takes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, octets: bytes) -> None:
        """Run the target once."""
        before = self._memory_kb()
        if self._took_s(octets) > LIMIT_S:
            took_s = self._took_plainly_s(octets)
            assert took_s < LIMIT_S, f"{self.name} took {took_s:.3f} s for {octets.hex()}"
        grown = self._memory_kb() - before
        assert grown < LIMIT_KB, f"{self.name} took {grown} KB for {octets.hex()}"

    def _took_s(self, octets: bytes) -> float:
        started = time.process_time()
        run_one(self.name, octets)
        return time.process_time() - started

    def _took_plainly_s(self, octets: bytes) -> float:
        """Time an input where nothing is instrumented: here everything is several times slower."""
        command = [sys.executable, "-m", "tests.fuzz", "--time", self.name, octets.hex()]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    @staticmethod
    def _memory_kb() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(arguments: list[str]) -> None:
    """Fuzz one target; its seeds are the first inputs."""
    name, runs = arguments[0], int(arguments[1])
    seed = arguments[2] if arguments[2:] else "1"
    with tempfile.TemporaryDirectory(prefix="fuzz-") as corpus:
        for number, octets in enumerate(TARGETS[name].seeds):
            (Path(corpus) / str(number)).write_bytes(octets)
        options = [sys.argv[0], corpus, f"-atheris_runs={runs}", f"-seed={seed}", f"-max_len={LONGEST}", "-verbosity=0"]
        atheris.Setup(options, Watched(name))
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
