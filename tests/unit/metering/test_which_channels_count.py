"""Which channels measure consumption."""

import pytest

from demeter.kernel import Commodity
from demeter.metering.columns import is_consumption
from demeter.sdk import ReadingKind, ReadingType

REGISTER, INTERVAL = ReadingKind.REGISTER, ReadingKind.INTERVAL
ELECTRICITY, WATER = Commodity.ELECTRICITY, Commodity.WATER


@pytest.mark.parametrize(
    ("commodity", "obis", "kind", "counts"),
    [
        (ELECTRICITY, "1.0.1.8.0.255", REGISTER, True),
        (ELECTRICITY, "1.0.1.29.0.255", INTERVAL, True),
        (ELECTRICITY, "1.0.9.29.0.255", INTERVAL, False),
        (ELECTRICITY, "1.0.2.8.0.255", REGISTER, False),
        (ELECTRICITY, "1.0.1.8.1.255", REGISTER, False),
        (ELECTRICITY, "8.0.1.0.0.255", REGISTER, False),
        (WATER, "8.0.1.0.0.255", REGISTER, True),
        (WATER, "battery", REGISTER, False),
        (WATER, "8.0.1", REGISTER, False),
    ],
)
def test_only_active_import_and_volume_count(commodity, obis, kind, counts):
    assert is_consumption(commodity, ReadingType(obis, kind, "L", 0, 900)) is counts
