"""A process keeps the memory it has freed."""

from __future__ import annotations

import subprocess
import sys

CYCLES = """
import resource, sys
import numpy as np
from demeter.runtime.memory import keep_freed
if sys.argv[1] == "kept":
    assert keep_freed()
for _ in range(50):
    taken = [np.ones(1_000_000, np.uint8) for _ in range(20)]
    del taken
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", CYCLES, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_arrays_taken_again_and_again_cost_their_pages_once() -> None:
    assert faults("kept") < faults("given back") / 2
