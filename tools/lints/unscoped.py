"""DM3: no query on organization data outside a ``Scope``.

Why: a forgotten filter shows one society another's flats. SQL runs through a unit of work, which needs a scope; a
connection of one's own (``database.connect``, ``psycopg.connect``, ``create_engine``) has none, so only the runtime and
the ingest writer's role may open one, and a line elsewhere says why: ``# unscoped: why``. SQL text stands only in
``store.py`` (or a ``store`` folder), the runtime and migrations.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.lints.source import Source

FREE = {"runtime"}
OPENERS = {"connect", "create_engine"}
SQL = re.compile(r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\.\w+\s+SET\s|DELETE\s+FROM\s)", re.DOTALL)


def check(source: Source) -> Iterator[str]:
    """Yield a finding per connection opened, and per SQL text written, in the wrong place."""
    if not source.parts or source.parts[0] in FREE:
        return
    lines = source.text.splitlines()
    for node in ast.walk(source.tree):
        if "# unscoped:" in lines[getattr(node, "lineno", 1) - 1]:
            continue
        if _opens_connection(node):
            yield source.finding(node, "DM3", "a connection without a Scope: use database.unit_of_work(scope)")
        if _is_sql(node) and "store" not in "/".join(source.parts):
            yield source.finding(node, "DM3", "SQL outside store.py")


def _opens_connection(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in OPENERS):
        return False
    owner = node.func.value
    name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    return name in {"psycopg", "sqlalchemy", "database", "_database", "db"}


def _is_sql(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(SQL.match(node.value))
