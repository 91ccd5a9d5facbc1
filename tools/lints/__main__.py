"""Run every lint over the given folders; exit 1 if anything was found."""

import sys
from pathlib import Path

from tools.lints import floats, naive_time, shape, unscoped
from tools.lints.source import Source

CHECKS = (naive_time.check, floats.check, unscoped.check, shape.check)


def main(roots: list[str]) -> int:
    """Print one line per finding, as compilers do, and return the exit code."""
    files = sorted(path for root in roots for path in Path(root).rglob("*.py"))
    found = [finding for path in files for check in CHECKS for finding in check(Source.read(path))]
    for finding in found:
        print(finding)
    print(f"{len(found)} findings in {len(files)} files", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["src"]))
