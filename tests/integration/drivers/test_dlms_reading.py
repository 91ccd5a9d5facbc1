"""The DLMS driver against the real server over real sockets: what it reads in every association and shape."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demeter.drivers.dlms import DlmsDriver, DlmsSession, ProfileDecoder
from demeter.kernel import Quality
from demeter.sdk import Credentials, Endpoint, Frame, Profile, ReadFailure, ReadingKind, Series
from tests.integration.drivers.peer import KEYS, PeerMeter, electricity_meter, listening, water_meter

UNTIL = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)
ASSOCIATIONS: list[dict[str, object]] = [
    {},
    {"cipher": "general-glo"},
    {"mechanism": "lls"},
    {"max_pdu": 300},
    {"cipher": "general-glo", "max_pdu": 700},
]


def reading(meter: PeerMeter, act: Callable[[DlmsSession], Awaitable[Any]], **options: object) -> Any:
    """Open a session with ``meter``, act, and close."""

    async def story() -> Any:
        async with listening(meter) as address:
            endpoint = Endpoint(address, {"zone": "Asia/Kolkata", "answer_s": 2, **options})
            session = await DlmsDriver().open(endpoint, Credentials(KEYS))
            try:
                return await act(session)
            finally:
                await session.close()

    return asyncio.run(story())


def octets(series: tuple[Series, ...]) -> list[object]:
    return [(s.reading_type, s.at_s.tobytes(), s.values.tobytes(), s.quality.tobytes()) for s in series]


@pytest.mark.parametrize("options", ASSOCIATIONS, ids=str)
def test_every_association_reads_the_same_rows(options: dict[str, object]) -> None:
    meter = electricity_meter(UNTIL, 96 * 5)
    since = UNTIL - timedelta(days=4)
    answers = reading(
        meter, lambda session: session.read_profile(Profile.BLOCK, since, UNTIL + timedelta(seconds=1)), **options
    )
    stamps = [int(at) for answer in answers for at in answer.series[0].at_s]
    assert stamps == list(range(int(since.timestamp()), int(UNTIL.timestamp()) + 1, 900))
    energy, voltage = answers[0].series
    assert (energy.reading_type.obis, energy.reading_type.unit, energy.reading_type.scaler) == (
        "1.0.1.29.0.255",
        "Wh",
        0,
    )
    assert (voltage.reading_type.unit, voltage.reading_type.scaler) == ("V", -1)
    assert {s.reading_type.kind for s in answers[0].series} == {ReadingKind.INTERVAL}
    assert energy.reading_type.interval_s == 900


@pytest.mark.parametrize("options", ASSOCIATIONS, ids=str)
def test_a_frame_decoded_again_gives_byte_identical_series(options: dict[str, object]) -> None:
    meter = electricity_meter(UNTIL, 96 * 3)
    since = UNTIL - timedelta(days=3)
    answers = reading(meter, lambda session: session.read_profile(Profile.BLOCK, since, UNTIL), **options)
    for answer in answers:
        assert octets(ProfileDecoder().decode(answer.frame, Credentials(KEYS))) == octets(answer.series)


def test_a_frame_does_not_open_with_other_keys_or_after_a_change() -> None:
    [answer] = reading(
        electricity_meter(UNTIL, 96),
        lambda session: session.read_profile(Profile.BLOCK, UNTIL - timedelta(hours=3), UNTIL),
    )
    others = Credentials({**KEYS, "encryption_key": b"x" * 16})
    with pytest.raises(ReadFailure, match="tag check failed"):
        ProfileDecoder().decode(answer.frame, others)
    frame = answer.frame
    spoiled = frame.payload[:-1] + bytes((frame.payload[-1] ^ 1,))
    with pytest.raises(ReadFailure, match="tag check failed"):
        ProfileDecoder().decode(Frame(frame.codec, spoiled, frame.received_at, frame.context), Credentials(KEYS))
    with pytest.raises(ReadFailure, match="context"):
        ProfileDecoder().decode(Frame(frame.codec, frame.payload, frame.received_at, {}), Credentials(KEYS))


def test_a_range_longer_than_an_answer_is_read_in_several() -> None:
    meter = electricity_meter(UNTIL, 96 * 60)
    answers = reading(meter, lambda s: s.read_profile(Profile.BLOCK, UNTIL - timedelta(days=60), UNTIL))
    assert len(answers) > 2
    assert all(len(answer.frame.payload) < 65_536 for answer in answers)
    assert sum(answer.rows for answer in answers) == 96 * 60 - 1


def test_what_a_meter_holds_is_found_in_either_order() -> None:
    meter = electricity_meter(UNTIL, 96)
    oldest = UNTIL - timedelta(minutes=15 * 95)
    assert reading(meter, lambda session: session.held(Profile.BLOCK)) == (oldest, UNTIL)
    meter.buffers["99.1"].rows.reverse()
    assert reading(meter, lambda session: session.held(Profile.BLOCK)) == (oldest, UNTIL)
    meter.buffers["99.1"].rows.clear()
    assert reading(meter, lambda session: session.held(Profile.BLOCK)) is None


def test_volumes_in_cubic_metres_become_litres_without_touching_the_integers() -> None:
    meter = water_meter(UNTIL, 4)
    [answer] = reading(
        meter, lambda s: s.read_profile(Profile.BLOCK, UNTIL - timedelta(hours=2), UNTIL), commodity="water"
    )
    [volume] = answer.series
    assert volume.reading_type.kind is ReadingKind.REGISTER
    assert (volume.reading_type.unit, volume.reading_type.scaler) == ("L", 0)
    assert list(volume.values) == [1000, 1001, 1002]


def test_scalers_come_from_the_registers_where_there_is_no_scaler_profile() -> None:
    meter = electricity_meter(UNTIL, 4, has_scaler_profile=False)
    [answer] = reading(meter, lambda s: s.read_profile(Profile.BLOCK, UNTIL - timedelta(hours=2), UNTIL))
    assert [(s.reading_type.unit, s.reading_type.scaler) for s in answer.series] == [("Wh", 0), ("V", -1)]


def test_rows_of_a_doubtful_clock_are_suspect_and_kept() -> None:
    meter = electricity_meter(UNTIL, 4)
    rows = meter.buffers["99.1"].rows
    for row, status in enumerate((0x00, 0x01, 0x02, 0x80)):
        rows[row] = (rows[row][0], status, rows[row][2])
    [answer] = reading(
        meter, lambda s: s.read_profile(Profile.BLOCK, UNTIL - timedelta(hours=2), UNTIL + timedelta(seconds=1))
    )
    good, bad = Quality.MEASURED, Quality.SUSPECT
    assert list(answer.series[0].quality) == [good, bad, bad, good]


def test_who_and_when_the_meter_is() -> None:
    now = datetime(2026, 3, 10, 5, 59, 30, tzinfo=UTC)
    meter = electricity_meter(UNTIL, 4, now=lambda: now)
    plate = reading(meter, lambda session: session.nameplate())
    assert (plate.serial, plate.maker) == ("PEER-1", "")
    assert reading(meter, lambda session: session.clock()) == now
    reading(meter, lambda session: session.set_clock(UNTIL))
    assert meter.clock_set_to == UNTIL


def test_the_integration_period_is_what_the_meter_says() -> None:
    meter = electricity_meter(UNTIL, 4)
    meter.buffers["99.1"].period_s = 1800
    assert reading(meter, lambda session: session.capture_period_s(Profile.BLOCK)) == 1800


def test_the_invocation_counter_goes_on_where_the_meter_is() -> None:
    meter = electricity_meter(UNTIL, 4)

    async def story() -> None:
        driver = DlmsDriver()
        async with listening(meter) as address:
            for _ in range(3):
                session = await driver.open(Endpoint(address), Credentials(KEYS))
                await session.clock()
                await session.close()

    asyncio.run(story())
    # Per session: initiate, proof, the APDU with the proof, GET, and the release.
    assert meter.counters.received == 15
