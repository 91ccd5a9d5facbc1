"""Units of measure: the COSEM enumeration (IEC 62056-6-2, table 4; Blue Book, ``scal_unit_type``).

Codes 1 to 72, 254 and 255 are those of the standard's table; 128 to 174 (imperial units) were added by later editions
and were confirmed in one public implementation only. Gaps are reserved by the standard.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Unit(IntEnum):
    """A unit code with its ``symbol`` (as printed behind a number) and the ``quantity`` it measures."""

    symbol: str
    quantity: str

    def __new__(cls, code: int, symbol: str, quantity: str) -> Self:
        """Make the member of ``code``."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.symbol = symbol
        member.quantity = quantity
        return member

    YEAR = 1, "a", "time"
    MONTH = 2, "mo", "time"
    WEEK = 3, "wk", "time"
    DAY = 4, "d", "time"
    HOUR = 5, "h", "time"
    MINUTE = 6, "min", "time"
    SECOND = 7, "s", "time"
    DEGREE = 8, "°", "phase angle"
    DEGREE_CELSIUS = 9, "°C", "temperature"
    CURRENCY = 10, "currency", "local currency"
    METRE = 11, "m", "length"
    METRE_PER_SECOND = 12, "m/s", "speed"
    CUBIC_METRE = 13, "m³", "volume"
    CUBIC_METRE_CORRECTED = 14, "m³", "corrected volume"
    CUBIC_METRE_PER_HOUR = 15, "m³/h", "volume flux"
    CUBIC_METRE_PER_HOUR_CORRECTED = 16, "m³/h", "corrected volume flux"
    CUBIC_METRE_PER_DAY = 17, "m³/d", "volume flux"
    CUBIC_METRE_PER_DAY_CORRECTED = 18, "m³/d", "corrected volume flux"
    LITRE = 19, "L", "volume"
    KILOGRAM = 20, "kg", "mass"
    NEWTON = 21, "N", "force"
    NEWTON_METRE = 22, "Nm", "energy"
    PASCAL = 23, "Pa", "pressure"
    BAR = 24, "bar", "pressure"
    JOULE = 25, "J", "energy"
    JOULE_PER_HOUR = 26, "J/h", "thermal power"
    WATT = 27, "W", "active power"
    VOLT_AMPERE = 28, "VA", "apparent power"
    VAR = 29, "var", "reactive power"
    WATT_HOUR = 30, "Wh", "active energy"
    VOLT_AMPERE_HOUR = 31, "VAh", "apparent energy"
    VAR_HOUR = 32, "varh", "reactive energy"
    AMPERE = 33, "A", "current"
    COULOMB = 34, "C", "electrical charge"
    VOLT = 35, "V", "voltage"
    VOLT_PER_METRE = 36, "V/m", "electric field strength"
    FARAD = 37, "F", "capacitance"
    OHM = 38, "Ω", "resistance"
    OHM_METRE = 39, "Ωm", "resistivity"
    WEBER = 40, "Wb", "magnetic flux"
    TESLA = 41, "T", "magnetic flux density"
    AMPERE_PER_METRE = 42, "A/m", "magnetic field strength"
    HENRY = 43, "H", "inductance"
    HERTZ = 44, "Hz", "frequency"
    PER_WATT_HOUR = 45, "1/Wh", "active energy meter constant or pulse value"
    PER_VAR_HOUR = 46, "1/varh", "reactive energy meter constant or pulse value"
    PER_VOLT_AMPERE_HOUR = 47, "1/VAh", "apparent energy meter constant or pulse value"
    VOLT_SQUARED_HOUR = 48, "V²h", "volt-squared hours"
    AMPERE_SQUARED_HOUR = 49, "A²h", "ampere-squared hours"
    KILOGRAM_PER_SECOND = 50, "kg/s", "mass flux"
    SIEMENS = 51, "S", "conductance"
    KELVIN = 52, "K", "temperature"
    PER_VOLT_SQUARED_HOUR = 53, "1/(V²h)", "volt-squared hour meter constant or pulse value"
    PER_AMPERE_SQUARED_HOUR = 54, "1/(A²h)", "ampere-squared hour meter constant or pulse value"
    PER_CUBIC_METRE = 55, "1/m³", "volume meter constant or pulse value"
    PERCENT = 56, "%", "percentage"
    AMPERE_HOUR = 57, "Ah", "ampere-hours"
    WATT_HOUR_PER_CUBIC_METRE = 60, "Wh/m³", "energy per volume"
    JOULE_PER_CUBIC_METRE = 61, "J/m³", "calorific value, Wobbe index"
    MOLE_PERCENT = 62, "mol%", "molar fraction of a gas"
    GRAM_PER_CUBIC_METRE = 63, "g/m³", "mass density"
    PASCAL_SECOND = 64, "Pa·s", "dynamic viscosity"
    JOULE_PER_KILOGRAM = 65, "J/kg", "specific energy"
    GRAM_PER_SQUARE_CENTIMETRE = 66, "g/cm²", "pressure"
    ATMOSPHERE = 67, "atm", "pressure"
    DECIBEL_MILLIWATT = 70, "dBm", "signal strength"
    DECIBEL_MICROVOLT = 71, "dBµV", "signal strength"
    DECIBEL = 72, "dB", "ratio of two values, logarithmic"
    INCH = 128, "in", "length"
    FOOT = 129, "ft", "length"
    POUND = 130, "lb", "mass"
    DEGREE_FAHRENHEIT = 131, "°F", "temperature"
    DEGREE_RANKINE = 132, "°R", "temperature"
    SQUARE_INCH = 133, "in²", "area"
    SQUARE_FOOT = 134, "ft²", "area"
    ACRE = 135, "ac", "area"
    CUBIC_INCH = 136, "in³", "volume"
    CUBIC_FOOT = 137, "ft³", "volume"
    ACRE_FOOT = 138, "ac·ft", "volume"
    GALLON_IMPERIAL = 139, "gal (imp)", "volume"
    GALLON_US = 140, "gal (US)", "volume"
    POUND_FORCE = 141, "lbf", "force"
    POUND_FORCE_PER_SQUARE_INCH = 142, "psi", "pressure"
    POUND_PER_CUBIC_FOOT = 143, "lb/ft³", "mass density"
    POUND_PER_FOOT_SECOND = 144, "lb/(ft·s)", "dynamic viscosity"
    SQUARE_FOOT_PER_SECOND = 145, "ft²/s", "kinematic viscosity"
    BRITISH_THERMAL_UNIT = 146, "Btu", "energy"
    THERM_EU = 147, "thm (EC)", "energy"
    THERM_US = 148, "thm (US)", "energy"
    BTU_PER_POUND = 149, "Btu/lb", "specific energy"
    BTU_PER_CUBIC_FOOT = 150, "Btu/ft³", "calorific value"
    CUBIC_FEET = 151, "ft³", "volume"
    FOOT_PER_SECOND = 152, "ft/s", "speed"
    CUBIC_FOOT_PER_SECOND = 153, "ft³/s", "volume flux"
    CUBIC_FOOT_PER_MINUTE = 154, "ft³/min", "volume flux"
    CUBIC_FOOT_PER_HOUR = 155, "ft³/h", "volume flux"
    CUBIC_FOOT_PER_DAY = 156, "ft³/d", "volume flux"
    ACRE_FOOT_PER_SECOND = 157, "ac·ft/s", "volume flux"
    ACRE_FOOT_PER_MINUTE = 158, "ac·ft/min", "volume flux"
    ACRE_FOOT_PER_HOUR = 159, "ac·ft/h", "volume flux"
    ACRE_FOOT_PER_DAY = 160, "ac·ft/d", "volume flux"
    IMPERIAL_GALLON = 161, "gal (imp)", "volume"
    IMPERIAL_GALLON_PER_SECOND = 162, "gal (imp)/s", "volume flux"
    IMPERIAL_GALLON_PER_MINUTE = 163, "gal (imp)/min", "volume flux"
    IMPERIAL_GALLON_PER_HOUR = 164, "gal (imp)/h", "volume flux"
    IMPERIAL_GALLON_PER_DAY = 165, "gal (imp)/d", "volume flux"
    US_GALLON = 166, "gal (US)", "volume"
    US_GALLON_PER_SECOND = 167, "gal (US)/s", "volume flux"
    US_GALLON_PER_MINUTE = 168, "gal (US)/min", "volume flux"
    US_GALLON_PER_HOUR = 169, "gal (US)/h", "volume flux"
    US_GALLON_PER_DAY = 170, "gal (US)/d", "volume flux"
    BTU_PER_SECOND = 171, "Btu/s", "power"
    BTU_PER_MINUTE = 172, "Btu/min", "power"
    BTU_PER_HOUR = 173, "Btu/h", "power"
    BTU_PER_DAY = 174, "Btu/d", "power"
    OTHER = 254, "other", "another unit"
    COUNT = 255, "", "a bare number"


def unit_of(code: int) -> Unit | int:
    """Return the unit of ``code``, or the code itself where the standard reserves it."""
    return _BY_CODE.get(code, code)


def symbol_of(code: int) -> str:
    """Return what is printed behind a number; a reserved code is named by its number, a bare number has none."""
    unit = unit_of(code)
    return unit.symbol if isinstance(unit, Unit) else f"unit {code}"


_BY_CODE = {int(unit): unit for unit in Unit}
