"""Date-times: deviation, clock status, wildcards; scalar and column conversions agree."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from demeter.protocols.dlms.cosem_time import DAY_LAST, MONTH_DST_BEGIN, ClockStatus, CosemDateTime
from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated, Unsupported
from demeter.protocols.dlms.vector import NO_TIME, decode_moments, encode_moments
from tests.unit.protocols.dlms.dlms_strategies import ZONES, moments

KOLKATA, LONDON = ZoneInfo("Asia/Kolkata"), ZoneInfo("Europe/London")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_india_sends_a_deviation_of_minus_330_minutes():
    stamp = CosemDateTime.from_utc(datetime(2026, 1, 14, 18, 30, tzinfo=UTC), KOLKATA)
    assert stamp.to_bytes().hex() == "07ea010f04" + "00000000" + "feb6" + "00"
    assert stamp.to_utc() == datetime(2026, 1, 14, 18, 30, tzinfo=UTC)


@given(st.integers(0, 4_000_000_000), st.sampled_from(ZONES))
def test_an_instant_survives_the_way_through_the_meters_local_time(second, zone):
    at = EPOCH + timedelta(seconds=second)
    stamp = CosemDateTime.from_utc(at, zone)
    assert CosemDateTime.from_bytes(stamp.to_bytes()) == stamp
    assert stamp.to_utc() == at


@given(st.integers(1_600_000_000, 1_800_000_000), st.sampled_from(ZONES))
def test_without_deviation_the_zone_and_the_daylight_saving_bit_tell_the_instant(second, zone):
    at = EPOCH + timedelta(seconds=second)
    stamp = CosemDateTime.from_bytes(CosemDateTime.from_utc(at, zone).to_bytes()[:9] + b"\x80\x00\x00")
    known = CosemDateTime.from_bytes(
        stamp.to_bytes()[:11] + bytes((ClockStatus.DAYLIGHT_SAVING if at.astimezone(zone).dst() else 0,))
    )
    assert known.to_utc(zone) == at


def test_the_hour_that_occurs_twice_is_told_apart_by_the_daylight_saving_bit():
    octets = bytes.fromhex("07e90a1a07" + "011e0000" + "8000")
    assert CosemDateTime.from_bytes(octets + b"\x80").to_utc(LONDON) == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert CosemDateTime.from_bytes(octets + b"\x00").to_utc(LONDON) == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)
    assert CosemDateTime.from_bytes(octets + b"\xff").to_utc(LONDON) == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)


def test_wildcards_are_kept_and_are_no_instant():
    octets = bytes.fromhex("ffff" + "fe" + "fe" + "07" + "02" + "00" + "00" + "ff" + "8000" + "ff")
    stamp = CosemDateTime.from_bytes(octets)
    assert (stamp.year, stamp.month, stamp.day, stamp.deviation_min, stamp.status) == (
        None,
        MONTH_DST_BEGIN,
        DAY_LAST,
        None,
        None,
    )
    assert stamp.to_bytes() == octets
    with pytest.raises(Unsupported):
        stamp.to_utc(LONDON)
    with pytest.raises(Unsupported):
        CosemDateTime.from_bytes(b"\xff" * 12).to_utc(LONDON)


def test_unspecified_seconds_count_as_zero_and_a_zero_weekday_is_forgiven():
    octets = bytes.fromhex("07ea010f00" + "0c0fffff" + "fff4" + "ff")
    assert CosemDateTime.from_bytes(octets).to_utc() == datetime(2026, 1, 15, 12, 3, tzinfo=UTC)


def test_neither_deviation_nor_zone_is_refused():
    stamp = CosemDateTime(year=2026, month=1, day=1, hour=0, minute=0)
    with pytest.raises(Unsupported, match="zone"):
        stamp.to_utc()


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        ("07ea0d0101000000000000ff", 2),
        ("07ea012001000000000000ff", 3),
        ("07ea010101180000000000ff", 5),
        ("07ea010101003c00000000ff", 6),
        ("07ea01010100003c000000ff", 7),
        ("07ea010101000000000400ff", 9),
    ],
)
def test_fields_out_of_range_are_refused_at_their_octet(octets, offset):
    with pytest.raises(Malformed) as caught:
        CosemDateTime.from_bytes(bytes.fromhex(octets))
    assert caught.value.offset == offset


def test_a_day_that_does_not_exist_is_refused():
    with pytest.raises(Malformed):
        CosemDateTime.from_bytes(bytes.fromhex("07ea021e01000000000000ff")).to_utc()
    with pytest.raises(Truncated):
        CosemDateTime.from_bytes(b"\x07")
    with pytest.raises(Malformed):
        CosemDateTime.from_bytes(bytes(13))
    with pytest.raises(Malformed):
        CosemDateTime(year=70_000).to_bytes()


def one_by_one(octets: list[bytes], zone: ZoneInfo | None) -> list[int]:
    instants = []
    for raw in octets:
        try:
            instants.append((CosemDateTime.from_bytes(raw).to_utc(zone) - EPOCH) // timedelta(seconds=1))
        except DlmsError:
            instants.append(NO_TIME)
    return instants


@given(st.lists(moments(), min_size=1, max_size=30), st.sampled_from([None, *ZONES]))
@example([bytes.fromhex("07e90a1a07011e00008000") + bytes((status,)) for status in (0, 0x80, 0xFF)], LONDON)
@example([bytes.fromhex("07e9031e07011e00008000") + bytes((status,)) for status in (0, 0x80, 0xFF)], LONDON)
def test_columns_of_date_times_give_the_same_instants_as_one_by_one(octets, zone):
    words = np.frombuffer(b"".join(octets), "<u4").reshape(-1, 3).T
    at_s, status = decode_moments(words, zone)
    assert at_s.tolist() == one_by_one(octets, zone)
    assert status.tolist() == [raw[11] for raw in octets]


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_every_quarter_of_an_hour_around_both_clock_changes_is_dated_alike(zone):
    at_s = np.arange(1_740_000_000, 1_763_000_000, 900) // 900 * 900
    table = encode_moments(at_s, zone)
    table[:, 9:11] = (0x80, 0)  # the zone must do it
    back, _ = decode_moments(np.ascontiguousarray(table).view("<u4").T.astype(np.uint32), zone)
    np.testing.assert_array_equal(back, at_s)


@given(st.lists(st.integers(0, 4_000_000_000), min_size=1, max_size=20), st.sampled_from(ZONES), st.integers(0, 127))
def test_columns_of_instants_are_stamped_as_one_by_one(seconds, zone, status):
    stamped = encode_moments(np.array(seconds, np.int64), zone, status)
    singly = [CosemDateTime.from_utc(EPOCH + timedelta(seconds=at), zone, status).to_bytes() for at in seconds]
    assert [row.tobytes() for row in stamped] == singly
