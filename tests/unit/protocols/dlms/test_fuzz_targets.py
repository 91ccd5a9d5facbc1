"""A few seeded mutants for every parser of what a meter's line may carry; tests/fuzz has the many."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.dlms_parsers import TARGETS, run_one


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_understood(name: str) -> None:
    for octets in TARGETS[name].seeds:
        assert run_one(name, octets)


@pytest.mark.parametrize("name", TARGETS)
def test_mutants_are_read_or_refused_typed_and_soon(name: str) -> None:
    fuzz(name, 500, seed=62056)
