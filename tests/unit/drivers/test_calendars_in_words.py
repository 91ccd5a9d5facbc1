"""Calendars go to a meter and come back as the same words; arguments have one normal form."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.drivers.dlms.operations.calendars import (
    calendar_of,
    calendar_words,
    name_octets,
    name_text,
    scripts_of,
    special_day_of,
    special_day_text,
)
from demeter.protocols.dlms.axdr import decode_all, encode
from demeter.protocols.dlms.classes import ActivityCalendar
from demeter.protocols.dlms.classes.civil import CosemDate
from demeter.protocols.dlms.classes.commands.tariff import TARIFF_SCRIPTS, write_passive
from demeter.protocols.dlms.classes.timing import SpecialDay
from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.obis import Obis
from demeter.sdk import OperationKind, Verdict, check_arguments, judge

NAMES = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=6).filter(
        lambda text: not text.startswith("0x")
    ),
    st.sampled_from(["0x01", "0xff00"]),
)
OCTET = st.integers(0, 255)
TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))


@st.composite
def calendars(draw: st.DrawFn) -> dict[str, object]:
    days = draw(st.dictionaries(OCTET.map(str), st.dictionaries(TIMES, st.integers(0, 65_535), max_size=4), min_size=1))
    days = {day: {"00:00": 1, **changes} for day, changes in days.items()}
    week = st.lists(st.sampled_from(sorted(map(int, days))), min_size=7, max_size=7)
    weeks = draw(st.lists(st.fixed_dictionaries({"name": NAMES, "days": week}), min_size=1, max_size=3))
    season = {
        "name": NAMES,
        "month": st.integers(1, 12),
        "day": st.integers(1, 28),
        "week": st.sampled_from([each["name"] for each in weeks]),
    }
    seasons = draw(st.lists(st.fixed_dictionaries(season), min_size=1, max_size=3))
    return {"name": draw(NAMES), "seasons": seasons, "weeks": weeks, "days": days}


@given(calendars())
def test_a_calendar_comes_back_from_the_meter_as_it_was_asked_for(words: dict[str, object]) -> None:
    asked = check_arguments(OperationKind.SET_CALENDAR, words)
    calendar = calendar_of(asked, TARIFF_SCRIPTS)
    *writes, _activation = write_passive(calendar)
    held = ActivityCalendar(
        Obis(0, 0, 13, 0, 0, 255), {step.attribute - 4: decode_all(step.payload) for step in writes}
    )
    assert [encode(held.data[number]) for number in range(2, 6)] == [step.payload for step in writes]
    now = {"active": calendar_words(calendar), "passive": None, "activate_at": None}
    assert judge(OperationKind.SET_CALENDAR, asked, now, now) is Verdict.ACHIEVED
    other = {**now, "active": {**now["active"], "name": "other than this"}}
    assert judge(OperationKind.SET_CALENDAR, asked, now, other) is Verdict.NOT_ACHIEVED


@given(calendars())
def test_checked_arguments_are_checked_already(words: dict[str, object]) -> None:
    once = check_arguments(OperationKind.SET_CALENDAR, words)
    assert check_arguments(OperationKind.SET_CALENDAR, json.loads(json.dumps(once))) == once


@given(st.binary(min_size=1, max_size=8))
def test_every_name_a_meter_may_have_can_be_written_back(octets: bytes) -> None:
    assert name_octets(name_text(octets)) == octets


@pytest.mark.parametrize("text", ["0x41", "0x4", "ü", "0xFF"])
def test_a_name_that_would_come_back_otherwise_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        name_octets(text)


def test_special_days_are_dates_or_every_years() -> None:
    for text in ("2027-01-26", "*-12-25"):
        assert special_day_text(special_day_of(1, text, 2)) == text
    odd = SpecialDay(1, CosemDate(weekday=7), 2)
    assert special_day_text(odd) == "every Sunday"
    checked = check_arguments(OperationKind.SET_SPECIAL_DAYS, {"days": {"2027-1-6": 2, "*-02-29": 1}})
    assert checked == {"days": {"*-02-29": 1, "2027-01-06": 2}}


def test_the_scripts_of_the_present_calendar_are_kept() -> None:
    own = Obis(0, 0, 10, 0, 101, 255)
    words = {
        "name": "A",
        "seasons": [{"name": "1", "month": 1, "day": 1, "week": "1"}],
        "weeks": [{"name": "1", "days": [1] * 7}],
        "days": {"1": {"00:00": 1}},
    }
    assert scripts_of(None, calendar_of(words, own)) == own
    assert scripts_of(None, None) == TARIFF_SCRIPTS


@pytest.mark.parametrize(
    ("kind", "before", "now", "verdict"),
    [
        (OperationKind.CONNECT, {}, {"relay": "connected"}, Verdict.ACHIEVED),
        (OperationKind.CONNECT, {}, {"relay": "armed"}, Verdict.NOT_ACHIEVED),
        (OperationKind.DISCONNECT, {}, {"relay": "contradictory"}, Verdict.NOT_ACHIEVED),
        (OperationKind.DISCONNECT, {}, {"relay": "unknown"}, Verdict.UNDECIDED),
        (OperationKind.DISCONNECT, {}, {"relay": "armed"}, Verdict.NOT_ACHIEVED),
        (OperationKind.BILLING_RESET, {"resets": 7}, {"resets": 8}, Verdict.ACHIEVED),
        (OperationKind.BILLING_RESET, {"resets": 7}, {"resets": 7}, Verdict.NOT_ACHIEVED),
        (OperationKind.BILLING_RESET, {"resets": None, "entries": 3}, {"entries": 4}, Verdict.ACHIEVED),
        (OperationKind.BILLING_RESET, {"resets": 7}, {"entries": 4}, Verdict.UNDECIDED),
        (OperationKind.SET_CLOCK, {}, {"drift_s": -5}, Verdict.ACHIEVED),
        (OperationKind.SET_CLOCK, {}, {"drift_s": 6}, Verdict.NOT_ACHIEVED),
        (OperationKind.SET_CLOCK, {}, {"drift_s": None}, Verdict.UNDECIDED),
    ],
)
def test_the_effect_is_judged_from_what_the_meter_shows(
    kind: OperationKind, before: dict[str, object], now: dict[str, object], verdict: Verdict
) -> None:
    assert judge(kind, {}, before, now) is verdict
