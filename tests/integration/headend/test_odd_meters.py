"""One odd meter costs itself, never the others: secrets that do not open, absurd periods, slices of nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from demeter import headend
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.profile import CLOCK
from demeter.runtime.database import Database, Role
from tests.integration.drivers.peer import PeerMeter, electricity_meter, listening
from tests.integration.headend.rig import QUIET, Rig, eventually, expected_stamps, last_quarter, make_rig, running


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def rows(rig: Rig) -> dict[int, headend.MeterRow]:
    with rig.database.unit_of_work(rig.scope) as work:
        return {row.meter_id: row for row in headend.meter_rows(work, rig.site_id)}


def test_a_secret_that_does_not_open_stops_its_own_meter_only(rig: Rig) -> None:
    async def story() -> None:
        good, bad = electricity_meter(last_quarter(), 4), electricity_meter(last_quarter(), 4)
        async with listening(good) as at_good, listening(bad) as at_bad:
            good_id, bad_id = rig.add_meter("PEER-1", at_good), rig.add_meter("PEER-1b", at_bad)
            with rig.database.connect(Role.OWNER) as owner:
                owner.execute(
                    "UPDATE runtime.secret SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)"
                    " WHERE subject = %s AND name = 'encryption_key'",
                    (f"meter:{bad_id}",),
                )
            async with running(rig.collector(QUIET)) as collector:
                assert (await collector.read_now(good_id)).succeeded
                session = await collector.read_now(bad_id)
                assert session.outcome == "not configured"
                assert "encryption_key" in session.detail
                assert "does not open" in session.detail
                assert bad.requests == 0
        assert rig.store.stamps(good_id)

    asyncio.run(story())


@pytest.mark.parametrize("period", [data.u32(31 * 86_400 + 1), data.u32(0xFFFF_FFFF), data.i32(-900), data.text("x")])
def test_an_absurd_period_is_garbled(rig: Rig, period: data.Data) -> None:
    meter = electricity_meter(last_quarter(), 4)
    honest = meter.get

    def get(*asked: object) -> bytes:
        return axdr.encode(period) if asked[1:] == (7, *asked[2:3], 4, None) else honest(*asked)  # type: ignore[arg-type]

    meter.get = get  # type: ignore[method-assign, assignment]
    assert outcome(rig, meter) == "garbled"
    assert not rig.store.deliveries


def outcome(rig: Rig, meter: PeerMeter) -> str:
    async def story() -> str:
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(QUIET)) as collector:
                return (await collector.read_now(meter_id)).outcome

    return asyncio.run(story())


def test_rows_without_any_value_are_kept_as_they_came_and_the_history_goes_on(rig: Rig) -> None:
    meter = electricity_meter(last_quarter(), 96 * 4)
    honest = meter.encoded

    def encoded(buffer: object, row: object) -> data.Data:
        whole: data.Data = honest(buffer, row)  # type: ignore[arg-type]
        if meter.buffers["99.1"].rows.index(row) >= 96 * 2:  # type: ignore[arg-type]
            return whole
        return data.structure(whole.value[0], *(data.null() for _ in whole.value[1:]))

    meter.encoded = encoded  # type: ignore[method-assign, assignment]
    meter.buffers.pop("99.2")

    async def story() -> None:
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(replace(QUIET, slice_rows=96))) as collector:
                session = await collector.read_now(meter_id)
                assert session.succeeded, session
                await eventually(lambda: rows(rig)[meter_id].read_until == last_quarter())
        assert rig.store.stamps(meter_id) == expected_stamps(meter)[96 * 2 :]
        assert len(rig.store.deliveries) == 4, "the rows of nothing are evidence, too"

    asyncio.run(story())


def test_a_meter_whose_columns_nobody_knows_is_told(rig: Rig) -> None:
    meter = electricity_meter(last_quarter(), 4)
    buffer = meter.buffers["99.1"]
    buffer.captures = (CLOCK,)
    buffer.rows = [(at, status, ()) for at, status, _ in buffer.rows]
    assert outcome(rig, meter) == "not supported by this meter"
