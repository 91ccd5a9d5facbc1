from datetime import UTC, datetime, timedelta

import pytest

from demeter.kernel import FixedClock, Invalid, NotFound
from demeter.simulator import parse_fleet
from demeter.simulator.control import ControlDesk
from demeter.simulator.line import MeterHost
from demeter.simulator.meter import build_meters

NOW = datetime(2026, 11, 18, 6, 30, tzinfo=UTC)


@pytest.fixture
def clock():
    return FixedClock(NOW)


@pytest.fixture
def desk(clock):
    text = "groups: [{name: m, load: {shape: steady, per_hour: 1000}, limit_w: 800, control_mode: 2}]"
    meters = build_meters(parse_fleet(text, now=NOW), clock)
    return ControlDesk(meters, {name: MeterHost(meter) for name, meter in meters.items()})


def test_the_state_tells_what_a_meter_is_like_and_how_often_it_was_told_what(desk, clock):
    state = desk.carry_out({"meter": "m", "state": True})
    assert (state["closed"], state["switched"], state["limit_w"], state["firmware"]) == (True, 0, 800, "DMT-1.0.0")
    assert (state["resets"], state["key_changes"], state["calendar"]) == (0, 0, "SINGLE")
    clock.advance(timedelta(minutes=2))
    state = desk.carry_out({"meter": "m", "state": True})
    assert (state["closed"], state["switched"], state["control_state"]) == (False, 1, "ready_for_reconnection")
    assert state["events"][6] == 1
    assert state["pushes"] == {"sent": 0, "confirmed": 0, "failed": 0}


def test_the_button_opens_and_closes_where_the_mode_allows(desk, clock):
    assert desk.carry_out({"meter": "m", "press": True}) == {
        "did": True,
        "closed": False,
        "state": "ready_for_reconnection",
    }
    assert desk.carry_out({"meter": "m", "press": True})["closed"]


def test_what_nobody_understands_is_refused_with_what_there_is(desk):
    with pytest.raises(Invalid, match="state"):
        desk.carry_out({"meter": "m", "dance": True})
    with pytest.raises(NotFound):
        desk.carry_out({"meter": "n", "state": True})
    with pytest.raises(Invalid) as unknown:
        desk.carry_out({"meter": "m", "fault": "leek"})
    assert "leak" in unknown.value.hint
