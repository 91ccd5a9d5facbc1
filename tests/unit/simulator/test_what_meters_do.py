"""Laws of the switch, the limiter, schedules, tariffs and firmware of a simulated meter, without any protocol."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from demeter.protocols.dlms.classes import ControlMode, ControlState, ImageStatus
from demeter.protocols.dlms.classes.civil import CosemDate, CosemTime
from demeter.protocols.dlms.classes.commands.tariff import Calendar, day_profile, season
from demeter.protocols.dlms.classes.control import EmergencyProfile
from demeter.protocols.dlms.classes.structures import Window
from demeter.protocols.dlms.classes.timing import ExecutionTime, SpecialDay, Week
from demeter.protocols.dlms.cosem_time import DAY_LAST, DAY_SECOND_LAST, CosemDateTime
from demeter.simulator.event_log import ENTRIES, EventLog, event_group
from demeter.simulator.faults import Fault, FaultBook, FaultKind
from demeter.simulator.image import ImageBank, firmware_image
from demeter.simulator.limiter import Limiter
from demeter.simulator.loads import SteadyLoad
from demeter.simulator.pushing import INSTANT, PushPoint, execution_times
from demeter.simulator.relay import Relay, SwitchedLoad
from demeter.simulator.schedules import next_occurrence, occurrences
from demeter.simulator.tariff import TARIFFS, Tariff

ORIGIN = 1_795_000_000 // 900 * 900
INDIA = "Asia/Kolkata"


def relay(mode=ControlMode.MODE_4, faults=()):
    noted = []
    return Relay(FaultBook(faults), lambda at_s, code: noted.append((at_s, code)), mode), noted


@given(
    steps=st.lists(st.tuples(st.integers(0, 4000), st.booleans()), max_size=12),
    asked=st.lists(st.integers(0, 60_000), min_size=1),
)
def test_a_switched_load_is_what_flowed_second_by_second_while_the_contact_was_closed(steps, asked):
    switch, _ = relay()
    load = SwitchedLoad(SteadyLoad(3600, ORIGIN), switch)
    closed = np.ones(60_001, dtype=np.int64)
    at = 0
    for gap, connect in steps:
        at = min(at + gap, 60_000)
        (switch.remote_reconnect if connect else switch.remote_disconnect)(ORIGIN + at)
        closed[at:] = connect
    flowed = np.concatenate([[0], np.cumsum(closed)])
    stamps = np.array(asked, dtype=np.int64)
    assert load.total(stamps + ORIGIN).tolist() == flowed[stamps].tolist()
    assert (np.diff(load.total(np.arange(0, 60_000, 7, dtype=np.int64) + ORIGIN)) >= 0).all()


@pytest.mark.parametrize(
    ("mode", "remote", "button_opens", "local"),
    [
        (ControlMode.MODE_1, ControlState.READY_FOR_RECONNECTION, True, False),
        (ControlMode.MODE_2, ControlState.CONNECTED, True, False),
        (ControlMode.MODE_3, ControlState.READY_FOR_RECONNECTION, False, False),
        (ControlMode.MODE_4, ControlState.CONNECTED, False, False),
        (ControlMode.MODE_5, ControlState.READY_FOR_RECONNECTION, True, True),
        (ControlMode.MODE_6, ControlState.READY_FOR_RECONNECTION, False, True),
    ],
)
def test_control_modes_allow_what_the_blue_book_says(mode, remote, button_opens, local):
    switch, _ = relay(mode)
    assert switch.press_button(1) is button_opens
    switch, noted = relay(mode)
    assert switch.remote_disconnect(10)
    assert (switch.state, switch.closed) == (ControlState.DISCONNECTED, False)
    assert not switch.press_button(11), "a remotely disconnected supply has no button"
    assert switch.remote_reconnect(12)
    assert switch.state is remote
    assert switch.closed is (remote is ControlState.CONNECTED)
    if remote is not ControlState.CONNECTED:
        assert switch.press_button(13)
    assert switch.closed
    assert switch.local_disconnect(20)
    assert switch.state is ControlState.READY_FOR_RECONNECTION
    assert switch.local_reconnect(21) is local
    assert [code for _, code in noted][:3] == [301, 302, 301]


def test_commands_that_change_nothing_are_not_noted():
    switch, noted = relay()
    assert switch.remote_reconnect(1)
    assert switch.remote_disconnect(2)
    assert switch.remote_disconnect(3)
    assert noted == [(2, 301)]
    assert switch.version() == 1


def limited(powers, over_s, under_s, mode=ControlMode.MODE_5):
    """A limiter of 1,000 W over a load that has one power in each quarter-hour."""
    switch, noted = relay(mode)

    def power(at_s):
        return powers[(at_s - ORIGIN) // 900 % len(powers)] if switch.closed else 0

    limiter = Limiter(power, switch, lambda at_s, code: noted.append((at_s, code)), ORIGIN)
    limiter.limits.normal, limiter.limits.over_s, limiter.limits.under_s = 1000, over_s, under_s
    return limiter, noted


@given(
    powers=st.lists(st.sampled_from([0, 900, 1000, 1001, 5000]), min_size=1, max_size=6),
    over_s=st.integers(0, 2000),
    under_s=st.integers(1, 1200),
    looks=st.lists(st.integers(1, 5000), max_size=8),
)
def test_a_limiter_that_is_looked_at_late_does_what_one_looked_at_every_second_does(powers, over_s, under_s, looks):
    late, noted_late = limited(powers, over_s, under_s)
    always, noted_always = limited(powers, over_s, under_s)
    end = ORIGIN + 6 * 900
    for at_s in sorted({ORIGIN + look for look in looks if look < 6 * 900} | {end}):
        late.advance(at_s)
    for at_s in range(ORIGIN + 1, end + 1):
        always.advance(at_s)
    assert noted_late == noted_always


def test_an_emergency_limits_for_its_time_and_its_groups_only():
    limiter, noted = limited([800], 60, 60)
    limits = limiter.limits
    limits.emergency = 500
    limits.emergency_profile = EmergencyProfile(3, CosemDateTime(), 600)
    limits.emergency_at_s = ORIGIN + 100
    limiter.advance(ORIGIN + 400)
    assert noted == [], "the profile is for group 3"
    limits.emergency_groups = (3,)
    assert [limits.active(ORIGIN + at) for at in (99, 100, 699, 700)] == [1000, 500, 500, 1000]
    limiter.advance(ORIGIN + 1000)
    assert noted[0] == (ORIGIN + 460, 215)
    assert noted[1] == (ORIGIN + 460, 301)


TIMES = st.builds(
    ExecutionTime,
    st.builds(CosemTime, st.none() | st.integers(0, 23), st.none() | st.integers(0, 59), st.just(0), st.just(0)),
    st.builds(
        CosemDate,
        st.none() | st.integers(2026, 2027),
        st.none() | st.integers(1, 12),
        st.none() | st.integers(1, 31) | st.sampled_from([DAY_LAST, DAY_SECOND_LAST]),
        st.none() | st.integers(1, 7),
    ),
)


@given(times=st.lists(TIMES, max_size=3), first=st.integers(0, 50 * 86_400), days=st.integers(0, 6))
def test_occurrences_of_two_spans_are_those_of_both_together(times, first, days):
    since, until = ORIGIN + first, ORIGIN + first + days * 86_400
    whole = occurrences(times, INDIA, since, until)
    middle = (since + until) // 2
    assert whole == occurrences(times, INDIA, since, middle) + occurrences(times, INDIA, middle + 1, until)
    assert whole == sorted(set(whole))
    if whole:
        assert next_occurrence(times, INDIA, since - 1) == whole[0]


def test_last_days_and_weekdays_mean_what_they_say():
    def days(rule):
        start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
        found = occurrences([ExecutionTime(CosemTime(12, 0, 0, 0), rule)], "UTC", start, start + 60 * 86_400)
        return [datetime.fromtimestamp(at_s, UTC).date() for at_s in found]

    assert days(CosemDate(day=DAY_LAST)) == [date(2026, 1, 31), date(2026, 2, 28)]
    assert days(CosemDate(day=DAY_SECOND_LAST)) == [date(2026, 1, 30), date(2026, 2, 27)]
    assert all(day.isoweekday() == 7 for day in days(CosemDate(weekday=7)))
    assert len(days(CosemDate(weekday=7))) == 9


@given(every_s=st.sampled_from([60, 300, 900, 1800, 3600, 7200, 43_200, 86_400]), at=st.integers(0, 10**6))
def test_a_period_written_as_a_schedule_comes_that_often(every_s, at):
    found = occurrences(execution_times(every_s), "UTC", ORIGIN + at, ORIGIN + at + 3 * every_s - 1)
    assert len(found) == 3
    assert all(instant % every_s == 0 for instant in found)


@pytest.mark.parametrize("every_s", [0, 10, 90, 7 * 60, 5 * 3600])
def test_a_period_no_schedule_can_say_is_left_to_the_meter(every_s):
    assert execution_times(every_s) == ()


SELECTORS = st.dictionaries(st.integers(1, 95), st.integers(1, TARIFFS), max_size=5)


def calendar(by_day, weekdays):
    days = tuple(
        day_profile(
            number, {time(0): 1} | {time(quarter // 4, quarter % 4 * 15): tariff for quarter, tariff in changes.items()}
        )
        for number, changes in enumerate(by_day, start=1)
    )
    return Calendar(b"C", (season("S", 1, 1, "W"),), (Week(b"W", *weekdays),), days)


@given(
    by_day=st.lists(SELECTORS, min_size=2, max_size=2),
    weekdays=st.lists(st.integers(1, 2), min_size=7, max_size=7),
    changed=st.integers(0, 5 * 86_400),
    stamps=st.lists(st.integers(0, 6 * 86_400), min_size=1, max_size=5),
)
def test_what_is_used_under_all_tariffs_is_what_is_used(by_day, weekdays, changed, stamps):
    tariff = Tariff(lambda _at, _code: None)
    tariff.passive = calendar(by_day, weekdays)
    assert tariff.activate(ORIGIN + changed) == []
    load = SteadyLoad(1000, ORIGIN)
    at_s = np.array(sorted(stamps), dtype=np.int64) + ORIGIN
    found = tariff.used(load, INDIA, ORIGIN, at_s)
    assert found.sum(axis=0).tolist() == load.total(at_s).tolist()
    before = np.minimum(at_s, (ORIGIN + changed) // 900 * 900)
    assert (found[0] >= load.total(before)).all(), "until then it was tariff 1"


def test_a_quarter_hour_counts_under_the_tariff_of_its_local_time_and_day():
    tariff = Tariff(lambda _at, _code: None)
    tariff.passive = calendar([{24: 2, 72: 3}, {}], [1, 1, 1, 1, 1, 2, 2])
    tariff.activate(0)
    tariff.set_special((SpecialDay(1, CosemDate(2026, 11, 18), 2),), 0)
    india = ZoneInfo(INDIA)
    start = int(datetime(2026, 11, 17, tzinfo=india).timestamp())
    load = SteadyLoad(1000, start)
    tuesday, wednesday = (tariff.used(load, INDIA, start, np.array([start + days * 86_400]))[:3, 0] for days in (1, 2))
    assert tuesday.tolist() == [6000, 12_000, 6000]
    assert (wednesday - tuesday).tolist() == [24_000, 0, 0]


@given(order=st.permutations(range(8)), again=st.lists(st.integers(0, 7), max_size=4), lost=st.integers(0, 4))
def test_an_image_is_whole_once_every_block_came_in_whatever_order(order, again, lost):
    octets = firmware_image("DMT-9.9", 8 * 64 - 5)
    faults = (Fault(FaultKind.LOST_BLOCK, one_in=lost),) if lost else ()
    assume(lost != 1)
    book = FaultBook(faults)
    bank = ImageBank(book, lambda _at, _code: None, lambda: ORIGIN, INDIA, 64)
    bank.enabled = True
    assert bank.initiate(b"x", len(octets)) == ""
    for number in (*order, *again):
        assert bank.take(number, octets[number * 64 : number * 64 + 64]) == ""
    book.clear(None, ORIGIN)
    missing = [number for number, bit in enumerate(str(bank.bitmap)) if bit == "0"]
    assert bank.first_missing == (missing[0] if missing else 8)
    assert bool(bank.verify()) is bool(missing)
    for number in missing:
        bank.take(number, octets[number * 64 : number * 64 + 64])
    assert bank.verify() == ""
    assert bank.status is ImageStatus.VERIFICATION_SUCCESSFUL
    assert bank.activate() == ""
    assert bank.version == "DMT-9.9"


def test_what_is_no_block_of_the_image_is_refused():
    bank = ImageBank(FaultBook(), lambda _at, _code: None, lambda: ORIGIN, INDIA, 64)
    assert "enabled" in bank.initiate(b"x", 100)
    bank.enabled = True
    assert "octets" in bank.initiate(b"x", 0)
    assert "initiated" in bank.take(0, bytes(64))
    bank.initiate(b"x", 100)
    assert "0 to 1" in bank.take(2, bytes(64))
    assert "36 octets" in bank.take(1, bytes(64))
    assert "verified" in bank.activate()


def test_event_logs_are_bounded_and_their_numbers_go_on():
    log = EventLog()
    for number in range(50):
        log.note(number, 101 + number % 2)
        log.note(number, 251)
    power, covers = log.of_group(2), log.of_group(5)
    assert (len(power), power[0].sequence, power[-1].sequence) == (ENTRIES[2], 11, 50)
    assert [event.at_s for event in covers] == list(range(ENTRIES[5])), "this one does not roll over: the first stay"
    assert log.count(5) == log.tampers == 50
    assert [event_group(code) for code in (1, 52, 102, 151, 216, 251, 302)] == list(range(7))


@pytest.mark.parametrize(
    ("start", "end", "inside"),
    [
        (CosemDateTime(hour=8, minute=0, second=0), CosemDateTime(hour=20, minute=0, second=0), True),
        (CosemDateTime(hour=13, minute=0, second=0), CosemDateTime(hour=20, minute=0, second=0), False),
        (CosemDateTime(2026, 11, 1), CosemDateTime(2026, 11, 30), True),
        (CosemDateTime(2026, 12, 1), CosemDateTime(2026, 12, 30), False),
    ],
)
def test_a_push_waits_for_its_window(start, end, inside):
    noon = int(datetime(2026, 11, 18, 6, 30, tzinfo=UTC).timestamp())
    point = PushPoint(INSTANT, (), None, 0, 0, 0, (Window(start, end),))
    assert point.open_at(noon, INDIA) is inside
    point.windows = ()
    assert point.open_at(noon, INDIA)


def test_periods_of_pushes_do_not_drift():
    times = execution_times(900)
    at_s = ORIGIN
    for _ in range(20):
        following = next_occurrence(times, INDIA, at_s)
        assert following - at_s == timedelta(minutes=15).total_seconds()
        at_s = following
