"""DM1: no naive time, and no reading of the machine's clock outside the kernel's clock.

Why: one ``datetime.now()`` deep inside a rule makes it untestable and, without a zone, wrong twice a year. Time is
handed in (``Clock``, ``work.now()``); zones are IANA names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lints.source import Source

READS_CLOCK = {"now", "utcnow", "today"}
NAIVE = {"utcnow", "utcfromtimestamp"}


def check(source: Source) -> Iterator[str]:
    """Yield a finding per call of ``datetime.now/utcnow/today``, ``date.today`` and naive ``fromtimestamp``."""
    if source.parts == ("kernel", "clock.py"):
        return
    for node in ast.walk(source.tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value
        name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
        if name not in {"datetime", "date"}:
            continue
        if node.func.attr in READS_CLOCK | NAIVE:
            yield source.finding(node, "DM1", f"{name}.{node.func.attr}(): take the time from a Clock")
        if node.func.attr == "fromtimestamp" and len(node.args) + len(node.keywords) < 2:
            yield source.finding(node, "DM1", "fromtimestamp() without a zone is naive: pass UTC")
