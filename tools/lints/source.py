"""A parsed source file, and how a finding is written."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """One file: its path, text and syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @classmethod
    def read(cls, path: Path) -> Source:
        """Read and parse a file."""
        text = path.read_text()
        return cls(path, text, ast.parse(text, str(path)))

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the path's parts below the package, for example ``("kernel", "clock.py")``."""
        parts = self.path.parts
        return parts[parts.index("demeter") + 1 :] if "demeter" in parts else parts

    def finding(self, node: ast.AST, rule: str, message: str) -> str:
        """Return one finding as ``path:line: rule message``."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {rule} {message}"
