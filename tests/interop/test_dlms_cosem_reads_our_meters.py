"""dlms-cosem 21.3.2, in a process of its own, reads simulated meters in the associations it knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.matrix import Case, dlms_cosem_cases
from tests.interop.meters import PER_HOUR, job, run, simulated
from tests.interop.test_gurux_reads_our_meters import (
    BY_RANGE,
    COMMANDS,
    ENERGY,
    HOURS,
    NO_SUCH,
    SERIAL,
    column,
)

CASES = dlms_cosem_cases()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[str, int]]]:
    with simulated(CASES, tmp_path_factory.mktemp("fleet")) as places:
        yield places


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_dlms_cosem_reads_what_the_meter_measured(
    case: Case, dlms_cosem: Path, places: dict[str, tuple[str, int]]
) -> None:
    public = case.mechanism == "none"
    commands = COMMANDS if case.mechanism.startswith("hls") else []
    steps = [SERIAL, NO_SUCH] + ([] if public else [BY_RANGE, *commands]) + [SERIAL]
    answers = run(dlms_cosem, "dlms_cosem_client.py", job(case, places[case.name], steps))["answers"]
    assert bytes.fromhex(answers[0]["value"]) == b"DM1"
    assert "refused" in answers[1]
    assert answers[-1] == answers[0], "after a refusal the session stays usable"
    if not public:
        assert column(answers[2]["value"], ENERGY) == [PER_HOUR // 4] * (HOURS * 4 + 1)
    if commands:
        assert [answer.get("value") for answer in answers[4:8:2]] == [False, True]
