"""Content hashes of published months: a change here would publish a revision of every such month in the field."""

from datetime import date

import numpy as np
import pytest

from demeter.estate import PointRole, ServicePoint, Site
from demeter.kernel import Commodity
from demeter.metering.assess import assess
from demeter.metering.statements import statement
from demeter.sdk import ReadingKind, ReadingType
from tests.unit.metering.builders import DAY, INTERVAL, WATER, channel, epoch, meter

SITE = Site(1, 1, 1, "Palm Court", "UTC", "INR", "en")
FIRST, LAST = epoch("2026-03-01T00:00") - 3 * DAY, epoch("2026-04-01T00:00") + 3 * DAY
LITRES = ReadingType("8.0.1.29.0.255", ReadingKind.INTERVAL, "L", 0, 900)
ENDS = np.arange(FIRST, LAST, 900) + 900
AMOUNTS = np.arange(len(ENDS)) * 7919 % 23
READ = np.abs(ENDS - epoch("2026-03-12T23:00")) > 18 * 3600


def month(commodity, *meters):
    point = ServicePoint(1, 1, 1, "Tower A", 1, PointRole.UNIT, commodity, "A-1204")
    return statement(SITE, point, assess(point, SITE.zone, date(2026, 3, 1), meters)).content_hash()


def whole():
    return month(Commodity.ELECTRICITY, meter(channel(INTERVAL, ENDS, AMOUNTS), start=FIRST))


def with_a_gap():
    return month(Commodity.ELECTRICITY, meter(channel(INTERVAL, ENDS[READ], AMOUNTS[READ]), start=FIRST))


def registers_with_a_gap_and_an_exchange():
    at, index = epoch("2026-03-20T12:07"), 1_000 + np.cumsum(AMOUNTS)
    old, new = READ & (at >= ENDS), at < ENDS
    return month(
        Commodity.WATER,
        meter(channel(WATER, ENDS[old], index[old]), start=FIRST, end=at, closing="31000"),
        meter(channel(WATER, ENDS[new], index[new]), start=at, serial="M2"),
    )


def a_leak_and_a_burst():
    amounts = AMOUNTS + 20
    amounts[1000:1004] = 400
    return month(Commodity.WATER, meter(channel(LITRES, ENDS, amounts), start=FIRST))


@pytest.mark.parametrize(
    ("case", "hash_so_far"),
    [
        (whole, "f7d35380d21c63988ec03ce82cd1ea8eed1f22402b20200024bd88a53e3bfbad"),
        (with_a_gap, "6b3499d07c680a543052b4d6396a74daaa9ef55091cdba4ee1628547463df315"),
        (registers_with_a_gap_and_an_exchange, "2ee33176c5a67c5b43fb941a66175b38a6026ae7204b18f118a32b3da533c460"),
        (a_leak_and_a_burst, "8e11bfd5924292ef24e543d205d1720bf20f4ca85f86bc4e4bcdffd89cc019c5"),
    ],
)
def test_a_statement_keeps_its_content_hash(case, hash_so_far):
    assert case() == hash_so_far
