"""Firmware, calendars and schedules of simulated meters, over real sockets with our own client and command steps."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from demeter.kernel import FixedClock
from demeter.protocols.dlms.classes import ImageStatus
from demeter.protocols.dlms.classes.civil import CosemDate, CosemTime
from demeter.protocols.dlms.classes.commands import image, tariff
from demeter.protocols.dlms.classes.commands.image import Next
from demeter.protocols.dlms.classes.commands.tariff import Calendar, day_profile, season
from demeter.protocols.dlms.classes.timing import ExecutionTime, SingleActionSchedule, SpecialDay, Week
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.simulator import Fault, FaultKind, Simulation, firmware_image
from tests.integration.simulator.meter_lines import (
    IST,
    carry_out,
    column,
    event_codes,
    fleet,
    load_profile,
    meter,
    read_object,
    simulated,
    utility,
    value,
)

NOON = datetime(2026, 11, 18, 6, 30, tzinfo=UTC)
START_S = int((NOON - timedelta(days=20)).timestamp())
IMAGE = firmware_image("DMT-2.0.0", 5000)
VERSION = "1.0.0.2.0.255"


def history(*meters):
    return replace(fleet(*meters), history_start_s=START_S)


async def state(line):
    return image.next_step(await read_object(line, image.read_state()), len(IMAGE))


async def upgrade(line, octets=IMAGE, rounds=4):
    """Transfer as the driver does: send what is missing until nothing is, verify, activate."""
    await carry_out(line, image.enable(), image.initiate(b"fw2", len(octets)))
    for _ in range(rounds):
        progress = await state(line)
        if progress.step is not Next.SEND_BLOCKS:
            break
        await carry_out(line, *image.blocks(octets, 512, progress.resume))
    await carry_out(line, image.verify())
    return await state(line)


@simulated
async def test_firmware_arrives_in_blocks_is_verified_and_runs():
    async with Simulation(history(meter("m")), FixedClock(NOON)) as running:
        line = await utility(running, "m")
        assert await value(line, 1, VERSION) == b"DMT-1.0.0"
        assert (await state(line)).step is Next.ENABLE
        assert (await upgrade(line)).step is Next.ACTIVATE
        assert await value(line, 1, VERSION) == b"DMT-1.0.0"
        await carry_out(line, image.activate())
        assert (await state(line)).step is Next.DONE
        assert await value(line, 1, VERSION) == b"DMT-2.0.0"
        assert await event_codes(line, 3) == [157]


@simulated
async def test_a_transfer_goes_on_where_it_stopped_after_the_line_was_lost():
    async with Simulation(history(meter("m")), FixedClock(NOON)) as running:
        line = await utility(running, "m")
        await carry_out(line, image.enable(), image.initiate(b"fw2", len(IMAGE)))
        await carry_out(line, *image.blocks(IMAGE, 512, (0, 1, 2, 7)))
        running.desk.carry_out({"meter": "m", "fault": "reboot", "seconds": 1})
        running.desk.carry_out({"meter": "m", "clear": "reboot"})
        again = await utility(running, "m")
        found = await read_object(again, image.read_state())
        assert str(found.image_transferred_blocks_status) == "1110000100"
        assert found.image_first_not_transferred_block_number == 3
        with pytest.raises(Refused):
            await carry_out(again, image.verify())
        await carry_out(again, *image.blocks(IMAGE, 512, (await state(again)).resume), image.verify())
        assert (await state(again)).step is Next.ACTIVATE


@simulated
async def test_lost_blocks_are_missed_and_sent_again():
    config = meter("m", faults=(Fault(FaultKind.LOST_BLOCK, one_in=3),))
    async with Simulation(history(config), FixedClock(NOON)) as running:
        line = await utility(running, "m")
        await carry_out(line, image.enable(), image.initiate(b"fw2", len(IMAGE)))
        await carry_out(line, *image.blocks(IMAGE, 512))
        assert (await state(line)).resume == (2, 5, 8)
        assert (await upgrade(line)).step is Next.ACTIVATE


@simulated
async def test_a_spoiled_image_is_found_out():
    config = meter("m", faults=(Fault(FaultKind.BAD_CHECKSUM),))
    async with Simulation(history(config), FixedClock(NOON)) as running:
        line = await utility(running, "m")
        assert (await upgrade(line)).step is Next.FAILED
        with pytest.raises(Refused):
            await carry_out(line, image.activate())
        running.desk.carry_out({"meter": "m", "clear": "checksum"})
        altered = IMAGE[:700] + b"\x00" + IMAGE[701:]
        assert (await upgrade(line, altered)).step is Next.FAILED, "its own checksum does not fit"
        assert (await upgrade(line)).step is Next.ACTIVATE
        assert await value(line, 1, VERSION) == b"DMT-1.0.0"


@simulated
async def test_verification_and_activation_take_their_time():
    clock = FixedClock(NOON)
    async with Simulation(history(meter("m", image_seconds=30)), clock) as running:
        line = await utility(running, "m")
        with pytest.raises(Refused) as busy:
            await upgrade(line)
        assert busy.value.result is DataAccessResult.TEMPORARY_FAILURE
        assert (await state(line)).step is Next.WAIT
        clock.advance(timedelta(seconds=30))
        assert (await state(line)).step is Next.ACTIVATE


@simulated
async def test_a_verified_image_is_activated_by_schedule():
    clock = FixedClock(NOON)
    async with Simulation(history(meter("m")), clock) as running:
        line = await utility(running, "m")
        await upgrade(line)
        times = (ExecutionTime(CosemTime(13, 0, 0, 0), CosemDate(2026, 11, 18)),)
        await carry_out(line, tariff.billing_dates([(at.date, at.time) for at in times], Obis(0, 0, 15, 0, 2, 255)))
        assert SingleActionSchedule.execution_time.number == 4
        clock.advance(timedelta(minutes=59))
        assert (await state(line)).step is Next.ACTIVATE
        clock.advance(timedelta(minutes=1))
        assert (await state(line)).step is Next.DONE
        assert running.meters["m"].image.status is ImageStatus.ACTIVATION_SUCCESSFUL


DAY_AND_NIGHT = Calendar(
    b"TOU2",
    (season("1", 1, 1, "W"),),
    (Week(b"W", 1, 1, 1, 1, 1, 1, 2),),
    (day_profile(1, {time(0): 1, time(6): 2, time(18): 3}), day_profile(2, {time(0): 4})),
)


async def under_tariffs(line, *numbers):
    return [await value(line, 3, f"1.0.1.8.{number}.255") for number in numbers]


@simulated
async def test_an_activated_calendar_decides_what_is_counted_under_which_tariff():
    clock = FixedClock(NOON)
    async with Simulation(history(meter("m")), clock) as running:
        line = await utility(running, "m")
        before = await under_tariffs(line, 1, 2, 3, 4)
        assert before[1:] == [0, 0, 0]
        assert before[0] == 20 * 24 * 1000
        await carry_out(line, *tariff.write_passive(DAY_AND_NIGHT))
        found = await read_object(line, tariff.read_calendar())
        assert tariff.active_calendar(found) == DAY_AND_NIGHT
        assert await event_codes(line, 3) == [155]
        clock.advance(timedelta(days=1))  # Wednesday noon to Thursday noon in India
        assert await under_tariffs(line, 1, 2, 3, 4) == [before[0] + 6000, 12_000, 6000, 0]
        assert await value(line, 3, "1.0.1.8.0.255") == sum(await under_tariffs(line, 1, 2, 3, 4))
        clock.advance(timedelta(days=3))  # Sunday noon
        assert (await under_tariffs(line, 4)) == [12_000]
        await carry_out(line, tariff.reset_billing())
        bills = await load_profile(line, "1.0.98.1.0.255", "1.0.94.91.6.255")
        assert column(bills, "1.0.1.8.4.255").values[-1] == 12_000


@simulated
async def test_a_calendar_becomes_active_at_its_time_though_nobody_looks():
    clock = FixedClock(NOON)
    async with Simulation(history(meter("m")), clock) as running:
        line = await utility(running, "m")
        at = CosemDateTime.from_utc(NOON + timedelta(hours=6), IST)
        await carry_out(line, *tariff.write_passive(DAY_AND_NIGHT, at))
        assert tariff.active_calendar(await read_object(line, tariff.read_calendar())).name == b"SINGLE"
        clock.advance(timedelta(hours=12))
        assert tariff.active_calendar(await read_object(line, tariff.read_calendar())) == DAY_AND_NIGHT
        assert await under_tariffs(line, 3) == [6000], "18:00 to midnight"


@simulated
async def test_a_calendar_that_contradicts_itself_is_not_activated():
    async with Simulation(history(meter("m")), FixedClock(NOON)) as running:
        line = await utility(running, "m")
        steps = tariff.write_passive(DAY_AND_NIGHT)
        with pytest.raises(Refused):
            await carry_out(line, steps[2], steps[-1])
        assert tariff.active_calendar(await read_object(line, tariff.read_calendar())).name == b"SINGLE"


@simulated
async def test_special_days_go_before_the_week():
    clock = FixedClock(NOON)
    async with Simulation(history(meter("m")), clock) as running:
        line = await utility(running, "m")
        await carry_out(line, *tariff.write_passive(DAY_AND_NIGHT), tariff.special_days({date(2026, 11, 19): 2}))
        added = SpecialDay(2, CosemDate(2026, 11, 20), 2)
        await carry_out(line, tariff.insert_special_day(added))
        assert len(await value(line, 11, "0.0.11.0.0.255")) == 2
        clock.advance(timedelta(hours=36))
        assert await under_tariffs(line, 4) == [24_000], "all of Thursday"
        await carry_out(line, tariff.delete_special_day(2))
        clock.advance(timedelta(days=1))
        assert await under_tariffs(line, 4) == [24_000]
        with pytest.raises(Refused):
            await carry_out(line, tariff.delete_special_day(9))


@simulated
async def test_another_billing_schedule_counts_from_when_it_was_set():
    clock = FixedClock(NOON)
    async with Simulation(history(meter("m")), clock) as running:
        line = await utility(running, "m")
        assert await value(line, 1, "0.0.0.1.0.255") == 1
        await carry_out(line, tariff.billing_dates([(CosemDate(), CosemTime(0, 0, 0, 0))]))
        assert await value(line, 1, "0.0.0.1.0.255") == 1, "what is over stays as it was"
        clock.advance(timedelta(days=3))
        assert await value(line, 1, "0.0.0.1.0.255") == 4
        assert await event_codes(line, 3) == [154]
