"""What people, lifts and pumps use in a quarter-hour: realistic, repeatable by seed, computed from time alone.

A shape is a function ``(seed, slots) -> int64[n]`` of **milli-units** per slot (mWh or mL). The figures are ordinary
ones: a fridge of 40 to 90 W, a geyser of 2 kW in the morning, a flush of 6 to 9 litres, a shower of 40 to 90.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from demeter.simulator.noise import IntArray, draw, draws
from demeter.simulator.slots import Slots

Shape = Callable[[int, Slots], IntArray]

_MWH_PER_W = 250  # one watt for a quarter-hour
_LITRE = 1000


def _by_quarter(hourly: list[int]) -> IntArray:
    """Spread 24 hourly figures over 96 quarters, sloping from one hour to the next."""
    here = np.array(hourly, dtype=np.int64)
    following = np.roll(here, -1)
    quarter = np.arange(96, dtype=np.int64)
    spread: IntArray = (here[quarter // 4] * (4 - quarter % 4) + following[quarter // 4] * (quarter % 4)) // 4
    return spread


# Watts in use by an awake household, hour by hour: breakfast, a quiet day, cooking and television.
_ACTIVITY_W = _by_quarter(
    [40, 25, 20, 20, 30, 90, 220, 300, 260, 180, 150, 150, 170, 180, 150, 150, 180, 230, 320, 420, 450, 400, 280, 120]
)
_WEEKEND_W = _by_quarter(
    [70, 40, 25, 20, 25, 50, 120, 220, 300, 300, 280, 280, 320, 300, 250, 230, 240, 260, 330, 420, 460, 420, 320, 170]
)
_COOLING_PERMILLE = _by_quarter(
    [500, 450, 350, 250, 150, 50, 0, 0, 0, 0, 0, 50, 150, 250, 250, 150, 50, 0, 0, 50, 150, 350, 600, 600]
)
# How likely a flush is within a quarter-hour, in permille. Nothing from 00:30 to 05:00: the night stands still.
_FLUSH_PERMILLE = _by_quarter(
    [0, 0, 0, 0, 0, 120, 450, 550, 420, 220, 160, 160, 200, 220, 160, 140, 160, 200, 280, 330, 330, 320, 260, 120]
)
_SHOWER_PERMILLE = _by_quarter(
    [0, 0, 0, 0, 0, 60, 260, 300, 180, 60, 20, 10, 10, 10, 5, 5, 10, 20, 50, 60, 60, 50, 20, 0]
)
_TAP_PERMILLE = _by_quarter(
    [0, 0, 0, 0, 0, 150, 500, 600, 550, 400, 350, 400, 500, 450, 300, 250, 300, 350, 500, 650, 650, 500, 250, 80]
)
_LIFT_TRIPS = _by_quarter([2, 1, 0, 0, 1, 4, 12, 24, 28, 18, 12, 12, 14, 14, 10, 12, 18, 22, 26, 28, 24, 18, 10, 5])
_PUMP_PERMILLE = _by_quarter(
    [0, 0, 0, 0, 0, 350, 800, 800, 350, 100, 60, 60, 120, 120, 60, 60, 120, 450, 800, 500, 200, 60, 0, 0]
)


def _away(seed: int, slots: Slots) -> IntArray:
    """Return 1 while nobody is at home: about one stretch of three days in twenty-five."""
    away: IntArray = (draws(seed, 1, slots.day // 3, 1000) < 40).astype(np.int64)
    return away


def household_electricity(seed: int, slots: Slots) -> IntArray:
    """Return a flat's electricity: fridge, activity by hour, geyser, cooling in warm months, single appliances."""
    base_w = draw(seed, 2, 0, 25, 60)
    fridge_w = draws(seed, 3, slots.index, 50) + 40
    usual = np.where(slots.weekend == 1, _WEEKEND_W[slots.quarter], _ACTIVITY_W[slots.quarter])
    mood = draws(seed, 4, slots.day, 500) + 750
    unrest = draws(seed, 5, slots.index, 900) + 550
    active_w = usual * mood * unrest // 1_000_000
    at_home_w = active_w + _geyser_w(seed, slots) + _cooling_w(seed, slots) + _appliance_w(seed, slots)
    total: IntArray = (base_w + fridge_w + at_home_w * (1 - _away(seed, slots))) * _MWH_PER_W
    return total


def _geyser_w(seed: int, slots: Slots) -> IntArray:
    morning = (slots.quarter >= 22) & (slots.quarter < 34)
    heating = morning & (draws(seed, 6, slots.index, 1000) < 160)
    power: IntArray = np.where(heating, 700 + draws(seed, 7, slots.index, 1300), 0)
    return power


