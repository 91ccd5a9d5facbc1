"""Values of every shape of the interface classes, for property tests."""

from hypothesis import strategies as st

from demeter.protocols.dlms.axdr import NUMBERS
from demeter.protocols.dlms.classes.civil import CosemDate, CosemTime
from demeter.protocols.dlms.classes.data_json import TAGS_BY_NAME
from demeter.protocols.dlms.classes.shapes import Shape
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import BitString
from demeter.protocols.dlms.obis import Obis
from tests.unit.protocols.dlms.dlms_strategies import trees

octet = st.integers(0, 255)
bit_strings = st.text("01", max_size=30).map(
    lambda text: BitString(len(text), bytes(int(text[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(text), 8)))
)
names = st.builds(Obis, octet, octet, octet, octet, octet, octet)


def maybe(low: int, high: int):
    return st.none() | st.integers(low, high)


moments = st.builds(
    CosemDateTime,
    year=maybe(1, 9998),
    month=maybe(1, 12) | st.sampled_from([0xFD, 0xFE]),
    day=maybe(1, 31) | st.sampled_from([0xFD, 0xFE]),
    weekday=maybe(1, 7),
    hour=maybe(0, 23),
    minute=maybe(0, 59),
    second=maybe(0, 59),
    hundredths=maybe(0, 99),
    deviation_min=maybe(-720, 840),
    status=maybe(0, 254),
)
dates = st.builds(CosemDate, maybe(1, 9998), maybe(1, 12), maybe(1, 31), maybe(1, 7))
times = st.builds(CosemTime, maybe(0, 23), maybe(0, 59), maybe(0, 59), maybe(0, 99))

SIMPLE = {
    "CHOICE": trees,
    "boolean": st.booleans(),
    "octet-string": st.binary(max_size=20) | st.text(st.characters(max_codepoint=126), max_size=9).map(str.encode),
    "utf8-string": st.text(max_size=12),
    "octet-string, logical name": names,
    "bit-string": bit_strings,
    "octet-string, date-time": moments,
    "octet-string, date": dates,
    "octet-string, time": times,
    "enum": octet,
    "enum, bits": octet,
}


def values_of(shape: Shape):
    """Values that the shape can write."""
    if shape.label.startswith("array of "):
        return st.lists(values_of(shape.parts[0]), max_size=3).map(tuple)
    if shape.label.startswith("structure "):
        return st.builds(shape.python, *map(values_of, shape.parts))
    if shape.label in SIMPLE:
        return SIMPLE[shape.label]
    number = NUMBERS[TAGS_BY_NAME[shape.label]]
    bits = 8 * number.size
    return (
        st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)
        if number.format[1:].islower()
        else st.integers(0, (1 << bits) - 1)
    )
