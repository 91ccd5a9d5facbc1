"""Every parser of what a meter's line may carry, 200,000 seeded mutants each; `make fuzz` goes on with millions."""

from __future__ import annotations

import os

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.dlms_parsers import TARGETS

COUNT = int(os.environ.get("DEMETER_MUTANTS", "200000"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TARGETS)
def test_mutants_are_read_or_refused_typed_and_soon(name: str) -> None:
    fuzz(name, COUNT, seed=16444)
