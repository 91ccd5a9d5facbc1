"""Units of measure: the COSEM enumeration (IEC 62056-6-2, table 4) as the words Demeter stores.

Volumes become litres, because consumption of water is kept in L: 1 m³ is 1 × 10³ L, so only the scaler changes and
every integer stays as the meter sent it.
"""

from __future__ import annotations

UNITS: dict[int, tuple[str, int]] = {
    4: ("d", 0),
    5: ("h", 0),
    6: ("min", 0),
    7: ("s", 0),
    8: ("°", 0),
    9: ("°C", 0),
    13: ("L", 3),
    14: ("L", 3),
    15: ("L/h", 3),
    16: ("L/h", 3),
    19: ("L", 0),
    23: ("Pa", 0),
    24: ("bar", 0),
    27: ("W", 0),
    28: ("VA", 0),
    29: ("var", 0),
    30: ("Wh", 0),
    31: ("VAh", 0),
    32: ("varh", 0),
    33: ("A", 0),
    35: ("V", 0),
    44: ("Hz", 0),
    255: ("1", 0),
}
"""COSEM unit → (word, what is added to the scaler). 13/14: m³ and corrected m³, 15/16: per hour, 255: a bare number."""


def unit_word(code: int, scaler: int) -> tuple[str, int]:
    """Return the unit and scaler Demeter stores; a unit that is not in the table is named by its number."""
    word, shift = UNITS.get(code, (f"cosem-{code}", 0))
    return word, scaler + shift
