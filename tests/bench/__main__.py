"""``make bench``: every benchmark in one run, written to docs/benchmarks.md."""

from __future__ import annotations

import argparse
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from demeter.runtime.memory import keep_freed
from tests.bench import bench_decode, bench_fleet, bench_ingest, bench_pages, bench_peers

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PARTS = {
    "decode": bench_decode.measure,
    "peers": bench_peers.measure,
    "ingest": bench_ingest.measure,
    "pages": bench_pages.measure,
    "fleet": bench_fleet.measure,
}
AIMS = {
    "decode: gcm + batch / gcm": "≤ 2.5",
    "decode: suite 0 as on the wire + batch / gcm with tags of 12 octets": "≤ 2.5",
    "peers: Demeter / bare AES-GCM of the same octets": "≤ 2",
    "peers: times faster than dlms-cosem 21.3.2": "≥ 100",
    "peers: times faster than gurux-dlms 1.0.203": "≥ 1,000",
    "peers: encoding a meter-day, times faster than gurux-dlms": "≥ 10",
    "fleet: seconds": "< 60 for the whole cycle",
    "fleet: reader CPU seconds": "< half a core",
    "fleet: on-demand read, p95 seconds meanwhile": "< 1",
    "fleet: relay confirmed by read-back, p95 seconds": "< 2",
    "ingest: points per second to committed blocks": "≥ 3,000,000 on one core beside the server",
    "ingest: bytes per point on disk, blocks with index": "≤ 6",
}
HEAD = """# Benchmarks

Made by `make bench` in one run; machines are shared and noisy, so compare ratios, and rates only within one run. What each
figure means stands in `tests/bench/`.

*gcm* is the library's one-shot AES-GCM (tags of 16 octets); meters send tags of 12, which the library checks by its
streaming way: that is the yardstick for *suite 0 as on the wire*. Sizes are of the PostgreSQL the run found first (Debian's 15);
the wheel's 18 needs 6.2 bytes per point, because its freshly copied tables keep part-filled pages.

"""


def _shown(value: float) -> str:
    return f"{value:,.3f}" if value < 1 else f"{value:,.1f}"


def main(chosen: list[str]) -> None:
    """Measure the chosen parts (all by default) and print them; write the page only when all were measured."""
    keep_freed()  # as the acquisition process does
    lines = [f"Python {platform.python_version()}, {platform.machine()}, {datetime.now(UTC):%Y-%m-%d}.\n"]
    lines += ["| figure | measured | aim |", "|---|---:|---|"]
    for part in chosen or PARTS:
        for name, value in PARTS[part]().items():
            lines.append(f"| {name} | {_shown(value)} | {AIMS.get(name, '')} |")
            print(lines[-1], flush=True)
    if not chosen:
        PAGE.write_text(HEAD + "\n".join(lines) + "\n")
        print(f"written to {PAGE.relative_to(Path.cwd())}", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts; default: all, and write the page")
    main(parser.parse_args().parts)