def _cooling_w(seed: int, slots: Slots) -> IntArray:
    if draw(seed, 8, 0, 0, 9) < 4:  # four flats in ten have no air conditioner
        return np.zeros_like(slots.index)
    warm = (slots.month >= 4) & (slots.month <= 10)
    running = warm & (draws(seed, 9, slots.index, 1000) < _COOLING_PERMILLE[slots.quarter])
    power: IntArray = np.where(running, 500 + draws(seed, 10, slots.index, 700), 0)
    return power


def _appliance_w(seed: int, slots: Slots) -> IntArray:
    awake = (slots.quarter >= 26) & (slots.quarter < 90)
    on = awake & (draws(seed, 11, slots.index, 1000) < 45)
    power: IntArray = np.where(on, 300 + draws(seed, 12, slots.index, 1500), 0)
    return power


def household_water(seed: int, slots: Slots) -> IntArray:
    """Return a flat's water: showers, flushes, taps, a washing machine; still at night and while nobody is there."""
    persons = draw(seed, 20, 0, 2, 5)
    flush = _draw_ml(seed, 21, slots, _FLUSH_PERMILLE, persons * 280, 6 * _LITRE, 3 * _LITRE)
    shower = _draw_ml(seed, 23, slots, _SHOWER_PERMILLE, persons * 250, 40 * _LITRE, 50 * _LITRE)
    tap = _draw_ml(seed, 25, slots, _TAP_PERMILLE, persons * 300, _LITRE // 2, 6 * _LITRE)
    total: IntArray = (flush + shower + tap + _laundry_ml(seed, slots)) * (1 - _away(seed, slots))
    return total


def _draw_ml(
    seed: int, stream: int, slots: Slots, likely: IntArray, persons_permille: int, least: int, more: int
) -> IntArray:
    """Return the millilitres of one kind of draw: ``least`` to ``least + more`` where the dice say it happens."""
    chance = likely[slots.quarter] * persons_permille // 1000
    happens = draws(seed, stream, slots.index, 1000) < chance
    drawn: IntArray = np.where(happens, least + draws(seed, stream + 1, slots.index, more), 0)
    return drawn


def _laundry_ml(seed: int, slots: Slots) -> IntArray:
    """Return a washing machine's 55 litres, two in five days, in two neighbouring quarters of the morning."""
    laundry_day = draws(seed, 27, slots.day, 10) < 4
    start = draws(seed, 28, slots.day, 20) + 32
    running = laundry_day & ((slots.quarter == start) | (slots.quarter == start + 1))
    drawn: IntArray = np.where(running, 27_500, 0)
    return drawn


def lift(seed: int, slots: Slots) -> IntArray:
    """Return a lift: 130 W standing by, about 18 Wh a trip, traffic by hour."""
    trips = _LIFT_TRIPS[slots.quarter] * (draws(seed, 30, slots.index, 800) + 600) // 1000
    used: IntArray = 130 * _MWH_PER_W + trips * 18_000
    return used


def pump(seed: int, slots: Slots) -> IntArray:
    """Return the pump that fills the roof tank: 5.5 kW on or off, mostly morning and evening."""
    running = draws(seed, 31, slots.index, 1000) < _PUMP_PERMILLE[slots.quarter]
    used: IntArray = np.where(running, 5_500 * _MWH_PER_W, 0)
    return used


def lighting(seed: int, slots: Slots) -> IntArray:
    """Return stair and yard lighting: 1.6 kW from dusk to dawn, 0.2 kW by day."""
    dark = (slots.quarter < 24) | (slots.quarter >= 73)
    used: IntArray = (np.where(dark, 1_600, 200) + draws(seed, 32, slots.index, 40)) * _MWH_PER_W
    return used


def common_water(seed: int, slots: Slots) -> IntArray:
    """Return a tower's common water: the garden early, cleaning before noon, a tap now and then; still at night."""
    garden = (slots.quarter >= 26) & (slots.quarter < 30)
    cleaning = (slots.quarter >= 40) & (slots.quarter < 44) & (draws(seed, 33, slots.day, 10) < 8)
    tap = (slots.quarter >= 28) & (slots.quarter < 80) & (draws(seed, 34, slots.index, 1000) < 120)
    litres = np.where(garden, 140, 0) + np.where(cleaning, 70, 0) + np.where(tap, 8, 0)
    used: IntArray = litres * (900 + draws(seed, 35, slots.index, 200))
    return used


SHAPES: Mapping[str, Shape] = {
    "household-electricity": household_electricity,
    "household-water": household_water,
    "lift": lift,
    "pump": pump,
    "lighting": lighting,
    "common-water": common_water,
}
"""All shapes by the name a fleet file uses."""
