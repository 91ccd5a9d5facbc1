"""Small meters for the tests: columns from plain lists, on the real reading types."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from demeter.kernel import Commodity, Quality
from demeter.metering.columns import ChannelColumns, InstalledMeter
from demeter.metering.index import Rules
from demeter.sdk import ReadingKind, ReadingType

HOUR = 3600
DAY = 24 * HOUR
INTERVAL = ReadingType("1.0.1.29.0.255", ReadingKind.INTERVAL, "Wh", 0, 900)
REGISTER = ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "Wh", 0, 900)
MIDNIGHT = ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "Wh", 0, 86400)
BY_HAND = ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "kWh", 0, 0)
WATER = ReadingType("8.0.1.0.0.255", ReadingKind.REGISTER, "m3", -3, 900)
ELECTRIC = Rules.of(Commodity.ELECTRICITY)


def epoch(text):
    """Return the UTC epoch seconds of an ISO time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def channel(reading_type, at_s, values, quality=Quality.MEASURED):
    """Return columns; ``quality`` is one code for all or a list."""
    codes = np.full(len(at_s), quality) if isinstance(quality, int) else np.array(quality)
    return ChannelColumns(
        reading_type, np.array(at_s, dtype=np.int64), np.array(values, dtype=np.int64), codes.astype(np.uint8)
    )


def meter(*channels, start=0, end=None, opening=None, closing=None, serial="M1", **other):
    """Return an installed meter."""
    return InstalledMeter(
        serial,
        start,
        end,
        tuple(channels),
        None if opening is None else Decimal(opening),
        None if closing is None else Decimal(closing),
        **other,
    )


def hours(count):
    """Return a time difference."""
    return timedelta(hours=count)
