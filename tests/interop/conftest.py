"""Foreign peers: each in an environment of its own, made by tools/interop.sh (`make test` makes them)."""

from __future__ import annotations

from pathlib import Path

import pytest

HOME = Path(__file__).parents[2] / ".venv/interop"


def _python(name: str) -> Path:
    python = HOME / name / "bin/python"
    if not python.exists():
        pytest.fail(f"the foreign peer {name} is not installed: run `sh tools/interop.sh` (or `make test`)")
    return python


@pytest.fixture(scope="session")
def gurux() -> Path:
    """The Python that has gurux-dlms."""
    return _python("gurux")


@pytest.fixture(scope="session")
def dlms_cosem() -> Path:
    """The Python that has dlms-cosem 21.3.2."""
    return _python("dlms-cosem")
