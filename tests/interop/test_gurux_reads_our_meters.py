"""gurux-dlms, in a process of its own, reads simulated meters in every association, over every transport and suite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.interop.matrix import DOCS, Case, gurux_cases, written
from tests.interop.meters import PER_HOUR, UNTIL, job, run, simulated

HOURS = 5
ENERGY = "1.0.1.29.0.255"
RELAY = "0.0.96.3.10.255"
CASES = gurux_cases()

SERIAL = {"do": "read", "class_id": 1, "obis": "0.0.96.1.0.255", "attribute": 2}
NO_SUCH = {"do": "read", "class_id": 3, "obis": "9.9.9.9.9.9", "attribute": 2}
BY_RANGE = {
    "do": "profile",
    "obis": "1.0.99.1.0.255",
    "from": (UNTIL - timedelta(hours=HOURS)).isoformat(),
    "until": UNTIL.isoformat(),
}
BY_ENTRY = {"do": "profile", "obis": "1.0.99.1.0.255", "entry": 1, "count": 3}
IN_ONE = {"do": "read-list", "items": [[1, "0.0.96.1.0.255", 2], [3, "1.0.1.8.0.255", 2], [3, "1.0.1.8.0.255", 3]]}
DISCONNECT = {"do": "method", "class_id": 70, "obis": RELAY, "method": 1, "value": 0, "type": 15}
RECONNECT = DISCONNECT | {"method": 2}
RELAY_OUTPUT = {"do": "read", "class_id": 70, "obis": RELAY, "attribute": 2}
STEPS = [SERIAL, NO_SUCH, BY_RANGE, BY_ENTRY, {"do": "objects"}, IN_ONE]
COMMANDS = [DISCONNECT, RELAY_OUTPUT, RECONNECT, RELAY_OUTPUT]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[str, int]]]:
    with simulated(CASES, tmp_path_factory.mktemp("fleet")) as places:
        yield places


def column(profile: dict[str, Any], obis: str) -> list[Any]:
    place = [capture[1] for capture in profile["captures"]].index(obis)
    return [row[place] for row in profile["rows"]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gurux_reads_what_the_meter_measured(case: Case, gurux: Path, places: dict[str, tuple[str, int]]) -> None:
    public = case.mechanism == "none"
    commands = COMMANDS if case.mechanism.startswith("hls") else []
    steps = [SERIAL, NO_SUCH, SERIAL] if public else STEPS + commands + [SERIAL]
    answers = run(gurux, "gurux_client.py", job(case, places[case.name], steps))["answers"]
    assert bytes.fromhex(answers[0]["value"]) == b"DM1"
    assert "refused" in answers[1], "a refusal is told, and the session goes on"
    assert answers[-1] == answers[0], "and it was usable to the end"
    if public:
        return
    ranged, entries, objects, listed = (answer["value"] for answer in answers[2:6])
    assert column(ranged, ENERGY) == [PER_HOUR // 4] * (HOURS * 4 + 1), "both ends belong to a range"
    assert column(entries, ENERGY) == [PER_HOUR // 4] * 3
    assert [7, 1, "1.0.99.1.0.255"] in objects
    assert listed[0] == answers[0]["value"]
    if commands:
        assert [answer.get("value") for answer in answers[7:10:2]] == [False, True], "the relay opens and closes"


def test_the_table_in_the_docs_is_what_is_exercised() -> None:
    assert DOCS.read_text(encoding="utf-8") == written()
