"""DM2: no float for money or register values.

Why: 0.1 + 0.2 ends in an argument with a resident. Registers and consumption are integers with a scaler, money is
``Decimal``. In the slices that hold them a float literal, ``float(...)`` or a float annotation is refused. A number
that is really a ratio, a rate or a duration says so on its line: ``# float: why``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lints.source import Source

EXACT = {"kernel", "contracts", "sdk", "readings", "ingest", "metering", "billing", "estate"}


def check(source: Source) -> Iterator[str]:
    """Yield a finding per float in the slices that hold register values or money."""
    if not source.parts or source.parts[0] not in EXACT:
        return
    lines = source.text.splitlines()
    for node in ast.walk(source.tree):
        if _is_float(node) and "# float:" not in lines[node.lineno - 1]:  # type: ignore[attr-defined]
            yield source.finding(node, "DM2", "float in a slice of exact values: use int + scaler or Decimal")


def _is_float(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    if isinstance(node, ast.Name):
        return node.id == "float"
    return isinstance(node, ast.Attribute) and node.attr in {"float64", "float32"}
