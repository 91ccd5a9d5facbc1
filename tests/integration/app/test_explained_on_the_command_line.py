"""`demeter explain` walks down to the intervals, with units, and its JSON has instants for instants."""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pytest

from demeter import metering, readings
from demeter.app.cli import output
from demeter.app.cli.explanation import explanation_document, explanation_text, require_day
from demeter.kernel import Commodity, Invalid, Quality, month_span
from demeter.metering import Explanation
from demeter.runtime.database import Database
from demeter.sdk import Credentials
from tests.integration.metering import rig

MARCH, DAY = date(2026, 3, 1), date(2026, 3, 12)


@pytest.fixture
def proof(database: Database) -> Explanation:
    """Water of a month: 6 L every quarter-hour from 05:00, nothing for six hours of the 12th, an edit at its end."""
    site = rig.build(database)
    span = month_span(site.zone, 2026, 3)
    point = site.point("A-1204", Commodity.WATER)
    meter_id = site.meter(point, "W1", span.start)
    rows = rig.register(span.start, 700_000, np.tile(np.r_[np.zeros(20, dtype=int), np.full(76, 6)], 31))
    kept = [row for number, row in enumerate(rows) if not 11 * 96 + 40 < number < 11 * 96 + 64]
    site.deliver(meter_id, {rig.VOLUME: kept})
    with site.work() as work:
        (channel,) = readings.channels(work, site.site_id)
        readings.edit(work, channel, int(span.end.timestamp()), 714_140, Quality.EDITED, "the dial was misread")
    metering.refresh(site.database)
    with site.work() as work:
        return metering.explain(work, point.id, MARCH, {rig.CODEC: rig.RowDecoder()}, lambda *_: Credentials({}))


def test_a_day_is_walked_down_to_its_intervals(proof: Explanation) -> None:
    text = explanation_text(proof, DAY)
    lines = re.findall(r"^ +(\d\d:\d\d)–(\d\d:\d\d) +(\S+) L  (.+)$", text, re.MULTILINE)
    assert len(lines) == 96
    assert lines[0] == ("00:00", "00:15", "0", "measured")
    assert lines[20] == ("05:00", "05:15", "6", "measured")
    assert lines[50] == ("12:30", "12:45", "—", "missing")
    assert lines[-1][1] == "00:00", "a day ends with its own midnight"


def test_without_a_day_the_text_says_how_to_see_one(proof: Explanation) -> None:
    text = explanation_text(proof)
    assert "--day YYYY-MM-DD" in text
    assert "05:00–05:15" not in text


def test_a_day_of_another_month_is_refused(proof: Explanation) -> None:
    with pytest.raises(Invalid, match="2026-04-01"):
        require_day(proof, date(2026, 4, 1))


def test_an_edit_is_told_with_its_unit(proof: Explanation) -> None:
    assert "714.136 m3 (measured) → 714.140 m3 (edited)" in explanation_text(proof)


def test_json_has_instants_for_instants_and_digits_for_numbers(proof: Explanation) -> None:
    document = json.loads(json.dumps(output.plain(explanation_document(proof))))
    assert document["matches"] is proof.matches
    assert document["findings"], "a day of zeros at night is long enough for a check"
    for finding in document["findings"]:
        assert datetime.fromisoformat(finding["start"]) < datetime.fromisoformat(finding["end"])
    assert document["edits"][0]["unit"] == "m3"
    assert Decimal(document["consumption"]) == proof.consumption
    assert not re.search(r'"-?\d+(\.\d+)?E[+-]', json.dumps(document))
