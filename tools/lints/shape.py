"""DM4: functions of at most 70 lines, files of at most 500 (a longer file becomes a folder of the same name).

Why: what does not fit a screen is not read, and the central nouns grow without end unless a machine says no.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lints.source import Source

FUNCTION_LINES = 70
FILE_LINES = 500


def check(source: Source) -> Iterator[str]:
    """Yield a finding per function or file over the limit."""
    count = source.text.count("\n")
    if count > FILE_LINES:
        yield source.finding(source.tree, "DM4", f"{count} lines; the limit is {FILE_LINES}")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield source.finding(node, "DM4", f"{node.name} has {length} lines; the limit is {FUNCTION_LINES}")
