"""``python -m tests.fuzz [COUNT [SEED [TARGET …]]]``: mutate and parse; a finding ends the run with its octets."""

from __future__ import annotations

import sys
import time

from tests.fuzz.dlms_parsers import TARGETS, run_one
from tests.fuzz.mutation import mutants

LIMIT_S = 0.05
"""Process time one input may take; a pause of the whole process counts only if it recurs."""


def fuzz(name: str, count: int, seed: int) -> None:
    """Run one target; whatever is found is raised, with the octets as a note."""
    for octets in mutants(TARGETS[name].seeds, count, seed):
        try:
            if _timed(name, octets) > LIMIT_S:
                took_s = min(_timed(name, octets) for _ in range(3))
                assert took_s < LIMIT_S, f"took {took_s:.3f} s"
        except BaseException as finding:
            finding.add_note(f"{name}: {octets.hex()}")
            raise


def _timed(name: str, octets: bytes) -> float:
    started = time.process_time()
    run_one(name, octets)
    return time.process_time() - started


def main(arguments: list[str]) -> None:
    """Fuzz the named targets, or all; ``--names`` prints their names, ``--time TARGET HEX`` how long one input takes."""
    if arguments == ["--names"]:
        print(",".join(TARGETS))
        return
    if arguments[:1] == ["--time"]:
        print(min(_timed(arguments[1], bytes.fromhex(arguments[2])) for _ in range(3)))
        return
    count, seed = int(arguments[0]) if arguments else 10_000, int(arguments[1]) if arguments[1:] else 0
    for name in arguments[2:] or TARGETS:
        started = time.perf_counter()
        fuzz(name, count, seed)
        print(f"{name}: {count} in {time.perf_counter() - started:.1f} s, nothing found", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
