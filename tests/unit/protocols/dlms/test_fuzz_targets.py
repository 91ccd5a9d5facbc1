"""50,000 seeded mutants over all parsers of what a meter's line may carry."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.dlms_parsers import TARGETS, run_one

SLOW = {"meter": 3_000, "reader": 2_000, "replay": 2_500, "wrapper": 2_500}
REST = (50_000 - sum(SLOW.values())) // (len(TARGETS) - len(SLOW))


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_understood(name: str) -> None:
    for octets in TARGETS[name].seeds:
        assert run_one(name, octets)


@pytest.mark.parametrize("name", TARGETS)
def test_mutants_are_read_or_refused_typed_and_soon(name: str) -> None:
    fuzz(name, SLOW.get(name, REST), seed=62056)
